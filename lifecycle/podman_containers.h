/* podman_containers.h - the calls of engine.h that are about containers, made
 * to Podman. Contracts: engine.h. For podman.c's table alone.
 */
#ifndef LIFECYCLE_PODMAN_CONTAINERS_H
#define LIFECYCLE_PODMAN_CONTAINERS_H

#include "lifecycle/engine.h"

struct engine_call *podman_create(struct engine *engine,
                                  const struct engine_spec *spec,
                                  engine_id_fn done, void *arg);
struct engine_call *podman_init(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg);
struct engine_call *podman_start(struct engine *engine, const char *id,
                                 engine_container_fn done, void *arg);
/* Of a container that may be one of several in a pod: of it alone. */
struct engine_call *podman_init_one(struct engine *engine, const char *id,
                                    engine_container_fn done, void *arg);
struct engine_call *podman_start_one(struct engine *engine, const char *id,
                                     engine_container_fn done, void *arg);
struct engine_call *podman_update(struct engine *engine, const char *id,
                                  const struct container_settings *limits,
                                  engine_done_fn done, void *arg);
struct engine_call *podman_inspect(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg);
struct engine_call *podman_wait(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg);
struct engine_call *podman_list(struct engine *engine,
                                struct strview namespace_name,
                                engine_list_fn done, void *arg);
struct engine_call *podman_logs(struct engine *engine, const char *id,
                                unsigned tail_lines, size_t max_bytes,
                                engine_text_fn done, void *arg);

#endif
