/* podman_build.h - the calls of engine.h that build images and remove those,
 * made to Podman. Contracts: engine.h. For podman.c's table alone.
 */
#ifndef LIFECYCLE_PODMAN_BUILD_H
#define LIFECYCLE_PODMAN_BUILD_H

#include "lifecycle/engine.h"

struct engine_call *podman_build(struct engine *engine,
                                 const struct engine_build *build,
                                 engine_progress_fn progress,
                                 engine_image_fn done, void *arg);
struct engine_call *podman_prune_layers(struct engine *engine,
                                        struct strview namespace_name,
                                        const char *const *keep_tags,
                                        unsigned count, engine_done_fn done,
                                        void *arg);

#endif
