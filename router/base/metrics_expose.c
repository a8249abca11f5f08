/* metrics_expose.c - what was counted, in Prometheus's text format. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/metrics_private.h"
#include "router/base/metrics_written.h"

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
                                const struct metrics_label *label)
{
    struct strview name = family_name(row);
    struct metrics_histogram sum = {0};
    uint64_t count = 0;
    uint64_t total = 0;

    metrics_add_histogram(label, row->index, &sum);
    /* One of many parts of a family: twenty lines of zeros for each phase of
     * each app would be most of what a thousand apps expose. */
    for (unsigned i = 0; i < METRIC_BUCKETS; i++)
        total += sum.buckets[i];
    if (total == 0 && row_labels(row).len > 0)
        return;
    for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
        char le[32] = "+Inf";

        if (i < METRIC_BUCKETS - 1)
            snprintf(le, sizeof le, "%g", (double)metrics_bounds_us[i] / 1e6);
        count += sum.buckets[i];
        strbuf_printf(buf, "%.*s_bucket", SV_ARG(name));
        add_labels(buf, row, label->text, le);
        strbuf_printf(buf, " %" PRIu64 "\n", count);
    }
    strbuf_printf(buf, "%.*s_sum", SV_ARG(name));
    add_labels(buf, row, label->text, NULL);
    strbuf_printf(buf, " %" PRIu64 ".%06" PRIu64 "\n", sum.sum_us / 1000000,
                  sum.sum_us % 1000000);
    strbuf_printf(buf, "%.*s_count", SV_ARG(name));
    add_labels(buf, row, label->text, NULL);
    strbuf_printf(buf, " %" PRIu64 "\n", count);
}

static void add_row(struct metrics_registry *registry, struct strbuf *buf,
                    const struct family_row *row) REQUIRES(registry->lock)
{
    LIST_FOREACH (&registry->locked.scopes[row->scope], it) {
        struct metrics_label *label =
            container_of(it, struct metrics_label, node);

        if (strcmp(row->type, "histogram") == 0) {
            add_histogram_lines(buf, row, label);
            continue;
        }
        strbuf_add_sv(buf, family_name(row));
        add_labels(buf, row, label->text, NULL);
        strbuf_printf(buf, " %" PRIu64 "\n",
                      metrics_sum_label(label, (enum metric_id)row->index));
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

static int compare_routes(const void *a, const void *b)
{
    const struct route_label *const *left = a;
    const struct route_label *const *right = b;
    int order = strcmp((*left)->app, (*right)->app);

    return order ? order : strcmp((*left)->route, (*right)->route);
}

/* One class of codes of a route, of all threads. */
static void add_code_class(struct strbuf *buf, const struct route_label *label,
                           unsigned class)
{
    uint64_t sums[CLASS_CODES] = {0};

    for (unsigned i = 0; i < label->count; i++) {
        const struct metrics_requests *requests = label->requests[i];
        const struct code_class *counts =
            requests
                ? __atomic_load_n(&requests->classes[class], __ATOMIC_ACQUIRE)
                : NULL;

        for (unsigned code = 0; counts && code < CLASS_CODES; code++)
            sums[code] += metrics_load(&counts->counts[code]);
    }
    for (unsigned code = 0; code < CLASS_CODES; code++) {
        if (sums[code] == 0)
            continue;
        strbuf_add_str(buf, metrics_written_name(METRICS_WRITTEN_REQUESTS));
        strbuf_add_str(buf, "{app=\"");
        add_label_value(buf, label->app);
        strbuf_add_str(buf, "\",route=\"");
        add_label_value(buf, label->route);
        strbuf_printf(buf, "\",code=\"%u\"} %" PRIu64 "\n",
                      (class + 1) * CLASS_CODES + code, sums[code]);
    }
}

static void add_requests(struct metrics_registry *registry, struct strbuf *buf)
    REQUIRES(registry->lock)
{
    const struct buckets *routes = &registry->locked.routes;
    const struct route_label **all;
    size_t count = 0;

    if (routes->used == 0)
        return;
    metrics_written_begin(buf, METRICS_WRITTEN_REQUESTS);
    all = xcalloc(routes->used, sizeof *all);
    for (size_t i = 0; i < routes->count; i++) {
        LIST_FOREACH (&routes->heads[i], it)
            all[count++] = container_of(it, struct route_label, chain);
    }
    qsort(all, count, sizeof(void *), compare_routes);
    for (size_t i = 0; i < count; i++) {
        for (unsigned class = 0; class < CODE_CLASSES; class ++)
            add_code_class(buf, all[i], class);
    }
    free(all);
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
