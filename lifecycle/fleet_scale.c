/* fleet_scale.c - an app's demand, and how many replicas follow from it. */
#include "lifecycle/fleet_scale.h"

#include "lifecycle/replica_warmth.h"
#include "router/base/clock.h"

/* Of the newest start in the running mean of start times. */
#define START_WEIGHT 0.3

void fleet_scale_on_demand(struct fleet_app *app,
                           const struct channel_demand *demand)
{
    const struct demand_sample sample = {
        .at_us = demand->at_us,
        .queued = demand->queued,
        .in_flight = demand->in_flight,
        .arrivals = demand->arrivals,
        .completions = demand->completions,
        .service_time_us = demand->service_time_us,
        .slot_time_us = demand->slot_time_us,
    };

    if (demand->queued > 0 || demand->in_flight > 0)
        app->asked.let_go = false; /* it is used again */
    demand_add(&app->demand, &sample);
    app->queued = demand->queued;
    app->in_flight = demand->in_flight;
    app->tunnels = demand->tunnels;
    app->unserved = demand->unserved;
    app->oldest_us = demand->queued > 0 ? demand->at_us - demand->waited_us : 0;
    /* idle_us counts from the last end; without one it says nothing. */
    if (demand->arrivals > 0 || demand->in_flight > 0)
        app->last_end_us = clock_now_us() - demand->idle_us;
    fleet_app_keep_until(app, demand->keep_until_us);
}

void fleet_scale_on_front_down(struct fleet_app *app)
{
    if (app->in_flight + app->tunnels > 0)
        app->last_end_us = clock_now_us();
    app->queued = 0;
    app->in_flight = 0;
    app->tunnels = 0;
    app->unserved = 0; /* the next front counts from there */
    app->unserved_mark = 0;
}

void fleet_scale_settle(struct fleet_app *app)
{
    app->unserved_mark = app->unserved;
}

/* When the last request ended, or the youngest replica became ready: a start
 * that was made for a request stays for idle_timeout, also when that request
 * has gone meanwhile. */
uint64_t fleet_scale_idle_since_us(const struct fleet_app *app)
{
    uint64_t since_us = app->last_end_us;

    if (app->asked.let_go)
        return 0;

    LIST_FOREACH (&app->replicas, node) {
        const struct replica_view *view = replica_view(replica_of_node(node));

        if (view->state == REPLICA_READY && view->since_us > since_us)
            since_us = view->since_us;
        if (replica_is_asleep(replica_of_node(node)) &&
            view->ready_at_us > since_us)
            since_us = view->ready_at_us;
    }
    return since_us;
}

/* --- what was learned --- */

/* The file is written anew for every step, and not for every answer that asks
 * for a little more. */
#define KEEP_STEP_S 10U
/* More nobody can have asked for: the file is damaged. */
#define KEEP_MAX_S (UINT64_C(7) * 86400)

static void know_keep(struct fleet_app *app, uint64_t until_unix_s)
{
    uint64_t now_s = clock_unix_ms() / 1000;

    if (until_unix_s > now_s && until_unix_s - now_s <= KEEP_MAX_S)
        app->keep_until_us =
            clock_now_us() + (until_unix_s - now_s) * UINT64_C(1000000);
}

static uint64_t keep_to_write(const struct fleet_app *app)
{
    uint64_t now_us = clock_now_us();
    uint64_t until_s;

    if (app->keep_until_us <= now_us)
        return 0;
    until_s =
        clock_unix_ms() / 1000 + (app->keep_until_us - now_us) / 1000000 + 1;
    return (until_s + KEEP_STEP_S - 1) / KEEP_STEP_S * KEEP_STEP_S;
}

void fleet_scale_know(struct fleet_app *app, const struct learned_app *known)
{
    if (known->service_us > 0)
        demand_know_service(&app->demand, (double)known->service_us);
    for (unsigned i = 0; i < LEARNED_RUNGS; i++)
        app->start_us[i] = (double)known->start_us[i];
    know_keep(app, known->keep_until_unix_s);
}

void fleet_scale_tell(const struct fleet_app *app,
                      struct learned_app *ret_known)
{
    *ret_known = (struct learned_app){0};
    if (app->demand.service_is_known)
        ret_known->service_us = (uint64_t)app->demand.service_us;
    for (unsigned i = 0; i < LEARNED_RUNGS; i++)
        ret_known->start_us[i] = (uint64_t)app->start_us[i];
    ret_known->keep_until_unix_s = keep_to_write(app);
}

void fleet_scale_learn_start(struct fleet_app *app,
                             const struct replica_view *view)
{
    /* For how long it waits for room says nothing of the next one. */
    double took_us = (double)(view->phases.total_us - view->phases.evict_us);
    double *mean = &app->start_us[view->from];

    *mean = *mean > 0 ? *mean + START_WEIGHT * (took_us - *mean) : took_us;
}

_Static_assert((int)LEARNED_FROZEN == (int)RUNG_FROZEN &&
                   (int)LEARNED_RUNGS == (int)RUNG_COUNT,
               "the rungs are the same");

/* From the warmest rung that there is: whoever has started once has its image
 * here, unless it was removed since. One whose start from there is not known
 * yet is not slower than from the next one. */
static uint64_t next_start_us(const struct fleet_app *app,
                              const struct fleet_app_counts *counts)
{
    const double *us = app->start_us;

    if (counts->asleep > 0 && us[LEARNED_HIBERNATED] > 0)
        return (uint64_t)us[LEARNED_HIBERNATED];
    if (counts->primed > 0 && us[LEARNED_PRIMED] > 0)
        return (uint64_t)us[LEARNED_PRIMED];
    return (uint64_t)(us[LEARNED_PULLED] > 0 ? us[LEARNED_PULLED]
                                             : us[LEARNED_ABSENT]);
}

uint64_t fleet_scale_start_us(const struct fleet_app *app)
{
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    return next_start_us(app, &counts);
}

/* Those that sleep and take no requests count for min alone. */
static uint32_t min_without(const struct fleet_app *app, uint32_t asleep)
{
    uint32_t min = fleet_scale_min(app);

    /* Whoever wakes an app wants one that is awake. */
    if (app->asked.wakes > 0 && min <= asleep)
        return 1;
    return min > asleep ? min - asleep : 0;
}

/* off (0) keeps the last one: who lets go of it wants something else. */
static uint64_t idle_timeout_ms(const struct fleet_app *app)
{
    const struct app_settings *settings = app->settings->app;

    if (app->asked.let_go)
        return 1;
    return settings->warmth.keep_until_pressure ? 0 : settings->idle_timeout_ms;
}

struct start_rank fleet_scale_rank(void *arg)
{
    const struct fleet_app *app = arg;
    struct start_rank rank = {.importance = app->settings->importance,
                              .oldest_us =
                                  app->queued > 0 ? app->oldest_us : 0};

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);

        if (replica_view(replica)->state == REPLICA_READY ||
            (replica_is_starting(replica) && !replica_waits_for_turn(replica)))
            rank.has_replica = true;
    }
    return rank;
}

uint32_t fleet_scale_room(const struct fleet_app *app,
                          const struct fleet_app_counts *counts)
{
    uint32_t max = app->settings->app->replicas_max;
    uint32_t running = counts->starting + counts->ready + counts->asleep;

    LIST_FOREACH (&app->replicas, node)
        running +=
            replica_view(replica_of_node(node))->state == REPLICA_STOPPING;
    return running < max ? max - running : 0;
}

void fleet_scale_announce_starts(struct fleet_app *app)
{
    const struct channel_app_starts message = {app->id, app->starts_until_us};

    channel_send_app_starts(app->host->channel, &message, NULL, 0);
}

/* Of a start that was never seen, what is known is how long it may take. */
void fleet_scale_tell_starts(struct fleet_app *app,
                             const struct fleet_app_counts *counts)
{
    uint32_t starting = counts->starting;
    uint64_t start_us = next_start_us(app, counts);
    uint64_t until_us = app->starts_until_us;

    if (start_us == 0)
        start_us = app->settings->app->start_timeout_ms * 1000;
    if (starting == 0)
        until_us = 0;
    else if (starting > app->starts_told)
        until_us = clock_now_us() + start_us;
    app->starts_told = starting;
    if (until_us == app->starts_until_us)
        return;
    app->starts_until_us = until_us;
    fleet_scale_announce_starts(app);
}

/* --- deciding --- */

void fleet_scale_hold(struct fleet_app *app)
{
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    autoscaler_hold(&app->history, counts.starting + counts.ready,
                    clock_now_us());
}

uint32_t fleet_scale_min(const struct fleet_app *app)
{
    uint32_t min =
        app->asked.has_min ? app->asked.min : app->settings->app->replicas_min;

    return min == 0 && app->asked.wakes > 0 ? 1 : min;
}

struct autoscaler_output
fleet_scale_decide(struct fleet_app *app, const struct fleet_app_counts *counts)
{
    const struct app_settings *settings = app->settings->app;
    uint64_t now_us = clock_now_us();
    struct autoscaler_input input = {
        .limits = {.min = min_without(app, counts->asleep),
                   .max = settings->replicas_max,
                   .idle_timeout_ms = idle_timeout_ms(app),
                   .concurrency = settings->concurrency,
                   .target_utilization_percent =
                       settings->target_utilization_percent,
                   .has_scale_down_delay = settings->has_scale_down_delay,
                   .scale_down_delay_ms = settings->scale_down_delay_ms},
        .demand = {.queued = app->queued,
                   .oldest_us = app->oldest_us,
                   .in_flight = app->in_flight,
                   .tunnels = app->tunnels,
                   /* While there is one, the next is served, or queued. */
                   .unserved = counts->starting + counts->ready == 0
                                   ? app->unserved - app->unserved_mark
                                   : 0,
                   .idle_since_us = fleet_scale_idle_since_us(app),
                   .keep_until_us = app->keep_until_us},
        .replicas = {.ready = counts->ready,
                     .starting = counts->starting,
                     .start_us = next_start_us(app, counts),
                     .is_backing_off = app->start_backoff.failure_count > 0},
        .now_us = now_us,
        .history = &app->history,
    };

    demand_read(&app->demand, now_us, &input.demand.load);
    return autoscaler_decide(&input);
}
