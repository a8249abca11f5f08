/* sim_world.c - one app on a virtual clock. */
#include "tests/bench/autoscale_sim/sim_world.h"

#include <assert.h>
#include <stdlib.h>

#include "router/base/alloc.h"

#define POINT_US 1000000

static void add_event(struct sim_world *world, uint64_t at_us,
                      enum sim_event_kind kind, uint32_t subject,
                      uint64_t stamp)
{
    sim_heap_add(&world->heap, (struct sim_event){.at_us = at_us,
                                                  .kind = kind,
                                                  .subject = subject,
                                                  .stamp = stamp});
}

void sim_world_after(struct sim_world *world, uint64_t delay_us,
                     uint32_t subject)
{
    add_event(world, world->now_us + delay_us, SIM_POLICY, subject, 0);
}

/* --- counting --- */

const struct sim_counts *sim_world_count(struct sim_world *world)
{
    struct sim_counts *counts = &world->counts;

    uint64_t passed_us = world->now_us - counts->counted_at_us;

    counts->slot_time_us += passed_us * counts->in_flight;
    counts->waiting_time_us += passed_us * world->queue.count;
    counts->counted_at_us = world->now_us;
    return counts;
}

/* Before the number of replicas changes, and at the end. */
static void count_replica_time(struct sim_world *world)
{
    uint32_t count = world->starting + world->ready + world->draining;

    world->replica_time_us +=
        (world->now_us - world->replica_time_at_us) * count;
    world->replica_time_at_us = world->now_us;
    if (count > world->replicas_most)
        world->replicas_most = count;
}

static void add_point(struct sim_world *world)
{
    if (world->point_count > 0 &&
        world->now_us < world->points[world->point_count - 1].at_us + POINT_US)
        return;
    if (world->point_count == world->point_room) {
        world->point_room = world->point_room ? 2 * world->point_room : 1024;
        world->points =
            xrealloc(world->points, world->point_room * sizeof *world->points);
    }
    world->points[world->point_count++] = (struct sim_point){
        world->now_us, world->starting + world->ready + world->draining,
        world->counts.in_flight + world->queue.count};
}

/* --- replicas --- */

static uint32_t *counter_of(struct sim_world *world,
                            enum sim_replica_state state)
{
    switch (state) {
    case SIM_STARTING:
        return &world->starting;
    case SIM_READY:
        return &world->ready;
    case SIM_DRAINING:
        return &world->draining;
    default:
        return NULL;
    }
}

static void set_state(struct sim_world *world, struct sim_replica *replica,
                      enum sim_replica_state state)
{
    count_replica_time(world);
    if (replica->state != SIM_NONE)
        --*counter_of(world, replica->state);
    if (state != SIM_NONE)
        ++*counter_of(world, state);
    replica->state = state;
}

static void start_one(struct sim_world *world)
{
    const struct sim_setup *setup = world->setup;
    double took_s = setup->start_s + setup->start_growth_s * world->starting;
    uint32_t at = 0;

    while (at < setup->cap && world->replicas[at].state != SIM_NONE)
        at++;
    if (at == setup->cap) /* those that drain still hold their places */
        return;
    world->replicas[at] = (struct sim_replica){.began_us = world->now_us,
                                               .stamp = ++world->started};
    set_state(world, &world->replicas[at], SIM_STARTING);
    add_event(world, world->now_us + (uint64_t)(took_s * 1e6), SIM_STARTED, at,
              world->started);
}

/* The one of a state that comes first by `is_before`; NULL: there is none. */
static struct sim_replica *first_of(
    struct sim_world *world, enum sim_replica_state state,
    bool (*is_before)(const struct sim_replica *a, const struct sim_replica *b))
{
    struct sim_replica *first = NULL;

    for (uint32_t i = 0; i < world->setup->cap; i++) {
        struct sim_replica *replica = &world->replicas[i];

        if (replica->state == state && (!first || is_before(replica, first)))
            first = replica;
    }
    return first;
}

static bool is_younger(const struct sim_replica *a, const struct sim_replica *b)
{
    return a->stamp > b->stamp;
}

static bool is_less_loaded(const struct sim_replica *a,
                           const struct sim_replica *b)
{
    if (a->in_flight != b->in_flight)
        return a->in_flight < b->in_flight;
    return a->last_used_us < b->last_used_us;
}

static bool is_more_loaded(const struct sim_replica *a,
                           const struct sim_replica *b)
{
    return a->in_flight > b->in_flight;
}

static void drain(struct sim_world *world, struct sim_replica *replica)
{
    set_state(world, replica, replica->in_flight > 0 ? SIM_DRAINING : SIM_NONE);
}

static void let_one_go(struct sim_world *world)
{
    struct sim_replica *replica = first_of(world, SIM_STARTING, is_younger);

    if (replica)
        set_state(world, replica, SIM_NONE);
    else
        drain(world, first_of(world, SIM_READY, is_less_loaded));
}

static void grant_waiting(struct sim_world *world);

static void have_one_more(struct sim_world *world)
{
    struct sim_replica *replica =
        world->policy->can_resume
            ? first_of(world, SIM_DRAINING, is_more_loaded)
            : NULL;

    if (!replica) {
        start_one(world);
        return;
    }
    set_state(world, replica, SIM_READY);
    grant_waiting(world);
}

void sim_world_scale(struct sim_world *world, uint32_t target)
{
    uint32_t count = world->starting + world->ready;

    if (target > world->setup->cap)
        target = world->setup->cap;
    if (target != world->last_target)
        world->changes++;
    world->last_target = target;
    for (; count < target; count++)
        have_one_more(world);
    for (; count > target; count--)
        let_one_go(world);
}

/* --- requests --- */

static struct sim_request *request_of(struct waiter *waiter)
{
    return container_of(waiter, struct sim_request, waiter);
}

static struct sim_request *take_head(struct sim_world *world)
{
    struct waiter *waiter = wait_queue_head(&world->queue, world->now_us);

    wait_queue_remove(&world->queue, waiter);
    return request_of(waiter);
}

void sim_world_grant(struct sim_world *world, uint32_t at)
{
    struct sim_replica *replica = &world->replicas[at];
    struct sim_request *request;

    assert(replica->state == SIM_READY &&
           replica->in_flight < world->setup->concurrency);
    sim_world_count(world);
    request = take_head(world);
    world->counts.in_flight++;
    replica->in_flight++;
    replica->last_used_us = world->now_us;
    request->waited_us = world->now_us - request->arrival_us;
    request->is_done = true;
    request->replica = at;
    add_event(world, world->now_us + request->service_us, SIM_END,
              (uint32_t)(request - world->requests), 0);
}

/* router/app.c's rule: the fewest in flight; tie: the most recently used. */
static struct sim_replica *best_replica(struct sim_world *world)
{
    struct sim_replica *best = NULL;

    for (uint32_t i = 0; i < world->setup->cap; i++) {
        struct sim_replica *replica = &world->replicas[i];

        if (replica->state != SIM_READY ||
            replica->in_flight >= world->setup->concurrency)
            continue;
        if (!best || replica->in_flight < best->in_flight ||
            (replica->in_flight == best->in_flight &&
             replica->last_used_us > best->last_used_us))
            best = replica;
    }
    return best;
}

static void grant_waiting(struct sim_world *world)
{
    struct sim_replica *replica;

    if (world->policy->on_route) {
        world->policy->on_route(world->self, world);
        return;
    }
    while (world->queue.count > 0 && (replica = best_replica(world)))
        sim_world_grant(world, (uint32_t)(replica - world->replicas));
}

static void refuse(struct sim_world *world, struct sim_request *request)
{
    request->is_done = true;
    request->is_refused = true;
    request->waited_us = world->now_us - request->arrival_us;
    world->counts.unserved++;
}

static void on_arrival(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    double timeout_us = world->setup->queue_timeout_s * 1e6;

    request->arrival_us = world->now_us;
    request->service_us = world->workload->arrivals[index].service_us;
    /* 0 means "not yet set" to the queue's owner. */
    request->waiter.arrived_us = world->now_us;
    request->waiter.priority = PRIORITY_NORMAL;
    sim_world_count(world);
    world->counts.arrivals++;
    if (index + 1 < world->workload->count)
        add_event(world, world->workload->arrivals[index + 1].at_us,
                  SIM_ARRIVAL, index + 1, 0);
    wait_queue_add(&world->queue, &request->waiter);
    grant_waiting(world);
    if (request->is_done)
        return;
    if (world->queue.count > world->setup->queue_size) {
        wait_queue_remove(&world->queue, &request->waiter);
        refuse(world, request);
    } else {
        add_event(world, world->now_us + (uint64_t)timeout_us, SIM_TIMEOUT,
                  index, 0);
    }
    if (world->policy->on_wait)
        world->policy->on_wait(world->self, world);
}

static void on_timeout(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];

    if (request->is_done)
        return;
    sim_world_count(world);
    wait_queue_remove(&world->queue, &request->waiter);
    refuse(world, request);
}

static void on_end(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    struct sim_replica *replica = &world->replicas[request->replica];

    sim_world_count(world);
    world->counts.in_flight--;
    world->counts.completions++;
    world->counts.service_time_us += request->service_us;
    world->counts.last_end_us = world->now_us;
    replica->in_flight--;
    replica->last_used_us = world->now_us;
    if (replica->state == SIM_DRAINING && replica->in_flight == 0)
        set_state(world, replica, SIM_NONE);
    grant_waiting(world);
}

static void on_started(struct sim_world *world, const struct sim_event *event)
{
    struct sim_replica *replica = &world->replicas[event->subject];

    if (replica->state != SIM_STARTING || replica->stamp != event->stamp)
        return; /* it was cancelled */
    set_state(world, replica, SIM_READY);
    replica->ready_us = world->now_us;
    replica->last_used_us = world->now_us;
    if (world->policy->on_started)
        world->policy->on_started(world->self, world,
                                  world->now_us - replica->began_us);
    grant_waiting(world);
}

/* --- the run --- */

static void on_event(struct sim_world *world, const struct sim_event *event)
{
    switch ((enum sim_event_kind)event->kind) {
    case SIM_ARRIVAL:
        on_arrival(world, event->subject);
        break;
    case SIM_END:
        on_end(world, event->subject);
        break;
    case SIM_STARTED:
        on_started(world, event);
        break;
    case SIM_TIMEOUT:
        on_timeout(world, event->subject);
        break;
    case SIM_TICK:
        add_point(world);
        world->policy->on_tick(world->self, world);
        add_event(world, world->now_us + world->policy->tick_us, SIM_TICK, 0,
                  0);
        break;
    case SIM_POLICY:
        world->policy->on_event(world->self, world, event->subject);
        break;
    }
}

void sim_world_run(struct sim_world *world, const struct sim_setup *setup,
                   const struct sim_workload *workload,
                   const struct sim_policy *policy)
{
    uint64_t end_us = workload->end_us + (uint64_t)(setup->tail_s * 1e6);
    struct sim_event event;

    *world = (struct sim_world){
        .setup = setup, .workload = workload, .policy = policy};
    sim_random_init(&world->random, setup->seed);
    world->requests = xcalloc(workload->count + 1U, sizeof *world->requests);
    world->replicas = xcalloc(setup->cap, sizeof *world->replicas);
    wait_queue_init(&world->queue);
    world->self = policy->make(world);
    if (workload->count > 0)
        add_event(world, workload->arrivals[0].at_us, SIM_ARRIVAL, 0, 0);
    add_event(world, 0, SIM_TICK, 0, 0);
    while (sim_heap_take(&world->heap, &event) && event.at_us <= end_us) {
        world->now_us = event.at_us;
        on_event(world, &event);
    }
    world->now_us = end_us;
    count_replica_time(world);
    policy->free(world->self);
    world->self = NULL;
}

void sim_world_done(struct sim_world *world)
{
    sim_heap_done(&world->heap);
    free(world->requests);
    free(world->replicas);
    free(world->points);
    *world = (struct sim_world){0};
}
