/* fleet_reload.c - apps that a new configuration brings, changes and takes. */
#include "lifecycle/fleet_private.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/fleet_limits.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/image_store.h"
#include "lifecycle/rollout.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

/* What was routed before the reload may still come to an app that it took, by
 * a slow body or a full queue: so long it is there to serve it. */
#define LINGER_US 10000000U

/* --- one app --- */

static bool same_settings(const struct app_settings *a,
                          const struct app_settings *b)
{
    AUTO(strbuf_done) struct strbuf of_a = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf of_b = STRBUF_INIT;

    app_settings_encode(a, &of_a);
    app_settings_encode(b, &of_b);
    return sv_eq(strbuf_view(&of_a), strbuf_view(&of_b));
}

/* All but what makes another revision. */
static bool is_unchanged(const struct keeper_app *a, const struct keeper_app *b)
{
    return same_settings(a->app, b->app) && app_revision_same_limits(a, b) &&
           a->container.stop_timeout_ms == b->container.stop_timeout_ms &&
           a->container.pull_timeout_ms == b->container.pull_timeout_ms &&
           a->container.pull_policy == b->container.pull_policy &&
           a->is_evictable == b->is_evictable &&
           a->importance == b->importance &&
           a->update.recreate == b->update.recreate &&
           a->update.surge == b->update.surge &&
           a->update.unavailable == b->update.unavailable &&
           a->update.rollback == b->update.rollback;
}

static const char *change_app(struct fleet *fleet, struct fleet_app *app,
                              const struct keeper_app *next)
{
    struct keeper_settings *from = fleet->options.settings;
    bool is_same_limits = app_revision_same_limits(app->settings, next);
    bool was_unchanged = is_unchanged(app->settings, next);

    rollout_update(app, from, next);
    fleet_app_forget_asked(app);
    if (!is_same_limits)
        fleet_limits_update_all(app);
    fleet_app_decide_soon(app);
    if (next->app->upstream_count > 0) {
        if (app->settings->container.image)
            rollout_to_external(app, app_revision_new(from, next));
        fleet_replicas_sync_external(app);
    } else if (!rollout_is_to(app, next)) {
        rollout_begin(app, app_revision_new(from, next));
        return "rolling";
    } else if (fleet->options.engine && engine_is_up(fleet->options.engine)) {
        rollout_look(app);
    }
    if (rollout_is_under_way(app))
        return "rolling";
    return was_unchanged ? "unchanged" : "changed";
}

static struct fleet_app *add_app(struct fleet *fleet,
                                 const struct keeper_app *next)
{
    struct fleet_app *app = fleet_app_new(&fleet->host, fleet->options.settings,
                                          next, fleet->options.metrics);

    id_map_put(&fleet->apps_by_id, app->id, app);
    if (app->id >= fleet->next_app_id)
        fleet->next_app_id = app->id + 1;
    if (fleet->options.engine && engine_is_up(fleet->options.engine))
        fleet_look_at_app(fleet, app);
    fleet_app_announce(app);
    fleet_app_decide_soon(app);
    return app;
}

static void report(cJSON *apps, const char *name, const char *result)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "name", name);
    cJSON_AddStringToObject(json, "result", result);
    cJSON_AddItemToArray(apps, json);
}

/* --- all of them --- */

/* What is no app's. */
static void take_settings(struct fleet *fleet, struct keeper_settings *next)
{
    const struct lifecycle_settings *settings = next->lifecycle;
    struct keeper_settings *before = fleet->options.settings;

    fleet->options.settings = keeper_settings_ref(next);
    fleet->host.replicas.namespace_name = settings->podman.namespace_name;
    fleet->host.replicas.state_dir = settings->state_dir;
    image_store_renew(fleet->images, &settings->podman);
    if (!fleet->is_stopping)
        fleet->starts.limit = settings->podman.max_parallel_starts;
    keeper_settings_unref(&before);
}

static bool is_in(const struct lifecycle_settings *settings,
                  const struct fleet_app *app)
{
    for (uint32_t i = 0; i < settings->app_count; i++)
        if (settings->apps[i].app->id == app->id)
            return true;
    return false;
}

void fleet_reload(struct fleet *fleet, struct keeper_settings *next,
                  struct cJSON *ret_apps)
{
    const struct lifecycle_settings *settings = next->lifecycle;
    struct fleet_app **before = fleet->apps;
    uint32_t before_count = fleet->app_count;

    take_settings(fleet, next);
    fleet->apps = xcalloc(settings->app_count + before_count + 1U,
                          sizeof(struct fleet_app *));
    fleet->app_count = 0;
    for (uint32_t i = 0; i < settings->app_count; i++) {
        const struct keeper_app *app = &settings->apps[i];
        struct fleet_app *known = id_map_get(&fleet->apps_by_id, app->app->id);

        report(ret_apps, app->app->name,
               known ? change_app(fleet, known, app) : "added");
        fleet->apps[fleet->app_count++] = known ? known : add_app(fleet, app);
    }
    for (uint32_t i = 0; i < before_count; i++) {
        struct fleet_app *app = before[i];

        if (is_in(settings, app))
            continue;
        fleet->apps[fleet->app_count++] = app;
        if (app->is_removed)
            continue;
        report(ret_apps, app->settings->app->name, "removed");
        fleet_app_remove(app);
    }
    free(before);
}

void fleet_on_switched(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        struct fleet_app *app = fleet->apps[i];

        if (!app->is_removed || app->may_leave)
            continue;
        app->may_leave = true;
        fleet_app_decide_soon(app);
    }
}

static bool is_over(const struct fleet_app *app)
{
    return app->is_removed && list_is_empty(&app->replicas) &&
           app->adopting == 0 && app->failing == 0 && app->queued == 0 &&
           !loop_task_is_pending(&app->decide_task) &&
           clock_now_us() - app->removed_us > LINGER_US;
}

void fleet_sweep(struct fleet *fleet)
{
    uint32_t kept = 0;
    bool had_containers = false;

    for (uint32_t i = 0; i < fleet->app_count; i++) {
        struct fleet_app *app = fleet->apps[i];

        if (!is_over(app)) {
            fleet->apps[kept++] = app;
            continue;
        }
        had_containers |= app->settings->container.image != NULL;
        log_info("fleet", "nothing is left of an app", "app=%s",
                 app->settings->app->name);
        id_map_remove(&fleet->apps_by_id, app->id);
        fleet_app_free(&app);
    }
    fleet->app_count = kept;
    if (had_containers && engine_is_up(fleet->options.engine))
        fleet_prune(fleet);
}

void fleet_set_engine(struct fleet *fleet, struct engine *engine)
{
    fleet->options.engine = engine;
    fleet->host.replicas.engine = engine;
    image_store_set_engine(fleet->images, engine);
}
