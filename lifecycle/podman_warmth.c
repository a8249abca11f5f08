/* podman_warmth.c - freeze, thaw and hibernate a container that is held.
 *
 * By its cgroup; by Podman's own pause where that may not be written.
 */
#include "lifecycle/podman_warmth.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/freezer.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_handle.h"
#include "lifecycle/podman_sidecars.h"
#include "lifecycle/reclaim.h"
#include "router/base/log.h"
#include "router/base/loop.h"

#define PAUSE_TIMEOUT_MS  30000
#define FREEZE_TIMEOUT_MS 10000
#define LOOK_FIRST_MS     1
#define LOOK_LAST_MS      64
#define SMALL_MAX_BYTES   ((size_t)64 << 10)

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

static void fail_soon(struct podman_call *call)
{
    podman_call_fail(call, &call->stream_err);
}

static struct engine_call *fail(struct podman_call *call)
{
    call->on_timer = fail_soon;
    podman_call_nap(call, 0);
    return &call->base;
}

static struct engine_call *finish(struct podman_call *call)
{
    call->on_timer = podman_call_finish;
    podman_call_nap(call, 0);
    return &call->base;
}

/* ---------------------------------------------------------- Podman's pause */

static void on_answered(struct podman_call *call,
                        const struct podman_answer *answer,
                        const struct err *failure)
{
    struct podman_handle *handle = call->handle;
    struct err err;

    /* Somebody else was quicker, or a pause that was called off did not come
     * to pass. */
    if (!podman_answer_is_good(answer, failure, &err) &&
        !strstr(err.text, "is not paused") &&
        !strstr(err.text, "is already paused")) {
        podman_call_fail(call, &err);
        return;
    }
    handle->is_paused = !handle->is_paused;
    podman_sidecars_set_frozen(handle->sidecars, handle->is_paused);
    podman_call_finish(call);
}

static void send(struct podman_call *call, const char *verb)
{
    const struct podman_handle *handle = call->handle;
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "POST",
        .timeout_ms = PAUSE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    strbuf_printf(&path, "/v4.0.0/libpod/%s/%s%s",
                  handle->pod_id[0] ? "pods" : "containers",
                  handle->pod_id[0] ? handle->pod_id : handle->id, verb);
    step.path = path.data;
    call->on_answer = on_answered;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

/* Called off while Podman may be at it: taken for done, so that a thaw undoes
 * it. */
static void on_pause_cancelled(struct podman_call *call)
{
    call->handle->is_paused = true;
}

static struct engine_call *pause_by_podman(struct podman_call *call)
{
    call->on_cancel = on_pause_cancelled;
    send(call, "/pause");
    return &call->base;
}

static void on_paused_too_late(struct podman_call *call,
                               const struct podman_answer *answer,
                               const struct err *failure)
{
    struct err err;

    call->handle->is_paused = podman_answer_is_good(answer, failure, &err) ||
                              strstr(err.text, "is already paused") != NULL;
    send(call, "/unpause");
}

/* A pause that Podman is asked for cannot be called back: it may come about
 * behind an unpause that is asked for now. So who asked for it is told that it
 * is called off, and its call goes on as the thaw's. NULL: none is under way.
 */
static struct engine_call *thaw_behind_pause(struct podman_handle *handle,
                                             engine_done_fn done, void *arg)
{
    struct podman_call *call = handle->call;
    engine_done_fn called_off;
    void *called_off_arg;
    struct err err;

    if (!call || call->on_answer != on_answered ||
        call->on_cancel != on_pause_cancelled)
        return NULL;
    called_off = call->done.plain;
    called_off_arg = call->arg;
    call->done.plain = done;
    call->arg = arg;
    call->on_answer = on_paused_too_late;
    err_set(&err, ERR_CANCELLED, "called off");
    called_off(called_off_arg, &err);
    return &call->base;
}

/* ------------------------------------------------------- freeze by the cgroup
 */

static unsigned count_of(const struct podman_handle *handle)
{
    unsigned count = 0;

    while (podman_handle_cgroup(handle, count))
        count++;
    return count;
}

/* Nothing of a sidecar that does not run. */
static bool is_empty(const struct container_cgroup *cgroup)
{
    return !cgroup->freezer_v1 && !cgroup->freezer_v2;
}

/* The app last: it is by its freezer that an adoption sees whether all of it is
 * frozen. */
static bool freeze_all(const struct podman_handle *handle, struct err *err)
{
    for (unsigned i = count_of(handle); i-- > 0;) {
        const struct container_cgroup *cgroup = podman_handle_cgroup(handle, i);

        if ((i == 0 || !is_empty(cgroup)) && !freezer_freeze(cgroup, err))
            return false;
    }
    return true;
}

/* The app last: it finds its sidecars awake. */
static bool thaw_all(const struct podman_handle *handle, struct err *err)
{
    bool is_done = true;

    for (unsigned i = count_of(handle); i-- > 0;) {
        const struct container_cgroup *cgroup = podman_handle_cgroup(handle, i);

        if (freezer_read(cgroup) != FREEZER_THAWED)
            is_done &= freezer_thaw(cgroup, err);
    }
    podman_sidecars_set_frozen(handle->sidecars, false);
    return is_done;
}

static bool are_all_frozen(const struct podman_handle *handle)
{
    const struct container_cgroup *cgroup;

    for (unsigned i = 0; (cgroup = podman_handle_cgroup(handle, i)); i++) {
        if ((i == 0 || !is_empty(cgroup)) &&
            freezer_read(cgroup) != FREEZER_FROZEN)
            return false;
    }
    return true;
}

static void thaw_on_cancel(struct podman_call *call)
{
    struct err err;

    if (!thaw_all(call->handle, &err))
        log_debug("podman", "cannot thaw", "container=%.12s reason=\"%s\"",
                  call->handle->id, err.text);
}

static void look_whether_frozen(struct podman_call *call)
{
    struct podman_handle *handle = call->handle;

    if (are_all_frozen(handle)) {
        podman_call_finish(call);
        return;
    }
    if (loop_now_us(call->podman->loop) < call->deadline_us) {
        podman_call_nap(call, call->delay_ms);
        if (call->delay_ms < LOOK_LAST_MS)
            call->delay_ms *= 2;
        return;
    }
    thaw_on_cancel(call);
    err_set(&call->stream_err, ERR_TIMEOUT,
            "a process of it could not be frozen within %d s: it hangs in the "
            "kernel (a slow disk or network file system?)",
            FREEZE_TIMEOUT_MS / 1000);
    podman_call_fail(call, &call->stream_err);
}

/* What was told about the host does not hold for its containers. */
static void note_no_freezer(struct podman *podman, const struct err *err)
{
    struct engine_capabilities *can = &podman->base.capabilities;

    if (!can->freezes_by_cgroup)
        return;
    can->freezes_by_cgroup = false;
    snprintf(can->freeze_text, sizeof can->freeze_text, "%.100s: %s", err->text,
             "Podman's pause is used, which is slower");
    log_warn("podman", "cannot freeze by the cgroup", "reason=\"%s\"",
             can->freeze_text);
}

struct engine_call *podman_freeze(struct engine_handle *base,
                                  engine_done_fn done, void *arg)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman_call *call = call_new(handle, done, arg);
    struct err err;

    if (handle->is_paused)
        return finish(call);
    podman_sidecars_set_frozen(handle->sidecars, true);
    if (!freeze_all(handle, &err)) {
        thaw_on_cancel(call); /* what came before */
        note_no_freezer(call->podman, &err);
        return pause_by_podman(call);
    }
    call->deadline_us =
        loop_now_us(call->podman->loop) + (uint64_t)FREEZE_TIMEOUT_MS * 1000;
    call->delay_ms = LOOK_FIRST_MS;
    call->on_timer = look_whether_frozen;
    call->on_cancel = thaw_on_cancel;
    podman_call_nap(call, 0);
    return &call->base;
}

struct engine_call *podman_thaw(struct engine_handle *base, engine_done_fn done,
                                void *arg)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct engine_call *behind = thaw_behind_pause(handle, done, arg);
    struct podman_call *call;

    if (behind)
        return behind;
    if (handle->call)
        podman_call_cancel(&handle->call->base);
    call = call_new(handle, done, arg);
    /* Where Podman has frozen it, Podman has to know that it is thawed. */
    if (handle->is_paused) {
        send(call, "/unpause");
        return &call->base;
    }
    if (thaw_all(handle, &call->stream_err))
        return finish(call);
    return fail(call);
}

/* ----------------------------------------------------------------- hibernate
 */

static void reclaim_next(struct podman_call *call);

static void on_reclaimed(void *arg, const struct err *err)
{
    struct podman_call *call = arg;

    call->reclaim = NULL;
    call->part++;
    /* A sidecar that has no room in swap stays resident. */
    if (err && call->part == 1)
        podman_call_fail(call, err);
    else
        reclaim_next(call);
}

static void reclaim_next(struct podman_call *call)
{
    const struct container_cgroup *cgroup =
        podman_handle_cgroup(call->handle, call->part);

    if (!cgroup)
        podman_call_finish(call);
    else
        call->reclaim =
            reclaim_start(call->podman->reclaimer, cgroup, on_reclaimed, call);
}

struct engine_call *podman_hibernate(struct engine_handle *base,
                                     engine_done_fn done, void *arg)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman_call *call = call_new(handle, done, arg);
    const struct podman *podman = call->podman;
    char why[160];

    if (!handle->is_paused && freezer_read(&handle->cgroup) != FREEZER_FROZEN) {
        err_set(&call->stream_err, ERR_INVALID, "it is not frozen");
        return fail(call);
    }
    if (!reclaim_is_possible(podman->cgroup_roots, why, sizeof why)) {
        err_set(&call->stream_err, ERR_DENIED, "%s", why);
        return fail(call);
    }
    reclaim_next(call);
    return &call->base;
}

bool podman_memory(struct engine_handle *base, struct engine_memory *ret_memory,
                   struct err *err)
{
    const struct podman_handle *handle = (struct podman_handle *)base;
    const struct container_cgroup *cgroup;
    struct engine_memory sum = {0};

    for (unsigned i = 0; (cgroup = podman_handle_cgroup(handle, i)); i++) {
        struct engine_memory part = {0};

        /* A sidecar that does not run has none. */
        if (!reclaim_memory_of(cgroup, &part, err) && i == 0)
            return false;
        sum.resident_bytes += part.resident_bytes;
        sum.swapped_bytes += part.swapped_bytes;
    }
    *ret_memory = sum;
    return true;
}
