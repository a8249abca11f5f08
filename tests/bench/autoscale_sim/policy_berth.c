/* policy_berth.c - berth's production code: demand, autoscaler, placement.
 *
 * The front tells of its counts in the turn in which a request begins to wait,
 * and every 250 ms; the keeper then decides: as here.
 */
#include <stdlib.h>

#include "router/autoscaler.h"
#include "router/base/alloc.h"
#include "router/demand.h"
#include "router/placement.h"
#include "tests/bench/autoscale_sim/sim_policies.h"

#define TICK_US     250000
#define START_SHARE 0.3

struct berth {
    struct demand demand;
    struct autoscaler_history history;
    double start_us; /* running mean; 0: not known */
    uint64_t unserved_mark;
    uint64_t ready_us; /* when the youngest replica became so */
};

static void *make(struct sim_world *world)
{
    struct berth *berth = xcalloc(1, sizeof *berth);
    const struct sim_workload *workload = world->workload;
    double total_us = 0;

    if (!world->setup->is_known || workload->count == 0)
        return berth;
    for (uint32_t i = 0; i < workload->count; i++)
        total_us += (double)workload->arrivals[i].service_us;
    demand_know_service(&berth->demand, total_us / workload->count);
    berth->start_us = world->setup->start_s * 1e6;
    return berth;
}

/* How many of `wanted` there is room for: the machine has a cpu for each of
 * `cap` replicas. Those that are called back have their room. */
static uint32_t place(const struct sim_world *world, uint32_t wanted)
{
    uint32_t cap = world->setup->cap;
    struct placement_machine machine = {.cpu_millis = cap * UINT64_C(1000)};
    struct placement_need need = {.cpu_millis = 1000};
    struct placement_input input = {.machine = &machine,
                                    .now_us = world->now_us};
    struct placement_output output = {0};
    struct placement_replica *replicas;
    struct placement_want *wants;
    uint32_t placed = world->starting + world->ready + world->draining;

    if (wanted <= placed)
        return wanted;
    replicas = xcalloc(placed + 1U, sizeof *replicas);
    wants = xcalloc(wanted - placed, sizeof *wants);
    for (uint32_t i = 0; i < placed; i++)
        replicas[i] = (struct placement_replica){.id = i, .need = need};
    for (uint32_t i = 0; i < wanted - placed; i++)
        wants[i] = (struct placement_want){.need = need};
    input.replicas = replicas;
    input.replica_count = placed;
    input.wants = wants;
    input.want_count = wanted - placed;
    output.answers = xcalloc(input.want_count, sizeof *output.answers);
    output.evict = xcalloc(placed + 1U, sizeof *output.evict);
    placement_decide(&input, &output);
    for (uint32_t i = 0; i < input.want_count; i++)
        placed += output.answers[i].verdict == PLACEMENT_START;
    free(output.answers);
    free(output.evict);
    free(replicas);
    free(wants);
    return placed;
}

static void decide(void *self, struct sim_world *world)
{
    struct berth *berth = self;
    const struct sim_setup *setup = world->setup;
    const struct sim_counts *counts = sim_world_count(world);
    struct demand_sample sample = {.at_us = world->now_us,
                                   .queued = world->queue.count,
                                   .in_flight = counts->in_flight,
                                   .arrivals = counts->arrivals,
                                   .completions = counts->completions,
                                   .service_time_us = counts->service_time_us,
                                   .slot_time_us = counts->slot_time_us};
    struct autoscaler_input input = {
        .limits = {.max = setup->cap,
                   .idle_timeout_ms = (uint64_t)(setup->idle_timeout_s * 1e3),
                   .concurrency = setup->concurrency,
                   .target_utilization_percent = setup->utilization,
                   .has_scale_down_delay = setup->scale_down_s > 0,
                   .scale_down_delay_ms =
                       (uint64_t)(setup->scale_down_s * 1e3)},
        .demand = {.queued = world->queue.count,
                   .oldest_us = wait_queue_oldest_us(&world->queue),
                   .in_flight = counts->in_flight,
                   .unserved = world->starting + world->ready == 0
                                   ? counts->unserved - berth->unserved_mark
                                   : 0,
                   .idle_since_us = berth->ready_us > counts->last_end_us
                                        ? berth->ready_us
                                        : counts->last_end_us},
        .replicas = {.ready = world->ready,
                     .starting = world->starting,
                     .start_us = (uint64_t)berth->start_us},
        .now_us = world->now_us,
        .history = &berth->history,
    };

    demand_add(&berth->demand, &sample);
    demand_read(&berth->demand, world->now_us, &input.demand.load);
    sim_world_scale(world, place(world, autoscaler_decide(&input).wanted));
}

static void on_started(void *self, struct sim_world *world, uint64_t took_us)
{
    struct berth *berth = self;

    berth->unserved_mark = world->counts.unserved;
    berth->ready_us = world->now_us;
    if (berth->start_us > 0)
        berth->start_us += START_SHARE * ((double)took_us - berth->start_us);
    else
        berth->start_us = (double)took_us;
}

const struct sim_policy sim_policy_berth = {
    .name = "berth",
    .tick_us = TICK_US,
    .can_resume = true,
    .make = make,
    .free = free,
    .on_tick = decide,
    .on_wait = decide,
    .on_started = on_started,
};
