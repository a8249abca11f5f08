/* event_stream.c - the events that somebody asked for, as they come. */
#include "lifecycle/event_stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"

/* A part is sent once it has so much. */
#define PART_BYTES 8192U

struct event_stream {
    struct answer answer;
    struct event_watcher watcher;
    struct loop *loop;
    struct loop_task task; /* what a loop turn brings goes out at once */
    struct event_log *log;
    char *app; /* NULL: all */
    uint64_t seen;
    bool follow;
};

static void free_stream(void *ptr)
{
    struct event_stream *stream = ptr;

    free(stream->app);
    free(stream);
}

/* Its task may be due in this turn. */
static void end(struct event_stream *stream)
{
    event_watcher_stop(&stream->watcher);
    loop_free_later(stream->loop, stream, free_stream);
}

static bool is_wanted(const struct event_stream *stream,
                      const struct event *event)
{
    return !stream->app || strcmp(event->app, stream->app) == 0;
}

static void add_lost(const struct event_stream *stream, struct strbuf *part)
{
    uint64_t lost = event_log_lost_after(stream->log, stream->seen);

    if (lost > 0)
        strbuf_printf(part, "%" PRIu64 " lost {\"lost\":%" PRIu64 "}\n",
                      stream->seen + lost, lost);
}

/* One part of what there is. false: there is no more, or no room for it. */
static bool send_some(struct event_stream *stream)
{
    AUTO(strbuf_done) struct strbuf part = STRBUF_INIT;
    const struct event *event;

    if (answer_room(&stream->answer) < 2 * (size_t)PART_BYTES)
        return false;
    if (stream->seen > 0)
        add_lost(stream, &part);
    while (part.len < PART_BYTES &&
           (event = event_log_after(stream->log, stream->seen))) {
        stream->seen = event->id;
        if (!is_wanted(stream, event))
            continue;
        strbuf_printf(&part, "%" PRIu64 " %s ", event->id,
                      event_kind_name(event->kind));
        event_write_json(event, &part);
        strbuf_add_char(&part, '\n');
    }
    if (part.len > 0)
        answer_part(&stream->answer, strbuf_view(&part));
    return part.len > 0;
}

static bool has_more(const struct event_stream *stream)
{
    return event_log_after(stream->log, stream->seen) != NULL;
}

static void run(struct loop_task *task)
{
    struct event_stream *stream = container_of(task, struct event_stream, task);

    if (!list_is_linked(&stream->answer.node))
        return;
    while (send_some(stream))
        continue;
    if (stream->follow || has_more(stream))
        return;
    answer_end(&stream->answer, true, SV(""));
    end(stream);
}

static void run_soon(struct event_stream *stream)
{
    if (!loop_task_is_pending(&stream->task))
        loop_defer(stream->loop, &stream->task);
}

static void on_event(struct event_watcher *watcher)
{
    run_soon(container_of(watcher, struct event_stream, watcher));
}

static void on_room(struct answer *answer)
{
    run_soon(container_of(answer, struct event_stream, answer));
}

static void on_gone(struct answer *answer)
{
    end(container_of(answer, struct event_stream, answer));
}

/* Skip all but the last `tail` of those that are wanted. */
static void skip_to_tail(struct event_stream *stream, uint64_t tail)
{
    const struct event *event;
    uint64_t count = 0;
    uint64_t at = stream->seen;

    while ((event = event_log_after(stream->log, at))) {
        at = event->id;
        count += is_wanted(stream, event);
    }
    while (count > tail &&
           (event = event_log_after(stream->log, stream->seen))) {
        stream->seen = event->id;
        count -= is_wanted(stream, event);
    }
    if (tail == 0)
        stream->seen = at;
}

void event_stream_start(struct answers *answers, uint64_t id, struct loop *loop,
                        struct event_log *log, const struct event_ask *ask)
{
    struct event_stream *stream = xcalloc(1, sizeof *stream);

    stream->answer.on_room = on_room;
    stream->answer.on_gone = on_gone;
    stream->watcher.on_event = on_event;
    stream->task.run = run;
    stream->loop = loop;
    stream->log = log;
    stream->app = ask->app ? xstrdup(ask->app) : NULL;
    /* One of the future: the clock was set back over a restart. */
    stream->seen = ask->after > event_log_last_id(log) ? 0 : ask->after;
    stream->follow = ask->follow;
    if (ask->has_tail)
        skip_to_tail(stream, ask->tail);
    event_log_watch(log, &stream->watcher);
    answer_begin(answers, id, &stream->answer);
    run_soon(stream);
}
