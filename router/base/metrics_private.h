/* metrics_private.h - what the files of metrics share: metrics_registry.c who
 * is counted, metrics.c counting and sums, metrics_expose.c the text.
 */
#ifndef ROUTER_BASE_METRICS_PRIVATE_H
#define ROUTER_BASE_METRICS_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "router/base/list.h"
#include "router/base/metrics.h"
#include "router/base/mutex.h"

#define CODE_CLASSES 5
#define CLASS_CODES  100

/* In `users`: made by metrics_…_new(), so never gone. */
#define FOR_EVER (1U << 31)

/* All cells of one label value; cells[writer] for those that are counted, the
 * others behind them, in the order of their making. */
struct metrics_label {
    struct list node;  /* of its scope, in the order of their making */
    struct list chain; /* of its bucket */
    char *text;
    enum metric_scope scope;
    unsigned users;
    struct metrics_cell **cells; /* may have holes */
    unsigned count;
};

/* Counts of the codes of one class (2xx, …), made when the first one comes: a
 * route that answers 200 and 404 only needs two of five. */
struct code_class {
    uint64_t counts[CLASS_CODES];
};

/* All that have one app and route. */
struct route_label {
    struct list chain;
    char *app;
    char *route;
    unsigned users;
    struct metrics_requests **requests; /* as metrics_label.cells */
    unsigned count;
};

struct metrics_requests {
    struct route_label *of;
    struct code_class *classes[CODE_CLASSES]; /* atomic, set once */
};

/* Found by a hash: a reload asks for each of ten thousand routes. */
struct buckets {
    struct list *heads; /* a power of two; NULL: none yet */
    size_t count;
    size_t used;
};

struct metrics_registry {
    struct mutex lock;
    struct {
        struct list scopes[METRIC_SCOPE_COUNT]; /* of metrics_label */
        struct buckets labels;
        struct buckets routes;
    } locked; /* by lock */
};

extern const uint64_t metrics_bounds_us[METRIC_BUCKETS - 1];

static inline uint64_t metrics_load(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

extern const enum metric_scope metrics_value_scopes[METRIC_COUNT];
extern const enum metric_scope metrics_histogram_scopes[HISTOGRAM_COUNT];

uint64_t metrics_sum_label(const struct metrics_label *label,
                           enum metric_id id);
void metrics_add_histogram(const struct metrics_label *label, unsigned id,
                           struct metrics_histogram *sum);

#endif
