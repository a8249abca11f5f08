/* latency.h - a histogram of microseconds for load generators: 64 buckets to
 * each power of two, so any quantile is within 1.6 %.
 */
#ifndef TESTS_BENCH_LATENCY_H
#define TESTS_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS   64U
#define LATENCY_BUCKETS (LATENCY_STEPS * 32U)

struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
    uint64_t max_us;
};

static inline unsigned latency_bucket(uint64_t us)
{
    unsigned shift;

    if (us < 2 * LATENCY_STEPS)
        return (unsigned)us;
    shift = 63U - (unsigned)__builtin_clzll(us) - 6U;
    shift = shift > 29 ? 29 : shift;
    return (shift + 1) * LATENCY_STEPS +
           (unsigned)((us >> shift) % LATENCY_STEPS);
}

static inline void latency_add(struct latency *latency, uint64_t us)
{
    latency->counts[latency_bucket(us)]++;
    latency->total++;
    if (us > latency->max_us)
        latency->max_us = us;
}

/* The upper end of the bucket that holds the quantile (0 to 1). */
static inline uint64_t latency_quantile(const struct latency *latency,
                                        double quantile)
{
    uint64_t rank = (uint64_t)((double)latency->total * quantile);
    uint64_t seen = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (seen > rank && i < 2 * LATENCY_STEPS)
            return i;
        if (seen > rank) {
            unsigned shift = i / LATENCY_STEPS - 1;

            return ((uint64_t)(LATENCY_STEPS + i % LATENCY_STEPS + 1)
                    << shift) -
                   1;
        }
    }
    return latency->max_us;
}

#endif
