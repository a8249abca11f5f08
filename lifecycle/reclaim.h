/* reclaim.h - write a frozen container's memory out to swap, and tell how much
 * of it is where.
 *
 * memory.reclaim on cgroup v2 (memory.high, lowered and put back, where the
 * kernel lacks it), memory.force_empty on v1. The kernel blocks the writer as
 * long as the disk takes, so a helper thread does it, one container after the
 * other. Thread: owner loop, but for what says otherwise.
 */
#ifndef LIFECYCLE_RECLAIM_H
#define LIFECYCLE_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>

#include "lifecycle/container_cgroup.h"
#include "lifecycle/engine_types.h"

struct loop;
struct timers;
struct reclaim;   /* one container's, under way */
struct reclaimer; /* opaque; defined in reclaim.c */

/* All is borrowed. The thread is started when it is first needed; it takes the
 * signal RECLAIM_SIGNAL, which is given a handler that does nothing. */
MUST_USE struct reclaimer *reclaimer_new(struct loop *loop,
                                         struct timers *timers,
                                         const struct cgroup_roots *roots);
/* Cancels what is under way. NULL is skipped. */
void reclaimer_free(struct reclaimer **reclaimer);

#define RECLAIM_SIGNAL (SIGRTMIN + 2)
/* From when the helper begins. */
#define RECLAIM_TIMEOUT_MS 120000
/* Another, for tests. */
void reclaimer_set_timeout(struct reclaimer *reclaimer, uint64_t timeout_ms);

/* done runs once, never within this call; err is NULL on success, also where a
 * small part of the memory had to stay. ERR_LIMIT: swap (or the container's
 * share of it) has no room for all of it, and nothing was done; or it filled up
 * meanwhile, and a part of it is written out; ERR_TIMEOUT: likewise, since it
 * took more than RECLAIM_TIMEOUT_MS; ERR_DENIED: may not be written here;
 * ERR_NOT_FOUND: it is gone. cgroup is copied. */
MUST_USE struct reclaim *
reclaim_start(struct reclaimer *reclaimer,
              const struct container_cgroup *cgroup,
              void (*done)(void *arg, const struct err *err), void *arg);
/* done does not run any more; the writing stops within milliseconds. */
void reclaim_cancel(struct reclaim **reclaim);

/* Whether this host can do it at all: a swap area, and use made of it. Else why
 * not, and what to do, in ret_why[size]. Thread: any. */
bool reclaim_is_possible(const struct cgroup_roots *roots, char *ret_why,
                         size_t size);

/* Where memory.high is what is lowered: one that a berth left low when it was
 * killed is lifted again. Thread: any. */
void reclaim_repair(const struct container_cgroup *cgroup);

/* Thread: any. */
MUST_USE bool reclaim_memory_of(const struct container_cgroup *cgroup,
                                struct engine_memory *ret_memory,
                                struct err *err);

#endif
