/* fleet_status.c - an app of the fleet as JSON. */
#include "lifecycle/fleet_status.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "lifecycle/fleet_scale.h"
#include "lifecycle/start_log.h"
#include "lifecycle/rollout.h"
#include "router/base/clock.h"

static void add_memory(cJSON *json, const struct replica *replica)
{
    struct engine_memory memory;
    cJSON *object;

    if (!replica_memory(replica, &memory))
        return;
    object = cJSON_AddObjectToObject(json, "memory");
    cJSON_AddNumberToObject(object, "resident", (double)memory.resident_bytes);
    cJSON_AddNumberToObject(object, "swapped", (double)memory.swapped_bytes);
}

static cJSON *replica_json(const struct replica *replica)
{
    static const char *const connects[] = {
        [CONNECT_DIRECT] = "direct",
        [CONNECT_INSIDE] = "inside",
        [CONNECT_KEEPER] = "socket",
    };
    const struct replica_view *view = replica_view(replica);
    cJSON *json = cJSON_CreateObject();
    uint64_t now_unix_ms = clock_unix_ms();

    cJSON_AddNumberToObject(json, "id", (double)view->id);
    cJSON_AddStringToObject(json, "name", view->name);
    cJSON_AddStringToObject(json, "state", replica_state_name(view->state));
    cJSON_AddStringToObject(json, "reason", view->reason);
    cJSON_AddNumberToObject(json, "since_unix_ms", (double)view->since_unix_ms);
    cJSON_AddNumberToObject(json, "age_ms",
                            now_unix_ms > view->began_unix_ms
                                ? (double)(now_unix_ms - view->began_unix_ms)
                                : 0);
    cJSON_AddNumberToObject(json, "pid", view->pid);
    if (view->is_external) {
        cJSON_AddBoolToObject(json, "external", true);
    } else {
        cJSON_AddStringToObject(json, "container", view->container_id);
        cJSON_AddStringToObject(json, "revision", view->revision);
        cJSON_AddBoolToObject(json, "adopted", view->is_adopted);
    }
    if (replica_is_announced(replica)) {
        cJSON_AddStringToObject(json, "connect", connects[view->reach.connect]);
        if (view->reach.connect == CONNECT_DIRECT) {
            char address[ADDRESS_TEXT_SIZE];

            address_format(&view->reach.address, address);
            cJSON_AddStringToObject(json, "address", address);
        }
    }
    if (view->probe_text[0])
        cJSON_AddStringToObject(json, "probe", view->probe_text);
    add_memory(json, replica);
    return json;
}

/* The warmest rung that there is of it. */
static const char *warmth_of(const struct fleet_app *app,
                             const struct image_store *images)
{
    const struct container_settings *container = &app->settings->container;
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    if (counts.ready > counts.dozing)
        return "ready";
    if (counts.dozing > 0 || counts.asleep > counts.hibernated)
        return "frozen";
    if (counts.hibernated > 0)
        return "hibernated";
    if (counts.primed > counts.priming)
        return "primed";
    return container->image && image_store_is_here(images, container)
               ? "pulled"
               : "absent";
}

static cJSON *error_json(const struct fleet_app_error *error)
{
    cJSON *json;
    cJSON *lines;
    struct strview rest;
    struct strview line;

    if (error->at_unix_ms == 0)
        return cJSON_CreateNull();
    json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "at_unix_ms", (double)error->at_unix_ms);
    cJSON_AddStringToObject(json, "code", error->code);
    cJSON_AddStringToObject(json, "message", error->reason);
    lines = cJSON_AddArrayToObject(json, "log");
    rest = sv_of(error->log ? error->log : "");
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        char text[1024];

        snprintf(text, sizeof text, "%.*s", SV_ARG(line));
        cJSON_AddItemToArray(lines, cJSON_CreateString(text));
    }
    return json;
}

static void add_pull(cJSON *json, const struct container_settings *container,
                     const struct image_store *images)
{
    struct pull_status status;
    cJSON *pull;

    image_store_status(images, container, &status);
    if (status.step != PULL_RUNS)
        return;
    pull = cJSON_AddObjectToObject(json, "pull");
    cJSON_AddNumberToObject(pull, "layers_done", status.progress.layers_done);
    cJSON_AddNumberToObject(pull, "layers_known", status.progress.layers_known);
    cJSON_AddNumberToObject(pull, "bytes", (double)status.progress.bytes);
    cJSON_AddNumberToObject(pull, "running_ms", (double)status.running_ms);
    cJSON_AddNumberToObject(pull, "retries", status.retries);
}

static void add_image(cJSON *json, const struct fleet_app *app,
                      const struct image_store *images)
{
    const char *image = app->settings->container.image;
    AUTO(strbuf_done) struct strbuf activity = STRBUF_INIT;

    if (!image) {
        cJSON_AddNullToObject(json, "image");
        return;
    }
    cJSON_AddStringToObject(json, "image", image);
    image_store_describe(images, &app->settings->container, &activity);
    if (activity.len > 0)
        cJSON_AddStringToObject(json, "image_activity", activity.data);
    add_pull(json, &app->settings->container, images);
}

/* Of the youngest replica that has one. */
static const char *revision_of(const struct fleet_app *app)
{
    const char *revision = "";

    LIST_FOREACH (&app->replicas, node) {
        const struct replica_view *view = replica_view(replica_of_node(node));

        if (view->revision[0])
            revision = view->revision;
    }
    return revision;
}

cJSON *fleet_status_app(const struct fleet_app *app,
                        const struct image_store *images)
{
    const struct app_settings *settings = app->settings->app;
    cJSON *json = cJSON_CreateObject();
    cJSON *replicas;
    uint64_t now_us = clock_now_us();

    cJSON_AddStringToObject(json, "name", settings->name);
    add_image(json, app, images);
    cJSON_AddStringToObject(json, "state", app_state_name(app->state));
    cJSON_AddNumberToObject(json, "state_age_ms",
                            (double)((now_us - app->state_since_us) / 1000));
    cJSON_AddStringToObject(json, "warmth", warmth_of(app, images));
    cJSON_AddStringToObject(json, "revision", revision_of(app));
    cJSON_AddNumberToObject(json, "wanted", app->wanted);
    cJSON_AddStringToObject(json, "wanted_reason",
                            autoscaler_reason_text(app->wanted_reason));
    cJSON_AddNumberToObject(json, "min", fleet_scale_min(app));
    cJSON_AddNumberToObject(json, "max", settings->replicas_max);
    cJSON_AddNumberToObject(
        json, "start_failures",
        (double)(metrics_get(app->cell, METRIC_START_FAILURES) +
                 metrics_get(app->cell, METRIC_START_TIMEOUTS)));
    cJSON_AddNumberToObject(
        json, "crashes",
        (double)metrics_get(app->cell, METRIC_REPLICA_CRASHES));
    if (timer_is_running(&app->retry_timer) && app->retry_at_us > now_us)
        cJSON_AddNumberToObject(json, "retry_in_ms",
                                (double)((app->retry_at_us - now_us) / 1000));
    if (app->place_wait.verdict != PLACEMENT_START)
        cJSON_AddStringToObject(json, "waits_for", app->place_wait.reason);
    replicas = cJSON_AddArrayToObject(json, "replicas");
    LIST_FOREACH (&app->replicas, node) {
        cJSON_AddItemToArray(replicas, replica_json(replica_of_node(node)));
    }
    cJSON_AddItemToObject(json, "rollout", rollout_status(app));
    cJSON_AddItemToObject(json, "last_error", error_json(&app->error));
    cJSON_AddItemToObject(json, "last_start", start_log_last_json(app->starts));
    return json;
}

/* Starts that are under way: where they are, and for how long. */
static cJSON *current_json(const struct fleet_app *app)
{
    cJSON *list = cJSON_CreateArray();
    uint64_t now_us = clock_now_us();

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);
        const struct replica_view *view = replica_view(replica);
        cJSON *json;

        if (!replica_is_starting(replica))
            continue;
        json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "replica", view->name);
        cJSON_AddNumberToObject(json, "at_unix_ms",
                                (double)view->began_unix_ms);
        cJSON_AddStringToObject(json, "state", replica_state_name(view->state));
        cJSON_AddNumberToObject(json, "in_state_us",
                                (double)(now_us - view->since_us));
        cJSON_AddStringToObject(json, "reason",
                                view->probe_text[0] ? view->probe_text
                                                    : view->reason);
        cJSON_AddItemToObject(json, "phases", start_phases_json(&view->phases));
        cJSON_AddItemToArray(list, json);
    }
    return list;
}

cJSON *fleet_status_starts(const struct fleet_app *app,
                           const struct image_store *images)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "app", app->settings->app->name);
    add_image(json, app, images);
    cJSON_AddStringToObject(json, "state", app_state_name(app->state));
    cJSON_AddItemToObject(json, "current", current_json(app));
    cJSON_AddItemToObject(json, "starts", start_log_json(app->starts));
    return json;
}
