/* metrics.h - counters and histograms, one writer thread each, summed when
 * they are read.
 *
 * A family is a row of metrics.def. A cell is one thread's counts of all
 * families of one scope for one label value (an app, a listener, …). Counting
 * is a relaxed load and store of a thread's own memory: no lock, no shared
 * cache line. Cells live as long as their registry, but for those that are
 * counted (metrics_cell_take()).
 *
 * BERTH_NO_METRICS (CMake's BERTH_METRICS=OFF) is for the bench that says what
 * counting costs: nothing but gauges is counted then.
 */
#ifndef ROUTER_BASE_METRICS_H
#define ROUTER_BASE_METRICS_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* Rows of metrics.def:
 *   COUNTER(SCOPE, ID, "name", "help") GAUGE(...) HISTOGRAM(...)
 * scopes: APP (the front's, label app), LISTENER (the front's, label
 * listener), FRONT (the front's, no label), KEEPER_APP (the keeper's, label
 * app), PROCESS (the keeper's, no label). A scope is counted in one of the two
 * processes only, so that their expositions can be joined. Rows of one family
 * (before the "{") have one type and one help. Rows of one scope stand
 * together, in the order of the enum. Requests by app, route and code
 * have their own call. */
enum metric_scope {
    METRIC_SCOPE_APP,
    METRIC_SCOPE_LISTENER,
    METRIC_SCOPE_FRONT,
    METRIC_SCOPE_KEEPER_APP,
    METRIC_SCOPE_PROCESS,
    METRIC_SCOPE_COUNT
};

enum metric_id {
#define COUNTER(scope, id, name, help) METRIC_##id,
#define GAUGE(scope, id, name, help)   METRIC_##id,
#define HISTOGRAM(scope, id, name, help)
#include "router/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    METRIC_COUNT
};

enum metric_histogram_id {
#define COUNTER(scope, id, name, help)
#define GAUGE(scope, id, name, help)
#define HISTOGRAM(scope, id, name, help) HISTOGRAM_##id,
#include "router/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    HISTOGRAM_COUNT
};

#define METRIC_BUCKETS 18 /* 1 ms to 10 min, and +Inf */

struct metrics_histogram {
    uint64_t buckets[METRIC_BUCKETS];
    uint64_t sum_us;
};

struct metrics_label;

/* Written by the functions below only. It has room for the rows of its scope
 * alone: an app has a cell on each worker. */
struct metrics_cell {
    struct metrics_label *of; /* by the registry's lock */
    unsigned first_value;     /* the lowest enum metric_id of its scope */
    unsigned first_histogram; /* likewise */
    struct metrics_histogram *histograms; /* behind the values */
    uint64_t values[];
};

struct metrics_registry; /* opaque */
struct metrics_requests; /* opaque: requests by code, one thread, one route */

MUST_USE struct metrics_registry *metrics_registry_new(void);
void metrics_registry_free(struct metrics_registry **registry);

/* A new cell of one writer thread. label: the value ("" in PROCESS); copied.
 * Thread: any (locks the registry). */
MUST_USE struct metrics_cell *metrics_cell_new(struct metrics_registry *reg,
                                               enum metric_scope scope,
                                               const char *label);
MUST_USE struct metrics_requests *
metrics_requests_new(struct metrics_registry *registry, const char *app,
                     const char *route);

/* The same for what can go again: the cell of thread `writer` (a small number)
 * for a label, made by the first call, counted by each. What it counted goes on
 * while anybody holds a cell of that label; with the last one all that was
 * counted for the label vanishes. Thread: any (locks the registry). */
MUST_USE struct metrics_cell *metrics_cell_take(struct metrics_registry *reg,
                                                enum metric_scope scope,
                                                const char *label,
                                                unsigned writer);
void metrics_cell_drop(struct metrics_registry *registry,
                       struct metrics_cell **cell); /* NULL is skipped */
MUST_USE struct metrics_requests *
metrics_requests_take(struct metrics_registry *registry, const char *app,
                      const char *route, unsigned writer);
void metrics_requests_drop(struct metrics_registry *registry,
                           struct metrics_requests **requests);

/* Thread: the cell's writer. */
static inline void metrics_add(struct metrics_cell *cell, enum metric_id id,
                               uint64_t n)
{
#ifdef BERTH_NO_METRICS
    (void)cell, (void)id, (void)n;
#else
    uint64_t *at = &cell->values[(unsigned)id - cell->first_value];

    __atomic_store_n(at, __atomic_load_n(at, __ATOMIC_RELAXED) + n,
                     __ATOMIC_RELAXED);
#endif
}
static inline void metrics_set(struct metrics_cell *cell, enum metric_id id,
                               uint64_t value)
{
    __atomic_store_n(&cell->values[(unsigned)id - cell->first_value], value,
                     __ATOMIC_RELAXED);
}
static inline uint64_t metrics_get(const struct metrics_cell *cell,
                                   enum metric_id id)
{
    return __atomic_load_n(&cell->values[(unsigned)id - cell->first_value],
                           __ATOMIC_RELAXED);
}
#ifdef BERTH_NO_METRICS
#define metrics_observe(cell, id, us)         ((void)(cell), (void)(us))
#define metrics_count_request(requests, code) ((void)(requests), (void)(code))
#else
void metrics_observe(struct metrics_cell *cell, enum metric_histogram_id id,
                     uint64_t us);
/* Count one answer; code: 100 to 599, or 499 for a client that hung up. */
void metrics_count_request(struct metrics_requests *requests, unsigned code);
#endif

/* Sum of one counter over all cells of a label; NULL: of all labels.
 * Thread: any. */
uint64_t metrics_sum(struct metrics_registry *registry, enum metric_id id,
                     const char *label);
/* Estimated quantile (0 to 1) of a histogram in microseconds; 0: no data.
 * label as above. Thread: any. */
uint64_t metrics_quantile(struct metrics_registry *registry,
                          enum metric_histogram_id id, const char *label,
                          double quantile);

/* Prometheus text format 0.0.4: each family of a scope that has a cell, zeros
 * included (but for histograms that are one of several of a family), with HELP
 * and TYPE once; labels in the order of their cells. Thread: any. */
void metrics_expose(struct metrics_registry *registry, struct strbuf *buf);

#endif
