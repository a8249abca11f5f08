/* podman_handle.h - hold a running container: its process, its network
 * namespace and its cgroup. Contracts: engine.h. For podman.c's table and
 * podman_warmth.c alone.
 */
#ifndef LIFECYCLE_PODMAN_HANDLE_H
#define LIFECYCLE_PODMAN_HANDLE_H

#include "lifecycle/container_cgroup.h"
#include "lifecycle/engine_ops.h"
#include "lifecycle/netns.h"
#include "router/base/list.h"

struct event;
struct podman_call;
struct podman_sidecars;

struct podman_handle {
    struct engine_handle base; /* first */
    struct list node;
    struct netns_process process;
    struct container_cgroup cgroup;   /* all NULL: not to be seen from here */
    struct podman_sidecars *sidecars; /* NULL: none */
    char pod_id[80];                  /* "": in none */
    char id[80];
    struct event *event; /* pending until the process ends */
    void (*on_exit)(void *arg);
    void *arg;
    struct podman_call *call; /* freeze, thaw, hibernate; NULL: none */
    bool is_paused;           /* by Podman: so Podman has to thaw it */
    unsigned oom_kills;       /* at its end; 0 before */
};

struct engine_handle *podman_attach(struct engine *engine,
                                    const struct engine_container *container,
                                    void (*on_exit)(void *arg), void *arg,
                                    struct err *err);
void podman_release(struct engine_handle *handle);
/* NULL: none is held of that id. */
struct podman_handle *podman_handle_find(struct engine *engine, const char *id);
/* Its cgroup, then those of its sidecars; NULL past the last. One of a sidecar
 * that does not run is empty. */
const struct container_cgroup *
podman_handle_cgroup(const struct podman_handle *handle, unsigned index);
/* What is of that id, if it is held, is about to be stopped: all of it is
 * thawed, and a sidecar that dies is not started any more. */
void podman_handle_let_go(struct engine *engine, const char *id);
unsigned podman_oom_kills(const struct engine_handle *handle);
bool podman_sockets(struct engine_handle *handle, int family, unsigned count,
                    int *ret_fds, struct err *err);

#endif
