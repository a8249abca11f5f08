/* log_follow.c - the output of an app's containers, as somebody asked for it.
 */
#include "lifecycle/log_follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/engine.h"
#include "lifecycle/event_log.h"
#include "lifecycle/fleet.h"
#include "lifecycle/fleet_app.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "router/base/wire.h"
#include "router/log_record.h"

/* With less room, the engine is not read. What it has read at once by then,
 * comes all the same: 16 KB or so for each replica. */
#define ROOM_MIN (ANSWER_WINDOW / 4)

/* The container of one replica. */
struct source {
    struct list node;
    struct log_follow *follow;
    uint64_t replica;
    char *name;               /* of the replica */
    struct engine_call *call; /* NULL: it has ended */
    bool was_cut; /* by the engine going away: goes on when it is back */
    struct strbuf lines[2]; /* of stdout and stderr, not whole yet */
};

struct log_follow {
    struct answer answer;
    struct event_watcher watcher;
    struct log_host host;
    struct loop_task task; /* looks for replicas, and for the end */
    uint32_t app;
    char *replica; /* NULL: all */
    char *sidecar; /* NULL: the app's own container */
    bool follow;
    uint32_t tail; /* of a source that is there from the beginning */
    bool has_begun;
    bool is_held;
    struct list sources;
    struct strbuf part; /* gathered within one call of the engine */
};

/* --- the end --- */

static void free_source(struct source *source)
{
    list_remove(&source->node);
    engine_cancel(&source->call);
    strbuf_done(&source->lines[0]);
    strbuf_done(&source->lines[1]);
    free(source->name);
    free(source);
}

static void free_follow(void *ptr)
{
    struct log_follow *follow = ptr;

    LIST_FOREACH_SAFE (&follow->sources, node)
        free_source(container_of(node, struct source, node));
    strbuf_done(&follow->part);
    free(follow->replica);
    free(follow->sidecar);
    free(follow);
}

/* Not within a call of the engine's, whose sources it frees. */
static void end(struct log_follow *follow)
{
    event_watcher_stop(&follow->watcher);
    loop_free_later(follow->host.loop, follow, free_follow);
}

static void run_soon(struct log_follow *follow)
{
    if (!loop_task_is_pending(&follow->task))
        loop_defer(follow->host.loop, &follow->task);
}

/* --- lines --- */

static void add_record(struct log_follow *follow, enum log_record record,
                       const char *replica, struct strview line)
{
    wire_put_u32(&follow->part, record);
    wire_put_sv(&follow->part, sv_of(replica));
    wire_put_sv(&follow->part, sv_of(follow->sidecar ? follow->sidecar : ""));
    wire_put_sv(&follow->part, line);
}

static void send_part(struct log_follow *follow)
{
    if (follow->part.len > 0 && list_is_linked(&follow->answer.node))
        answer_part(&follow->answer, strbuf_view(&follow->part));
    strbuf_clear(&follow->part);
}

static void flush_line(struct source *source, enum log_record record)
{
    struct strbuf *line = &source->lines[record - LOG_RECORD_STDOUT];

    if (line->len > 0)
        add_record(source->follow, record, source->name, strbuf_view(line));
    strbuf_clear(line);
}

static void take_text(struct source *source, enum log_record record,
                      struct strview text)
{
    struct strbuf *line = &source->lines[record - LOG_RECORD_STDOUT];

    while (text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t n = newline ? (size_t)(newline - text.ptr) : text.len;

        if (line->len + n > LOG_LINE_MAX) {
            n = LOG_LINE_MAX - line->len;
            newline = NULL;
        }
        strbuf_add(line, text.ptr, n);
        text = sv_skip(text, n + (newline != NULL));
        if (newline && line->len == 0)
            add_record(source->follow, record, source->name, SV(""));
        else if (newline || line->len == LOG_LINE_MAX)
            flush_line(source, record);
    }
}

static void hold_sources(struct log_follow *follow, bool is_held)
{
    if (follow->is_held == is_held)
        return;
    follow->is_held = is_held;
    LIST_FOREACH (&follow->sources, node) {
        struct source *source = container_of(node, struct source, node);

        if (source->call)
            engine_hold_logs(source->call, is_held);
    }
}

static void on_text(void *arg, bool is_stderr, struct strview text)
{
    struct source *source = arg;
    struct log_follow *follow = source->follow;

    take_text(source, is_stderr ? LOG_RECORD_STDERR : LOG_RECORD_STDOUT, text);
    send_part(follow);
    if (answer_room(&follow->answer) < ROOM_MIN)
        hold_sources(follow, true);
}

static void on_done(void *arg, const struct err *err)
{
    struct source *source = arg;
    struct log_follow *follow = source->follow;
    char note[ERR_TEXT_SIZE + 64];

    source->call = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    flush_line(source, LOG_RECORD_STDOUT);
    flush_line(source, LOG_RECORD_STDERR);
    /* A container that is removed while it is read has said all. */
    if (err && err->code != ERR_NOT_FOUND) {
        source->was_cut = follow->follow && err->code == ERR_UNAVAILABLE;
        snprintf(note, sizeof note, "lines may be missing: %s", err->text);
        add_record(follow, LOG_RECORD_NOTE, source->name, sv_of(note));
    }
    send_part(follow);
    run_soon(follow);
}

/* --- replicas --- */

static bool is_wanted(const struct log_follow *follow,
                      const struct replica_view *view)
{
    char id[24];

    /* Podman (4.3) says of a container that does not run yet that it has ended
     * already. */
    if (view->is_external || !view->container_id[0] ||
        view->state == REPLICA_CREATING || view->state == REPLICA_PRIMED ||
        view->state == REPLICA_STARTING)
        return false;
    snprintf(id, sizeof id, "%" PRIu64, view->id);
    return !follow->replica || strcmp(follow->replica, id) == 0 ||
           strcmp(follow->replica, view->name) == 0;
}

static struct source *find_source(const struct log_follow *follow,
                                  uint64_t replica)
{
    LIST_FOREACH (&follow->sources, node) {
        struct source *source = container_of(node, struct source, node);

        if (source->replica == replica)
            return source;
    }
    return NULL;
}

static void read_source(struct source *source, const struct replica *replica,
                        uint32_t tail)
{
    const struct log_follow *follow = source->follow;
    const struct engine_log_reader reader = {on_text, on_done, source};
    const char *container = replica_view(replica)->container_id;

    if (follow->sidecar)
        container =
            engine_sidecar(follow->host.engine, container, follow->sidecar);
    /* A replica of a revision that had none of that name. */
    if (!container)
        return;
    source->was_cut = false;
    source->call = engine_follow_logs(follow->host.engine, container, tail,
                                      follow->follow, &reader);
    if (follow->is_held)
        engine_hold_logs(source->call, true);
}

static void add_source(struct log_follow *follow, const struct replica *replica)
{
    const struct replica_view *view = replica_view(replica);
    struct source *source = xcalloc(1, sizeof *source);

    source->follow = follow;
    source->replica = view->id;
    source->name = xstrdup(view->name);
    list_add_tail(&follow->sources, &source->node);
    read_source(source, replica, follow->has_begun ? UINT32_MAX : follow->tail);
}

/* All of the app's replicas that are wanted and not yet read. */
static void find_sources(struct log_follow *follow, struct fleet_app *app)
{
    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);
        const struct replica_view *view = replica_view(replica);
        struct source *source = find_source(follow, view->id);

        if (!is_wanted(follow, view))
            continue;
        if (!source)
            add_source(follow, replica);
        else if (source->was_cut && engine_is_up(follow->host.engine))
            read_source(source, replica, 0);
    }
}

static bool replica_is_there(const struct fleet_app *app, uint64_t id)
{
    LIST_FOREACH (&app->replicas, node) {
        if (replica_view(replica_of_node(node))->id == id)
            return true;
    }
    return false;
}

static void forget_ended(struct log_follow *follow, const struct fleet_app *app)
{
    LIST_FOREACH_SAFE (&follow->sources, node) {
        struct source *source = container_of(node, struct source, node);

        if (!source->call && (!app || !replica_is_there(app, source->replica)))
            free_source(source);
    }
}

static bool all_have_ended(const struct log_follow *follow)
{
    LIST_FOREACH (&follow->sources, node) {
        if (container_of(node, struct source, node)->call)
            return false;
    }
    return true;
}

static void run(struct loop_task *task)
{
    struct log_follow *follow = container_of(task, struct log_follow, task);
    struct fleet_app *app;

    if (!list_is_linked(&follow->answer.node))
        return;
    app = fleet_find_app(follow->host.fleet, follow->app);
    forget_ended(follow, app);
    if (follow->follow && app) {
        find_sources(follow, app);
        return;
    }
    if (!all_have_ended(follow))
        return;
    answer_end(&follow->answer, true, SV(""));
    end(follow);
}

/* --- hooks --- */

static void on_event(struct event_watcher *watcher)
{
    struct log_follow *follow =
        container_of(watcher, struct log_follow, watcher);

    if (follow->follow)
        run_soon(follow);
}

static void on_room(struct answer *answer)
{
    struct log_follow *follow = container_of(answer, struct log_follow, answer);

    if (answer_room(answer) >= ANSWER_WINDOW / 2)
        hold_sources(follow, false);
}

static void on_gone(struct answer *answer)
{
    end(container_of(answer, struct log_follow, answer));
}

/* --- the beginning --- */

static bool has_sidecar(const struct fleet_app *app, const char *name)
{
    const struct container_settings *container = &app->settings->container;

    for (uint32_t i = 0; i < container->sidecar_count; i++)
        if (strcmp(container->sidecars[i].name, name) == 0)
            return true;
    return false;
}

static bool explain_nothing(const struct log_follow *follow,
                            const struct fleet_app *app, struct err *err)
{
    const char *name = app->settings->app->name;

    if (app->settings->app->upstream_count > 0)
        return err_set(err, ERR_NOT_FOUND,
                       "not_possible berth does not run %s: it is an upstream",
                       name);
    if (follow->replica)
        return err_set(err, ERR_NOT_FOUND,
                       "unknown_replica %s has no replica %s that runs", name,
                       follow->replica);
    return err_set(err, ERR_NOT_FOUND,
                   "not_possible no replica of %s runs; \"berth why %s\" has "
                   "the last lines of those that failed",
                   name, name);
}

bool log_follow_start(struct answers *answers, uint64_t id,
                      const struct log_host *host, uint32_t app_id,
                      const struct log_ask *ask, struct err *err)
{
    struct fleet_app *app = fleet_find_app(host->fleet, app_id);
    struct log_follow *follow;

    if (ask->sidecar && !has_sidecar(app, ask->sidecar))
        return err_set(err, ERR_NOT_FOUND,
                       "unknown_sidecar %s has no sidecar \"%s\"",
                       app->settings->app->name, ask->sidecar);
    follow = xcalloc(1, sizeof *follow);
    follow->answer.on_room = on_room;
    follow->answer.on_gone = on_gone;
    follow->watcher.on_event = on_event;
    follow->task.run = run;
    follow->host = *host;
    follow->app = app_id;
    follow->replica = ask->replica ? xstrdup(ask->replica) : NULL;
    follow->sidecar = ask->sidecar ? xstrdup(ask->sidecar) : NULL;
    follow->follow = ask->follow;
    follow->tail = ask->has_tail && ask->tail < UINT32_MAX ? (uint32_t)ask->tail
                                                           : UINT32_MAX;
    list_init(&follow->sources);
    if (host->engine)
        find_sources(follow, app);
    follow->has_begun = true;
    if (list_is_empty(&follow->sources) &&
        (!ask->follow || app->settings->app->upstream_count > 0)) {
        explain_nothing(follow, app, err);
        free_follow(follow);
        return false;
    }
    event_log_watch(host->events, &follow->watcher);
    answer_begin(answers, id, &follow->answer);
    return true;
}
