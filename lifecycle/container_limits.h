/* container_limits.h - the limits that a container has, read from its cgroup,
 * and whether they are those that were asked for.
 *
 * The kernel is asked, not Podman: that goes on to tell the limits that the
 * container was made with, after others were set. Thread: any.
 */
#ifndef LIFECYCLE_CONTAINER_LIMITS_H
#define LIFECYCLE_CONTAINER_LIMITS_H

#include <stdbool.h>

#include "lifecycle/engine_types.h"
#include "router/base/attr.h"

struct cgroup_roots;
struct container_settings;

/* Process `pid` must be known to be that of container `id`. What cannot be read
 * is unknown. */
void container_limits_read(const struct cgroup_roots *roots, int pid,
                           const char *id, struct engine_limits *ret);
void container_limits_unknown(struct engine_limits *ret);

/* Whether it needs to be told others. What is unknown is taken for right; and
 * so are the pids that Podman allows where none were asked for. */
MUST_USE bool container_limits_fit(const struct engine_limits *limits,
                                   const struct container_settings *wanted);

#endif
