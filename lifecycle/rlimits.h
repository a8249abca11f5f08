/* rlimits.h - resource limits by the names that Podman uses, and how high this
 * process may set them: a container's limit above that does not start.
 */
#ifndef LIFECYCLE_RLIMITS_H
#define LIFECYCLE_RLIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

/* What may be asked for at most, by resource (RLIMIT_… as index). */
#define RLIMITS_COUNT 16

struct rlimits {
    bool can_raise;               /* above the hard limits (CAP_SYS_RESOURCE) */
    uint64_t hard[RLIMITS_COUNT]; /* UINT64_MAX: infinite */
    uint64_t nr_open;             /* the kernel's own bound of nofile */
    uint64_t pid_max;             /* Podman lowers its nproc to it */
};

/* This process's, now. Thread: any. */
void rlimits_of_process(struct rlimits *ret_limits);

/* RLIMIT_… of "nofile", …; -1: there is no such limit. */
int rlimits_find(const char *name);

/* The most that this resource can be set to. */
uint64_t rlimits_most(const struct rlimits *limits, int resource);

#endif
