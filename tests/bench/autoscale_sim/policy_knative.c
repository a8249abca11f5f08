/* policy_knative.c - Knative Serving's pod autoscaler (KPA), at its defaults.
 *
 * Written from its documentation and sources (knative/serving):
 * knative.dev/docs/serving/autoscaling/kpa-specific, config/core/configmaps/
 * autoscaler.yaml, pkg/autoscaler/scaling/autoscaler.go (the decision),
 * pkg/autoscaler/aggregation/bucketing.go (windows), pkg/activator/net
 * (the activator's one queue, which hands a request to any pod with room).
 * In its favour: one activator always in the path, metrics without delay or
 * loss, pods gone at once when idle, no grace period before zero.
 */
#include <math.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "tests/bench/autoscale_sim/sim_policies.h"

#define SECOND_US       1000000
#define TICK_US         (2 * SECOND_US) /* tick-interval */
#define STABLE_S        60              /* stable-window */
#define PANIC_S         6               /* panic-window-percentage 10 */
#define PANIC_THRESHOLD 2.0             /* panic-threshold-percentage 200 */
#define UTILIZATION     0.7  /* container-concurrency-target-percentage */
#define UP_RATE         1000 /* max-scale-up-rate */
#define DOWN_RATE       2    /* max-scale-down-rate */

uint32_t sim_kpa_decide(struct sim_kpa *kpa, double stable, double panic,
                        uint32_t ready, uint64_t now_us)
{
    double pods = ready > 0 ? ready : 1;
    double most = ceil(UP_RATE * pods);
    double least = floor(pods / DOWN_RATE);
    double stable_pods = ceil(stable / kpa->target);
    double panic_pods = ceil(panic / kpa->target);
    bool is_over = panic_pods / pods >= PANIC_THRESHOLD;
    uint32_t wanted = (uint32_t)fmin(fmax(stable_pods, least), most);
    uint32_t in_panic = (uint32_t)fmin(fmax(panic_pods, least), most);

    if (is_over) {
        kpa->is_panicking = true;
        kpa->panic_us = now_us;
    } else if (kpa->is_panicking &&
               kpa->panic_us + STABLE_S * SECOND_US < now_us) {
        kpa->is_panicking = false;
        kpa->panic_most = 0;
    }
    if (!kpa->is_panicking)
        return wanted;
    if (in_panic > wanted)
        wanted = in_panic;
    if (wanted > kpa->panic_most)
        kpa->panic_most = wanted;
    return kpa->panic_most;
}

/* Mean concurrency of each of the last 60 seconds, waiting requests too. */
struct knative {
    struct sim_kpa kpa;
    double seconds[STABLE_S];
    uint32_t known;       /* seconds since the first one that counts */
    uint64_t ticks;       /* recorded, ever */
    uint64_t integral_us; /* of concurrency, up to the last second */
    bool was_zero;        /* wanted at the last decision */
};

static void *make(struct sim_world *world)
{
    struct knative *knative = xcalloc(1, sizeof *knative);

    knative->kpa.target = UTILIZATION * world->setup->concurrency;
    knative->was_zero = true;
    return knative;
}

static double mean(const struct knative *knative, uint32_t window)
{
    uint32_t count = knative->known < window ? knative->known : window;
    double sum = 0;

    for (uint32_t i = 1; i <= count; i++)
        sum += knative->seconds[(knative->ticks - i) % STABLE_S];
    return count > 0 ? sum / count : 0;
}

static void record(struct knative *knative, double concurrency)
{
    knative->seconds[knative->ticks++ % STABLE_S] = concurrency;
    knative->known += knative->known < STABLE_S;
}

static void decide(struct knative *knative, struct sim_world *world)
{
    uint32_t wanted =
        sim_kpa_decide(&knative->kpa, mean(knative, STABLE_S),
                       mean(knative, PANIC_S), world->ready, world->now_us);

    /* It goes to zero when the whole stable window was idle; least is 0 for
     * one pod, but any trace of traffic makes its ceiling 1. */
    knative->was_zero = wanted == 0;
    sim_world_scale(world, wanted);
}

static void on_tick(void *self, struct sim_world *world)
{
    struct knative *knative = self;
    const struct sim_counts *counts = sim_world_count(world);
    uint64_t integral_us = counts->slot_time_us + counts->waiting_time_us;

    if (integral_us > knative->integral_us || knative->known > 0)
        record(knative, (double)(integral_us - knative->integral_us) / 1e6);
    knative->integral_us = integral_us;
    if (knative->known > 0 && world->now_us % TICK_US == 0)
        decide(knative, world);
}

/* From zero, the activator's first report pokes the autoscaler at once, with
 * a concurrency of one. */
static void on_wait(void *self, struct sim_world *world)
{
    struct knative *knative = self;

    if (world->starting + world->ready > 0 || !knative->was_zero)
        return;
    knative->known = 0;
    record(knative, 1);
    decide(knative, world);
}

const struct sim_policy sim_policy_knative = {
    .name = "Knative",
    .tick_us = SECOND_US,
    .make = make,
    .free = free,
    .on_tick = on_tick,
    .on_wait = on_wait,
};
