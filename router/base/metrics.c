/* metrics.c - counting, and sums of what was counted. */
#include "router/base/metrics.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/metrics_private.h"

const uint64_t metrics_bounds_us[METRIC_BUCKETS - 1] = {
    1000,     2500,     5000,     10000,     25000,     50000,
    100000,   250000,   500000,   1000000,   2500000,   5000000,
    10000000, 30000000, 60000000, 300000000, 600000000,
};

#ifndef BERTH_NO_METRICS

#define CODE_MIN 100
#define CODE_MAX 599

static void increase(uint64_t *at, uint64_t n)
{
    __atomic_store_n(at, metrics_load(at) + n, __ATOMIC_RELAXED);
}

void metrics_observe(struct metrics_cell *cell, enum metric_histogram_id id,
                     uint64_t us)
{
    struct metrics_histogram *histogram =
        &cell->histograms[(unsigned)id - cell->first_histogram];
    unsigned bucket = 0;

    while (bucket < METRIC_BUCKETS - 1 && us > metrics_bounds_us[bucket])
        bucket++;
    increase(&histogram->buckets[bucket], 1);
    increase(&histogram->sum_us, us);
}

void metrics_count_request(struct metrics_requests *requests, unsigned code)
{
    unsigned at;
    struct code_class *class;

    assert(code >= CODE_MIN && code <= CODE_MAX);
    at = code / CLASS_CODES - 1;
    class = __atomic_load_n(&requests->classes[at], __ATOMIC_RELAXED);
    if (!class) {
        class = xcalloc(1, sizeof *class);
        __atomic_store_n(&requests->classes[at], class, __ATOMIC_RELEASE);
    }
    increase(&class->counts[code % CLASS_CODES], 1);
}
#endif

/* --- sums ----------------------------------------------------------------- */

uint64_t metrics_sum_label(const struct metrics_label *label, enum metric_id id)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < label->count; i++) {
        if (label->cells[i])
            sum += metrics_get(label->cells[i], id);
    }
    return sum;
}

void metrics_add_histogram(const struct metrics_label *label, unsigned id,
                           struct metrics_histogram *sum)
{
    for (unsigned i = 0; i < label->count; i++) {
        const struct metrics_cell *cell = label->cells[i];
        const struct metrics_histogram *h;

        if (!cell)
            continue;
        h = &cell->histograms[id - cell->first_histogram];
        for (unsigned bucket = 0; bucket < METRIC_BUCKETS; bucket++)
            sum->buckets[bucket] += metrics_load(&h->buckets[bucket]);
        sum->sum_us += metrics_load(&h->sum_us);
    }
}

#define HISTOGRAM(scope, id, name, help)
#define COUNTER(scope, id, name, help) [METRIC_##id] = METRIC_SCOPE_##scope,
#define GAUGE(scope, id, name, help)   [METRIC_##id] = METRIC_SCOPE_##scope,
const enum metric_scope metrics_value_scopes[METRIC_COUNT] = {
#include "router/base/metrics.def"
};
#undef HISTOGRAM
#undef COUNTER
#undef GAUGE

#define COUNTER(scope, id, name, help)
#define GAUGE(scope, id, name, help)
#define HISTOGRAM(scope, id, name, help)                                       \
    [HISTOGRAM_##id] = METRIC_SCOPE_##scope,
const enum metric_scope metrics_histogram_scopes[HISTOGRAM_COUNT] = {
#include "router/base/metrics.def"
};
#undef HISTOGRAM
#undef COUNTER
#undef GAUGE

uint64_t metrics_sum(struct metrics_registry *registry, enum metric_id id,
                     const char *label)
{
    uint64_t sum = 0;

    mutex_lock(&registry->lock);
    LIST_FOREACH (&registry->locked.scopes[metrics_value_scopes[id]], it) {
        struct metrics_label *of = container_of(it, struct metrics_label, node);

        if (!label || strcmp(of->text, label) == 0)
            sum += metrics_sum_label(of, id);
    }
    mutex_unlock(&registry->lock);
    return sum;
}

/* Linear within a bucket, as Prometheus estimates it; above the last bound,
 * that bound. */
static uint64_t quantile_of(const struct metrics_histogram *sum,
                            double quantile)
{
    uint64_t total = 0;
    double below = 0;
    double rank;

    for (unsigned i = 0; i < METRIC_BUCKETS; i++)
        total += sum->buckets[i];
    if (total == 0)
        return 0;
    rank = quantile * (double)total;
    for (unsigned i = 0; i < METRIC_BUCKETS - 1; i++) {
        double in = (double)sum->buckets[i];
        double low = i == 0 ? 0 : (double)metrics_bounds_us[i - 1];

        if (in > 0 && below + in >= rank)
            return (uint64_t)(low + ((double)metrics_bounds_us[i] - low) *
                                        ((rank - below) / in));
        below += in;
    }
    return metrics_bounds_us[METRIC_BUCKETS - 2];
}

uint64_t metrics_quantile(struct metrics_registry *registry,
                          enum metric_histogram_id id, const char *label,
                          double quantile)
{
    struct metrics_histogram sum = {0};

    assert(quantile >= 0 && quantile <= 1);
    mutex_lock(&registry->lock);
    LIST_FOREACH (&registry->locked.scopes[metrics_histogram_scopes[id]], it) {
        struct metrics_label *of = container_of(it, struct metrics_label, node);

        if (!label || strcmp(of->text, label) == 0)
            metrics_add_histogram(of, id, &sum);
    }
    mutex_unlock(&registry->lock);
    return quantile_of(&sum, quantile);
}
