/* policy_ray.c - Ray Serve's autoscaler and router, at their defaults.
 *
 * Written from its documentation and sources (ray-project/ray):
 * docs.ray.io/en/latest/serve/advanced-guides/advanced-autoscaling.html and
 * …/performance.html, python/ray/serve/autoscaling_policy.py (the decision),
 * python/ray/serve/_private/request_router/request_router.py (power of two
 * choices, back-off). In its favour: queue lengths are exact, not up to 10 s
 * old; target_ongoing_requests (2) is no more than the concurrency.
 */
#include <math.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "tests/bench/autoscale_sim/sim_policies.h"

#define LOOP_US      100000 /* CONTROL_LOOP_INTERVAL_S */
#define RECORD_LOOPS 5      /* ongoing requests are recorded every 0.5 s */
#define PUSH_LOOPS   100    /* metrics_interval_s 10 */
#define LOOK_BACK    60     /* records: look_back_period_s 30 */
#define UP_DELAY_S   30     /* upscale_delay_s */
#define DOWN_DELAY_S 600    /* downscale_delay_s */
#define ONGOING      2.0    /* target_ongoing_requests */
#define BACKOFF_US   25000  /* RAY_SERVE_ROUTER_RETRY_INITIAL_BACKOFF_S */
#define BACKOFF_MAX  20     /* times that: …_MAX_BACKOFF_S 0.5, doubling */

uint32_t sim_ray_decide(struct sim_ray_decider *decider, double ongoing,
                        uint32_t running, uint32_t target, uint32_t most)
{
    uint32_t desired;

    if (running == 0)
        return target > 0 || ongoing <= 0 ? target : 1;
    desired = (uint32_t)fmin(ceil(ongoing / decider->target_ongoing), most);
    if (desired > target) {
        decider->counter = decider->counter < 0 ? 1 : decider->counter + 1;
        if (decider->counter > (int32_t)(UP_DELAY_S / decider->period_s)) {
            decider->counter = 0;
            return desired;
        }
    } else if (desired < target) {
        if (target > 1 && desired == 0) /* zero is reached from one alone */
            desired = 1;
        decider->counter = decider->counter > 0 ? -1 : decider->counter - 1;
        if (decider->counter < -(int32_t)(DOWN_DELAY_S / decider->period_s)) {
            decider->counter = 0;
            return desired;
        }
    } else {
        decider->counter = 0;
    }
    return target;
}

struct ray {
    struct sim_ray_decider decider;
    double records[LOOK_BACK];
    uint32_t record_count; /* ever */
    uint64_t loops;
    double pushed; /* the mean that the controller knows */
    uint32_t target;
    uint32_t tasks; /* of the router, that look for a replica */
};

static void *make(struct sim_world *world)
{
    struct ray *ray = xcalloc(1, sizeof *ray);

    ray->decider.target_ongoing = fmin(ONGOING, world->setup->concurrency);
    ray->decider.period_s = LOOP_US / 1e6;
    return ray;
}

static double look_back(const struct ray *ray)
{
    uint32_t count =
        ray->record_count < LOOK_BACK ? ray->record_count : LOOK_BACK;
    double sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += ray->records[i];
    return count > 0 ? sum / count : 0;
}

static void on_tick(void *self, struct sim_world *world)
{
    struct ray *ray = self;
    uint64_t loop = ray->loops++;
    uint32_t before = ray->target;

    if (loop % RECORD_LOOPS == 0)
        ray->records[ray->record_count++ % LOOK_BACK] =
            world->queue.count + world->counts.in_flight;
    if (loop % PUSH_LOOPS == 0)
        ray->pushed = look_back(ray);
    ray->target = sim_ray_decide(&ray->decider, ray->pushed, world->ready,
                                 ray->target, world->setup->cap);
    if (ray->target != before || world->starting + world->ready != before)
        sim_world_scale(world, ray->target);
}

/* --- the router --- */

/* The n-th of those that run. */
static uint32_t nth_ready(const struct sim_world *world, uint32_t n)
{
    uint32_t at = 0;

    for (;; at++) {
        if (world->replicas[at].state == SIM_READY && n-- == 0)
            return at;
    }
}

/* Of two chosen by chance, the one with fewer requests; false: both are full.
 */
static bool choose(struct sim_world *world, uint32_t *ret_replica)
{
    uint32_t first;
    uint32_t second;

    if (world->ready == 0)
        return false;
    first = sim_random_below(&world->random, world->ready);
    second = first;
    if (world->ready > 1) { /* two different ones */
        second = sim_random_below(&world->random, world->ready - 1);
        second += second >= first;
    }
    first = nth_ready(world, first);
    second = nth_ready(world, second);
    if (world->replicas[second].in_flight < world->replicas[first].in_flight)
        first = second;
    if (world->replicas[first].in_flight >= world->setup->concurrency)
        return false;
    *ret_replica = first;
    return true;
}

/* A task looks for a replica for whichever request is first, and ends when
 * none waits; there are at most twice as many as replicas. `tries` so far. */
static void run_task(struct ray *ray, struct sim_world *world, uint32_t tries)
{
    uint32_t replica;
    uint64_t wait = tries < 5 ? UINT64_C(1) << tries : BACKOFF_MAX;

    while (world->queue.count > 0 && choose(world, &replica)) {
        sim_world_grant(world, replica);
        tries = 0;
        wait = 1;
    }
    if (world->queue.count == 0) {
        ray->tasks--;
        return;
    }
    sim_world_after(world, wait * BACKOFF_US, tries + 1);
}

static void on_event(void *self, struct sim_world *world, uint32_t tries)
{
    run_task(self, world, tries);
}

static void on_route(void *self, struct sim_world *world)
{
    struct ray *ray = self;
    uint32_t most = world->ready > 0 ? 2 * world->ready : 1;

    while (ray->tasks < world->queue.count && ray->tasks < most) {
        ray->tasks++;
        run_task(ray, world, 0);
    }
}

/* With no replica, the handle pushes its metrics at once. */
static void on_wait(void *self, struct sim_world *world)
{
    struct ray *ray = self;

    if (world->ready == 0 && ray->pushed < world->queue.count)
        ray->pushed = world->queue.count;
}

const struct sim_policy sim_policy_ray = {
    .name = "Ray Serve",
    .tick_us = LOOP_US,
    .make = make,
    .free = free,
    .on_tick = on_tick,
    .on_wait = on_wait,
    .on_route = on_route,
    .on_event = on_event,
};
