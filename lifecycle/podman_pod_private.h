/* podman_pod_private.h - what the calls about whole pods share, in
 * podman_pod_calls.c and podman_pod_start.c. Nobody else includes it.
 *
 * Each goes through the pod's containers (`part`), by calls that are about one
 * of them (`sub`). The pod is looked up anew at each step, by the app's id: it
 * may have been removed meanwhile.
 */
#ifndef LIFECYCLE_PODMAN_POD_PRIVATE_H
#define LIFECYCLE_PODMAN_POD_PRIVATE_H

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_pod.h"

/* id: the app's or the pod's, whichever the call looks it up by; copied. NULL:
 * it has none yet. */
struct podman_call *podman_pod_call_new(struct engine *engine,
                                        enum podman_done_kind kind,
                                        const char *id, void *arg);
/* NULL: it is gone, and the call has failed. */
struct podman_pod *podman_pod_of_call(struct podman_call *call);

#endif
