/* routes.c - the configured routes as workers look them up. */
#include "proxy/routes.h"

#include <stdlib.h>

#include "proxy/settings.h"
#include "router/base/alloc.h"
#include "router/base/err.h"
#include "router/base/log.h"
#include "router/route_table.h"

static void number_routes(struct routes *routes,
                          const struct proxy_settings *settings,
                          struct app *const *apps)
{
    uint32_t at = 0;

    for (uint32_t s = 0; s < settings->server_count; s++)
        routes->count += settings->servers[s].route_count;
    routes->all = xcalloc(routes->count + 1, sizeof *routes->all);
    for (uint32_t s = 0; s < settings->server_count; s++) {
        const struct server_settings *server = &settings->servers[s];

        for (uint32_t r = 0; r < server->route_count; r++) {
            struct route *route = &routes->all[at];

            route->settings = &server->routes[r];
            route->server = server;
            route->app_index = server->routes[r].app;
            if (route->app_index != UINT32_MAX)
                route->app = apps[route->app_index];
            route->index = at++;
        }
    }
}

static struct route *first_route_of(struct routes *routes,
                                    const struct server_settings *server)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        if (routes->all[i].server == server)
            return &routes->all[i];
    }
    return NULL;
}

static void add_server(struct route_table *table, struct routes *routes,
                       const struct server_settings *server,
                       struct strview host)
{
    struct route *route = first_route_of(routes, server);

    route_table_add_host(table, host);
    for (uint32_t r = 0; r < server->route_count; r++) {
        struct err err;

        /* conf refuses what could fail here: two routes with one prefix, a
         * prefix that is not normalised. */
        if (!route_table_add(table, host, sv_of(server->routes[r].prefix),
                             &route[r], &err))
            log_error("front", "a route cannot be used", "prefix=%s why=\"%s\"",
                      server->routes[r].prefix, err.text);
    }
}

uint32_t routes_any_host(const struct proxy_settings *settings,
                         const struct listener_settings *listener)
{
    for (uint32_t i = 0; i < listener->server_count; i++) {
        if (settings->servers[listener->servers[i]].name_count == 0)
            return listener->servers[i];
    }
    return listener->servers[0];
}

static struct route_table *
table_of_listener(struct routes *routes, const struct proxy_settings *settings,
                  const struct listener_settings *listener)
{
    struct route_table *table = route_table_new();

    for (uint32_t i = 0; i < listener->server_count; i++) {
        const struct server_settings *server =
            &settings->servers[listener->servers[i]];

        for (uint32_t n = 0; n < server->name_count; n++)
            add_server(table, routes, server, sv_of(server->names[n]));
    }
    if (listener->server_count > 0)
        add_server(table, routes,
                   &settings->servers[routes_any_host(settings, listener)],
                   SV(""));
    route_table_seal(table);
    return table;
}

struct routes *routes_new(const struct proxy_settings *settings,
                          struct app *const *apps)
{
    struct routes *routes = xcalloc(1, sizeof *routes);

    number_routes(routes, settings, apps);
    routes->table_count = settings->listener_count;
    routes->tables =
        xcalloc(settings->listener_count + 1, sizeof(struct route_table *));
    for (uint32_t i = 0; i < settings->listener_count; i++)
        routes->tables[i] =
            table_of_listener(routes, settings, &settings->listeners[i]);
    return routes;
}

void routes_free(struct routes **routes_ptr)
{
    struct routes *routes = *routes_ptr;

    if (!routes)
        return;
    for (uint32_t i = 0; i < routes->table_count; i++)
        route_table_free(&routes->tables[i]);
    free(routes->tables);
    free(routes->all);
    free(routes);
    *routes_ptr = NULL;
}
