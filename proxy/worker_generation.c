/* worker_generation.c - one worker's part of a generation. */
#include "proxy/worker_generation.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/generation.h"
#include "proxy/log_outlet.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "proxy/worker_tls.h"
#include "router/base/alloc.h"
#include "router/base/metrics.h"

static void take_cells(struct worker_generation *part,
                       struct metrics_registry *metrics)
{
    const struct proxy_settings *settings = part->shared->settings;
    const struct routes *routes = part->shared->routes;

    part->app_cells =
        xcalloc(settings->app_count + 1U, sizeof(struct metrics_cell *));
    for (uint32_t i = 0; i < settings->app_count; i++)
        part->app_cells[i] = metrics_cell_take(
            metrics, METRIC_SCOPE_APP, settings->apps[i].name, part->index);
    part->requests =
        xcalloc(routes->counter_count + 1U, sizeof(struct metrics_requests *));
    for (uint32_t i = 0; i < routes->counter_count; i++) {
        const struct route_counter *counter = &routes->counters[i];

        part->requests[i] =
            metrics_requests_take(metrics,
                                  counter->app_index == UINT32_MAX
                                      ? ""
                                      : settings->apps[counter->app_index].name,
                                  counter->route->prefix, part->index);
    }
    part->requests[routes->counter_count] =
        metrics_requests_take(metrics, "", "", part->index);
}

struct worker_generation *
worker_generation_new(struct generation *shared, unsigned index,
                      struct metrics_registry *metrics)
{
    struct worker_generation *part = xcalloc(1, sizeof *part);

    part->shared = shared;
    part->index = index;
    part->users = 1;
    part->tls = worker_tls_new(shared->settings);
    take_cells(part, metrics);
    return part;
}

void worker_generation_free(struct worker_generation **part_ptr,
                            struct metrics_registry *metrics)
{
    struct worker_generation *part = *part_ptr;

    if (!part)
        return;
    for (uint32_t i = 0; i < part->shared->settings->app_count; i++)
        metrics_cell_drop(metrics, &part->app_cells[i]);
    for (uint32_t i = 0; i <= part->shared->routes->counter_count; i++)
        metrics_requests_drop(metrics, &part->requests[i]);
    worker_tls_free(&part->tls);
    free(part->app_cells);
    free(part->requests);
    free(part);
    *part_ptr = NULL;
}

static void on_ended(struct loop_task *task)
{
    struct worker_generation *part =
        container_of(task, struct worker_generation, ended_task);

    part->events->on_generation_ended(part->events->arg, part);
}

void worker_generation_end(struct worker_generation *part)
{
    struct worker *worker = part->worker;

    /* Connections that TLS was made for keep their context: it is this
     * thread's, like its count. */
    worker_tls_free(&part->tls);
    if (worker->log_outlet) /* its files may be closed now */
        log_outlet_flush(worker->log_outlet);
    part->events = &worker->shared->events; /* which outlive it */
    part->ended_task.run = on_ended;
    loop_post(worker->shared->main_loop, &part->ended_task);
}
