/* podman_sidecars.h - the sidecars of a container that is held: their
 * processes, their cgroups, and another start, with back-off, of one that has
 * died. Thread: keeper main. For podman_*.c alone.
 */
#ifndef LIFECYCLE_PODMAN_SIDECARS_H
#define LIFECYCLE_PODMAN_SIDECARS_H

#include <stdbool.h>

#include "lifecycle/container_cgroup.h"
#include "lifecycle/podman_pod.h"
#include "router/base/attr.h"

struct podman_sidecars; /* opaque; defined in podman_sidecars.c */

/* How the app is that they belong to. */
enum podman_sidecars_state {
    SIDECARS_PRIMED,  /* they are, too: nothing is started */
    SIDECARS_RUNNING, /* what does not run is started */
    SIDECARS_FROZEN,
};

/* Hold those that run or are primed. RUNNING: none of them stays frozen. pod:
 * copied. */
MUST_USE struct podman_sidecars *
podman_sidecars_new(struct podman *podman, const struct podman_pod *pod,
                    enum podman_sidecars_state state);
void podman_sidecars_free(struct podman_sidecars **sidecars); /* or NULL */

/* The cgroup of one, all NULL while it does not run; NULL past the last.
 * sidecars may be NULL: there are none. */
const struct container_cgroup *
podman_sidecars_cgroup(const struct podman_sidecars *sidecars, unsigned index);

/* Frozen: none is started; thawed: what died meanwhile is. NULL: none. */
void podman_sidecars_set_frozen(struct podman_sidecars *sidecars,
                                bool is_frozen);
/* Primed before: the pod has been started. NULL: none. */
void podman_sidecars_on_start(struct podman_sidecars *sidecars,
                              const struct podman_pod *pod);
/* The pod ends: they may die now. NULL: none. */
void podman_sidecars_let_go(struct podman_sidecars *sidecars);

#endif
