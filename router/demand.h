/* demand.h - what an app was asked for: exact, from counters that only grow.
 *
 * The front counts (struct app_counts), the keeper keeps the record: every
 * DEMAND message carries totals and integrals, so a window's mean is the
 * difference of two of them and a lost or late message costs nothing. Between
 * messages nothing changed, else there would be one: integrals go on with the
 * last in_flight. Pure: no clock. Times in microseconds of any monotonic clock,
 * the same in all calls; time that runs back is taken as standing still.
 */
#ifndef ROUTER_DEMAND_H
#define ROUTER_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#define DEMAND_BUCKET_US 250000
#define DEMAND_BUCKETS   240 /* 60 seconds */
#define DEMAND_WINDOW_US ((uint64_t)DEMAND_BUCKETS * DEMAND_BUCKET_US)

/* What the front tells, as of at_us. Totals begin at zero with each front. */
struct demand_sample {
    uint64_t at_us;
    uint32_t queued;
    uint32_t in_flight; /* slots that are held: tunnels are none */
    uint64_t arrivals;
    uint64_t completions;     /* slots given back by requests */
    uint64_t service_time_us; /* of those, from taken to given back */
    uint64_t slot_time_us;    /* integral of in_flight, up to at_us */
};

/* Open, so that it can be embedded; zeroed: empty. */
struct demand {
    bool has_sample;
    struct demand_sample last;
    uint64_t first_us; /* where the record begins */
    uint64_t bucket;   /* at_us / DEMAND_BUCKET_US of the newest bucket */
    uint32_t arrivals[DEMAND_BUCKETS];
    uint64_t slot_time_us[DEMAND_BUCKETS];
    bool service_is_known;
    double service_us; /* running mean, weight 0.1 a request */
};

/* Take a sample. Totals below the last ones: a new front, whose totals began
 * at zero. Cost: O(buckets that passed), DEMAND_BUCKETS at most. */
void demand_add(struct demand *demand, const struct demand_sample *sample);

/* The service time as it was known before a restart. */
void demand_know_service(struct demand *demand, double service_us);

/* What the autoscaler reads. */
struct demand_view {
    bool service_is_known;
    double service_us;
    double mean_fast;  /* in_flight, time-weighted over the fast window */
    double mean_slow;  /* likewise over 60 seconds */
    double rate_fast;  /* arrivals a second over max(fast window, 3 services) */
    double rate_slow;  /* likewise over 60 seconds */
    uint64_t known_us; /* how much of the last 60 seconds the record covers */
};

/* As of now_us. Windows reach back no further than the record. Rates: the two
 * largest buckets of the window are dropped (a batch is a queue, not a rate);
 * 0 below 10 arrivals or 1 second of data. Cost: O(DEMAND_BUCKETS). */
void demand_read(const struct demand *demand, uint64_t now_us,
                 struct demand_view *ret_view);

#endif
