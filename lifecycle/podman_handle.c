/* podman_handle.c - hold a running container. */
#include "lifecycle/podman_handle.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/freezer.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_sidecars.h"
#include "lifecycle/reclaim.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct podman_handle *handle = arg;

    (void)fd;
    (void)what;
    /* Podman is about to remove the cgroup, and with it the counter; its own
     * OOMKilled is false before 5.0. */
    handle->oom_kills = container_cgroup_oom_kills(&handle->cgroup);
    handle->on_exit(handle->arg); /* last: it may release the handle */
}

struct podman_handle *podman_handle_find(struct engine *engine, const char *id)
{
    struct podman *podman = (struct podman *)engine;

    LIST_FOREACH (&podman->handles, node) {
        struct podman_handle *handle =
            container_of(node, struct podman_handle, node);

        if (strcmp(handle->id, id) == 0)
            return handle;
    }
    return NULL;
}

const struct container_cgroup *
podman_handle_cgroup(const struct podman_handle *handle, unsigned index)
{
    return index == 0 ? &handle->cgroup
                      : podman_sidecars_cgroup(handle->sidecars, index - 1);
}

static bool is_frozen(const struct podman_handle *handle)
{
    return handle->is_paused || freezer_read(&handle->cgroup) != FREEZER_THAWED;
}

void podman_handle_let_go(struct engine *engine, const char *id)
{
    struct podman_handle *handle = podman_handle_find(engine, id);
    const struct container_cgroup *cgroup;

    if (!handle || !handle->sidecars)
        return;
    podman_sidecars_let_go(handle->sidecars);
    /* One that cannot be thawed is killed by its stop, after the grace. */
    for (unsigned i = 1; (cgroup = podman_handle_cgroup(handle, i)); i++) {
        if (!handle->is_paused && freezer_read(cgroup) != FREEZER_THAWED)
            (void)!freezer_thaw(cgroup, NULL);
    }
}

static enum podman_sidecars_state
state_of(const struct podman_handle *handle,
         const struct engine_container *container)
{
    if (container->is_primed)
        return SIDECARS_PRIMED;
    return is_frozen(handle) ? SIDECARS_FROZEN : SIDECARS_RUNNING;
}

static void hold_sidecars(struct podman *podman, struct podman_handle *handle,
                          const struct engine_container *container)
{
    const struct podman_pod *pod = podman_pod_find(&podman->base, handle->id);

    if (!pod)
        return;
    memcpy(handle->pod_id, pod->pod_id, sizeof handle->pod_id);
    handle->sidecars =
        podman_sidecars_new(podman, pod, state_of(handle, container));
}

struct engine_handle *podman_attach(struct engine *engine,
                                    const struct engine_container *container,
                                    void (*on_exit)(void *arg), void *arg,
                                    struct err *err)
{
    struct podman *podman = (struct podman *)engine;
    struct netns_process process;
    struct podman_handle *handle;

    loop_assert_owner(podman->loop);
    if (!netns_process_open(container->pid, container->id, &process, err))
        return NULL;
    handle = xcalloc(1, sizeof *handle);
    handle->base.engine = engine;
    handle->process = process;
    handle->is_paused = container->is_paused;
    snprintf(handle->id, sizeof handle->id, "%s", container->id);
    /* Without it, Podman freezes; and the process lives: it was just opened. */
    if (container_cgroup_find(podman->cgroup_roots, container->pid,
                              container->id, &handle->cgroup, NULL))
        reclaim_repair(&handle->cgroup);
    hold_sidecars(podman, handle, container);
    handle->on_exit = on_exit;
    handle->arg = arg;
    handle->event = event_new(loop_base(podman->loop), process.pidfd, EV_READ,
                              on_ended, handle);
    if (!handle->event || event_add(handle->event, NULL) != 0)
        abort();
    list_add_tail(&podman->handles, &handle->node);
    return &handle->base;
}

void podman_release(struct engine_handle *base)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman *podman = (struct podman *)base->engine;

    loop_assert_owner(podman->loop);
    if (handle->call)
        podman_call_cancel(&handle->call->base);
    event_free(handle->event);
    netns_process_close(&handle->process);
    podman_sidecars_free(&handle->sidecars);
    container_cgroup_done(&handle->cgroup);
    list_remove(&handle->node);
    free(handle);
}

unsigned podman_oom_kills(const struct engine_handle *base)
{
    const struct podman_handle *handle = (const struct podman_handle *)base;

    return handle->oom_kills ? handle->oom_kills
                             : container_cgroup_oom_kills(&handle->cgroup);
}

bool podman_sockets(struct engine_handle *base, int family, unsigned count,
                    int *ret_fds, struct err *err)
{
    struct podman_handle *handle = (struct podman_handle *)base;
    struct podman *podman = (struct podman *)base->engine;

    loop_assert_owner(podman->loop);
    return netns_sockets(&handle->process, podman->netns_home, family, count,
                         ret_fds, err);
}
