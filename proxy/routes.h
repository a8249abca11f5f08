/* routes.h - the configured routes as workers look them up: for each listener
 * a route table of the servers behind it.
 *
 * Built once from the settings, then read by all workers without a lock.
 */
#ifndef PROXY_ROUTES_H
#define PROXY_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct app;
struct listener_settings;
struct proxy_settings;
struct rate_limit;
struct route_settings;
struct route_table;
struct split;
struct server_settings;

struct route {
    const struct route_settings *settings;
    const struct server_settings *server;
    struct app *app; /* NULL: several, or it answers by itself (`return`) */
    uint32_t app_index;
    struct split *split; /* NULL: no several */
    struct app **split_apps;
    uint32_t counter;              /* of its requests, in routes->counters; of
                                      a split, those of its apps follow */
    uint32_t index;                /* in routes->all */
    struct rate_limit *rate_limit; /* NULL: none */
    bool returns_json;
};

/* What requests are counted by. */
struct route_counter {
    uint32_t app_index; /* UINT32_MAX: none (yet) */
    const struct route_settings *route;
};

struct routes {
    uint32_t status_count;
    struct route_settings *status; /* of /-/healthz and /-/routes */
    uint32_t count;
    struct route *all;
    uint32_t counter_count;
    struct route_counter *counters;
    uint32_t table_count; /* one a listener, sealed */
    struct route_table **tables;
};

/* Borrows settings and apps (settings->app_count of them). before: those that
 * these take the place of, NULL: none; a route that has the same rate limit as
 * there goes on with it. Thread: main. */
MUST_USE struct routes *routes_new(const struct proxy_settings *settings,
                                   struct app *const *apps,
                                   const struct routes *before);
/* Which server (an index into settings->servers) has the hosts that no name of
 * the listener's servers matches: one without a name, else the first. */
uint32_t routes_any_host(const struct proxy_settings *settings,
                         const struct listener_settings *listener);
void routes_free(struct routes **routes);

#endif
