/* podman_warmth.h - freeze, thaw and hibernate a container that is held.
 * Contracts: engine.h. For podman.c's table alone.
 */
#ifndef LIFECYCLE_PODMAN_WARMTH_H
#define LIFECYCLE_PODMAN_WARMTH_H

#include "lifecycle/engine.h"

struct engine_call *podman_freeze(struct engine_handle *handle,
                                  engine_done_fn done, void *arg);
struct engine_call *podman_thaw(struct engine_handle *handle,
                                engine_done_fn done, void *arg);
struct engine_call *podman_hibernate(struct engine_handle *handle,
                                     engine_done_fn done, void *arg);
bool podman_memory(struct engine_handle *handle,
                   struct engine_memory *ret_memory, struct err *err);

#endif
