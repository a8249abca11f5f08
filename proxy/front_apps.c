/* front_apps.c - the apps that the front knows, and what the keeper is told of
 * them.
 */
#include "proxy/front_apps.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/generation.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/id_map.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"
#include "router/channel.h"
#include "router/settings.h"

/* How often changed counts are told to the keeper. */
#define DEMAND_MS 250
/* How long an app whose demand was urgent is not heard again: the first request
 * that finds no slot is told at once, those behind it together. Without it
 * every request of a busy queue wakes this thread and the keeper. */
#define DEMAND_REST_MS 5

struct front_app {
    struct list node;
    struct front_apps *all;
    uint32_t id;
    unsigned users; /* generations and replicas */
    bool is_gone;   /* from the configuration */
    struct app *app;
    struct app_settings *settings; /* what app borrows */
    struct metrics_cell *cell;
    struct app_counts told;
    bool was_told;
    bool is_settling; /* of `ended`: workers let go of it */
    struct timer rest;
};

struct front_apps {
    struct loop *loop;
    struct timers *timers;
    struct channel *const *channel;
    struct metrics_registry *metrics;
    struct worker *const *workers;
    unsigned worker_count;
    void (*on_new)(struct app *app, void *arg);
    void *new_arg;
    struct list apps; /* oldest first */
    struct list ended;
    struct id_map by_id;
    uint64_t id_end; /* larger ones were never seen */
    struct timer timer;
    uint64_t started_us;
};

/* --- what the keeper is told ---------------------------------------------- */

static bool has_changed(const struct front_app *app,
                        const struct app_counts *now)
{
    const struct app_counts *told = &app->told;

    return !app->was_told || now->queued != told->queued ||
           now->in_flight != told->in_flight || now->tunnels != told->tunnels ||
           now->arrivals != told->arrivals ||
           now->completions != told->completions ||
           now->unserved != told->unserved ||
           now->keep_until_us != told->keep_until_us;
}

static void tell(struct front_app *app, bool always)
{
    struct front_apps *all = app->all;
    uint64_t now = loop_now_us(all->loop);
    struct app_counts counts;
    struct channel_demand message;
    uint64_t end_us;
    bool busy;

    app_count(app->app, now, &counts);
    metrics_set(app->cell, METRIC_QUEUE_DEPTH, counts.queued);
    metrics_set(app->cell, METRIC_IN_FLIGHT, counts.in_flight);
    metrics_set(app->cell, METRIC_TUNNELS, counts.tunnels);
    /* Of one that is gone the keeper wants to know no more. */
    if (app->is_gone || (!always && !has_changed(app, &counts)))
        return;
    app->told = counts;
    app->was_told = true;
    busy = counts.queued > 0 || counts.in_flight > 0 || counts.tunnels > 0;
    end_us = counts.last_end_us ? counts.last_end_us : all->started_us;
    message = (struct channel_demand){
        .app = app->id,
        .queued = counts.queued,
        .in_flight = counts.in_flight,
        .tunnels = counts.tunnels,
        .arrivals = counts.arrivals,
        .unserved = counts.unserved,
        /* A worker's clock may be read later than this turn's. */
        .idle_us = busy || end_us > now ? 0 : now - end_us,
        .at_us = now,
        .completions = counts.completions,
        .service_time_us = counts.service_time_us,
        .slot_time_us = counts.slot_time_us,
        .keep_until_us = counts.keep_until_us,
        .waited_us = counts.waited_us_max,
    };
    channel_send_demand(*all->channel, &message, NULL, 0);
}

/* What comes from here on is told when it has rested; what came before, now. */
static void on_demand(struct app *of, void *arg)
{
    struct front_app *app = arg;

    (void)of;
    (void)app_hush_demand(app->app, true);
    timer_start(app->all->timers, &app->rest, DEMAND_REST_MS);
    tell(app, true);
}

static void on_rested(struct timer *timer)
{
    struct front_app *app = container_of(timer, struct front_app, rest);

    if (app_hush_demand(app->app, false))
        on_demand(app->app, app);
}

/* --- the end of an app ---------------------------------------------------- */

static void free_settings(struct app_settings **settings)
{
    app_settings_done(*settings);
    free(*settings);
    *settings = NULL;
}

/* What is posted to this loop on the app's behalf may outlive it, but reads
 * nothing of its settings. */
static void free_app(struct front_app *app)
{
    timer_stop(&app->rest);
    list_remove(&app->node);
    app_free(&app->app);
    metrics_cell_drop(app->all->metrics, &app->cell);
    free_settings(&app->settings);
    free(app);
}

static void on_settled(void *arg)
{
    struct front_app *app = arg;

    app->is_settling = false;
    /* A connection that one worker hands to another may still be its. */
    if (app_is_idle(app->app))
        free_app(app);
}

/* Nobody can ask for it any more; but connections may be parked, and workers
 * may have been told of it. */
static void settle(struct front_app *app)
{
    struct front_apps *all = app->all;

    if (app->is_settling || !all->workers)
        return;
    app->is_settling = true;
    workers_forget(all->workers, app->app, on_settled, app);
}

/* --- when ----------------------------------------------------------------- */

static void on_timer(struct timer *timer)
{
    struct front_apps *all = container_of(timer, struct front_apps, timer);

    LIST_FOREACH (&all->apps, node)
        tell(container_of(node, struct front_app, node), false);
    LIST_FOREACH (&all->ended, node)
        settle(container_of(node, struct front_app, node));
    timer_start(all->timers, timer, DEMAND_MS);
}

void front_apps_start(struct front_apps *all)
{
    on_timer(&all->timer);
}

/* --- life ----------------------------------------------------------------- */

struct front_apps *front_apps_new(struct loop *loop, struct timers *timers,
                                  struct channel *const *channel,
                                  struct metrics_registry *metrics)
{
    struct front_apps *all = xcalloc(1, sizeof *all);

    all->loop = loop;
    all->timers = timers;
    all->channel = channel;
    all->metrics = metrics;
    all->started_us = loop_now_us(loop);
    all->timer.on_expire = on_timer;
    list_init(&all->apps);
    list_init(&all->ended);
    return all;
}

void front_apps_free(struct front_apps **all_ptr)
{
    struct front_apps *all = *all_ptr;

    if (!all)
        return;
    assert(list_is_empty(&all->apps));
    LIST_FOREACH_SAFE (&all->ended, node)
        free_app(container_of(node, struct front_app, node));
    timer_stop(&all->timer);
    id_map_done(&all->by_id);
    free(all);
    *all_ptr = NULL;
}

void front_apps_set_workers(struct front_apps *all,
                            struct worker *const *workers, unsigned count)
{
    all->workers = workers;
    all->worker_count = count;
}

void front_apps_set_new_hook(struct front_apps *all,
                             void (*hook)(struct app *app, void *arg),
                             void *arg)
{
    all->on_new = hook;
    all->new_arg = arg;
}

struct front_app *front_apps_find(const struct front_apps *all, uint32_t id)
{
    return id_map_get(&all->by_id, id);
}

bool front_apps_knew(const struct front_apps *all, uint32_t id)
{
    return id < all->id_end;
}

struct app *front_app_of(const struct front_app *app)
{
    return app->app;
}

struct front_app *front_app_ref(struct front_app *app)
{
    app->users++;
    return app;
}

struct front_app *front_apps_take(struct front_apps *all,
                                  const struct app_settings *settings)
{
    struct front_app *app = front_apps_find(all, settings->id);

    if (app)
        return front_app_ref(app);
    app = xcalloc(1, sizeof *app);
    app->all = all;
    app->id = settings->id;
    app->users = 1;
    app->rest.on_expire = on_rested;
    app->settings = app_settings_copy(settings);
    app->app = app_new(app->settings, app->id, all->worker_count);
    app_set_demand_hook(app->app, all->loop, on_demand, app);
    if (all->on_new)
        all->on_new(app->app, all->new_arg);
    app->cell = metrics_cell_take(all->metrics, METRIC_SCOPE_APP,
                                  settings->name, all->worker_count);
    list_add_tail(&all->apps, &app->node);
    id_map_put(&all->by_id, app->id, app);
    if (app->id >= all->id_end)
        all->id_end = app->id + 1ULL;
    return app;
}

void front_app_drop(struct front_app **app_ptr)
{
    struct front_app *app = *app_ptr;

    *app_ptr = NULL;
    if (!app || --app->users > 0)
        return;
    list_remove(&app->node);
    list_add_tail(&app->all->ended, &app->node);
    id_map_remove(&app->all->by_id, app->id);
    settle(app);
}

/* --- the configuration ---------------------------------------------------- */

static void use_settings(struct front_app *app,
                         const struct app_settings *settings)
{
    struct front_apps *all = app->all;
    struct app_settings *before = app->settings;

    app->is_gone = false;
    app->settings = app_settings_copy(settings);
    if (app_update(app->app, app->settings, loop_now_us(all->loop))) {
        for (unsigned i = 0; i < all->worker_count; i++)
            worker_trim(all->workers[i], app->app);
    }
    free_settings(&before);
}

void front_apps_use(struct front_apps *all, const struct generation *generation)
{
    LIST_FOREACH (&all->apps, node)
        container_of(node, struct front_app, node)->is_gone = true;
    for (uint32_t i = 0; i < generation->settings->app_count; i++)
        use_settings(generation->front_apps[i], &generation->settings->apps[i]);
    LIST_FOREACH (&all->apps, node)
        front_app_check_end(container_of(node, struct front_app, node));
}

void front_app_check_end(struct front_app *app)
{
    struct app_counts counts;

    if (!app->is_gone)
        return;
    app_count(app->app, loop_now_us(app->all->loop), &counts);
    if (counts.replicas == 0)
        app_close(app->app);
}

void front_apps_close(struct front_apps *all)
{
    LIST_FOREACH (&all->apps, node)
        app_close(container_of(node, struct front_app, node)->app);
}

static void unpark(const struct front_app *app)
{
    for (unsigned i = 0; i < app->all->worker_count; i++)
        worker_unpark(app->all->workers[i], app->app, NULL);
}

void front_apps_unpark(struct front_apps *all)
{
    LIST_FOREACH (&all->apps, node)
        unpark(container_of(node, struct front_app, node));
    LIST_FOREACH (&all->ended, node)
        unpark(container_of(node, struct front_app, node));
}
