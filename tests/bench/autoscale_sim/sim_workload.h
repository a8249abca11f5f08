/* sim_workload.h - requests to come: when each arrives, how long it is served.
 */
#ifndef BENCH_SIM_WORKLOAD_H
#define BENCH_SIM_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"

struct sim_arrival {
    uint64_t at_us;
    uint64_t service_us;
};

struct sim_workload {
    struct sim_arrival *arrivals; /* by at_us */
    uint32_t count;
    uint32_t room;
    uint64_t end_us; /* last arrival or end of the time simulated */
};

void sim_workload_done(struct sim_workload *workload);
void sim_workload_add(struct sim_workload *workload, double at_s,
                      double service_s);
/* To be called when all are added. */
void sim_workload_sort(struct sim_workload *workload, double end_s);

/* How long a request of a trace is served. */
struct sim_service_model {
    double base_ms;
    double ms_per_prompt_token;
    double ms_per_generated_token;
};

/* Rows of "TIMESTAMP,ContextTokens,GeneratedTokens" (/work/shared/traces), CR
 * LF or LF. minutes: only the first so many, 0: all. speed: arrivals come so
 * many times as fast. */
MUST_USE bool sim_workload_read_trace(struct sim_workload *workload,
                                      const char *path,
                                      const struct sim_service_model *model,
                                      double minutes, double speed,
                                      struct err *err);

#endif
