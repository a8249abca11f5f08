/* wait_estimate.c - how long who comes now would wait for a slot. */
#include "router/wait_estimate.h"

#include <string.h>

#define WINDOW_US ((uint64_t)WAIT_ESTIMATE_BUCKETS * WAIT_ESTIMATE_BUCKET_US)

static uint64_t bucket_of(uint64_t at_us)
{
    return at_us / WAIT_ESTIMATE_BUCKET_US;
}

static struct wait_estimate_sum *sum_of(struct wait_estimate *estimate,
                                        uint64_t bucket)
{
    return &estimate->buckets[bucket % WAIT_ESTIMATE_BUCKETS];
}

/* Make `bucket` the newest, and forget those that it is too far from. */
static void advance(struct wait_estimate *estimate, uint64_t bucket)
{
    uint64_t first = estimate->bucket + 1;

    if (bucket - estimate->bucket >= WAIT_ESTIMATE_BUCKETS) {
        memset(estimate->buckets, 0, sizeof estimate->buckets);
        estimate->total = (struct wait_estimate_sum){0};
        first = bucket + 1;
    }
    for (uint64_t b = first; b <= bucket; b++) {
        struct wait_estimate_sum *old = sum_of(estimate, b);

        estimate->total.freed -= old->freed;
        estimate->total.service_us -= old->service_us;
        estimate->total.waited_us -= old->waited_us;
        *old = (struct wait_estimate_sum){0};
    }
    estimate->bucket = bucket;
}

static void count_waiting(struct wait_estimate *estimate, uint64_t from_us,
                          uint64_t to_us)
{
    if (to_us - from_us > WINDOW_US)
        from_us = to_us - WINDOW_US;
    /* Of the oldest bucket, the part that is still in the window is gone. */
    if (bucket_of(from_us) + WAIT_ESTIMATE_BUCKETS <= estimate->bucket)
        from_us = (estimate->bucket + 1 - WAIT_ESTIMATE_BUCKETS) *
                  WAIT_ESTIMATE_BUCKET_US;
    while (from_us < to_us) {
        uint64_t end_us = (bucket_of(from_us) + 1) * WAIT_ESTIMATE_BUCKET_US;

        if (end_us > to_us)
            end_us = to_us;
        sum_of(estimate, bucket_of(from_us))->waited_us += end_us - from_us;
        estimate->total.waited_us += end_us - from_us;
        from_us = end_us;
    }
}

static void tick(struct wait_estimate *estimate, uint64_t now_us)
{
    if (now_us <= estimate->counted_us)
        return;
    if (bucket_of(now_us) > estimate->bucket)
        advance(estimate, bucket_of(now_us));
    if (estimate->since_us != 0)
        count_waiting(estimate, estimate->counted_us, now_us);
    estimate->counted_us = now_us;
}

void wait_estimate_begin(struct wait_estimate *estimate, uint64_t now_us)
{
    tick(estimate, now_us);
    estimate->since_us = estimate->counted_us;
}

void wait_estimate_end(struct wait_estimate *estimate, uint64_t now_us)
{
    tick(estimate, now_us);
    estimate->since_us = 0;
}

void wait_estimate_freed(struct wait_estimate *estimate, uint64_t service_us,
                         uint64_t now_us)
{
    struct wait_estimate_sum *sum;

    tick(estimate, now_us);
    sum = sum_of(estimate, estimate->bucket);
    sum->freed++;
    sum->service_us += service_us;
    estimate->total.freed++;
    estimate->total.service_us += service_us;
}

uint64_t wait_estimate_us(struct wait_estimate *estimate, uint32_t ahead,
                          uint32_t held, uint64_t now_us)
{
    const struct wait_estimate_sum *total = &estimate->total;
    double each_us;

    tick(estimate, now_us);
    if (total->freed == 0)
        return WAIT_ESTIMATE_UNKNOWN;
    each_us = (double)total->waited_us / (double)total->freed;
    if (held > 0) {
        double served_us =
            (double)total->service_us / (double)total->freed / held;

        if (served_us < each_us)
            each_us = served_us;
    }
    return (uint64_t)(each_us * ahead);
}
