/* admin_status.c - what /api/v1/status, apps and routes say, as JSON. */
#include "proxy/admin/admin_status.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "proxy/admin/admin_host.h"
#include "proxy/admin/admin_rates.h"
#include "proxy/build_info.h"
#include "proxy/settings.h"
#include "router/app.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"

static const struct proxy_settings *settings_of(const struct admin_host *host)
{
    return host->ops->settings(host->front);
}

/* The keeper's object about an app, taken out of its answer; else a new one. */
static cJSON *take_keeper_app(cJSON *keeper, const char *name)
{
    cJSON *apps = cJSON_GetObjectItemCaseSensitive(keeper, "apps");
    cJSON *app = NULL;

    cJSON_ArrayForEach(app, apps)
    {
        const cJSON *is = cJSON_GetObjectItemCaseSensitive(app, "name");

        if (cJSON_IsString(is) && strcmp(is->valuestring, name) == 0)
            return cJSON_DetachItemViaPointer(apps, app);
    }
    app = cJSON_CreateObject();
    cJSON_AddStringToObject(app, "name", name);
    return app;
}

/* Adds the member, or puts another value in its place. */
static void set_item(cJSON *object, const char *name, cJSON *value)
{
    if (cJSON_HasObjectItem(object, name))
        cJSON_ReplaceItemInObjectCaseSensitive(object, name, value);
    else
        cJSON_AddItemToObject(object, name, value);
}

static void set_number(cJSON *object, const char *name, uint64_t value)
{
    set_item(object, name, cJSON_CreateNumber((double)value));
}

static void add_upstreams(cJSON *json, const struct app_settings *app)
{
    cJSON *list;

    if (app->upstream_count == 0)
        return;
    list = cJSON_AddArrayToObject(json, "upstreams");
    for (uint32_t i = 0; i < app->upstream_count; i++) {
        char text[ADDRESS_TEXT_SIZE];

        address_format(&app->upstreams[i], text);
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
}

static void add_latencies(cJSON *json, struct metrics_registry *registry,
                          const char *app)
{
    cJSON *latency = cJSON_AddObjectToObject(json, "latency_us");

    set_number(
        latency, "p50",
        metrics_quantile(registry, HISTOGRAM_REQUEST_DURATION, app, 0.5));
    set_number(
        latency, "p99",
        metrics_quantile(registry, HISTOGRAM_REQUEST_DURATION, app, 0.99));
}

static cJSON *app_json(const struct admin_host *host, uint32_t index,
                       cJSON *keeper)
{
    const struct app_settings *app = &settings_of(host)->apps[index];
    cJSON *json = take_keeper_app(keeper, app->name);
    struct app_counts counts;

    app_count(host->ops->app(host->front, index), loop_now_us(host->loop),
              &counts);
    add_upstreams(json, app);
    set_item(json, "state", cJSON_CreateString(app_state_name(counts.state)));
    set_number(json, "ready", counts.replicas);
    /* The keeper's is the one in force: an operator may have asked for it. */
    if (!cJSON_HasObjectItem(json, "min"))
        set_number(json, "min", app->replicas_min);
    set_number(json, "max",
               app->upstream_count > 0 ? app->upstream_count
                                       : app->replicas_max);
    set_number(json, "in_flight", counts.in_flight);
    set_number(json, "queued", counts.queued);
    set_number(json, "tunnels", counts.tunnels);
    set_number(json, "requests", counts.arrivals);
    if (host->rates)
        set_item(json, "requests_per_s",
                 cJSON_CreateNumber(admin_rates_get(host->rates, app->id)));
    set_number(json, "refused", counts.refused);
    set_number(json, "oldest_waiter_us", counts.waited_us_max);
    add_latencies(json, host->ops->metrics(host->front), app->name);
    return json;
}

static cJSON *apps_json(const struct admin_host *host, cJSON *keeper)
{
    cJSON *list = cJSON_CreateArray();

    for (uint32_t i = 0; i < settings_of(host)->app_count; i++)
        cJSON_AddItemToArray(list, app_json(host, i, keeper));
    return list;
}

/* NULL when there is none, or it makes no sense. */
static cJSON *parse_keeper(struct strview text)
{
    cJSON *keeper;

    if (!text.ptr)
        return NULL;
    keeper = cJSON_ParseWithLength(text.ptr, text.len);
    if (cJSON_IsObject(keeper))
        return keeper;
    cJSON_Delete(keeper);
    return NULL;
}

cJSON *admin_status_json(const struct admin_host *host, struct strview keeper)
{
    cJSON *from_keeper = parse_keeper(keeper);
    cJSON *json = cJSON_CreateObject();
    cJSON *apps = apps_json(host, from_keeper);
    cJSON *up = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "version", build_version());
    cJSON_AddStringToObject(json, "commit", build_commit());
    cJSON_AddStringToObject(json, "state",
                            host->ops->is_serving(host->front) ? "serving"
                                                               : "draining");
    cJSON_AddItemToObject(json, "keeper", up);
    cJSON_AddBoolToObject(up, "up", from_keeper != NULL);
    if (from_keeper) {
        cJSON *item;

        cJSON_DeleteItemFromObjectCaseSensitive(from_keeper, "apps");
        while ((item = from_keeper->child)) {
            cJSON_DetachItemViaPointer(from_keeper, item);
            if (cJSON_HasObjectItem(json, item->string))
                cJSON_Delete(item);
            else
                cJSON_AddItemToObject(json, item->string, item);
        }
    }
    cJSON_AddItemToObject(json, "apps", apps);
    cJSON_Delete(from_keeper);
    return json;
}

cJSON *admin_apps_json(const struct admin_host *host, struct strview keeper)
{
    cJSON *from_keeper = parse_keeper(keeper);
    cJSON *json = cJSON_CreateObject();

    cJSON_AddItemToObject(json, "apps", apps_json(host, from_keeper));
    cJSON_Delete(from_keeper);
    return json;
}

cJSON *admin_app_json(const struct admin_host *host, uint32_t index,
                      struct strview keeper)
{
    cJSON *from_keeper = parse_keeper(keeper);
    cJSON *json = app_json(host, index, from_keeper);

    cJSON_Delete(from_keeper);
    return json;
}

static cJSON *strings_json(char *const *items, uint32_t count)
{
    cJSON *list = cJSON_CreateArray();

    for (uint32_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(items[i]));
    return list;
}

/* The listeners that have the server. */
static cJSON *listens_json(const struct proxy_settings *settings,
                           uint32_t server)
{
    cJSON *list = cJSON_CreateArray();

    for (uint32_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];

        for (uint32_t s = 0; s < listener->server_count; s++)
            if (listener->servers[s] == server)
                cJSON_AddItemToArray(list, cJSON_CreateString(listener->text));
    }
    return list;
}

static cJSON *split_json(const struct proxy_settings *settings,
                         const struct route_settings *route)
{
    cJSON *list = cJSON_CreateArray();

    for (uint32_t i = 0; i < route->split.count; i++) {
        const struct split_target *target = &route->split.targets[i];
        cJSON *one = cJSON_CreateObject();

        cJSON_AddStringToObject(one, "app", settings->apps[target->app].name);
        set_number(one, "weight", target->weight);
        cJSON_AddItemToArray(list, one);
    }
    return list;
}

static cJSON *route_json(const struct proxy_settings *settings,
                         const struct route_settings *route)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "prefix", route->prefix);
    if (route->app != UINT32_MAX) {
        cJSON_AddStringToObject(json, "app", settings->apps[route->app].name);
        cJSON_AddBoolToObject(json, "strip_prefix", route->strip_prefix);
    } else if (route->split.count > 0) {
        cJSON_AddItemToObject(json, "split", split_json(settings, route));
        cJSON_AddBoolToObject(json, "strip_prefix", route->strip_prefix);
    } else {
        set_number(json, "return", route->return_code);
        if (route->return_text)
            cJSON_AddStringToObject(json, "text", route->return_text);
    }
    return json;
}

cJSON *admin_routes_json(const struct admin_host *host)
{
    const struct proxy_settings *settings = settings_of(host);
    cJSON *json = cJSON_CreateObject();
    cJSON *servers = cJSON_AddArrayToObject(json, "servers");

    for (uint32_t i = 0; i < settings->server_count; i++) {
        const struct server_settings *server = &settings->servers[i];
        cJSON *one = cJSON_CreateObject();
        cJSON *routes;

        cJSON_AddItemToArray(servers, one);
        cJSON_AddItemToObject(one, "listen", listens_json(settings, i));
        cJSON_AddItemToObject(one, "names",
                              strings_json(server->names, server->name_count));
        routes = cJSON_AddArrayToObject(one, "routes");
        for (uint32_t r = 0; r < server->route_count; r++)
            cJSON_AddItemToArray(routes,
                                 route_json(settings, &server->routes[r]));
    }
    return json;
}
