/* podman_logs.c - the output of containers, followed.
 *
 * Podman reads it from a file, so one who is held loses nothing: Podman waits,
 * and berth keeps no more than what was read at once.
 */
#include "lifecycle/podman_logs.h"

#include <inttypes.h>

#include "lifecycle/podman_call.h"

#define FAILURE_MAX_BYTES 65536U

static void on_text(void *arg, enum log_source source, struct strview bytes)
{
    struct podman_call *call = arg;

    call->reader.on_text(call->reader.arg, source == LOG_SOURCE_STDERR, bytes);
}

/* The reader may cancel the call from within: nothing is looked at after. */
static void on_bytes(void *arg, struct strview bytes)
{
    struct podman_call *call = arg;

    /* Why it failed stands in stream_err, for on_done(). */
    if (call->stream_err.code == ERR_NONE &&
        !log_stream_feed(&call->logs, bytes, &call->stream_err))
        return;
}

static void on_done(struct podman_call *call,
                    const struct podman_answer *answer,
                    const struct err *failure)
{
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err))
        podman_call_fail(call, &err);
    else if (call->stream_err.code != ERR_NONE)
        podman_call_fail(call, &call->stream_err);
    else
        podman_call_finish(call);
}

struct engine_call *podman_follow_logs(struct engine *engine, const char *id,
                                       uint32_t tail_lines, bool follow,
                                       const struct engine_log_reader *reader)
{
    struct podman_call *call =
        podman_call_new(engine, PODMAN_DONE, reader->arg);
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .max_body = FAILURE_MAX_BYTES,
        .on_bytes = on_bytes,
    };

    call->done.plain = reader->done;
    call->on_answer = on_done;
    call->reader = *reader;
    call->logs.on_bytes = on_text;
    call->logs.arg = call;
    strbuf_add_str(&path, "/v4.0.0/libpod/containers/");
    podman_http_encode(&path, sv_of(id));
    strbuf_printf(&path, "/logs?stdout=true&stderr=true&follow=%s",
                  follow ? "true" : "false");
    if (tail_lines != UINT32_MAX)
        strbuf_printf(&path, "&tail=%" PRIu32, tail_lines);
    step.path = path.data;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}

void podman_hold_logs(struct engine_call *base, bool is_held)
{
    struct podman_call *call = (struct podman_call *)base;

    if (call->is_held == is_held || !call->request)
        return;
    call->is_held = is_held;
    podman_http_hold(call->request, is_held);
}
