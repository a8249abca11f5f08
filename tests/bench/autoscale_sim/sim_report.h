/* sim_report.h - what came of a run, as numbers, JSON and a picture. */
#ifndef BENCH_SIM_REPORT_H
#define BENCH_SIM_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "tests/bench/autoscale_sim/sim_world.h"

struct sim_result { /* means over runs, where there are several */
    double p50_s;
    double p95_s;
    double p99_s;
    double max_s;
    double refused;
    double replicas_most;
    double replica_s;
    double changes; /* of the number wanted */
    double starts;
};

/* Waits of all that were served; one that still waits at the end counts as
 * refused. */
void sim_result_of(const struct sim_world *world, struct sim_result *ret);
/* Add one run of `runs` to a mean. */
void sim_result_add(struct sim_result *mean, const struct sim_result *run,
                    uint32_t runs);

void sim_print_head(FILE *out);
void sim_print_row(FILE *out, const char *policy,
                   const struct sim_result *result);
/* {"policy": …, "wait_p50_s": …, …} */
void sim_print_json(FILE *out, const char *policy,
                    const struct sim_result *result);

/* Demand and replicas over time, one panel a policy. */
MUST_USE bool sim_plot(const char *path, const struct sim_world *worlds,
                       uint32_t count, struct err *err);

#endif
