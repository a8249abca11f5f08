/* podman_warmth.c - freeze, thaw and hibernate a container that is held.
 *
 * Here: by Podman's own pause and unpause.
 */
#include "lifecycle/podman_warmth.h"

#include <assert.h>

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_handle.h"
#include "router/base/loop.h"

#define PAUSE_TIMEOUT_MS 30000
#define SMALL_MAX_BYTES  ((size_t)64 << 10)

static struct podman_call *call_new(struct podman_handle *handle,
                                    engine_done_fn done, void *arg)
{
    struct podman_call *call =
        podman_call_new(handle->base.engine, PODMAN_DONE, arg);

    assert(!handle->call);
    call->done.plain = done;
    call->handle = handle;
    call->slot = &handle->call;
    handle->call = call;
    return call;
}

static void fail_later(struct podman_call *call)
{
    podman_call_fail(call, &call->stream_err);
}

static struct engine_call *refuse(struct podman_call *call)
{
    call->on_timer = fail_later;
    podman_call_sleep(call, 1);
    return &call->base;
}

static void finish_later(struct podman_call *call)
{
    call->on_timer = podman_call_finish;
    podman_call_sleep(call, 1);
}

/* ---------------------------------------------------------- Podman's pause */

static void on_answered(struct podman_call *call,
                        const struct podman_answer *answer,
                        const struct err *failure)
{
    struct podman_handle *handle = call->handle;
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    handle->is_paused = !handle->is_paused;
    podman_call_finish(call);
}

static void send(struct podman_call *call, const char *verb)
{
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "POST",
        .timeout_ms = PAUSE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    strbuf_printf(&path, "/v4.0.0/libpod/containers/%s/%s", call->handle->id,
                  verb);
    step.path = path.data;
    call->on_answer = on_answered;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

struct engine_call *podman_freeze(struct engine_handle *base,
                                  engine_done_fn done, void *arg)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman_call *call = call_new(handle, done, arg);

    if (handle->is_paused)
        finish_later(call);
    else
        send(call, "pause");
    return &call->base;
}

struct engine_call *podman_thaw(struct engine_handle *base, engine_done_fn done,
                                void *arg)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman_call *call;

    if (handle->call)
        podman_call_cancel(&handle->call->base);
    call = call_new(handle, done, arg);
    if (handle->is_paused)
        send(call, "unpause");
    else
        finish_later(call);
    return &call->base;
}

struct engine_call *podman_hibernate(struct engine_handle *base,
                                     engine_done_fn done, void *arg)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman_call *call = call_new(handle, done, arg);

    err_set(&call->stream_err, ERR_DENIED, "%s",
            base->engine->capabilities.hibernate_text);
    return refuse(call);
}

bool podman_memory(struct engine_handle *base, struct engine_memory *ret_memory,
                   struct err *err)
{
    (void)ret_memory;
    return err_set(err, ERR_DENIED, "%s",
                   base->engine->capabilities.hibernate_text);
}
