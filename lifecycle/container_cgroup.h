/* container_cgroup.h - where a container's cgroup is: the directories of its
 * freezer, of its memory, and of what else it is limited by.
 *
 * Found by its process (/proc/PID/cgroup), so for running and primed ones
 * alike, and under every layout: v1, v2, and v1 with v2 beside it (hybrid);
 * cgroupfs and systemd; runc, and crun with its `container` below the scope.
 * Never a pod's cgroup, which may hold conmon too. Thread: any.
 */
#ifndef LIFECYCLE_CONTAINER_CGROUP_H
#define LIFECYCLE_CONTAINER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"

/* Where the kernel's files are; others in tests. */
struct cgroup_roots {
    const char *cgroup;
    const char *proc;
};
const struct cgroup_roots *cgroup_roots_of_host(void);

/* Directories, NULL where there is none. */
struct container_cgroup {
    char *freezer_v2; /* has cgroup.freeze */
    char *freezer_v1; /* has freezer.state */
    char *memory;
    bool memory_is_v2;
    char *cpu;  /* has cpu.max, or cpu.cfs_quota_us */
    char *pids; /* has pids.max */
};

/* Process `pid` must be known to be that of container `id`. Fails with
 * ERR_NOT_FOUND: it has ended, or no cgroup of it that carries the container's
 * id is to be seen from here. Free by container_cgroup_done(). */
MUST_USE bool container_cgroup_find(const struct cgroup_roots *roots, int pid,
                                    const char *id,
                                    struct container_cgroup *ret_cgroup,
                                    struct err *err);
void container_cgroup_done(struct container_cgroup *cgroup);

/* How many processes in it the kernel has killed for want of memory; 0 also
 * where that cannot be read. */
unsigned container_cgroup_oom_kills(const struct container_cgroup *cgroup);

/* --- files of a cgroup, dir/name --- */

/* At most size - 1 bytes, ended by NUL, without the last newline. */
MUST_USE bool cgroup_read(const char *dir, const char *name, char *ret_text,
                          size_t size, struct err *err);
/* ERR_DENIED: not writable for us; ERR_NOT_FOUND: the cgroup is gone;
 * ERR_UNAVAILABLE: not now (EAGAIN, EBUSY, EINTR). */
MUST_USE bool cgroup_write(const char *dir, const char *name, const char *text,
                           struct err *err);
bool cgroup_may_write(const char *dir, const char *name);
bool cgroup_has(const char *dir, const char *name);
/* A file of one number; "max" is UINT64_MAX. */
MUST_USE bool cgroup_read_number(const char *dir, const char *name,
                                 uint64_t *ret_value);
/* The number behind `key` in text of "key number" lines; 0: not there. */
uint64_t cgroup_stat_of(const char *text, const char *key);

#endif
