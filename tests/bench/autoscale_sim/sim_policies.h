/* sim_policies.h - the three that are compared. */
#ifndef BENCH_SIM_POLICIES_H
#define BENCH_SIM_POLICIES_H

#include <stdint.h>

#include "tests/bench/autoscale_sim/sim_world.h"

extern const struct sim_policy sim_policy_berth;
extern const struct sim_policy sim_policy_knative;
extern const struct sim_policy sim_policy_ray;

/* --- Knative's decision, open to be tested --- */
struct sim_kpa {
    double target;     /* concurrency a pod that is aimed at */
    uint64_t panic_us; /* since when it panics, or last had reason to */
    bool is_panicking;
    uint32_t panic_most; /* most pods wanted in this panic */
};
/* stable, panic: mean concurrency of the revision over the two windows. */
uint32_t sim_kpa_decide(struct sim_kpa *kpa, double stable, double panic,
                        uint32_t ready, uint64_t now_us);

/* --- Ray Serve's decision, likewise --- */
struct sim_ray_decider {
    double target_ongoing;
    double period_s; /* of the control loop */
    int32_t counter; /* decisions in a row; negative: to scale down */
};
/* ongoing: mean of all requests in flight and queued. target: replicas wanted
 * now; running: those that run. Returns what is wanted next. */
uint32_t sim_ray_decide(struct sim_ray_decider *decider, double ongoing,
                        uint32_t running, uint32_t target, uint32_t most);

#endif
