/* podman_images.h - the calls of engine.h that are about images and networks,
 * made to Podman. Contracts: engine.h. For podman.c's table alone.
 */
#ifndef LIFECYCLE_PODMAN_IMAGES_H
#define LIFECYCLE_PODMAN_IMAGES_H

#include "lifecycle/engine.h"

struct engine_call *podman_image_inspect(struct engine *engine,
                                         const char *image,
                                         engine_image_fn done, void *arg);
struct engine_call *podman_pull_image(struct engine *engine,
                                      const struct engine_pull *pull,
                                      engine_progress_fn progress,
                                      engine_image_fn done, void *arg);
struct engine_call *podman_secrets(struct engine *engine,
                                   const char *const *names, unsigned count,
                                   engine_text_fn done, void *arg);
struct engine_call *podman_prune(struct engine *engine,
                                 struct strview namespace_name,
                                 const char *const *keep_apps, unsigned count,
                                 engine_done_fn done, void *arg);

#endif
