/* metrics.c - cells of counts, their sums, and the exposition. */
#include "router/base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/mutex.h"

#define CACHE_LINE   64
#define CODE_MIN     100
#define CODE_MAX     599
#define CODE_CLASSES 5
#define CLASS_CODES  100

static const uint64_t bounds_us[METRIC_BUCKETS - 1] = {
    1000,     2500,     5000,     10000,     25000,     50000,
    100000,   250000,   500000,   1000000,   2500000,   5000000,
    10000000, 30000000, 60000000, 300000000, 600000000,
};

struct family_row {
    const char *name; /* with "{label=…}" where the row is a part of a family */
    const char *help;
    const char *type;
    enum metric_scope scope;
    unsigned index; /* of the value or of the histogram */
};

#define ROW(row_scope, id, row_name, row_help, row_type)                       \
    {.name = (row_name),                                                       \
     .help = (row_help),                                                       \
     .type = (row_type),                                                       \
     .scope = METRIC_SCOPE_##row_scope,                                        \
     .index = (unsigned)(id)},
#define COUNTER(scope, id, name, help)                                         \
    ROW(scope, METRIC_##id, name, help, "counter")
#define GAUGE(scope, id, name, help)                                           \
    ROW(scope, METRIC_##id, name, help, "gauge")
#define HISTOGRAM(scope, id, name, help)                                       \
    ROW(scope, HISTOGRAM_##id, name, help, "histogram")
static const struct family_row rows[] = {
#include "router/base/metrics.def"
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

/* All cells of one label value. */
struct label_cells {
    struct list node;
    char *label;
    struct metrics_cell **cells;
    unsigned count;
};

/* Counts of the codes of one class (2xx, …), made when the first one comes: a
 * route that answers 200 and 404 only needs two of five. */
struct code_class {
    uint64_t counts[CLASS_CODES];
};

struct metrics_requests {
    char *app;
    char *route;
    struct code_class *classes[CODE_CLASSES]; /* atomic, set once */
};

struct metrics_registry {
    struct mutex lock;
    struct {
        struct list scopes[METRIC_SCOPE_COUNT]; /* of label_cells */
        struct metrics_requests **requests;
        size_t request_count;
    } locked; /* by lock */
};

static uint64_t load(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void increase(uint64_t *at, uint64_t n)
{
    __atomic_store_n(at, load(at) + n, __ATOMIC_RELAXED);
}

/* --- cells ---------------------------------------------------------------- */

struct metrics_registry *metrics_registry_new(void)
{
    struct metrics_registry *registry = xcalloc(1, sizeof *registry);

    mutex_init(&registry->lock);
    mutex_lock(&registry->lock);
    for (unsigned i = 0; i < METRIC_SCOPE_COUNT; i++)
        list_init(&registry->locked.scopes[i]);
    mutex_unlock(&registry->lock);
    return registry;
}

static void free_label(struct label_cells *label)
{
    for (unsigned i = 0; i < label->count; i++)
        free(label->cells[i]);
    free(label->cells);
    free(label->label);
    free(label);
}

static void free_requests(struct metrics_requests *requests)
{
    for (unsigned i = 0; i < CODE_CLASSES; i++)
        free(requests->classes[i]);
    free(requests->app);
    free(requests->route);
    free(requests);
}

void metrics_registry_free(struct metrics_registry **registry_ptr)
{
    struct metrics_registry *registry = *registry_ptr;
    struct list *node;

    if (!registry)
        return;
    mutex_lock(&registry->lock);
    for (unsigned i = 0; i < METRIC_SCOPE_COUNT; i++) {
        while ((node = list_pop_head(&registry->locked.scopes[i])))
            free_label(container_of(node, struct label_cells, node));
    }
    for (size_t i = 0; i < registry->locked.request_count; i++)
        free_requests(registry->locked.requests[i]);
    free(registry->locked.requests);
    mutex_unlock(&registry->lock);
    mutex_done(&registry->lock);
    free(registry);
    *registry_ptr = NULL;
}

static struct label_cells *find_label(struct metrics_registry *registry,
                                      enum metric_scope scope,
                                      const char *label)
    REQUIRES(registry->lock)
{
    LIST_FOREACH (&registry->locked.scopes[scope], it) {
        struct label_cells *found = container_of(it, struct label_cells, node);

        if (strcmp(found->label, label) == 0)
            return found;
    }
    return NULL;
}

/* Room for one more in an array of pointers that doubles at powers of two. */
static void *grow(void *array, size_t count)
{
    if (count & (count - 1))
        return array;
    return xrealloc(array, (count ? count * 2 : 1) * sizeof(void *));
}

struct metrics_cell *metrics_cell_new(struct metrics_registry *registry,
                                      enum metric_scope scope,
                                      const char *label)
{
    /* Cache lines of its own, so that no two threads count on one. */
    size_t size =
        (sizeof(struct metrics_cell) + CACHE_LINE - 1) & ~(CACHE_LINE - 1UL);
    struct metrics_cell *cell = aligned_alloc(CACHE_LINE, size);
    struct label_cells *of;

    if (!cell)
        abort();
    memset(cell, 0, size);
    mutex_lock(&registry->lock);
    of = find_label(registry, scope, label);
    if (!of) {
        of = xcalloc(1, sizeof *of);
        of->label = xstrdup(label);
        list_add_tail(&registry->locked.scopes[scope], &of->node);
    }
    of->cells = grow(of->cells, of->count);
    of->cells[of->count++] = cell;
    mutex_unlock(&registry->lock);
    return cell;
}

void metrics_observe(struct metrics_cell *cell, enum metric_histogram_id id,
                     uint64_t us)
{
    struct metrics_histogram *histogram = &cell->histograms[id];
    unsigned bucket = 0;

    while (bucket < METRIC_BUCKETS - 1 && us > bounds_us[bucket])
        bucket++;
    increase(&histogram->buckets[bucket], 1);
    increase(&histogram->sum_us, us);
}

/* --- requests by code ----------------------------------------------------- */

struct metrics_requests *metrics_requests_new(struct metrics_registry *registry,
                                              const char *app,
                                              const char *route)
{
    struct metrics_requests *requests = xcalloc(1, sizeof *requests);

    requests->app = xstrdup(app);
    requests->route = xstrdup(route);
    mutex_lock(&registry->lock);
    registry->locked.requests =
        grow(registry->locked.requests, registry->locked.request_count);
    registry->locked.requests[registry->locked.request_count++] = requests;
    mutex_unlock(&registry->lock);
    return requests;
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

/* --- sums ----------------------------------------------------------------- */

static uint64_t sum_value(const struct label_cells *label, unsigned id)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < label->count; i++)
        sum += load(&label->cells[i]->values[id]);
    return sum;
}

static void add_histogram(const struct label_cells *label, unsigned id,
                          struct metrics_histogram *sum)
{
    for (unsigned i = 0; i < label->count; i++) {
        const struct metrics_histogram *h = &label->cells[i]->histograms[id];

        for (unsigned bucket = 0; bucket < METRIC_BUCKETS; bucket++)
            sum->buckets[bucket] += load(&h->buckets[bucket]);
        sum->sum_us += load(&h->sum_us);
    }
}

static enum metric_scope scope_of(unsigned index, bool is_histogram)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].index == index &&
            (strcmp(rows[i].type, "histogram") == 0) == is_histogram)
            return rows[i].scope;
    }
    abort(); /* every id has its row */
}

uint64_t metrics_sum(struct metrics_registry *registry, enum metric_id id,
                     const char *label)
{
    uint64_t sum = 0;

    mutex_lock(&registry->lock);
    LIST_FOREACH (&registry->locked.scopes[scope_of(id, false)], it) {
        struct label_cells *of = container_of(it, struct label_cells, node);

        if (!label || strcmp(of->label, label) == 0)
            sum += sum_value(of, id);
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
        double low = i == 0 ? 0 : (double)bounds_us[i - 1];

        if (in > 0 && below + in >= rank)
            return (uint64_t)(low + ((double)bounds_us[i] - low) *
                                        ((rank - below) / in));
        below += in;
    }
    return bounds_us[METRIC_BUCKETS - 2];
}

uint64_t metrics_quantile(struct metrics_registry *registry,
                          enum metric_histogram_id id, const char *label,
                          double quantile)
{
    struct metrics_histogram sum = {0};

    assert(quantile >= 0 && quantile <= 1);
    mutex_lock(&registry->lock);
    LIST_FOREACH (&registry->locked.scopes[scope_of(id, true)], it) {
        struct label_cells *of = container_of(it, struct label_cells, node);

        if (!label || strcmp(of->label, label) == 0)
            add_histogram(of, id, &sum);
    }
    mutex_unlock(&registry->lock);
    return quantile_of(&sum, quantile);
}

/* --- exposition ----------------------------------------------------------- */

/* "berth_rejected_total" of "berth_rejected_total{reason="x"}". */
static struct strview family_name(const struct family_row *row)
{
    return sv_make(row->name, strcspn(row->name, "{"));
}

/* `reason="x"`, or empty. */
static struct strview row_labels(const struct family_row *row)
{
    struct strview rest = sv_of(row->name + family_name(row).len);

    return rest.len < 2 ? SV("") : sv_make(rest.ptr + 1, rest.len - 2);
}

static void add_label_value(struct strbuf *buf, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"')
            strbuf_add_char(buf, '\\');
        if (*p == '\n')
            strbuf_add_str(buf, "\\n");
        else
            strbuf_add_char(buf, *p);
    }
}

static void add_header(struct strbuf *buf, struct strview name,
                       const char *type, const char *help)
{
    strbuf_printf(buf, "# HELP %.*s %s\n# TYPE %.*s %s\n", SV_ARG(name), help,
                  SV_ARG(name), type);
}

/* {app="x",reason="y",le="0.5"}, or nothing where there is no label. */
static void add_labels(struct strbuf *buf, const struct family_row *row,
                       const char *value, const char *le)
{
    static const char *const names[METRIC_SCOPE_COUNT] = {
        [METRIC_SCOPE_APP] = "app",
        [METRIC_SCOPE_LISTENER] = "listener",
        [METRIC_SCOPE_KEEPER_APP] = "app",
    };
    struct strview more = row_labels(row);
    char separator = '{';

    if (names[row->scope]) {
        strbuf_printf(buf, "%c%s=\"", separator, names[row->scope]);
        add_label_value(buf, value);
        strbuf_add_char(buf, '"');
        separator = ',';
    }
    if (more.len > 0) {
        strbuf_printf(buf, "%c%.*s", separator, SV_ARG(more));
        separator = ',';
    }
    if (le) {
        strbuf_printf(buf, "%cle=\"%s\"", separator, le);
        separator = ',';
    }
    if (separator == ',')
        strbuf_add_char(buf, '}');
}

static void add_histogram_lines(struct strbuf *buf,
                                const struct family_row *row,
                                const struct label_cells *label)
{
    struct strview name = family_name(row);
    struct metrics_histogram sum = {0};
    uint64_t count = 0;

    add_histogram(label, row->index, &sum);
    for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
        char le[32] = "+Inf";

        if (i < METRIC_BUCKETS - 1)
            snprintf(le, sizeof le, "%g", (double)bounds_us[i] / 1e6);
        count += sum.buckets[i];
        strbuf_printf(buf, "%.*s_bucket", SV_ARG(name));
        add_labels(buf, row, label->label, le);
        strbuf_printf(buf, " %" PRIu64 "\n", count);
    }
    strbuf_printf(buf, "%.*s_sum", SV_ARG(name));
    add_labels(buf, row, label->label, NULL);
    strbuf_printf(buf, " %" PRIu64 ".%06" PRIu64 "\n", sum.sum_us / 1000000,
                  sum.sum_us % 1000000);
    strbuf_printf(buf, "%.*s_count", SV_ARG(name));
    add_labels(buf, row, label->label, NULL);
    strbuf_printf(buf, " %" PRIu64 "\n", count);
}

static void add_row(struct metrics_registry *registry, struct strbuf *buf,
                    const struct family_row *row) REQUIRES(registry->lock)
{
    LIST_FOREACH (&registry->locked.scopes[row->scope], it) {
        struct label_cells *label = container_of(it, struct label_cells, node);

        if (strcmp(row->type, "histogram") == 0) {
            add_histogram_lines(buf, row, label);
            continue;
        }
        strbuf_add_sv(buf, family_name(row));
        add_labels(buf, row, label->label, NULL);
        strbuf_printf(buf, " %" PRIu64 "\n", sum_value(label, row->index));
    }
}

/* All rows of the family whose first row this is. */
static void add_family(struct metrics_registry *registry, struct strbuf *buf,
                       const struct family_row *first) REQUIRES(registry->lock)
{
    struct strview name = family_name(first);

    if (list_is_empty(&registry->locked.scopes[first->scope]))
        return;
    add_header(buf, name, first->type, first->help);
    for (const struct family_row *row = first; row < rows + ARRAY_LEN(rows);
         row++) {
        if (sv_eq(family_name(row), name))
            add_row(registry, buf, row);
    }
}

static bool is_first_of_family(const struct family_row *row)
{
    for (const struct family_row *it = rows; it < row; it++) {
        if (sv_eq(family_name(it), family_name(row)))
            return false;
    }
    return true;
}

static int compare_requests(const void *a, const void *b)
{
    const struct metrics_requests *const *left = a;
    const struct metrics_requests *const *right = b;
    int order = strcmp((*left)->app, (*right)->app);

    return order ? order : strcmp((*left)->route, (*right)->route);
}

/* One class of codes of the same route, counted by `count` threads. */
static void add_code_class(struct strbuf *buf,
                           struct metrics_requests *const *same, size_t count,
                           unsigned class)
{
    uint64_t sums[CLASS_CODES] = {0};

    for (size_t i = 0; i < count; i++) {
        const struct code_class *counts =
            __atomic_load_n(&same[i]->classes[class], __ATOMIC_ACQUIRE);

        for (unsigned code = 0; counts && code < CLASS_CODES; code++)
            sums[code] += load(&counts->counts[code]);
    }
    for (unsigned code = 0; code < CLASS_CODES; code++) {
        if (sums[code] == 0)
            continue;
        strbuf_add_str(buf, "berth_requests_total{app=\"");
        add_label_value(buf, same[0]->app);
        strbuf_add_str(buf, "\",route=\"");
        add_label_value(buf, same[0]->route);
        strbuf_printf(buf, "\",code=\"%u\"} %" PRIu64 "\n",
                      (class + 1) * CLASS_CODES + code, sums[code]);
    }
}

static void add_requests(struct metrics_registry *registry, struct strbuf *buf)
    REQUIRES(registry->lock)
{
    struct metrics_requests **all = registry->locked.requests;
    size_t count = registry->locked.request_count;
    size_t end;

    if (count == 0)
        return;
    add_header(buf, SV("berth_requests_total"), "counter",
               "Requests answered, by status code");
    qsort(all, count, sizeof(void *), compare_requests);
    for (size_t at = 0; at < count; at = end) {
        end = at + 1;
        while (end < count && compare_requests(&all[at], &all[end]) == 0)
            end++;
        for (unsigned class = 0; class < CODE_CLASSES; class ++)
            add_code_class(buf, all + at, end - at, class);
    }
}

void metrics_expose(struct metrics_registry *registry, struct strbuf *buf)
{
    mutex_lock(&registry->lock);
    add_requests(registry, buf);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (is_first_of_family(&rows[i]))
            add_family(registry, buf, &rows[i]);
    }
    mutex_unlock(&registry->lock);
}
