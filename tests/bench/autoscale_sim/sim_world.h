/* sim_world.h - one app on a virtual clock: its requests, queue and replicas.
 *
 * A policy says how many replicas there shall be, and how requests find one:
 * from the one exact queue of berth (router/wait_queue, the very code, under
 * the dispatch rule of router/app), or by Ray Serve's router.
 */
#ifndef BENCH_SIM_WORLD_H
#define BENCH_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "router/app.h"
#include "router/base/attr.h"
#include "router/wait_queue.h"
#include "tests/bench/autoscale_sim/sim_heap.h"
#include "tests/bench/autoscale_sim/sim_random.h"
#include "tests/bench/autoscale_sim/sim_workload.h"

struct sim_setup {
    uint32_t concurrency;
    uint32_t cap; /* replicas at most */
    double start_s;
    double start_growth_s; /* more for each other start under way */
    uint32_t queue_size;
    double queue_timeout_s;
    double idle_timeout_s; /* until the last replica of berth goes */
    double tail_s;         /* simulated after the last arrival */
    bool is_known;         /* berth knows s and L from before */
    double scale_down_s;   /* berth's scale_down_delay; 0: auto */
    uint32_t utilization;  /* berth's target_utilization; 0: auto */
    uint64_t seed;         /* of the policy's own choices */
};

enum sim_replica_state { SIM_NONE, SIM_STARTING, SIM_READY, SIM_DRAINING };

struct sim_replica {
    enum sim_replica_state state;
    uint32_t in_flight;
    uint64_t began_us;
    uint64_t ready_us;
    uint64_t last_used_us;
    uint64_t stamp; /* of its start: an older event is out of date */
};

struct sim_request {
    struct waiter waiter; /* in the queue while it waits */
    uint64_t arrival_us;
    uint64_t service_us;
    uint64_t waited_us;
    uint32_t replica;
    bool is_done; /* granted or refused */
    bool is_refused;
};

struct sim_counts { /* as struct app_counts; exact */
    uint32_t in_flight;
    uint64_t arrivals;
    uint64_t unserved;
    uint64_t completions;
    uint64_t service_time_us;
    uint64_t slot_time_us;
    uint64_t waiting_time_us; /* integral of those in the queue */
    uint64_t counted_at_us;
    uint64_t last_end_us;
};

struct sim_point { /* for the plot */
    uint64_t at_us;
    uint32_t replicas;
    uint32_t demand; /* in flight and waiting */
};

struct sim_world;

struct sim_policy {
    const char *name;
    uint64_t tick_us;
    /* Draining replicas are called back before others are started. */
    bool can_resume;
    void *(*make)(struct sim_world *world);
    void (*free)(void *self);
    void (*on_tick)(void *self, struct sim_world *world);
    /* A request came, and no slot was free. */
    void (*on_wait)(void *self, struct sim_world *world);
    /* A start took so long. */
    void (*on_started)(void *self, struct sim_world *world, uint64_t took_us);
    /* A router of its own; NULL: the shared queue. The request waits in
     * world->queue; route it by sim_world_grant(), now or at a later event. */
    void (*on_route)(void *self, struct sim_world *world);
    /* An event that the policy added (SIM_POLICY). */
    void (*on_event)(void *self, struct sim_world *world, uint32_t subject);
};

enum sim_event_kind {
    SIM_ARRIVAL,
    SIM_END,     /* subject: request */
    SIM_STARTED, /* subject: replica */
    SIM_TIMEOUT, /* subject: request */
    SIM_TICK,
    SIM_POLICY,
};

struct sim_world {
    const struct sim_setup *setup;
    const struct sim_workload *workload;
    const struct sim_policy *policy;
    void *self; /* the policy's */
    uint64_t now_us;
    struct sim_heap heap;
    struct sim_random random;
    struct sim_request *requests;
    struct sim_replica *replicas; /* [cap] */
    struct wait_queue queue;
    struct sim_counts counts;
    uint32_t starting;
    uint32_t ready;
    uint32_t draining;
    uint64_t started; /* ever; stamps */
    /* results */
    uint32_t replicas_most;
    uint64_t replica_time_us;
    uint64_t replica_time_at_us;
    uint32_t changes;
    uint32_t last_target;
    struct sim_point *points;
    uint32_t point_count;
    uint32_t point_room;
};

/* Run to the end. Borrows all, which must outlive the world. */
void sim_world_run(struct sim_world *world, const struct sim_setup *setup,
                   const struct sim_workload *workload,
                   const struct sim_policy *policy);
void sim_world_done(struct sim_world *world);

/* --- for policies --- */

/* Have so many, starting and ready together. Fewer: starts are cancelled
 * first, the youngest first; then those with the fewest requests in flight are
 * drained (tie: the longest unused), and go when they have none. */
void sim_world_scale(struct sim_world *world, uint32_t target);
/* The head of the queue gets a slot of this replica, which must have one. */
void sim_world_grant(struct sim_world *world, uint32_t replica);
void sim_world_after(struct sim_world *world, uint64_t delay_us,
                     uint32_t subject);
/* Counts and integrals up to now. */
const struct sim_counts *sim_world_count(struct sim_world *world);

#endif
