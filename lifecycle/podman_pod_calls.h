/* podman_pod_calls.h - the calls of engine.h for apps with sidecars: a whole
 * pod made, started, stopped and removed, one container after the other.
 * Contracts: engine.h. For podman_*.c alone.
 */
#ifndef LIFECYCLE_PODMAN_POD_CALLS_H
#define LIFECYCLE_PODMAN_POD_CALLS_H

#include "lifecycle/engine.h"
#include "lifecycle/podman_pod.h"

struct engine_call *podman_pod_create(struct engine *engine,
                                      const struct engine_spec *spec,
                                      engine_id_fn done, void *arg);
struct engine_call *podman_pod_init(struct engine *engine,
                                    const struct podman_pod *pod,
                                    engine_container_fn done, void *arg);
struct engine_call *podman_pod_start(struct engine *engine,
                                     const struct podman_pod *pod,
                                     engine_container_fn done, void *arg);
struct engine_call *podman_pod_stop(struct engine *engine,
                                    const struct podman_pod *pod,
                                    uint64_t timeout_ms, engine_done_fn done,
                                    void *arg);
struct engine_call *podman_pod_remove(struct engine *engine,
                                      const struct podman_pod *pod,
                                      engine_done_fn done, void *arg);

#endif
