/* metrics_registry.c - who is counted: labels, and their cells. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/metrics_private.h"

#define CACHE_LINE 64

/* --- the index ------------------------------------------------------------ */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL; /* FNV-1a */
    return (hash ^ 0xff) * 0x100000001b3ULL;
}

static uint64_t hash_label(enum metric_scope scope, const char *text)
{
    return hash_text(0xcbf29ce484222325ULL + scope, text);
}

static uint64_t hash_route(const char *app, const char *route)
{
    return hash_text(hash_text(0xcbf29ce484222325ULL, app), route);
}

static struct list *bucket_of(const struct buckets *buckets, uint64_t hash)
{
    return &buckets->heads[(hash ^ hash >> 32) & (buckets->count - 1)];
}

/* Room for one more; hash_of() of what is in a chain. */
static void make_room(struct buckets *buckets,
                      uint64_t (*hash_of)(const struct list *chain))
{
    struct buckets larger = {.count = buckets->count ? buckets->count * 2 : 16,
                             .used = buckets->used};
    struct list *node;

    if (buckets->used < buckets->count)
        return;
    larger.heads = xcalloc(larger.count, sizeof *larger.heads);
    for (size_t i = 0; i < larger.count; i++)
        list_init(&larger.heads[i]);
    for (size_t i = 0; i < buckets->count; i++) {
        while ((node = list_pop_head(&buckets->heads[i])))
            list_add_tail(bucket_of(&larger, hash_of(node)), node);
    }
    free(buckets->heads);
    *buckets = larger;
}

/* A place for `writer`'s in an array that may have holes. */
static void *widen(void *array, unsigned *count, unsigned writer)
{
    void **wider = array;

    if (writer < *count)
        return array;
    wider = xrealloc(array, (writer + 1U) * sizeof(void *));
    for (unsigned i = *count; i <= writer; i++)
        wider[i] = NULL;
    *count = writer + 1;
    return wider;
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

static void free_label(struct metrics_label *label)
{
    for (unsigned i = 0; i < label->count; i++)
        free(label->cells[i]);
    free(label->cells);
    free(label->text);
    free(label);
}

static void free_route(struct route_label *label)
{
    for (unsigned i = 0; i < label->count; i++) {
        for (unsigned c = 0; label->requests[i] && c < CODE_CLASSES; c++)
            free(label->requests[i]->classes[c]);
        free(label->requests[i]);
    }
    free(label->requests);
    free(label->app);
    free(label->route);
    free(label);
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
            free_label(container_of(node, struct metrics_label, node));
    }
    for (size_t i = 0; i < registry->locked.routes.count; i++) {
        while ((node = list_pop_head(&registry->locked.routes.heads[i])))
            free_route(container_of(node, struct route_label, chain));
    }
    free(registry->locked.labels.heads);
    free(registry->locked.routes.heads);
    mutex_unlock(&registry->lock);
    mutex_done(&registry->lock);
    free(registry);
    *registry_ptr = NULL;
}

static uint64_t hash_of_label(const struct list *chain)
{
    const struct metrics_label *label =
        container_of(chain, const struct metrics_label, chain);

    return hash_label(label->scope, label->text);
}

/* Made where there is none. */
static struct metrics_label *label_for(struct metrics_registry *registry,
                                       enum metric_scope scope,
                                       const char *text)
    REQUIRES(registry->lock)
{
    struct buckets *labels = &registry->locked.labels;
    uint64_t hash = hash_label(scope, text);
    struct metrics_label *label;

    make_room(labels, hash_of_label);
    LIST_FOREACH (bucket_of(labels, hash), it) {
        label = container_of(it, struct metrics_label, chain);
        if (label->scope == scope && strcmp(label->text, text) == 0)
            return label;
    }
    label = xcalloc(1, sizeof *label);
    label->text = xstrdup(text);
    label->scope = scope;
    list_add_tail(&registry->locked.scopes[scope], &label->node);
    list_add_tail(bucket_of(labels, hash), &label->chain);
    labels->used++;
    return label;
}

/* Where the rows of a scope begin among all, and how many they are. */
struct row_range {
    unsigned first;
    unsigned count;
};

static struct row_range range_of(const enum metric_scope *scopes,
                                 unsigned count, enum metric_scope scope)
{
    struct row_range range = {0, 0};

    for (unsigned i = 0; i < count; i++) {
        if (scopes[i] != scope)
            continue;
        if (range.count++ == 0)
            range.first = i;
        assert(i == range.first + range.count - 1);
    }
    return range;
}

static struct metrics_cell *new_cell(struct metrics_label *label)
{
    struct row_range values =
        range_of(metrics_value_scopes, METRIC_COUNT, label->scope);
    struct row_range histograms =
        range_of(metrics_histogram_scopes, HISTOGRAM_COUNT, label->scope);
    size_t size = sizeof(struct metrics_cell) +
                  values.count * sizeof(uint64_t) +
                  histograms.count * sizeof(struct metrics_histogram);
    struct metrics_cell *cell;

    /* Cache lines of its own, so that no two threads count on one. */
    size = (size + CACHE_LINE - 1) & ~(CACHE_LINE - 1UL);
    cell = aligned_alloc(CACHE_LINE, size);
    if (!cell)
        abort();
    memset(cell, 0, size);
    cell->of = label;
    cell->first_value = values.first;
    cell->first_histogram = histograms.first;
    cell->histograms =
        (struct metrics_histogram *)(void *)&cell->values[values.count];
    return cell;
}

static struct metrics_cell *cell_for(struct metrics_label *label,
                                     unsigned writer)
{
    label->cells = widen(label->cells, &label->count, writer);
    if (!label->cells[writer])
        label->cells[writer] = new_cell(label);
    return label->cells[writer];
}

struct metrics_cell *metrics_cell_new(struct metrics_registry *registry,
                                      enum metric_scope scope, const char *text)
{
    struct metrics_label *label;
    struct metrics_cell *cell;

    mutex_lock(&registry->lock);
    label = label_for(registry, scope, text);
    assert(label->users == 0 || label->users == FOR_EVER);
    label->users = FOR_EVER;
    cell = cell_for(label, label->count);
    mutex_unlock(&registry->lock);
    return cell;
}

struct metrics_cell *metrics_cell_take(struct metrics_registry *registry,
                                       enum metric_scope scope,
                                       const char *text, unsigned writer)
{
    struct metrics_label *label;
    struct metrics_cell *cell;

    mutex_lock(&registry->lock);
    label = label_for(registry, scope, text);
    assert(label->users < FOR_EVER); /* taken or made, never both */
    label->users++;
    cell = cell_for(label, writer);
    mutex_unlock(&registry->lock);
    return cell;
}

void metrics_cell_drop(struct metrics_registry *registry,
                       struct metrics_cell **cell_ptr)
{
    struct metrics_cell *cell = *cell_ptr;
    struct metrics_label *label;

    if (!cell)
        return;
    *cell_ptr = NULL;
    mutex_lock(&registry->lock);
    label = cell->of;
    assert(label->users > 0 && label->users < FOR_EVER);
    if (--label->users == 0) {
        list_remove(&label->node);
        list_remove(&label->chain);
        registry->locked.labels.used--;
        free_label(label);
    }
    mutex_unlock(&registry->lock);
}

/* --- requests by code ----------------------------------------------------- */

static uint64_t hash_of_route(const struct list *chain)
{
    const struct route_label *label =
        container_of(chain, const struct route_label, chain);

    return hash_route(label->app, label->route);
}

static struct route_label *route_for(struct metrics_registry *registry,
                                     const char *app, const char *route)
    REQUIRES(registry->lock)
{
    struct buckets *routes = &registry->locked.routes;
    uint64_t hash = hash_route(app, route);
    struct route_label *label;

    make_room(routes, hash_of_route);
    LIST_FOREACH (bucket_of(routes, hash), it) {
        label = container_of(it, struct route_label, chain);
        if (strcmp(label->app, app) == 0 && strcmp(label->route, route) == 0)
            return label;
    }
    label = xcalloc(1, sizeof *label);
    label->app = xstrdup(app);
    label->route = xstrdup(route);
    list_add_tail(bucket_of(routes, hash), &label->chain);
    routes->used++;
    return label;
}

static struct metrics_requests *requests_for(struct route_label *label,
                                             unsigned writer)
{
    label->requests = widen(label->requests, &label->count, writer);
    if (!label->requests[writer]) {
        label->requests[writer] = xcalloc(1, sizeof **label->requests);
        label->requests[writer]->of = label;
    }
    return label->requests[writer];
}

struct metrics_requests *metrics_requests_new(struct metrics_registry *registry,
                                              const char *app,
                                              const char *route)
{
    struct metrics_requests *requests;
    struct route_label *label;

    mutex_lock(&registry->lock);
    label = route_for(registry, app, route);
    assert(label->users == 0 || label->users == FOR_EVER);
    label->users = FOR_EVER;
    requests = requests_for(label, label->count);
    mutex_unlock(&registry->lock);
    return requests;
}

struct metrics_requests *
metrics_requests_take(struct metrics_registry *registry, const char *app,
                      const char *route, unsigned writer)
{
    struct metrics_requests *requests;
    struct route_label *label;

    mutex_lock(&registry->lock);
    label = route_for(registry, app, route);
    assert(label->users < FOR_EVER); /* taken or made, never both */
    label->users++;
    requests = requests_for(label, writer);
    mutex_unlock(&registry->lock);
    return requests;
}

void metrics_requests_drop(struct metrics_registry *registry,
                           struct metrics_requests **requests_ptr)
{
    struct metrics_requests *requests = *requests_ptr;
    struct route_label *label;

    if (!requests)
        return;
    *requests_ptr = NULL;
    mutex_lock(&registry->lock);
    label = requests->of;
    assert(label->users > 0 && label->users < FOR_EVER);
    if (--label->users == 0) {
        list_remove(&label->chain);
        registry->locked.routes.used--;
        free_route(label);
    }
    mutex_unlock(&registry->lock);
}
