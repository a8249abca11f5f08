/* sim_cases.h - synthetic workloads, by name. */
#ifndef BENCH_SIM_CASES_H
#define BENCH_SIM_CASES_H

#include <stdint.h>

#include "tests/bench/autoscale_sim/sim_workload.h"

struct sim_random;

struct sim_case {
    const char *name;
    const char *text; /* what it is */
    uint32_t concurrency;
    double start_s; /* as scaling.md has it; 0: all of 0.2, 3 and 25 */
    void (*fill)(struct sim_workload *workload, const double *numbers,
                 struct sim_random *random);
    double numbers[6]; /* what fill makes of them, it says */
};

extern const struct sim_case sim_cases[];
extern const uint32_t sim_case_count;

/* The same for the same seed. */
void sim_case_make(const struct sim_case *of, uint64_t seed,
                   struct sim_workload *ret_workload);

#endif
