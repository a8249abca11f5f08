/* sim_report.c - what came of a run. */
#include "tests/bench/autoscale_sim/sim_report.h"

#include <stdlib.h>

#include "router/base/alloc.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Nearest rank. */
static double percentile(const double *sorted, uint32_t count, uint32_t percent)
{
    uint32_t rank = (count * percent + 99) / 100;

    return count > 0 ? sorted[rank > 0 ? rank - 1 : 0] : 0;
}

void sim_result_of(const struct sim_world *world, struct sim_result *ret)
{
    uint32_t count = world->workload->count;
    double *waits = xcalloc(count + 1U, sizeof *waits);
    struct sim_result result = {0};
    uint32_t served = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct sim_request *request = &world->requests[i];

        if (request->is_done && !request->is_refused)
            waits[served++] = (double)request->waited_us / 1e6;
        else
            result.refused++;
    }
    if (served > 0)
        qsort(waits, served, sizeof *waits, compare);
    result.p50_s = percentile(waits, served, 50);
    result.p95_s = percentile(waits, served, 95);
    result.p99_s = percentile(waits, served, 99);
    result.max_s = percentile(waits, served, 100);
    result.replicas_most = world->replicas_most;
    result.replica_s = (double)world->replica_time_us / 1e6;
    result.changes = world->changes;
    result.starts = (double)world->started;
    free(waits);
    *ret = result;
}

void sim_result_add(struct sim_result *mean, const struct sim_result *run,
                    uint32_t runs)
{
    mean->p50_s += run->p50_s / runs;
    mean->p95_s += run->p95_s / runs;
    mean->p99_s += run->p99_s / runs;
    mean->max_s += run->max_s / runs;
    mean->refused += run->refused / runs;
    mean->replicas_most += run->replicas_most / runs;
    mean->replica_s += run->replica_s / runs;
    mean->changes += run->changes / runs;
    mean->starts += run->starts / runs;
}

void sim_print_head(FILE *out)
{
    fprintf(out, "  %-12s %8s %8s %8s %8s %8s %6s %10s %8s %7s\n", "policy",
            "p50 s", "p95 s", "p99 s", "max s", "refused", "most", "replica-s",
            "changes", "starts");
}

void sim_print_row(FILE *out, const char *policy, const struct sim_result *r)
{
    fprintf(out,
            "  %-12s %8.3f %8.3f %8.3f %8.3f %8.0f %6.0f %10.0f %8.0f %7.0f\n",
            policy, r->p50_s, r->p95_s, r->p99_s, r->max_s, r->refused,
            r->replicas_most, r->replica_s, r->changes, r->starts);
}

void sim_print_json(FILE *out, const char *policy, const struct sim_result *r)
{
    fprintf(out,
            "{\"policy\": \"%s\", \"wait_p50_s\": %.6f, \"wait_p95_s\": %.6f, "
            "\"wait_p99_s\": %.6f, \"wait_max_s\": %.6f, \"refused\": %.1f, "
            "\"replicas_most\": %.1f, \"replica_seconds\": %.1f, "
            "\"scaling_changes\": %.1f, \"starts\": %.1f}",
            policy, r->p50_s, r->p95_s, r->p99_s, r->max_s, r->refused,
            r->replicas_most, r->replica_s, r->changes, r->starts);
}
