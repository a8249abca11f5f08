/* wait_estimate.h - how long who comes now would wait for a slot.
 *
 * From what the last ten seconds showed while somebody waited: at other times
 * slots become free as seldom as requests come, which says nothing of how many
 * could be served. Pure: no clock. O(1), allocates nothing. Zeroed: nothing is
 * known.
 */
#ifndef ROUTER_WAIT_ESTIMATE_H
#define ROUTER_WAIT_ESTIMATE_H

#include <stdint.h>

#define WAIT_ESTIMATE_BUCKET_US 1000000
#define WAIT_ESTIMATE_BUCKETS   10

#define WAIT_ESTIMATE_UNKNOWN UINT64_MAX

struct wait_estimate_sum {
    uint64_t freed;      /* slots that became free */
    uint64_t service_us; /* for how long those had been taken */
    uint64_t waited_us;  /* during which somebody waited */
};

struct wait_estimate {
    uint64_t since_us;   /* somebody waits, without a break; 0: nobody does */
    uint64_t counted_us; /* up to where waited_us is counted */
    uint64_t bucket;     /* the newest */
    struct wait_estimate_sum buckets[WAIT_ESTIMATE_BUCKETS];
    struct wait_estimate_sum total; /* of the buckets */
};

/* The queue is no longer empty; it is empty. Time that runs back (workers read
 * their clocks once a loop turn) is taken as standing still. */
void wait_estimate_begin(struct wait_estimate *estimate, uint64_t now_us);
void wait_estimate_end(struct wait_estimate *estimate, uint64_t now_us);

/* A slot that had been taken for service_us became free while somebody waited.
 */
void wait_estimate_freed(struct wait_estimate *estimate, uint64_t service_us,
                         uint64_t now_us);

/* Until `ahead` others have got a slot, where `held` are taken now: by how
 * often slots became free, or could have by how long they had been taken (of
 * many that are taken together, the first to come back says little),
 * whichever is sooner. WAIT_ESTIMATE_UNKNOWN: none became free. */
uint64_t wait_estimate_us(struct wait_estimate *estimate, uint32_t ahead,
                          uint32_t held, uint64_t now_us);

#endif
