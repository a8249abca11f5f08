/* podman_pod_start.c - pods started, and primed: each sidecar, and what proves
 * it ready, before the next and before the app. */
#include "lifecycle/podman_pod_calls.h"

#include "lifecycle/netns.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_containers.h"
#include "lifecycle/podman_handle.h"
#include "lifecycle/podman_pod_private.h"
#include "lifecycle/podman_sidecars.h"
#include "lifecycle/sidecar_line.h"
#include "router/base/clock.h"

static void start_next(struct podman_call *call);

/* It was held since it was primed. */
static void tell_handle(const struct podman_call *call)
{
    struct engine *engine = &call->podman->base;
    const struct podman_pod *pod = podman_pod_find(engine, call->name);
    const struct podman_handle *handle = podman_handle_find(engine, call->name);

    if (pod && handle)
        podman_sidecars_on_start(handle->sidecars, pod);
}

static void on_app_up(void *arg, const struct engine_container *container,
                      const struct err *err)
{
    struct podman_call *call = arg;

    call->sub = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    if (!err && !container->is_primed)
        tell_handle(call);
    if (container)
        podman_call_finish_container(call, container, err);
    else
        podman_call_fail(call, err);
}

static void fail_by_sidecar(struct podman_call *call, const char *name,
                            const struct err *err)
{
    struct err told = *err;

    err_prefix(&told, "sidecar %s", name);
    if (told.code == ERR_NOT_FOUND)
        told.code = ERR_FAILED;
    podman_call_fail(call, &told);
}

/* Of the sidecar that is started now. */
static bool open_process(const struct podman_call *call,
                         struct netns_process *ret_process, struct err *err)
{
    const struct podman_pod *pod =
        podman_pod_find(&call->podman->base, call->name);

    if (!pod)
        return err_set(err, ERR_NOT_FOUND, "the pod has been removed");
    return netns_process_open(pod->sidecars[call->part].pid,
                              pod->sidecars[call->part].id, ret_process, err);
}

static bool open_socket_inside(void *arg, int family, int *ret_fd,
                               struct err *err)
{
    struct podman_call *call = arg;
    struct netns_process process;
    bool is_open;

    if (!open_process(call, &process, err))
        return false;
    is_open = netns_sockets(&process, call->podman->netns_home, family, 1,
                            ret_fd, err);
    netns_process_close(&process);
    return is_open;
}

static void on_probed(void *arg, const struct err *err)
{
    struct podman_call *call = arg;
    const struct podman_pod *pod;

    call->probe = NULL;
    pod = podman_pod_of_call(call);
    if (!pod)
        return;
    if (err) {
        fail_by_sidecar(call, pod->sidecars[call->part].name, err);
        return;
    }
    call->part++;
    start_next(call);
}

static void on_line_seen(void *arg, const struct err *err)
{
    struct podman_call *call = arg;

    call->line = NULL;
    on_probed(call, err);
}

static bool is_alive(void *arg, struct err *err)
{
    struct netns_process process;

    if (!open_process(arg, &process, err))
        return false;
    netns_process_close(&process);
    return true;
}

static uint64_t time_left_ms(const struct podman_call *call)
{
    uint64_t now_us = clock_now_us();

    return call->deadline_us > now_us ? (call->deadline_us - now_us) / 1000 : 0;
}

static void await_line(struct podman_call *call,
                       const struct podman_sidecar *sidecar)
{
    const struct sidecar_line_options options = {
        .engine = &call->podman->base,
        .timers = call->podman->timers,
        .id = sidecar->id,
        .pattern = sidecar->check.pattern,
        .is_alive = is_alive,
        .done = on_line_seen,
        .arg = call,
        .timeout_ms = time_left_ms(call),
    };

    call->line = sidecar_line_start(&options);
}

static void probe(struct podman_call *call,
                  const struct podman_sidecar *sidecar)
{
    const struct sidecar_probe_options options = {
        .loop = call->podman->loop,
        .open_socket = open_socket_inside,
        .done = on_probed,
        .arg = call,
        .check = &sidecar->check,
        .timeout_ms = time_left_ms(call),
    };

    call->probe = sidecar_probe_start(&options);
}

static void on_sidecar_up(void *arg, const struct engine_container *container,
                          const struct err *err)
{
    struct podman_call *call = arg;
    struct podman_pod *pod;
    struct podman_sidecar *sidecar;

    call->sub = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    pod = podman_pod_of_call(call);
    if (!pod)
        return;
    sidecar = &pod->sidecars[call->part];
    if (err) {
        fail_by_sidecar(call, sidecar->name, err);
        return;
    }
    sidecar->pid = container->pid;
    if (sidecar->has_check && sidecar->check.pattern) {
        await_line(call, sidecar);
        return;
    }
    if (sidecar->has_check) {
        probe(call, sidecar);
        return;
    }
    call->part++;
    start_next(call);
}

static void start_next(struct podman_call *call)
{
    struct engine *engine = &call->podman->base;
    const struct podman_pod *pod = podman_pod_of_call(call);

    if (!pod)
        return;
    call->sub = call->part < pod->count
                    ? podman_start_one(engine, pod->sidecars[call->part].id,
                                       on_sidecar_up, call)
                    : podman_start_one(engine, pod->app_id, on_app_up, call);
}

struct engine_call *podman_pod_start(struct engine *engine,
                                     const struct podman_pod *pod,
                                     engine_container_fn done, void *arg)
{
    struct podman_call *call =
        podman_pod_call_new(engine, PODMAN_DONE_CONTAINER, pod->app_id, arg);

    call->done.container = done;
    call->deadline_us = clock_now_us() + pod->ready_timeout_ms * 1000;
    start_next(call);
    return &call->base;
}

/* -------------------------------------------------------------------- init */

static void init_next(struct podman_call *call);

static void on_sidecar_primed(void *arg,
                              const struct engine_container *container,
                              const struct err *err)
{
    struct podman_call *call = arg;
    struct podman_pod *pod;

    call->sub = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    pod = podman_pod_of_call(call);
    if (!pod)
        return;
    if (err) {
        fail_by_sidecar(call, pod->sidecars[call->part].name, err);
        return;
    }
    pod->sidecars[call->part].pid = container->pid; /* the app's later */
    call->part++;
    init_next(call);
}

/* The pod's network comes up with the first. */
static void init_next(struct podman_call *call)
{
    struct engine *engine = &call->podman->base;
    const struct podman_pod *pod = podman_pod_of_call(call);

    if (!pod)
        return;
    call->sub = call->part < pod->count
                    ? podman_init_one(engine, pod->sidecars[call->part].id,
                                      on_sidecar_primed, call)
                    : podman_init_one(engine, pod->app_id, on_app_up, call);
}

struct engine_call *podman_pod_init(struct engine *engine,
                                    const struct podman_pod *pod,
                                    engine_container_fn done, void *arg)
{
    struct podman_call *call =
        podman_pod_call_new(engine, PODMAN_DONE_CONTAINER, pod->app_id, arg);

    call->done.container = done;
    init_next(call);
    return &call->base;
}
