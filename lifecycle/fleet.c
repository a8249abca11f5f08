/* fleet.c - all replicas of all apps. */
#include "lifecycle/fleet_private.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_limits.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/fleet_status.h"
#include "lifecycle/fleet_warmth.h"
#include "lifecycle/front_announce.h"
#include "lifecycle/image_store.h"
#include "lifecycle/learned.h"
#include "lifecycle/rollout.h"
#include "lifecycle/socket_dir.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"

#define TICK_MS 250
/* How often what was learned is written, where it has changed. */
#define LEARNED_MS 10000

/* --- the engine --- */

struct fleet_app *fleet_app_named(const struct fleet *fleet, const char *name)
{
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        if (!fleet->apps[i]->is_removed &&
            strcmp(fleet->apps[i]->settings->app->name, name) == 0)
            return fleet->apps[i];
    }
    return NULL;
}

static bool is_listed(const char *id, const struct engine_container *containers,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(containers[i].id, id) == 0)
            return true;
    }
    return false;
}

/* Replicas whose container is not there any more, or ended unseen. One whose
 * process is held runs, whatever the engine's books say. */
static void find_the_lost(struct fleet *fleet,
                          const struct engine_container *containers,
                          unsigned count)
{
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        LIST_FOREACH_SAFE (&fleet->apps[i]->replicas, node) {
            struct replica *replica = replica_of_node(node);
            const struct replica_view *view = replica_view(replica);

            if (!replica_is_announced(replica) || view->is_external ||
                view->since_us >= fleet->listed_at_us ||
                is_listed(view->container_id, containers, count))
                continue;
            if (replica_is_held(replica))
                log_warn("fleet",
                         "the engine does not list a container that "
                         "runs; keeping it",
                         "app=%s replica=%s container=%.12s",
                         fleet->apps[i]->settings->app->name, view->name,
                         view->container_id);
            else
                replica_on_died(replica, -1);
        }
    }
}

static void on_list(void *arg, const struct engine_container *containers,
                    unsigned count, const struct err *err)
{
    struct fleet *fleet = arg;

    fleet->list_call = NULL;
    if (err) {
        /* A failure means that the engine is going down: on_up lists again. */
        if (err->code != ERR_CANCELLED)
            log_warn("fleet", "cannot list the containers", "reason=\"%s\"",
                     err->text);
        return;
    }
    find_the_lost(fleet, containers, count);
    fleet_place_listed(fleet->host.place, containers, count);
    for (unsigned i = 0; i < count; i++) {
        const struct engine_container *container = &containers[i];
        struct replica *replica = fleet_replica(fleet, container->replica);

        if (container->replica >= fleet->host.next_replica_id)
            fleet->host.next_replica_id = container->replica + 1;
        if (!replica)
            adopter_take(fleet->adopter, fleet_app_named(fleet, container->app),
                         container);
        else if (!container->is_running && replica_is_announced(replica))
            replica_on_died(replica, container->exit_code);
    }
    if (!fleet->is_stopping)
        fleet->host.may_start = true;
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        if (fleet->host.engine_is_away)
            fleet->apps[i]->state_is_known = false;
        fleet_app_decide_soon(fleet->apps[i]);
    }
    fleet->host.engine_is_away = false;
    if (fleet->has_adopted)
        return;
    fleet->has_adopted = true;
    log_info("fleet", "containers listed", "found=%u", count);
    for (uint32_t i = 0; i < fleet->app_count; i++)
        fleet_look_at_app(fleet, fleet->apps[i]);
    if (adopter_is_idle(fleet->adopter))
        fleet_prune(fleet);
}

void fleet_on_engine_up(struct fleet *fleet)
{
    if (fleet->list_call || fleet->is_stopping)
        return;
    fleet->listed_at_us = clock_now_us();
    fleet->list_call = engine_list(
        fleet->options.engine,
        sv_of(fleet_settings(fleet)->podman.namespace_name), on_list, fleet);
}

static const struct replica_view *view_of_container(struct fleet *fleet,
                                                    const char *container_id,
                                                    const char **ret_app)
{
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        LIST_FOREACH (&fleet->apps[i]->replicas, node) {
            const struct replica_view *view =
                replica_view(replica_of_node(node));

            *ret_app = fleet->apps[i]->settings->app->name;
            if (strcmp(view->container_id, container_id) == 0)
                return view;
        }
    }
    return NULL;
}

void fleet_on_sidecar(struct fleet *fleet, const char *container_id,
                      const char *sidecar, const char *why)
{
    const char *app = NULL;
    const struct replica_view *view =
        view_of_container(fleet, container_id, &app);
    struct event event = {.kind = EVENT_SIDECAR,
                          .app = app,
                          .from = why ? "running" : "died",
                          .to = why ? "died" : "running"};
    AUTO(auto_free)
    char *reason =
        xasprintf("sidecar %s%s%s", sidecar, why ? ": " : "", why ? why : "");

    if (!view)
        return;
    event.replica = view->name;
    event.reason = reason;
    event_log_add(fleet->host.events, &event);
}

void fleet_on_engine_down(struct fleet *fleet, const char *why)
{
    fleet->host.engine_is_away = true;
    snprintf(fleet->host.engine_error, sizeof fleet->host.engine_error, "%s",
             why);
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        fleet->apps[i]->state_is_known = false; /* waiters are told why */
        fleet_app_decide_soon(fleet->apps[i]);
    }
}

void fleet_on_engine_died(struct fleet *fleet, const char *container_id,
                          int exit_code)
{
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        LIST_FOREACH_SAFE (&fleet->apps[i]->replicas, node) {
            struct replica *replica = replica_of_node(node);

            if (strcmp(replica_view(replica)->container_id, container_id) == 0)
                replica_on_died(replica, exit_code);
        }
    }
}

/* --- what a berth before this one left behind --- */

static bool has_containers(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->app_count; i++) {
        if (fleet->apps[i]->settings->container.image &&
            !list_is_empty(&fleet->apps[i]->replicas))
            return true;
    }
    return !adopter_is_idle(fleet->adopter);
}

static void on_pruned(void *arg, const struct err *err)
{
    struct fleet *fleet = arg;

    fleet->prune_call = NULL;
    if (err && err->code != ERR_CANCELLED)
        log_warn("fleet", "cannot remove what is left of apps", "reason=\"%s\"",
                 err->text);
    /* One that was under way when the stop began is cancelled by it, long
     * before the containers are gone. */
    if (fleet->is_stopping && !has_containers(fleet))
        loop_defer(fleet->options.loop, &fleet->stopped_task);
}

void fleet_prune(struct fleet *fleet)
{
    const char **names = xcalloc(fleet->app_count + 1U, sizeof *names);
    const char **dirs = NULL;
    unsigned app_count = 0;
    unsigned dir_count = 0;

    for (uint32_t i = 0; i < fleet->app_count && !fleet->is_stopping; i++) {
        if (!fleet->apps[i]->is_removed ||
            !list_is_empty(&fleet->apps[i]->replicas))
            names[app_count++] = fleet->apps[i]->settings->app->name;
        LIST_FOREACH (&fleet->apps[i]->replicas, node) {
            dirs = xrealloc(dirs, (dir_count + 1) * sizeof *dirs);
            dirs[dir_count++] = replica_container_name(replica_of_node(node));
        }
    }
    socket_dir_sweep(fleet_settings(fleet)->state_dir, dirs, dir_count);
    if (!fleet->prune_call)
        fleet->prune_call =
            engine_prune(fleet->options.engine,
                         sv_of(fleet_settings(fleet)->podman.namespace_name),
                         names, app_count, on_pruned, fleet);
    free(dirs);
    free(names);
}

static void finish_stop(struct fleet *fleet);

static void on_adopter_idle(void *arg)
{
    struct fleet *fleet = arg;

    if (fleet->is_stopping)
        finish_stop(fleet);
    else if (fleet->has_adopted)
        fleet_prune(fleet);
}

static void warn_of_clamps(struct fleet *fleet, const struct keeper_app *app)
{
    AUTO(strbuf_done) struct strbuf lines = STRBUF_INIT;
    struct strview rest;
    struct strview line;

    engine_check(fleet->options.engine, &app->container, &lines);
    rest = strbuf_view(&lines);
    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > 0)
            log_warn("fleet", "a limit is clamped to what this host allows",
                     "app=%s limit=\"%.*s\"", app->app->name, SV_ARG(line));
    }
}

void fleet_look_at_app(struct fleet *fleet, struct fleet_app *app)
{
    if (!app->settings->container.image)
        return;
    warn_of_clamps(fleet, app->settings);
    rollout_look(app);
}

/* All apps of the image: one pull is for all of them. */
static void on_pull_end(void *arg, const char *image,
                        const struct engine_progress *progress,
                        uint64_t took_us, const struct err *err)
{
    struct fleet *fleet = arg;

    for (uint32_t i = 0; i < fleet->app_count; i++) {
        const struct keeper_app *app = fleet->apps[i]->settings;
        const struct event event = {.kind = EVENT_PULL,
                                    .app = app->app->name,
                                    .image = image,
                                    .to = err ? "failed" : "pulled",
                                    .reason = err ? err->text : NULL,
                                    .took_ms = took_us / 1000};

        if (!app->container.image || strcmp(app->container.image, image) != 0)
            continue;
        event_log_add(fleet->host.events, &event);
        if (err)
            continue;
        metrics_observe(fleet->apps[i]->cell, HISTOGRAM_IMAGE_PULL, took_us);
        metrics_set(fleet->apps[i]->cell, METRIC_IMAGE_PULL_BYTES,
                    progress->bytes);
    }
}

/* --- the front --- */

void fleet_on_front_up(struct fleet *fleet, struct channel *channel)
{
    fleet->host.channel = channel;
    for (uint32_t i = 0; i < fleet->app_count; i++)
        fleet_app_announce(fleet->apps[i]);
}

void fleet_on_front_down(struct fleet *fleet)
{
    fleet->host.channel = NULL;
    for (uint32_t i = 0; i < fleet->app_count; i++)
        fleet_app_on_front_down(fleet->apps[i]);
}

/* --- the end --- */

void fleet_hold_starts(struct fleet *fleet)
{
    fleet->host.may_start = false;
}

void fleet_freeze_starts(struct fleet *fleet)
{
    fleet->host.may_start = false;
    fleet->starts.limit = 0;
}

static void run_stopped(struct loop_task *task)
{
    struct fleet *fleet = container_of(task, struct fleet, stopped_task);

    fleet->on_stopped(fleet->on_stopped_arg);
}

static void finish_stop(struct fleet *fleet)
{
    if (fleet->prune_call || loop_task_is_pending(&fleet->stopped_task) ||
        has_containers(fleet))
        return;
    if (fleet->options.engine && engine_is_up(fleet->options.engine))
        fleet_prune(fleet);
    else
        loop_defer(fleet->options.loop, &fleet->stopped_task);
}

void fleet_stop(struct fleet *fleet, void (*on_stopped)(void *arg), void *arg)
{
    fleet_freeze_starts(fleet);
    fleet->is_stopping = true;
    fleet->on_stopped = on_stopped;
    fleet->on_stopped_arg = arg;
    engine_cancel(&fleet->list_call);
    engine_cancel(&fleet->prune_call);
    for (uint32_t i = 0; i < fleet->app_count; i++)
        fleet_app_stop(fleet->apps[i]);
    finish_stop(fleet);
}

/* --- what was learned --- */

static void on_learned(void *arg, const char *name,
                       const struct learned_app *known)
{
    struct fleet_app *app = fleet_app_named(arg, name);

    if (app) /* else it is not configured any more */
        fleet_scale_know(app, known);
}

static void read_learned(struct fleet *fleet)
{
    struct err err;

    if (!learned_read(fleet_settings(fleet)->state_dir, on_learned, fleet,
                      &err))
        log_warn("fleet", "what was learned of apps is lost, or a part of it",
                 "reason=\"%s\"", err.text);
}

/* Where it has changed. */
static void write_learned(struct fleet *fleet)
{
    struct strbuf text = STRBUF_INIT;
    struct err err;

    for (uint32_t i = 0; i < fleet->app_count; i++) {
        struct learned_app known;

        if (fleet->apps[i]->is_removed)
            continue;
        fleet_scale_tell(fleet->apps[i], &known);
        learned_add(&text, fleet->apps[i]->settings->app->name, &known);
    }
    if (!sv_eq(strbuf_view(&text), strbuf_view(&fleet->learned)) &&
        !learned_write(fleet_settings(fleet)->state_dir, &text, &err))
        log_warn("fleet", "cannot keep what was learned of apps",
                 "reason=\"%s\"", err.text);
    strbuf_done(&fleet->learned);
    fleet->learned = text;
}

static void on_learned_timer(struct timer *timer)
{
    struct fleet *fleet = container_of(timer, struct fleet, learned_timer);

    write_learned(fleet);
    timer_start(fleet->options.timers, timer, LEARNED_MS);
}

static void on_tick(struct timer *timer)
{
    struct fleet *fleet = container_of(timer, struct fleet, tick);

    if (fleet->host.keeps_changed)
        write_learned(fleet);
    fleet->host.keeps_changed = false;

    for (uint32_t i = 0; i < fleet->app_count; i++) {
        struct fleet_app *app = fleet->apps[i];

        fleet_progress_tell(app, fleet->images);
        if (app->queued > 0 || fleet_scale_min(app) > 0 || app->is_removed ||
            !list_is_empty(&app->replicas))
            fleet_app_decide_soon(app);
    }
    fleet_sweep(fleet);
    if (fleet->is_stopping)
        finish_stop(fleet);
    else if (fleet->has_adopted)
        fleet_warmth_tick(&fleet->warmth, fleet->apps,
                          fleet_settings(fleet)->app_count);
    timer_start(fleet->options.timers, &fleet->tick, TICK_MS);
}

struct cJSON *fleet_status_apps(const struct fleet *fleet)
{
    cJSON *apps = cJSON_CreateArray();

    for (uint32_t i = 0; i < fleet->app_count; i++)
        if (!fleet->apps[i]->is_removed)
            cJSON_AddItemToArray(
                apps, fleet_status_app(fleet->apps[i], fleet->images));
    return apps;
}

struct cJSON *fleet_app_starts(const struct fleet *fleet,
                               const struct fleet_app *app)
{
    return fleet_status_starts(app, fleet->images);
}

struct engine *fleet_engine(const struct fleet *fleet)
{
    return fleet->options.engine;
}

struct image_store *fleet_images(const struct fleet *fleet)
{
    return fleet->images;
}

struct fleet_app *fleet_find_app(const struct fleet *fleet, uint32_t id)
{
    return fleet_app_of_id(fleet, id);
}

void fleet_set_machine(struct fleet *fleet, const struct machine *machine)
{
    fleet_place_set_machine(fleet->host.place, machine);
}

struct cJSON *fleet_status_resources(const struct fleet *fleet)
{
    return fleet_place_status(fleet->host.place);
}

void fleet_expose_resources(const struct fleet *fleet, struct strbuf *buf)
{
    fleet_place_expose(fleet->host.place, buf);
}

/* --- made and freed --- */

struct fleet *fleet_new(const struct fleet_options *options)
{
    const struct lifecycle_settings *settings = options->settings->lifecycle;
    struct fleet *fleet = xcalloc(1, sizeof *fleet);

    const struct pulls_hooks hooks = {on_pull_end, fleet};

    fleet->options = *options;
    keeper_settings_ref(options->settings);
    start_queue_init(&fleet->starts, settings->podman.max_parallel_starts);
    fleet->images = image_store_new(options->loop, options->timers,
                                    options->engine, &settings->podman, &hooks);
    fleet->host = (struct fleet_host){
        .replicas = {.loop = options->loop,
                     .timers = options->timers,
                     .engine = options->engine,
                     .images = fleet->images,
                     .starts = &fleet->starts,
                     .namespace_name = settings->podman.namespace_name,
                     .state_dir = settings->state_dir},
        .next_replica_id = 1,
        .place = fleet_place_new(options->loop, options->timers,
                                 options->events, options->machine),
        .events = options->events,
    };
    list_init(&fleet->host.limit_updates);
    fleet->adopter = adopter_new(&fleet->host, on_adopter_idle, fleet);
    fleet->app_count = settings->app_count;
    fleet->apps = xcalloc(settings->app_count + 1U, sizeof *fleet->apps);
    for (uint32_t i = 0; i < settings->app_count; i++) {
        const struct keeper_app *app = &settings->apps[i];

        fleet->apps[i] = fleet_app_new(&fleet->host, options->settings, app,
                                       options->metrics);
        id_map_put(&fleet->apps_by_id, app->app->id, fleet->apps[i]);
        if (app->app->id >= fleet->next_app_id)
            fleet->next_app_id = app->app->id + 1;
    }
    fleet_warmth_init(&fleet->warmth, &fleet->host,
                      options->proc ? options->proc : "/proc");
    fleet->stopped_task.run = run_stopped;
    fleet->tick.on_expire = on_tick;
    timer_start(options->timers, &fleet->tick, TICK_MS);
    read_learned(fleet);
    fleet->learned_timer.on_expire = on_learned_timer;
    timer_start(options->timers, &fleet->learned_timer, LEARNED_MS);
    return fleet;
}

void fleet_free(struct fleet **fleet_ptr)
{
    struct fleet *fleet = *fleet_ptr;

    if (!fleet)
        return;
    fleet_freeze_starts(fleet); /* what leaves gives its turn to nobody */
    timer_stop(&fleet->tick);
    timer_stop(&fleet->learned_timer);
    write_learned(fleet);
    strbuf_done(&fleet->learned);
    engine_cancel(&fleet->list_call);
    engine_cancel(&fleet->prune_call);
    fleet_limits_cancel(&fleet->host);
    adopter_free(&fleet->adopter);
    for (uint32_t i = 0; i < fleet->app_count; i++)
        fleet_app_free(&fleet->apps[i]);
    fleet_place_free(&fleet->host.place);
    image_store_free(&fleet->images);
    id_map_done(&fleet->host.by_id);
    id_map_done(&fleet->apps_by_id);
    free(fleet->apps);
    keeper_settings_unref(&fleet->options.settings);
    free(fleet);
    *fleet_ptr = NULL;
}
