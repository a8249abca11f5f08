/* memory_watch.h - how much memory the machine has left, and whether it is
 * short of it. Thread: any.
 */
#ifndef LIFECYCLE_MEMORY_WATCH_H
#define LIFECYCLE_MEMORY_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct memory_watch {
    uint64_t total_bytes; /* 0: not known */
    uint64_t available_bytes;
    double stalled_percent; /* PSI: of the last 10 s, all stood still for want
                             * of memory; 0: none, or not known */
};

/* proc: "/proc". false: it cannot be read. */
MUST_USE bool memory_watch_read(const char *proc,
                                struct memory_watch *ret_watch);

/* Less than a tenth is available; or work stands still for want of it. */
bool memory_watch_is_short(const struct memory_watch *watch);
/* More than a quarter is available. */
bool memory_watch_is_plenty(const struct memory_watch *watch);

#endif
