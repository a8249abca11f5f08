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
#include "router/split.h"

/* --- status_routes
 * ------------------------------------------------------------
 */

#define STATUS_ROUTES 2U /* of a server */

/* "app", or of a split "app,other". */
static void add_app_names(struct strbuf *text,
                          const struct proxy_settings *settings,
                          const struct route_settings *route)
{
    AUTO(strbuf_done) struct strbuf names = STRBUF_INIT;

    if (route->app != UINT32_MAX)
        strbuf_add_str(&names, settings->apps[route->app].name);
    for (uint32_t i = 0; i < route->split.count; i++) {
        if (i > 0)
            strbuf_add_char(&names, ',');
        strbuf_add_str(&names,
                       settings->apps[route->split.targets[i].app].name);
    }
    strbuf_add_json(text, strbuf_view(&names));
}

/* {"/prefix":"app",…}, as Ray Serve's proxy answers. */
static char *routes_json(const struct proxy_settings *settings,
                         const struct server_settings *server)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    strbuf_add_char(&text, '{');
    for (uint32_t i = 0; i < server->route_count; i++) {
        const struct route_settings *route = &server->routes[i];

        if (route->app == UINT32_MAX && route->split.count == 0)
            continue;
        if (text.len > 1)
            strbuf_add_char(&text, ',');
        strbuf_add_json(&text, sv_of(route->prefix));
        strbuf_add_char(&text, ':');
        add_app_names(&text, settings, route);
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
    route->settings = settings;
    route->server = server;
    route->app_index = settings->app;
    if (route->app_index != UINT32_MAX)
        route->app = apps[route->app_index];
}

/* Of a split, one that tells the requests that reached no app apart, and one
 * for each app. */
static void number_counters(struct routes *routes)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < routes->count; i++)
        at += 1 + routes->all[i].settings->split.count;
    routes->counter_count = at;
    routes->counters = xcalloc(at + 1U, sizeof *routes->counters);
    at = 0;
    for (uint32_t i = 0; i < routes->count; i++) {
        struct route *route = &routes->all[i];
        const struct split_settings *split = &route->settings->split;

        route->counter = at;
        routes->counters[at++] =
            (struct route_counter){route->app_index, route->settings};
        for (uint32_t k = 0; k < split->count; k++)
            routes->counters[at++] =
                (struct route_counter){split->targets[k].app, route->settings};
    }
}

static void fill_split(struct route *route,
                       const struct proxy_settings *settings,
                       struct app *const *apps)
{
    const struct split_settings *split = &route->settings->split;
    const char *names[SPLIT_TARGETS_MAX];
    uint32_t weights[SPLIT_TARGETS_MAX];

    if (split->count == 0)
        return;
    route->split_apps = xcalloc(split->count, sizeof(struct app *));
    for (uint32_t i = 0; i < split->count; i++) {
        names[i] = settings->apps[split->targets[i].app].name;
        weights[i] = split->targets[i].weight;
        route->split_apps[i] = apps[split->targets[i].app];
    }
    route->split = split_new(names, weights, split->count);
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
            fill_split(&routes->all[at], settings, apps);
            routes->all[at].returns_json = r == server->route_count + 1;
        }
    }
}

/* --- rate limits -------------------------------------------------------------
 */

/* A route that has one, and what it is called: its server's names, its prefix.
 */
struct limited {
    char *name;
    struct route *route;
};

static const struct rate_settings *rate_of(const struct route *route)
{
    return &route->settings->protection.rate;
}

static char *name_of(const struct route *route)
{
    AUTO(strbuf_done) struct strbuf name = STRBUF_INIT;

    for (uint32_t i = 0; i < route->server->name_count; i++)
        strbuf_printf(&name, "%s ", route->server->names[i]);
    strbuf_add_str(&name, route->settings->prefix);
    return xstrdup(name.data);
}

/* Those of one name in their order: two servers may have the same. */
static int compare_limited(const void *a, const void *b)
{
    const struct limited *left = a;
    const struct limited *right = b;
    int order = strcmp(left->name, right->name);

    return order ? order : (left->route > right->route ? 1 : -1);
}

static struct limited *list_limited(const struct routes *routes,
                                    uint32_t *ret_count)
{
    uint32_t count = 0;
    struct limited *list;

    for (uint32_t i = 0; i < routes->count; i++)
        count += rate_of(&routes->all[i])->requests > 0;
    list = xcalloc(count + 1U, sizeof *list);
    *ret_count = 0;
    for (uint32_t i = 0; i < routes->count; i++) {
        struct route *route = &routes->all[i];

        if (rate_of(route)->requests > 0)
            list[(*ret_count)++] = (struct limited){name_of(route), route};
    }
    qsort(list, count, sizeof *list, compare_limited);
    return list;
}

static void free_limited(struct limited *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(list[i].name);
    free(list);
}

static bool is_same_rate(const struct rate_settings *a,
                         const struct rate_settings *b)
{
    return a->requests == b->requests && a->period_s == b->period_s &&
           a->burst == b->burst &&
           sv_eq(sv_of(a->key_field), sv_of(b->key_field));
}

/* before: of the same name, or NULL. */
static void set_limit(struct route *route, const struct route *before)
{
    const struct rate_settings *rate = rate_of(route);

    if (before && is_same_rate(rate, rate_of(before)))
        route->rate_limit = rate_limit_ref(before->rate_limit);
    else
        route->rate_limit = rate_limit_new(rate->requests, rate->period_s,
                                           rate->burst, RATE_LIMIT_KEYS_MAX);
}

static void set_limits(struct routes *routes, const struct routes *before)
{
    uint32_t count;
    uint32_t old_count = 0;
    struct limited *list = list_limited(routes, &count);
    struct limited *old = before ? list_limited(before, &old_count) : NULL;
    uint32_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        while (at < old_count && strcmp(old[at].name, list[i].name) < 0)
            at++;
        if (at < old_count && strcmp(old[at].name, list[i].name) == 0)
            set_limit(list[i].route, old[at++].route);
        else
            set_limit(list[i].route, NULL);
    }
    free_limited(list, count);
    free_limited(old, old_count);
}

/* --- the tables --------------------------------------------------------------
 */

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
                          struct app *const *apps, const struct routes *before)
{
    struct routes *routes = xcalloc(1, sizeof *routes);

    number_routes(routes, settings, apps);
    number_counters(routes);
    set_limits(routes, before);
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
    for (uint32_t i = 0; i < routes->count; i++) {
        rate_limit_unref(&routes->all[i].rate_limit);
        split_free(&routes->all[i].split);
        free(routes->all[i].split_apps);
    }
    free(routes->counters);
    for (uint32_t i = 0; i < routes->status_count; i++) {
        free(routes->status[i].prefix);
        free(routes->status[i].return_text);
    }
    free(routes->status);
    free(routes->all);
    free(routes);
    *routes_ptr = NULL;
}
