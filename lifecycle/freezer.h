/* freezer.h - freeze and thaw a container by one write to its own cgroup.
 *
 * cgroup.freeze where there is cgroup v2, also beside v1 (there a kill reaches
 * a frozen process at once), else v1's freezer.state. Reading and thawing look
 * at both: somebody else may have frozen it. Thread: any, one at a time.
 */
#ifndef LIFECYCLE_FREEZER_H
#define LIFECYCLE_FREEZER_H

#include <stdbool.h>
#include <stddef.h>

#include "lifecycle/container_cgroup.h"

enum freezer_state {
    FREEZER_THAWED,
    FREEZER_FREEZING, /* asked for; something of it still runs */
    FREEZER_FROZEN,
};

/* Whether the files are there and writable for us. */
bool freezer_is_usable(const struct container_cgroup *cgroup);

/* Ask for it: it is under way, and mostly done, when this returns; see
 * freezer_read(). ERR_DENIED: may not be written; ERR_NOT_FOUND: there is no
 * freezer, or the cgroup is gone. */
MUST_USE bool freezer_freeze(const struct container_cgroup *cgroup,
                             struct err *err);
/* Its processes run again when this returns. Not frozen is success. */
MUST_USE bool freezer_thaw(const struct container_cgroup *cgroup,
                           struct err *err);
/* A cgroup that is gone, or has no freezer, is thawed. */
enum freezer_state freezer_read(const struct container_cgroup *cgroup);

/* freezer_read() of process `pid`, that of container `id`. */
enum freezer_state freezer_of_process(const struct cgroup_roots *roots, int pid,
                                      const char *id);

/* Whether a container that an engine makes will have a usable freezer; where
 * not, why stands in ret_why[size]. rootless: its containers are in the user's
 * part of the tree. */
bool freezer_is_permitted(const struct cgroup_roots *roots, bool rootless,
                          char *ret_why, size_t size);

#endif
