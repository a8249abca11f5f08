/* desk_bench.c - a front's questions to a fleet on a bench. */
#include "tests/support/desk_bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void on_answer(void *arg, enum channel_type type, struct strview payload,
                      int *fds, unsigned fd_count)
{
    struct desk_bench *desk = arg;
    struct channel_reply_part part;
    struct channel_reply reply;

    (void)fds;
    (void)fd_count;
    if (type == CHANNEL_REPLY_PART && channel_decode_reply_part(payload, &part))
        strbuf_add_sv(&desk->parts, part.body);
    else if (type == CHANNEL_REPLY && channel_decode_reply(payload, &reply))
        strbuf_printf(&desk->replies, "%lu %s %.*s\n", (unsigned long)reply.id,
                      reply.ok ? "ok" : "failed", SV_ARG(reply.body));
    else
        abort();
}

static void on_question(void *arg, enum channel_type type,
                        struct strview payload, int *fds, unsigned fd_count)
{
    struct desk_bench *desk = arg;
    struct channel_query query;
    struct channel_action action;

    (void)fds;
    (void)fd_count;
    if (type == CHANNEL_QUERY && channel_decode_query(payload, &query))
        front_desk_query(desk->desk, &query);
    else if (type == CHANNEL_ACTION && channel_decode_action(payload, &action))
        front_desk_action(desk->desk, &action);
    else if (!front_desk_on_message(desk->desk, type, payload))
        abort();
}

static void on_close(void *arg, const char *why)
{
    (void)arg;
    (void)why;
    abort(); /* both ends are ours */
}

void desk_bench_init(struct desk_bench *desk, unsigned app_count)
{
    memset(desk, 0, sizeof *desk);
    bench_init(&desk->bench, app_count);
    desk->bench.events = event_log_new();
}

void desk_bench_start(struct desk_bench *desk)
{
    struct front_desk_options options = {
        .loop = desk->bench.loop,
        .timers = desk->bench.timers,
        .events = desk->bench.events,
    };
    int pair[2];

    bench_start(&desk->bench);
    options.fleet = desk->bench.fleet;
    desk->desk = front_desk_new(&options);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        abort();
    desk->front =
        channel_new(desk->bench.loop, pair[0], on_answer, on_close, desk);
    desk->keeper =
        channel_new(desk->bench.loop, pair[1], on_question, on_close, desk);
    front_desk_set_channel(desk->desk, desk->keeper);
    strbuf_add_str(&desk->parts, "");
    strbuf_add_str(&desk->replies, "");
    bench_run_ms(&desk->bench, 5);
}

void desk_bench_done(struct desk_bench *desk)
{
    front_desk_free(&desk->desk);
    channel_free(&desk->front);
    channel_free(&desk->keeper);
    bench_run_ms(&desk->bench, 1); /* what is freed at the turn's end */
    bench_done(&desk->bench);
    event_log_free(&desk->bench.events);
    strbuf_done(&desk->parts);
    strbuf_done(&desk->replies);
}

uint64_t desk_query(struct desk_bench *desk, const char *what, uint32_t app,
                    const char *argument)
{
    const struct channel_query message = {++desk->last_id, sv_of(what), app,
                                          sv_of(argument)};

    channel_send_query(desk->front, &message, NULL, 0);
    bench_run_ms(&desk->bench, 5);
    return message.id;
}

uint64_t desk_action(struct desk_bench *desk, const char *what, uint32_t app,
                     const char *argument)
{
    const struct channel_action message = {++desk->last_id, sv_of(what), app,
                                           sv_of(argument)};

    channel_send_action(desk->front, &message, NULL, 0);
    bench_run_ms(&desk->bench, 5);
    return message.id;
}

void desk_credit(struct desk_bench *desk, uint64_t id, size_t bytes)
{
    const struct channel_credit message = {id, (uint32_t)bytes};

    channel_send_credit(desk->front, &message, NULL, 0);
    bench_run_ms(&desk->bench, 5);
}

void desk_forget(struct desk_bench *desk, uint64_t id)
{
    const struct channel_forget message = {id};

    channel_send_forget(desk->front, &message, NULL, 0);
    bench_run_ms(&desk->bench, 5);
}

struct hearing {
    const struct strbuf *buf;
    const char *text;
};

static bool was_heard(void *arg)
{
    const struct hearing *hearing = arg;

    return hearing->buf->data && strstr(hearing->buf->data, hearing->text);
}

bool desk_replies(struct desk_bench *desk, const char *text)
{
    struct hearing hearing = {&desk->replies, text};

    return bench_run_until(&desk->bench, was_heard, &hearing, 5000);
}

bool desk_says(struct desk_bench *desk, const char *text)
{
    struct hearing hearing = {&desk->parts, text};

    return bench_run_until(&desk->bench, was_heard, &hearing, 5000);
}
