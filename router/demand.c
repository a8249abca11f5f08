/* demand.c - what an app was asked for: windows over exact counters.
 *
 * A ring of 250 ms buckets. A sample's arrivals fall into the bucket of its
 * time (the front tells at least every 250 ms when there are any); its slot
 * time is spread over the buckets since the last sample, where all but a part
 * is known exactly from the in_flight that stood in between.
 */
#include "router/demand.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define FAST_US       UINT64_C(5000000)
#define SERVICE_SHARE 0.1
#define RATE_DROPPED  2
#define RATE_MIN      10
#define RATE_MIN_US   UINT64_C(1000000)

static uint64_t bucket_of(uint64_t at_us)
{
    return at_us / DEMAND_BUCKET_US;
}

/* Make `bucket` the newest; those in between are empty. */
static void advance(struct demand *demand, uint64_t bucket)
{
    uint64_t step;

    if (bucket <= demand->bucket)
        return;
    step = bucket - demand->bucket;
    if (step >= DEMAND_BUCKETS) {
        memset(demand->arrivals, 0, sizeof demand->arrivals);
        memset(demand->slot_time_us, 0, sizeof demand->slot_time_us);
    }
    for (uint64_t i = 1; i <= step && step < DEMAND_BUCKETS; i++) {
        size_t at = (demand->bucket + i) % DEMAND_BUCKETS;

        demand->arrivals[at] = 0;
        demand->slot_time_us[at] = 0;
    }
    demand->bucket = bucket;
}

/* Spread `total` slot time evenly over (from, to]; advances to it. */
static void spread(struct demand *demand, uint64_t from_us, uint64_t to_us,
                   uint64_t total)
{
    uint64_t span = to_us - from_us;
    uint64_t left = total;

    advance(demand, bucket_of(to_us));
    if (span == 0) {
        demand->slot_time_us[bucket_of(to_us) % DEMAND_BUCKETS] += total;
        return;
    }
    if (span > DEMAND_WINDOW_US) { /* the older part is out of sight */
        from_us = to_us - DEMAND_WINDOW_US;
        left = (uint64_t)((double)total * DEMAND_WINDOW_US / (double)span);
        span = DEMAND_WINDOW_US;
    }
    for (uint64_t b = bucket_of(from_us); left > 0; b++) {
        uint64_t end_us = (b + 1) * DEMAND_BUCKET_US;
        uint64_t part;

        if (end_us > to_us)
            end_us = to_us;
        part = end_us == to_us
                   ? left
                   : (uint64_t)((double)left * (double)(end_us - from_us) /
                                (double)(to_us - from_us));
        if (b + DEMAND_BUCKETS > demand->bucket)
            demand->slot_time_us[b % DEMAND_BUCKETS] += part;
        left -= part;
        from_us = end_us;
        if (end_us == to_us)
            return;
    }
}

/* Mean of `count` services, weighed as if they had come one by one. */
static void learn_service(struct demand *demand, uint64_t count,
                          uint64_t total_us)
{
    double mean = (double)total_us / (double)count;
    double share = 1.0 - pow(1.0 - SERVICE_SHARE, (double)count);

    if (!demand->service_is_known)
        demand->service_us = mean;
    else
        demand->service_us += share * (mean - demand->service_us);
    demand->service_is_known = true;
}

static bool is_new_front(const struct demand_sample *last,
                         const struct demand_sample *sample)
{
    return sample->arrivals < last->arrivals ||
           sample->completions < last->completions ||
           sample->slot_time_us < last->slot_time_us;
}

void demand_add(struct demand *demand, const struct demand_sample *sample)
{
    struct demand_sample now = *sample;
    struct demand_sample before = demand->last;

    if (!demand->has_sample) {
        demand->has_sample = true;
        demand->first_us = now.at_us;
        demand->bucket = bucket_of(now.at_us);
        before = (struct demand_sample){.at_us = now.at_us};
    } else if (is_new_front(&before, &now)) {
        before = (struct demand_sample){.at_us = before.at_us};
    }
    if (now.at_us < before.at_us)
        now.at_us = before.at_us;
    spread(demand, before.at_us, now.at_us,
           now.slot_time_us - before.slot_time_us);
    demand->arrivals[demand->bucket % DEMAND_BUCKETS] +=
        (uint32_t)(now.arrivals - before.arrivals);
    if (now.completions > before.completions &&
        now.service_time_us >= before.service_time_us)
        learn_service(demand, now.completions - before.completions,
                      now.service_time_us - before.service_time_us);
    demand->last = now;
}

void demand_know_service(struct demand *demand, double service_us)
{
    assert(service_us >= 0);
    demand->service_us = service_us;
    demand->service_is_known = true;
}

/* --- reading --- */

struct window {
    uint64_t arrivals;
    uint64_t dropped; /* in the largest buckets */
    uint64_t slot_time_us;
    double seconds; /* that it covers */
};

static void note_largest(uint32_t largest[RATE_DROPPED], uint32_t value)
{
    for (unsigned i = 0; i < RATE_DROPPED; i++) {
        if (value > largest[i]) {
            uint32_t next = largest[i];

            largest[i] = value;
            value = next;
        }
    }
}

/* The newest bucket is not full yet: it counts for what has passed of it, and
 * the window reaches that much less far than whole buckets would. Since the
 * last sample in_flight stood, and nothing arrived. */
static struct window look_back(const struct demand *demand, uint64_t now_us,
                               uint64_t window_us)
{
    uint64_t count = window_us / DEMAND_BUCKET_US;
    uint64_t newest = bucket_of(now_us);
    uint64_t begin_us;
    uint64_t still_us;
    uint32_t largest[RATE_DROPPED] = {0};
    struct window window = {0};

    if (count > DEMAND_BUCKETS)
        count = DEMAND_BUCKETS;
    if (count > newest + 1)
        count = newest + 1;
    for (uint64_t b = newest + 1 - count; b <= demand->bucket; b++) {
        size_t at = b % DEMAND_BUCKETS;

        note_largest(largest, demand->arrivals[at]);
        window.arrivals += demand->arrivals[at];
        window.slot_time_us += demand->slot_time_us[at];
    }
    for (unsigned i = 0; i < RATE_DROPPED; i++)
        window.dropped += largest[i];
    begin_us = (newest + 1 - count) * DEMAND_BUCKET_US;
    if (begin_us < demand->first_us)
        begin_us = demand->first_us;
    still_us = begin_us > demand->last.at_us ? begin_us : demand->last.at_us;
    window.slot_time_us += (now_us - still_us) * demand->last.in_flight;
    window.seconds = (double)(now_us - begin_us) / 1e6;
    return window;
}

static double mean_of(const struct demand *demand, const struct window *window)
{
    if (window->seconds <= 0)
        return demand->last.in_flight;
    return (double)window->slot_time_us / 1e6 / window->seconds;
}

static double rate_of(const struct window *window)
{
    double seconds = window->seconds - RATE_DROPPED * (DEMAND_BUCKET_US / 1e6);

    if (window->arrivals < RATE_MIN || window->seconds * 1e6 < RATE_MIN_US)
        return 0;
    return (double)(window->arrivals - window->dropped) / seconds;
}

void demand_read(const struct demand *demand, uint64_t now_us,
                 struct demand_view *ret_view)
{
    struct demand_view view = {0};
    uint64_t fast_us = (uint64_t)(3 * demand->service_us);
    struct window window;

    if (demand->has_sample) {
        if (now_us < demand->last.at_us)
            now_us = demand->last.at_us;
        window = look_back(demand, now_us, FAST_US);
        view.mean_fast = mean_of(demand, &window);
        if (fast_us < FAST_US)
            fast_us = FAST_US;
        if (fast_us > DEMAND_WINDOW_US)
            fast_us = DEMAND_WINDOW_US;
        window = look_back(demand, now_us, fast_us);
        view.rate_fast = rate_of(&window);
        window = look_back(demand, now_us, DEMAND_WINDOW_US);
        view.mean_slow = mean_of(demand, &window);
        view.rate_slow = rate_of(&window);
        view.known_us = (uint64_t)(window.seconds * 1e6);
    }
    view.service_is_known = demand->service_is_known;
    view.service_us = demand->service_us;
    *ret_view = view;
}
