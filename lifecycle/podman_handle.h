/* podman_handle.h - hold a running container: its process and its network
 * namespace. Contracts: engine.h. For podman.c's table alone.
 */
#ifndef LIFECYCLE_PODMAN_HANDLE_H
#define LIFECYCLE_PODMAN_HANDLE_H

#include "lifecycle/engine.h"

struct engine_handle *podman_attach(struct engine *engine,
                                    const struct engine_container *container,
                                    void (*on_exit)(void *arg), void *arg,
                                    struct err *err);
void podman_release(struct engine_handle *handle);
bool podman_sockets(struct engine_handle *handle, int family, unsigned count,
                    int *ret_fds, struct err *err);

#endif
