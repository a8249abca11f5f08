/* podman_pod.h - the pods that apps with sidecars are in: which containers
 * belong together, known by the app's.
 *
 * A pod is noted when it is made or listed, and forgotten when it is removed;
 * its labels are the record. For podman_*.c alone.
 */
#ifndef LIFECYCLE_PODMAN_POD_H
#define LIFECYCLE_PODMAN_POD_H

#include "lifecycle/engine.h"
#include "lifecycle/sidecar_probe.h"
#include "router/base/list.h"

struct podman;

struct podman_sidecar {
    char id[80];
    char name[40];
    int pid; /* as it was seen last; 0: does not run */
    bool has_check;
    struct sidecar_check check;
    uint64_t stop_ms;
};

struct podman_pod {
    struct list node;
    char pod_id[80];
    char app_id[80]; /* "": the app's container is not there (any more) */
    uint64_t ready_timeout_ms;
    unsigned count;
    struct podman_sidecar *sidecars; /* in the order of their start */
};

MUST_USE struct podman_pod *podman_pod_new(unsigned count);
void podman_pod_free(struct podman_pod **pod); /* NULL is skipped */

/* By the id of the app's container, or of the pod. NULL: there is none. */
struct podman_pod *podman_pod_find(struct engine *engine, const char *id);
/* Take it, in place of one of the same pod. */
void podman_pod_note(struct podman *podman, struct podman_pod *pod);
void podman_pod_forget(struct podman *podman, const char *pod_id);
void podman_pods_forget(struct podman *podman); /* all */

/* Of a list with everything in it: note the pods, and leave only what a replica
 * is: a container in no pod, a pod's app (with the pod's id noted), or for a
 * pod without one an entry of its own, of the pod's id, that does not run.
 * Returns how many are left. */
unsigned podman_pods_gather(struct podman *podman,
                            struct engine_container *containers,
                            unsigned count);

/* engine_sidecar(). */
const char *podman_sidecar(struct engine *engine, const char *id,
                           const char *sidecar);

#endif
