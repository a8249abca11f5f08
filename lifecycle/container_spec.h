/* container_spec.h - an app's settings as Podman's create request.
 *
 * Pure: what the host allows is given. Thread: any.
 */
#ifndef LIFECYCLE_CONTAINER_SPEC_H
#define LIFECYCLE_CONTAINER_SPEC_H

#include <stdbool.h>

#include "lifecycle/engine.h"

struct rlimits;

/* Where the directory of an app's socket is inside its container. */
#define CONTAINER_SOCKET_DIR "/run/berth"

/* The body of `POST /libpod/containers/create`; *ret_json is the caller's to
 * free. Fails with ERR_INVALID (a signal or limit that there is not). */
MUST_USE bool container_spec_build(const struct engine_spec *spec,
                                   const struct rlimits *limits,
                                   char **ret_json, struct err *err);

/* The same for one of its sidecars (an index), and the body of
 * `POST /libpod/pods/create` for all of them. */
MUST_USE bool container_spec_build_sidecar(const struct engine_spec *spec,
                                           uint32_t sidecar,
                                           const struct rlimits *limits,
                                           char **ret_json, struct err *err);
MUST_USE char *container_spec_pod(const struct engine_spec *spec);
/* "NAME.pod": a pod's name; the caller's to free. No container has it. */
MUST_USE char *container_spec_pod_name(const char *name);

/* The body of `POST /libpod/networks/create` for the app's private network:
 * nothing of berth's or anybody else's is reached from it but the outside. */
MUST_USE char *container_spec_network(const struct engine_labels *labels);

/* The name of that network; the caller's to free. No other pair of namespace
 * and app has the same. */
MUST_USE char *container_spec_network_name(struct strview namespace_name,
                                           struct strview app);

/* The body of `POST …/{id}/update`: cpus, memory and pids as they are set, or
 * no limit. The caller's to free. */
MUST_USE char *
container_spec_limits(const struct container_settings *container);

/* The limits that container_spec_build() lowers, a line each. */
void container_spec_check(const struct container_settings *container,
                          const struct rlimits *limits,
                          struct strbuf *ret_warnings);

/* Of "SIGTERM", "TERM", "15", "RTMIN+3"; 0: there is no such signal. */
int container_spec_signal(const char *name);

#endif
