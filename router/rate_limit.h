/* rate_limit.h - how often each key (an address, a tenant) may come: exact
 * over all workers, by the generic cell rate algorithm (GCRA), one number a
 * key.
 *
 * A second place with shared mutable state beside router/app: a limit that
 * each worker counted for itself would let through as many times more as there
 * are workers, or, divided by them, refuse a client whose connections are all
 * on one. The lock is a limit's own, held for a hash look-up.
 */
#ifndef ROUTER_RATE_LIMIT_H
#define ROUTER_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

/* Keys that one limit remembers; beyond it the one that came least recently is
 * forgotten. */
#define RATE_LIMIT_KEYS_MAX 16384U

struct rate_limit; /* opaque; defined in rate_limit.c */

/* requests in period_s, evenly; and burst more at once. keys_max: at least 1.
 * Thread: main. */
MUST_USE struct rate_limit *rate_limit_new(uint32_t requests, uint32_t period_s,
                                           uint32_t burst, uint32_t keys_max);
/* Counted: over a reload it goes on. NULL is skipped. Thread: main. */
struct rate_limit *rate_limit_ref(struct rate_limit *limit);
void rate_limit_unref(struct rate_limit **limit);

enum rate_verdict {
    RATE_ALLOWED,
    RATE_ALLOWED_EVICTED, /* and a key that still counted was forgotten */
    RATE_REFUSED,
};

/* Whether the key may come now; counts it if so. ret_wait_ms: RATE_REFUSED:
 * until it may, at least 1. Thread: any. */
MUST_USE enum rate_verdict rate_limit_take(struct rate_limit *limit,
                                           struct strview key, uint64_t now_us,
                                           uint64_t *ret_wait_ms);

#endif
