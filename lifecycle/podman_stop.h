/* podman_stop.h - the calls of engine.h that end containers, made to Podman.
 * Contracts: engine.h. For podman.c's table alone.
 */
#ifndef LIFECYCLE_PODMAN_STOP_H
#define LIFECYCLE_PODMAN_STOP_H

#include "lifecycle/engine.h"

struct engine_call *podman_stop(struct engine *engine, const char *id,
                                uint64_t timeout_ms, engine_done_fn done,
                                void *arg);
/* Of a container that may be one of several in a pod: of it alone. */
struct engine_call *podman_stop_one(struct engine *engine, const char *id,
                                    uint64_t timeout_ms, engine_done_fn done,
                                    void *arg);
struct engine_call *podman_remove(struct engine *engine, const char *id,
                                  engine_done_fn done, void *arg);

#endif
