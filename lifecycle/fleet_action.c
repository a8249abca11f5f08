/* fleet_action.c - what operators have done to apps.
 *
 * An action sets what the app is asked for and then only looks, at each event
 * and each tick, whether that has come about: the fleet does the work. A little
 * long: an action is two short functions of the one table at the end.
 */
#include "lifecycle/fleet_action.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet.h"
#include "lifecycle/fleet_app.h"
#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/image_store.h"
#include "lifecycle/replica_warmth.h"
#include "lifecycle/rollout.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

#define TICK_MS 200
/* What waits for more than the app's own time-outs (a registry that is down
 * for hours) is given up by the action; the fleet goes on. */
#define TIMEOUT_MS (15 * 60 * 1000)
/* For a replica's last request to end, and its memory to be written out. */
#define FREEZE_PATIENCE_US    5000000U
#define HIBERNATE_PATIENCE_US 120000000U
#define TEXT_MAX              (ERR_TEXT_SIZE + 64)

struct action {
    struct list node;
    struct fleet_actions *actions;
    struct answer answer; /* unlinked: who asked is gone */
    struct fleet_action_ask ask;
    char *app; /* its name */
    uint64_t began_us;
    uint64_t began_unix_ms;
    uint64_t deadline_us;
    uint32_t asked_count;          /* FREEZE, HIBERNATE: replicas */
    bool holds_awake;              /* fleet_app_wake() was called */
    struct image_want want;        /* PULL */
    struct app_revision *revision; /* likewise: what the image is named in */
    char said[TEXT_MAX];           /* the last progress */
    bool is_over;
};

struct fleet_actions {
    struct fleet_actions_options options;
    struct event_watcher watcher;
    struct loop_task task;
    struct timer tick; /* runs while there are any */
    struct list actions;
};

static const char *const names[] = {
#define FLEET_ACTION(NAME, name) #name,
#include "lifecycle/fleet_action.def"
#undef FLEET_ACTION
};

const char *fleet_action_name(enum fleet_action_kind kind)
{
    return names[kind];
}

static struct fleet_app *app_of(const struct action *action)
{
    return fleet_find_app(action->actions->options.fleet, action->ask.app);
}

/* --- what it says --- */

static void say(struct action *action, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* Each text once. */
static void say(struct action *action, const char *format, ...)
{
    AUTO(strbuf_done) struct strbuf part = STRBUF_INIT;
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strcmp(text, action->said) == 0)
        return;
    memcpy(action->said, text, sizeof text);
    if (!list_is_linked(&action->answer.node) ||
        answer_room(&action->answer) < sizeof text)
        return;
    strbuf_add_str(&part, "{\"text\":");
    strbuf_add_json(&part, sv_of(text));
    strbuf_add_str(&part, "}\n");
    answer_part(&action->answer, strbuf_view(&part));
}

static void free_action(void *ptr)
{
    struct action *action = ptr;

    app_revision_unref(&action->revision);
    free(action->app);
    free(action);
}

static void add_event(const struct action *action, const char *to,
                      const char *text)
{
    event_log_add(action->actions->options.events,
                  &(struct event){
                      .kind = EVENT_ACTION,
                      .app = action->app,
                      .to = to,
                      .reason = text,
                      .took_ms = (clock_now_us() - action->began_us) / 1000,
                  });
}

/* It ends; body: what is answered. */
static void end(struct action *action, bool ok, struct strview body,
                const char *text)
{
    struct fleet_app *app = app_of(action);

    action->is_over = true;
    list_remove(&action->node);
    image_want_cancel(&action->want);
    if (action->holds_awake && app)
        fleet_app_let_sleep(app);
    log_notice("action", ok ? "done" : "failed", "app=%s action=%s text=\"%s\"",
               action->app, names[action->ask.kind], text);
    add_event(action, ok ? "done" : "failed", text);
    answer_end(&action->answer, ok, body);
    loop_free_later(action->actions->options.loop, action, free_action);
}

static void succeed(struct action *action, const char *format, ...)
    PRINTF_LIKE(2, 3);

static void succeed(struct action *action, const char *format, ...)
{
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    strbuf_add_str(&body, "{\"done\":true,\"text\":");
    strbuf_add_json(&body, sv_of(text));
    strbuf_printf(&body, ",\"took_ms\":%" PRIu64 "}",
                  (clock_now_us() - action->began_us) / 1000);
    end(action, true, strbuf_view(&body), text);
}

static void fail(struct action *action, const char *code, const char *format,
                 ...) PRINTF_LIKE(3, 4);

static void fail(struct action *action, const char *code, const char *format,
                 ...)
{
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    strbuf_printf(&body, "%s %s", code, text);
    end(action, false, strbuf_view(&body), text);
}

/* --- how far an app is --- */

static uint32_t count_in(const struct fleet_app *app, enum replica_state state)
{
    uint32_t count = 0;

    LIST_FOREACH (&app->replicas, node) {
        count += replica_view(replica_of_node(node))->state == state;
    }
    return count;
}

/* The start that is furthest, and what is done about the image meanwhile. */
static void say_start(struct action *action, const struct fleet_app *app)
{
    AUTO(strbuf_done) struct strbuf pull = STRBUF_INIT;
    const struct replica_view *first = NULL;

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);

        if (replica_is_starting(replica) &&
            (!first || replica_view(replica)->state > first->state))
            first = replica_view(replica);
    }
    if (!first) {
        say(action, "%s waits for a start", action->app);
        return;
    }
    if (first->state == REPLICA_PULLING && app->settings->container.image)
        image_store_describe(fleet_images(action->actions->options.fleet),
                             &app->settings->container, &pull);
    say(action, "%s: %s%s%s", first->name, replica_state_name(first->state),
        pull.len > 0           ? ", "
        : first->probe_text[0] ? ", "
                               : "",
        pull.len > 0 ? pull.data : first->probe_text);
}

/* A start of it has failed since, and it gives up. */
static bool has_failed(const struct action *action, const struct fleet_app *app)
{
    return app->is_refusing && app->error.at_unix_ms >= action->began_unix_ms;
}

/* Codes of answers have an underscore. */
static void fail_as(struct action *action, const struct fleet_app *app)
{
    const char *code = app->error.code;

    fail(action, strchr(code, '_') ? code : "start_failed", "%s",
         app->error.reason);
}

/* --- wake --- */

static const char *newest_ready(const struct fleet_app *app, char *ret_text,
                                size_t size)
{
    const struct replica_view *newest = NULL;
    char took[32];

    LIST_FOREACH (&app->replicas, node) {
        const struct replica_view *view = replica_view(replica_of_node(node));

        if (view->state == REPLICA_READY)
            newest = view;
    }
    clock_format_duration(newest->phases.total_us / 1000, took, sizeof took);
    snprintf(ret_text, size, "%s is ready", newest->name);
    if (newest->phases.total_us > 0)
        snprintf(ret_text, size, "%s is ready, its start took %s", newest->name,
                 took);
    return ret_text;
}

static void keep(const struct action *action, struct fleet_app *app)
{
    if (action->ask.keep_ms > 0)
        fleet_app_keep_until(app, clock_now_us() + action->ask.keep_ms * 1000);
}

/* One that sleeps is the quickest to have. */
static void begin_wake(struct action *action, struct fleet_app *app)
{
    action->holds_awake = true;
    fleet_app_wake(app);
    if (count_in(app, REPLICA_READY) > 0)
        return;
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (!replica_is_asleep(replica))
            continue;
        if (!replica_is_waking(replica))
            fleet_ladder_wake(app, replica, "berth wake");
        return;
    }
}

static void look_at_wake(struct action *action, struct fleet_app *app)
{
    char text[256];
    char time[32] = "";

    if (count_in(app, REPLICA_READY) > 0) {
        keep(action, app);
        if (action->ask.keep_ms > 0)
            clock_format_duration(action->ask.keep_ms, time, sizeof time);
        newest_ready(app, text, sizeof text);
        succeed(action, "%s%s%s", text, time[0] ? "; kept for " : "", time);
    } else if (has_failed(action, app)) {
        fail_as(action, app);
    } else {
        say_start(action, app);
    }
}

/* --- scale --- */

static void begin_scale(struct action *action, struct fleet_app *app)
{
    const struct app_settings *settings = app->settings->app;

    if (action->ask.replicas > settings->replicas_max) {
        fail(action, "not_possible", "replicas allows %s %u at most",
             action->app, settings->replicas_max);
        return;
    }
    fleet_app_forget_failures(app);
    fleet_app_scale(app, action->ask.replicas);
}

static void say_there(struct action *action, const struct fleet_app *app,
                      uint32_t awake)
{
    uint32_t frozen = count_in(app, REPLICA_FROZEN);
    uint32_t hibernated = count_in(app, REPLICA_HIBERNATED);
    char text[64] = "";

    if (frozen > 0)
        snprintf(text, sizeof text, ", %u frozen", frozen);
    if (hibernated > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 ", %u hibernated", hibernated);
    succeed(action, "%u ready%s", awake, text);
}

/* Those that sleep are there, too. */
static void look_at_scale(struct action *action, struct fleet_app *app)
{
    struct fleet_app_counts counts;
    uint32_t asked = action->ask.replicas;
    uint32_t awake = count_in(app, REPLICA_READY);
    /* Not what is only not let go of yet. */
    bool is_used = app->wanted > asked &&
                   app->wanted_reason != AUTOSCALER_HELD &&
                   app->wanted_reason != AUTOSCALER_RECENT;

    if (loop_task_is_pending(&app->decide_task))
        return;
    fleet_app_count(app, &counts);
    if (is_used && counts.ready == app->wanted && counts.starting == 0) {
        succeed(action, "%u ready; requests ask for more than %u: %s",
                counts.ready, asked,
                autoscaler_reason_text(app->wanted_reason));
    } else if (counts.ready + counts.asleep >= asked && counts.starting == 0 &&
               awake <= asked && app->wanted <= asked) {
        say_there(action, app, awake);
    } else if (has_failed(action, app)) {
        fail_as(action, app);
    } else if (counts.ready + counts.asleep < asked) {
        say_start(action, app);
    } else {
        say(action, "%u are ready, %u leave", counts.ready, counts.leaving);
    }
}

/* --- restart --- */

static void begin_restart(struct action *action, struct fleet_app *app)
{
    fleet_app_forget_failures(app);
    if (count_in(app, REPLICA_READY) + count_in(app, REPLICA_FROZEN) +
            count_in(app, REPLICA_HIBERNATED) >
        0)
        rollout_restart(app);
    else
        succeed(action, "no replica serves; what failed before is forgotten");
}

static void say_rollout(struct action *action, const struct fleet_app *app)
{
    uint32_t old = 0;
    uint32_t new = 0;

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);

        if (fleet_replicas_revision_of(replica) != app->revision)
            old++;
        else
            new += replica_view(replica)->state == REPLICA_READY;
    }
    if (old > 0) /* else the roll-out looks at what it is to be made of */
        say(action, "%u new ready, %u of before left", new, old);
}

/* One that began later, by a reload, replaces them as well. */
static void look_at_restart(struct action *action, struct fleet_app *app)
{
    const struct rollout *rollout = &app->rollout;
    uint32_t up = count_in(app, REPLICA_READY) + count_in(app, REPLICA_FROZEN);

    if (has_failed(action, app))
        fail_as(action, app);
    else if (rollout_is_under_way(app))
        say_rollout(action, app);
    else if (rollout->outcome == ROLLOUT_ROLLED_BACK)
        fail(action, "rolled_back", "those of before serve on: %s",
             rollout->reason);
    else
        succeed(action, "%u replaced", up);
}

/* --- freeze, hibernate --- */

static void begin_freeze(struct action *action, struct fleet_app *app)
{
    struct err err;

    action->asked_count = fleet_ladder_freeze(app, &err);
    if (action->asked_count == 0)
        fail(action, "not_possible", "%s", err.text);
}

static void begin_hibernate(struct action *action, struct fleet_app *app)
{
    struct err err;

    action->asked_count = fleet_ladder_hibernate(app, &err);
    if (action->asked_count == 0)
        fail(action, "not_possible", "%s", err.text);
}

/* Those that are busy are not waited for any longer than others may take. */
static void look_at_rung(struct action *action, const struct fleet_app *app,
                         enum replica_state rung, uint64_t patience_us)
{
    const char *name = replica_state_name(rung);
    uint32_t there = count_in(app, rung);
    bool is_late = clock_now_us() - action->began_us >= patience_us;

    if (there >= action->asked_count)
        succeed(action, "%u %s", there, name);
    else if (is_late && there > 0)
        succeed(action, "%u %s; the others are busy", there, name);
    else if (is_late)
        fail(action, "not_possible",
             "none of its replicas is %s: they are busy, or it failed (\"berth "
             "events %s\")",
             name, action->app);
    else
        say(action, "%u of %u %s", there, action->asked_count, name);
}

static void look_at_freeze(struct action *action, struct fleet_app *app)
{
    look_at_rung(action, app, REPLICA_FROZEN, FREEZE_PATIENCE_US);
}

static void look_at_hibernate(struct action *action, struct fleet_app *app)
{
    look_at_rung(action, app, REPLICA_HIBERNATED, HIBERNATE_PATIENCE_US);
}

/* --- pull --- */

static void on_image(struct image_want *want, const struct image_answer *answer,
                     const struct err *err)
{
    struct action *action = container_of(want, struct action, want);
    char took[32];

    if (err) {
        fail(action, "pull_failed", "%s", err->text);
        return;
    }
    clock_format_duration(answer->took_us / 1000, took, sizeof took);
    succeed(action, "the image of %s %s after %s", action->app,
            answer->was_pulled ? "is pulled" : "was here already", took);
}

static void on_image_retry(struct image_want *want, const struct err *err,
                           uint64_t delay_ms)
{
    struct action *action = container_of(want, struct action, want);
    char delay[32];

    clock_format_duration(delay_ms, delay, sizeof delay);
    say(action, "%.800s; trying again in %s", err->text, delay);
}

static void begin_pull(struct action *action, struct fleet_app *app)
{
    /* A reload may replace it meanwhile. */
    action->revision = app_revision_ref(app->revision);
    action->want.on_image = on_image;
    action->want.on_retry = on_image_retry;
    image_store_pull(fleet_images(action->actions->options.fleet),
                     &action->revision->app.container, &action->want);
}

static void look_at_pull(struct action *action, struct fleet_app *app)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    image_store_describe(fleet_images(action->actions->options.fleet),
                         &app->settings->container, &text);
    if (text.len > 0)
        say(action, "%s", text.data);
}

/* --- all of them --- */

static const struct {
    void (*begin)(struct action *action, struct fleet_app *app);
    void (*look)(struct action *action, struct fleet_app *app);
} rows[ACTION_KIND_COUNT] = {
    [ACTION_PULL] = {begin_pull, look_at_pull},
    [ACTION_WAKE] = {begin_wake, look_at_wake},
    [ACTION_RESTART] = {begin_restart, look_at_restart},
    [ACTION_SCALE] = {begin_scale, look_at_scale},
    [ACTION_FREEZE] = {begin_freeze, look_at_freeze},
    [ACTION_HIBERNATE] = {begin_hibernate, look_at_hibernate},
};

static void look(struct action *action)
{
    struct fleet_app *app = app_of(action);

    if (!app) {
        fail(action, "unknown_app", "%s was removed from the configuration",
             action->app);
        return;
    }
    rows[action->ask.kind].look(action, app);
    if (!action->is_over && clock_now_us() >= action->deadline_us)
        fail(action, "timed_out", "not done after %d minutes: %s",
             TIMEOUT_MS / 60000, action->said);
}

static void run(struct loop_task *task)
{
    struct fleet_actions *actions =
        container_of(task, struct fleet_actions, task);

    LIST_FOREACH_SAFE (&actions->actions, node)
        look(container_of(node, struct action, node));
}

static void look_soon(struct fleet_actions *actions)
{
    if (!list_is_empty(&actions->actions) &&
        !loop_task_is_pending(&actions->task))
        loop_defer(actions->options.loop, &actions->task);
}

static void on_event(struct event_watcher *watcher)
{
    look_soon(container_of(watcher, struct fleet_actions, watcher));
}

static void on_tick(struct timer *timer)
{
    struct fleet_actions *actions =
        container_of(timer, struct fleet_actions, tick);

    if (list_is_empty(&actions->actions))
        return;
    look_soon(actions);
    timer_start(actions->options.timers, timer, TICK_MS);
}

static void on_gone(struct answer *answer)
{
    struct action *action = container_of(answer, struct action, answer);

    log_info("action", "who asked is gone; it goes on", "app=%s action=%s",
             action->app, names[action->ask.kind]);
}

void fleet_action_start(struct fleet_actions *actions, struct answers *answers,
                        uint64_t id, const struct fleet_action_ask *ask)
{
    struct fleet_app *app = fleet_find_app(actions->options.fleet, ask->app);
    struct action *action = xcalloc(1, sizeof *action);

    action->actions = actions;
    action->ask = *ask;
    action->app = xstrdup(app->settings->app->name);
    action->answer.on_gone = on_gone;
    action->began_us = clock_now_us();
    action->began_unix_ms = clock_unix_ms();
    action->deadline_us = action->began_us + TIMEOUT_MS * 1000ULL;
    list_add_tail(&actions->actions, &action->node);
    answer_begin(answers, id, &action->answer);
    log_notice("action", "asked for", "app=%s action=%s", action->app,
               names[ask->kind]);
    add_event(action, "asked", names[ask->kind]);
    if (app->settings->app->upstream_count > 0)
        fail(action, "not_possible", "%s is an upstream: berth does not run it",
             action->app);
    else
        rows[ask->kind].begin(action, app);
    timer_start(actions->options.timers, &actions->tick, TICK_MS);
    look_soon(actions);
}

struct fleet_actions *
fleet_actions_new(const struct fleet_actions_options *options)
{
    struct fleet_actions *actions = xcalloc(1, sizeof *actions);

    actions->options = *options;
    actions->watcher.on_event = on_event;
    actions->task.run = run;
    actions->tick.on_expire = on_tick;
    list_init(&actions->actions);
    event_log_watch(options->events, &actions->watcher);
    return actions;
}

static void free_actions(void *ptr)
{
    free(ptr);
}

void fleet_actions_free(struct fleet_actions **actions_ptr)
{
    struct fleet_actions *actions = *actions_ptr;

    if (!actions)
        return;
    event_watcher_stop(&actions->watcher);
    timer_stop(&actions->tick);
    LIST_FOREACH_SAFE (&actions->actions, node) {
        struct action *action = container_of(node, struct action, node);

        list_remove(&action->node);
        list_remove(&action->answer.node);
        image_want_cancel(&action->want);
        free_action(action);
    }
    /* Its task may be due in this turn. */
    loop_free_later(actions->options.loop, actions, free_actions);
    *actions_ptr = NULL;
}
