/* podman_service.h - where Podman listens: a socket that is there already, or
 * a `podman system service` of our own, as a child.
 *
 * The child ends with this process, however that ends (PR_SET_PDEATHSIG); the
 * containers and their conmon processes do not. It has a process group of its
 * own, so that Ctrl-C in a terminal is for berth alone. Thread: owner loop.
 */
#ifndef LIFECYCLE_PODMAN_SERVICE_H
#define LIFECYCLE_PODMAN_SERVICE_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

struct loop;
struct podman_service; /* opaque */
struct podman_settings;

/* err NULL: somebody listens on socket_path (borrowed). Else ERR_UNAVAILABLE,
 * ERR_NOT_FOUND (no podman here), ERR_DENIED, ERR_INVALID, ERR_TIMEOUT, with
 * what to do about it. Once for each podman_service_find(); the next find may
 * be made in it. */
typedef void (*podman_service_fn)(void *arg, const char *socket_path,
                                  const struct err *err);

/* Borrows settings and state_dir. */
MUST_USE struct podman_service *
podman_service_new(struct loop *loop, const struct podman_settings *settings,
                   const char *state_dir, podman_service_fn on_found,
                   void *arg);

/* Look for a socket on which somebody listens; where there is none and
 * `service auto` allows it, start the service and wait until it listens (at
 * most 30 s). Not while a find is under way. */
void podman_service_find(struct podman_service *service);

/* End the child (SIGTERM, SIGKILL after 3 s; blocks so long), forget the
 * find under way. NULL is skipped. Not from on_found. */
void podman_service_free(struct podman_service **service);

/* Kill the child, if there is one, because it hangs: a later find starts
 * another. Returns at once. */
void podman_service_kill(struct podman_service *service);

/* Process id of the child; 0: none runs. For status and tests. */
int podman_service_pid(const struct podman_service *service);

#endif
