/* podman_pod_calls.c - pods made, stopped and removed. */
#include "lifecycle/podman_pod_calls.h"

#include <stdio.h>
#include <string.h>

#include "lifecycle/container_spec.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pod_private.h"
#include "lifecycle/podman_stop.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"

#define CREATE_TIMEOUT_MS 60000
#define REMOVE_TIMEOUT_MS 60000
#define SMALL_MAX_BYTES   ((size_t)64 << 10)

#define PODS "/v4.0.0/libpod/pods/"

static void cancel_sub(struct podman_call *call)
{
    engine_cancel(&call->sub);
}

struct podman_call *podman_pod_call_new(struct engine *engine,
                                        enum podman_done_kind kind,
                                        const char *id, void *arg)
{
    struct podman_call *call = podman_call_new(engine, kind, arg);

    call->name = id ? xstrdup(id) : NULL;
    call->on_cancel = cancel_sub;
    return call;
}

struct podman_pod *podman_pod_of_call(struct podman_call *call)
{
    struct podman_pod *pod = podman_pod_find(&call->podman->base, call->name);
    struct err err;

    if (pod)
        return pod;
    err_set(&err, ERR_NOT_FOUND, "the pod has been removed meanwhile");
    podman_call_fail(call, &err);
    return NULL;
}

static void fail_soon(struct podman_call *call)
{
    podman_call_fail(call, &call->stream_err);
}

/* ------------------------------------------------------------------ create */

/* In `names`: the bodies, one for each container, the app's last. */
static bool build_all(struct podman_call *call, const struct engine_spec *spec)
{
    uint32_t count = spec->container->sidecar_count;

    call->body = container_spec_pod(spec);
    call->keep = xcalloc(1, sizeof *call->keep);
    call->keep[call->keep_count++] = container_spec_pod_name(spec->name);
    call->names = xcalloc(count + 1, sizeof *call->names);
    for (uint32_t i = 0; i < count; i++) {
        if (!container_spec_build_sidecar(spec, i, &call->podman->limits,
                                          &call->names[i], &call->stream_err))
            return false;
        call->name_count++;
    }
    if (!container_spec_build(spec, &call->podman->limits, &call->names[count],
                              &call->stream_err))
        return false;
    call->name_count++;
    return true;
}

static struct podman_pod *pod_of_spec(const struct engine_spec *spec)
{
    const struct container_settings *app = spec->container;
    struct podman_pod *pod = podman_pod_new(app->sidecar_count);

    pod->ready_timeout_ms = spec->ready_timeout_ms;
    for (unsigned i = 0; i < pod->count; i++) {
        const struct sidecar_settings *from = &app->sidecars[i];
        struct podman_sidecar *to = &pod->sidecars[i];

        snprintf(to->name, sizeof to->name, "%s", from->name);
        to->stop_ms = from->container.stop_timeout_ms;
        to->has_check = from->has_check;
        to->check = (struct sidecar_check){
            .is_http = from->ready_check.kind == CHECK_HTTP,
            .port = from->container.port,
            .path =
                from->ready_check.path ? xstrdup(from->ready_check.path) : NULL,
            .status_min = from->ready_check.status_min,
            .status_max = from->ready_check.status_max,
            .pattern = from->ready_check.pattern
                           ? xstrdup(from->ready_check.pattern)
                           : NULL,
        };
    }
    return pod;
}

static void on_undone(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    (void)answer;
    (void)failure; /* the next list finds what is left */
    podman_call_fail(call, &call->stream_err);
}

/* Podman leaves half a pod behind when it cannot make a whole one. */
static void undo(struct podman_call *call, const struct err *err)
{
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "DELETE",
        .timeout_ms = REMOVE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->stream_err = *err;
    strbuf_add_str(&path, PODS);
    podman_http_encode(&path, sv_of(call->keep[0]));
    strbuf_add_str(&path, "?force=true");
    step.path = path.data;
    call->on_answer = on_undone;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

static void send_container(struct podman_call *call);

static const char *name_of_part(const struct podman_call *call)
{
    return call->part < call->pod->count ? call->pod->sidecars[call->part].name
                                         : NULL;
}

static void on_container_made(struct podman_call *call,
                              const struct podman_answer *answer,
                              const struct err *failure)
{
    const char *sidecar = name_of_part(call);
    struct podman_pod *pod = call->pod;
    struct err err;
    char id[80];

    if (!podman_answer_is_good(answer, failure, &err) ||
        !podman_json_id(answer->body, id, &err)) {
        if (sidecar)
            err_prefix(&err, "sidecar %s", sidecar);
        undo(call, &err);
        return;
    }
    if (sidecar) {
        memcpy(pod->sidecars[call->part].id, id, sizeof id);
        call->part++;
        send_container(call);
        return;
    }
    memcpy(pod->app_id, id, sizeof id);
    podman_pod_note(call->podman, TAKE(call->pod));
    podman_call_finish_id(call, id);
}

static void send_container(struct podman_call *call)
{
    struct podman_step step = {
        .method = "POST",
        .path = PODMAN_CONTAINERS "create",
        .json = call->names[call->part],
        .timeout_ms = CREATE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_container_made;
    podman_call_send(call, &step);
}

static void on_pod_made(struct podman_call *call,
                        const struct podman_answer *answer,
                        const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) &&
        podman_json_id(answer->body, call->pod->pod_id, &err)) {
        send_container(call);
        return;
    }
    err_prefix(&err, "its pod");
    if (err.code == ERR_EXISTS) { /* not ours to remove */
        podman_call_fail(call, &err);
        return;
    }
    if (err.code == ERR_NOT_FOUND)
        err.code = ERR_FAILED; /* it is not the image that is missing */
    undo(call, &err);
}

static void send_pod(struct podman_call *call)
{
    struct podman_step step = {
        .method = "POST",
        .path = PODS "create",
        .json = call->body,
        .timeout_ms = CREATE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_pod_made;
    podman_call_send(call, &step);
}

static void on_network_made(struct podman_call *call,
                            const struct podman_answer *answer,
                            const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) ||
        err.code == ERR_EXISTS) {
        send_pod(call);
        return;
    }
    err_prefix(&err, "private network");
    if (err.code == ERR_NOT_FOUND)
        err.code = ERR_FAILED;
    podman_call_fail(call, &err);
}

/* Always asked for: a pod whose network is missing is left behind broken. */
static void send_network(struct podman_call *call)
{
    struct podman_step step = {
        .method = "POST",
        .path = "/v4.0.0/libpod/networks/create",
        .json = call->network_body,
        .timeout_ms = CREATE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_network_made;
    podman_call_send(call, &step);
}

struct engine_call *podman_pod_create(struct engine *engine,
                                      const struct engine_spec *spec,
                                      engine_id_fn done, void *arg)
{
    struct podman_call *call =
        podman_pod_call_new(engine, PODMAN_DONE_ID, NULL, arg);

    call->done.id = done;
    if (!build_all(call, spec)) {
        call->on_timer = fail_soon;
        podman_call_nap(call, 0);
        return &call->base;
    }
    call->pod = pod_of_spec(spec);
    if (spec->container->network == NETWORK_PRIVATE) {
        call->network_body = container_spec_network(&spec->labels);
        send_network(call);
    } else {
        send_pod(call);
    }
    return &call->base;
}

/* -------------------------------------------------------------------- stop */

static void stop_next(struct podman_call *call);

static void on_one_stopped(void *arg, const struct err *err)
{
    struct podman_call *call = arg;

    call->sub = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    if (err) {
        podman_call_fail(call, err);
        return;
    }
    call->part++;
    stop_next(call);
}

/* The app first, then its sidecars, the last that was started first. */
static void stop_next(struct podman_call *call)
{
    struct engine *engine = &call->podman->base;
    const struct podman_pod *pod = podman_pod_find(engine, call->name);
    const struct podman_sidecar *sidecar;

    if (!pod || call->part > pod->count) {
        podman_call_finish(call);
        return;
    }
    if (call->part == 0) {
        call->sub = podman_stop_one(engine, pod->app_id, call->stop_s * 1000,
                                    on_one_stopped, call);
        return;
    }
    sidecar = &pod->sidecars[pod->count - call->part];
    call->sub = podman_stop_one(engine, sidecar->id, sidecar->stop_ms,
                                on_one_stopped, call);
}

struct engine_call *podman_pod_stop(struct engine *engine,
                                    const struct podman_pod *pod,
                                    uint64_t timeout_ms, engine_done_fn done,
                                    void *arg)
{
    struct podman_call *call = podman_pod_call_new(
        engine, PODMAN_DONE, pod->app_id[0] ? pod->app_id : pod->pod_id, arg);

    call->done.plain = done;
    call->stop_s = timeout_ms / 1000 + (timeout_ms % 1000 != 0);
    call->part = pod->app_id[0] ? 0 : 1;
    stop_next(call);
    return &call->base;
}

/* ------------------------------------------------------------------ remove */

static void on_removed(struct podman_call *call,
                       const struct podman_answer *answer,
                       const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) ||
        err.code == ERR_NOT_FOUND) {
        podman_pod_forget(call->podman, call->name);
        podman_call_finish(call);
    } else {
        podman_call_fail(call, &err);
    }
}

static void send_to_pod(struct podman_call *call, const char *method,
                        const char *rest)
{
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = method,
        .timeout_ms = REMOVE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    strbuf_printf(&path, PODS "%s%s", call->name, rest);
    step.path = path.data;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

/* Whatever came of it: nothing may run there any more, say. */
static void on_killed(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    (void)answer;
    (void)failure;
    call->on_answer = on_removed;
    send_to_pod(call, "DELETE", "?force=true");
}

/* Killed first: the removal alone waits for each container's stop time-out. */
struct engine_call *podman_pod_remove(struct engine *engine,
                                      const struct podman_pod *pod,
                                      engine_done_fn done, void *arg)
{
    struct podman_call *call =
        podman_pod_call_new(engine, PODMAN_DONE, pod->pod_id, arg);

    call->done.plain = done;
    call->on_answer = on_killed;
    send_to_pod(call, "POST", "/kill?signal=SIGKILL");
    return &call->base;
}
