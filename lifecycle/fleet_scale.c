/* fleet_scale.c - an app's demand, and how many replicas follow from it. */
#include "lifecycle/fleet_scale.h"

#include "router/base/clock.h"

void fleet_scale_on_demand(struct fleet_app *app,
                           const struct channel_demand *demand)
{
    app->queued = demand->queued;
    app->in_flight = demand->in_flight;
    app->tunnels = demand->tunnels;
    app->unserved = demand->unserved;
    /* idle_us counts from the last end; without one it says nothing. */
    if (demand->arrivals > 0 || demand->in_flight > 0)
        app->last_end_us = clock_now_us() - demand->idle_us;
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
static uint64_t idle_since_us(const struct fleet_app *app)
{
    uint64_t since_us = app->last_end_us;

    LIST_FOREACH (&app->replicas, node) {
        const struct replica_view *view = replica_view(replica_of_node(node));

        if (view->state == REPLICA_READY && view->since_us > since_us)
            since_us = view->since_us;
    }
    return since_us;
}

struct autoscaler_output
fleet_scale_decide(struct fleet_app *app, const struct fleet_app_counts *counts)
{
    const struct app_settings *settings = app->settings->app;
    const struct autoscaler_input input = {
        .limits = {.min = settings->replicas_min,
                   .max = settings->replicas_max,
                   .idle_timeout_ms = settings->idle_timeout_ms},
        .demand = {.queued = app->queued,
                   .in_flight = app->in_flight,
                   .tunnels = app->tunnels,
                   /* While there is one, the next is served, or queued. */
                   .unserved = counts->starting + counts->ready == 0
                                   ? app->unserved - app->unserved_mark
                                   : 0,
                   .idle_since_us = idle_since_us(app)},
        .replicas = {.ready = counts->ready, .starting = counts->starting},
        .now_us = clock_now_us(),
    };

    return autoscaler_decide(&input);
}
