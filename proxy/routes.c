/* routes.c - the configured routes as workers look them up. */
#include "proxy/routes.h"

#include <stdlib.h>

#include "proxy/settings.h"
#include "router/base/alloc.h"
#include "router/base/err.h"
#include "router/base/log.h"
#include "router/base/strbuf.h"
#include "router/rate_limit.h"
#include "router/route_table.h"

/* --- status_routes
 * ------------------------------------------------------------
 */

#define STATUS_ROUTES 2U /* of a server */

/* {"/prefix":"app",…}, as Ray Serve's proxy answers. */
static char *routes_json(const struct proxy_settings *settings,
                         const struct server_settings *server)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    strbuf_add_char(&text, '{');
    for (uint32_t i = 0; i < server->route_count; i++) {
        const struct route_settings *route = &server->routes[i];

        if (route->app == UINT32_MAX)
            continue;
        if (text.len > 1)
            strbuf_add_char(&text, ',');
        strbuf_add_json(&text, sv_of(route->prefix));
        strbuf_add_char(&text, ':');
        strbuf_add_json(&text, sv_of(settings->apps[route->app].name));
    }
    strbuf_add_str(&text, "}\n");
    return xstrdup(text.data);
}

static void fill_status(struct route_settings *status,
                        const struct proxy_settings *settings,
                        const struct server_settings *server)
{
    static const char *const prefixes[STATUS_ROUTES] = {"/-/healthz",
                                                        "/-/routes"};

    for (unsigned i = 0; i < STATUS_ROUTES; i++)
        status[i] = (struct route_settings){
            .prefix = xstrdup(prefixes[i]),
            .app = UINT32_MAX,
            .return_code = 200,
            .return_text =
                i == 0 ? xstrdup("success") : routes_json(settings, server),
            .access_log = server->access_log,
        };
}

/* --- all routes --------------------------------------------------------------
 */

static void fill_route(struct route *route,
                       const struct route_settings *settings,
                       const struct server_settings *server,
                       struct app *const *apps)
{
    const struct rate_settings *rate = &settings->protection.rate;

    route->settings = settings;
    route->server = server;
    route->app_index = settings->app;
    if (route->app_index != UINT32_MAX)
        route->app = apps[route->app_index];
    if (rate->requests > 0)
        route->rate_limit = rate_limit_new(rate->requests, rate->period_s,
                                           rate->burst, RATE_LIMIT_KEYS_MAX);
}

static uint32_t count_routes(const struct server_settings *server)
{
    return server->route_count + (server->status_routes ? STATUS_ROUTES : 0);
}

static void number_routes(struct routes *routes,
                          const struct proxy_settings *settings,
                          struct app *const *apps)
{
    uint32_t at = 0;

    for (uint32_t s = 0; s < settings->server_count; s++)
        routes->count += count_routes(&settings->servers[s]);
    routes->all = xcalloc(routes->count + 1, sizeof *routes->all);
    routes->status_count = settings->server_count * STATUS_ROUTES;
    routes->status = xcalloc(routes->status_count + 1U, sizeof *routes->status);
    for (uint32_t s = 0; s < settings->server_count; s++) {
        const struct server_settings *server = &settings->servers[s];

        struct route_settings *status = &routes->status[s * STATUS_ROUTES];

        if (server->status_routes)
            fill_status(status, settings, server);
        for (uint32_t r = 0; r < count_routes(server); r++, at++) {
            bool is_status = r >= server->route_count;

            routes->all[at].index = at;
            fill_route(&routes->all[at],
                       is_status ? &status[r - server->route_count]
                                 : &server->routes[r],
                       server, apps);
            routes->all[at].returns_json = r == server->route_count + 1;
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
    for (uint32_t r = 0; r < count_routes(server); r++) {
        struct err err;

        /* conf refuses what could fail here: two routes with one prefix, a
         * prefix that is not normalised. */
        if (!route_table_add(table, host, sv_of(route[r].settings->prefix),
                             &route[r], &err))
            log_error("front", "a route cannot be used", "prefix=%s why=\"%s\"",
                      route[r].settings->prefix, err.text);
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
    for (uint32_t i = 0; i < routes->count; i++)
        rate_limit_free(&routes->all[i].rate_limit);
    for (uint32_t i = 0; i < routes->status_count; i++) {
        free(routes->status[i].prefix);
        free(routes->status[i].return_text);
    }
    free(routes->status);
    free(routes->all);
    free(routes);
    *routes_ptr = NULL;
}
