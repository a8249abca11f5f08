/* fleet_replicas.c - the replicas of an app: how they come, and what becomes of
 * them.
 */
#include "lifecycle/fleet_replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_limits.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/front_announce.h"
#include "lifecycle/replica_warmth.h"
#include "lifecycle/rollout.h"
#include "lifecycle/start_log.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"

/* A replica that served for less before it crashed makes the next start wait.
 */
#define STABLE_AFTER_US 10000000U
#define PRIME_AGAIN_US  10000000U

static const struct app_settings *settings_of(const struct fleet_app *app)
{
    return app->settings->app;
}

struct app_revision *fleet_replicas_revision_of(const struct replica *replica)
{
    return app_revision_of(replica_app(replica));
}

/* --- what becomes of them --- */

/* from: the state before; NULL: it begins. */
static void add_event(const struct fleet_app *app,
                      const struct replica_view *view, const char *from)
{
    /* Not when it comes back from draining. */
    bool ends_start = view->state == REPLICA_READY && view->is_start;

    event_log_add(app->host->events,
                  &(struct event){.kind = EVENT_REPLICA,
                                  .app = settings_of(app)->name,
                                  .replica = view->name,
                                  .from = from,
                                  .to = replica_state_name(view->state),
                                  .reason = view->reason,
                                  .before_ms = view->before_us / 1000,
                                  .took_ms = ends_start
                                                 ? view->phases.total_us / 1000
                                                 : 0});
}

/* A start has come to its end for who waited for it: all of its phases. */
static void add_first_byte(const struct fleet_app *app,
                           const struct replica_view *view)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    start_phases_write(&view->phases, &text);
    event_log_add(app->host->events,
                  &(struct event){.kind = EVENT_FIRST_BYTE,
                                  .app = settings_of(app)->name,
                                  .replica = view->name,
                                  .from = replica_rung_name(view->from),
                                  .to = event_kind_name(EVENT_FIRST_BYTE),
                                  .reason = text.data ? text.data : "",
                                  .took_ms = (view->phases.total_us +
                                              view->phases.first_byte_us) /
                                             1000});
}

static void observe_phases(struct metrics_cell *cell,
                           const struct replica_phases *phases)
{
    const struct {
        enum metric_histogram_id id;
        uint64_t us;
    } rows[] = {
        {HISTOGRAM_PHASE_QUEUE, phases->queue_us},
        {HISTOGRAM_PHASE_EVICT, phases->evict_us},
        {HISTOGRAM_PHASE_PULL, phases->pull_us},
        {HISTOGRAM_PHASE_CREATE, phases->create_us},
        {HISTOGRAM_PHASE_PRIME, phases->prime_us},
        {HISTOGRAM_PHASE_START, phases->start_us},
        {HISTOGRAM_PHASE_BOOT, phases->boot_us},
        {HISTOGRAM_PHASE_READY, phases->ready_us},
        {HISTOGRAM_PHASE_THAW, phases->thaw_us},
        {HISTOGRAM_PHASE_FIRST_BYTE, phases->first_byte_us},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].us > 0)
            metrics_observe(cell, rows[i].id, rows[i].us);
    }
}

/* failure NULL: it is ready. */
static void record_start(struct fleet_app *app, const struct replica *replica,
                         const struct replica_failure *failure)
{
    static const unsigned counters[] = {
        [RUNG_ABSENT] = METRIC_STARTS_ABSENT,
        [RUNG_PULLED] = METRIC_STARTS_PULLED,
        [RUNG_PRIMED] = METRIC_STARTS_PRIMED,
        [RUNG_HIBERNATED] = METRIC_STARTS_HIBERNATED,
        [RUNG_FROZEN] = METRIC_STARTS_FROZEN,
    };
    static const unsigned histograms[] = {
        [RUNG_ABSENT] = HISTOGRAM_START_FROM_ABSENT,
        [RUNG_PULLED] = HISTOGRAM_START_FROM_PULLED,
        [RUNG_PRIMED] = HISTOGRAM_START_FROM_PRIMED,
        [RUNG_HIBERNATED] = HISTOGRAM_START_FROM_HIBERNATED,
        [RUNG_FROZEN] = HISTOGRAM_START_FROM_FROZEN,
    };
    const struct replica_view *view = replica_view(replica);
    const struct start_end end = {
        .app = settings_of(app)->name,
        .view = view,
        .from = replica_rung_name(view->from),
        .was_urgent = replica_is_urgent(replica),
        .failure = failure,
        .events = app->host->events,
    };

    if (view->is_external || (!view->is_start && !failure))
        return;
    start_log_add(app->starts, &end);
    if (failure)
        return;
    fleet_scale_learn_start(app, view);
    metrics_add(app->cell, counters[view->from], 1);
    metrics_observe(app->cell, histograms[view->from], view->phases.total_us);
    observe_phases(app->cell, &view->phases);
    if (view->phases.first_byte_us > 0)
        add_first_byte(app, view);
}

void fleet_replicas_on_first_byte(struct fleet_app *app,
                                  struct replica *replica, uint64_t at_us)
{
    const struct replica_view *view = replica_view(replica);

    if (!replica_on_first_byte(replica, at_us))
        return;
    start_log_first_byte(app->starts, view->name, view->phases.first_byte_us);
    metrics_observe(app->cell, HISTOGRAM_PHASE_FIRST_BYTE,
                    view->phases.first_byte_us);
    add_first_byte(app, view);
}

static void on_crash(struct fleet_app *app, const struct replica_view *view)
{
    metrics_add(app->cell, METRIC_REPLICA_CRASHES, 1);
    fleet_scale_settle(app);
    if (clock_now_us() - view->ready_at_us < STABLE_AFTER_US)
        fleet_app_wait_before_start(app, &app->crash_backoff);
    else
        backoff_reset(&app->crash_backoff);
}

static void tell_front_of_state(struct fleet_app *app, struct replica *replica,
                                enum replica_state before)
{
    const struct replica_view *view = replica_view(replica);
    struct channel *channel = app->host->channel;
    bool was_announced =
        before >= REPLICA_PROBING && before <= REPLICA_DRAINING;

    if (fleet_ladder_tell_front(app, replica, before))
        return;
    if (view->state == REPLICA_PROBING) {
        front_announce_replica(channel, app->id, settings_of(app), replica);
    } else if (view->state == REPLICA_DRAINING) {
        struct channel_replica_drain message = {view->id, sv_of(view->reason)};

        channel_send_replica_drain(channel, &message, NULL, 0);
    } else if (before == REPLICA_DRAINING && (view->state == REPLICA_READY ||
                                              view->state == REPLICA_FROZEN)) {
        struct channel_replica_resume message = {view->id};

        channel_send_replica_resume(channel, &message, NULL, 0);
    } else if (was_announced && !replica_is_announced(replica)) {
        struct channel_replica_remove message = {view->id, sv_of(view->reason)};

        channel_send_replica_remove(channel, &message, NULL, 0);
    }
}

static void free_replica(void *ptr)
{
    struct replica *replica = ptr;
    struct app_revision *revision = fleet_replicas_revision_of(replica);

    replica_free(&replica);
    app_revision_unref(&revision);
}

static void on_room_wanted(void *arg, struct replica *replica)
{
    struct fleet_app *app = arg;

    fleet_place_ask(app->host->place, app, replica, replica_on_room);
}

static void on_replica_state(void *arg, struct replica *replica,
                             enum replica_state before)
{
    struct fleet_app *app = arg;
    const struct replica_view *view = replica_view(replica);
    bool was_ready = before >= REPLICA_READY && before <= REPLICA_DRAINING;

    add_event(app, view, replica_state_name(before));
    tell_front_of_state(app, replica, before);
    fleet_place_on_state(app->host->place, app, replica);
    /* It failed, ended, or is not wanted: not at once another. */
    if (view->state >= REPLICA_STOPPING && before <= REPLICA_PRIMED)
        app->prime_after_us = clock_now_us() + PRIME_AGAIN_US;
    switch (view->state) {
    case REPLICA_READY:
        if (before == REPLICA_DRAINING)
            break;
        backoff_reset(&app->start_backoff);
        timer_stop(&app->retry_timer);
        app->is_refusing = false;
        app->retry_at_us = 0;
        fleet_scale_settle(app);
        record_start(app, replica, NULL);
        rollout_on_ready(app, replica);
        break;
    case REPLICA_FAILED:
        app->failing++;
        if (was_ready)
            on_crash(app, view);
        break;
    case REPLICA_GONE:
        list_remove(replica_node(replica));
        id_map_remove(&app->host->by_id, view->id);
        loop_free_later(app->host->replicas.loop, replica, free_replica);
        break;
    default:
        break;
    }
    fleet_app_decide_soon(app);
}

static void record_error(struct fleet_app *app,
                         const struct replica_failure *failure)
{
    struct fleet_app_error *error = &app->error;

    error->at_unix_ms = clock_unix_ms();
    snprintf(error->code, sizeof error->code, "%s", failure->code);
    snprintf(error->reason, sizeof error->reason, "%s", failure->reason);
    free(error->log);
    error->log = failure->log.len > 0
                     ? xstrndup(failure->log.ptr, failure->log.len)
                     : NULL;
}

/* Podman has tried several times by itself before it says that a pull failed:
 * a registry that is down may stay so for longer than anybody waits. Who waits
 * is told; the pull, and with it this start, goes on. */
static void on_replica_delayed(void *arg, struct replica *replica,
                               const struct replica_failure *failure,
                               uint64_t delay_ms)
{
    struct fleet_app *app = arg;

    (void)replica;
    record_error(app, failure);
    app->is_refusing = true;
    app->retry_at_us = clock_now_us() + delay_ms * 1000;
    app->state_is_known = false;
    fleet_app_decide_soon(app);
}

static void on_replica_failed(void *arg, struct replica *replica,
                              const struct replica_failure *failure)
{
    struct fleet_app *app = arg;
    const struct app_settings *settings = settings_of(app);
    unsigned tries = settings->start_retries > 0 ? settings->start_retries : 1;
    uint64_t id = replica_view(replica)->id;

    app->failing--;
    if (replica_is_priming(replica)) /* nobody asked for it */
        return;
    record_error(app, failure);
    record_start(app, replica, failure);
    if (!failure->was_ready)
        metrics_add(app->cell,
                    strcmp(failure->code, "start_timeout") == 0
                        ? METRIC_START_TIMEOUTS
                        : METRIC_START_FAILURES,
                    1);
    fleet_app_decide_soon(app);
    if (rollout_on_failed(app, replica, failure))
        return;
    /* Of several that were begun together, the first failure counts. */
    if (!failure->was_ready && id >= app->first_id_after_failure) {
        app->first_id_after_failure = app->host->next_replica_id;
        fleet_app_wait_before_start(app, &app->start_backoff);
        if (failure->is_permanent || app->start_backoff.failure_count >= tries)
            app->is_refusing = true;
        /* The front shall know the newest reason and when to come back. */
        if (app->is_refusing)
            app->state_is_known = false;
    }
}

static void on_replica_line(void *arg, struct replica *replica)
{
    struct fleet_app *app = arg;

    front_announce_replica(app->host->channel, app->id, settings_of(app),
                           replica);
}

static const struct image_answer *made_of(void *arg,
                                          const struct replica *replica)
{
    const struct app_revision *revision = fleet_replicas_revision_of(replica);

    (void)arg;
    return revision->is_known ? &revision->made_of : NULL;
}

static enum replica_content on_content(void *arg, struct replica *replica,
                                       const struct image_answer *answer)
{
    return rollout_on_content(arg, replica, answer);
}

static const struct replica_owner *owner_of(struct fleet_app *app,
                                            struct replica_owner *owner)
{
    *owner = (struct replica_owner){.on_room_wanted = on_room_wanted,
                                    .on_state = on_replica_state,
                                    .on_line = on_replica_line,
                                    .on_delayed = on_replica_delayed,
                                    .on_failed = on_replica_failed,
                                    .rank = fleet_scale_rank,
                                    .made_of = made_of,
                                    .on_content = on_content,
                                    .arg = app};
    return owner;
}

/* --- how they come --- */

/* From here on its id leads to it, until it is gone. */
static void add_replica(struct fleet_app *app, struct replica *replica)
{
    app_revision_ref(fleet_replicas_revision_of(replica)); /* free_replica() */
    list_add_tail(&app->replicas, replica_node(replica));
    id_map_put(&app->host->by_id, replica_view(replica)->id, replica);
    if (!replica_view(replica)->is_external)
        add_event(app, replica_view(replica), NULL);
}

void fleet_replicas_start(struct fleet_app *app, struct app_revision *revision)
{
    struct replica_owner owner;

    fleet_scale_settle(app);
    add_replica(app, replica_start(&app->host->replicas, &revision->app,
                                   app->host->next_replica_id++,
                                   app->queued > 0, owner_of(app, &owner)));
}

void fleet_replicas_prime(struct fleet_app *app)
{
    struct replica_owner owner;

    add_replica(app, replica_prime(&app->host->replicas, app->settings,
                                   app->host->next_replica_id++,
                                   owner_of(app, &owner)));
}

/* The revision of that name, or a stand-in for it: a reference. */
static struct app_revision *find_revision(struct fleet_app *app,
                                          const char *hex)
{
    if (strcmp(app->revision->hex, hex) == 0)
        return app_revision_ref(app->revision);
    LIST_FOREACH (&app->replicas, node) {
        struct app_revision *revision =
            fleet_replicas_revision_of(replica_of_node(node));

        if (strcmp(revision->hex, hex) == 0)
            return app_revision_ref(revision);
    }
    return app_revision_found(app->revision, hex);
}

bool fleet_replicas_adopt(struct fleet_app *app,
                          const struct engine_container *container,
                          struct err *err)
{
    struct replica_owner owner;
    AUTO(app_revision_unref)
    struct app_revision *revision = find_revision(app, container->revision);
    struct replica *replica =
        replica_adopt(&app->host->replicas, &revision->app, container,
                      owner_of(app, &owner), err);

    if (!replica)
        return false;
    add_replica(app, replica);
    fleet_place_adopted(app->host->place, app, replica);
    if (revision != app->revision)
        rollout_found_older(app);
    fleet_scale_hold(app);
    if (replica_is_announced(replica))
        front_announce_replica(app->host->channel, app->id, settings_of(app),
                               replica);
    fleet_limits_check(app, replica, container);
    fleet_app_decide_soon(app);
    return true;
}

/* --- those that run elsewhere --- */

static void add_external(struct fleet_app *app, const struct address *address)
{
    struct replica_owner owner;
    struct replica *replica = replica_external(
        &app->host->replicas, app->settings, app->host->next_replica_id++,
        address, owner_of(app, &owner));

    add_replica(app, replica);
    front_announce_replica(app->host->channel, app->id, settings_of(app),
                           replica);
}

static bool is_at(const struct replica *replica, const struct address *address)
{
    const struct replica_view *view = replica_view(replica);

    if (!view->is_external || view->state != REPLICA_READY)
        return false;
    if (address->any.sa_family == AF_UNIX)
        return view->reach.socket_path &&
               strcmp(view->reach.socket_path, address->un.sun_path) == 0;
    return view->reach.connect == CONNECT_DIRECT &&
           address_equal(&view->reach.address, address);
}

static bool is_named(const struct app_settings *settings,
                     const struct replica *replica)
{
    for (uint32_t i = 0; i < settings->upstream_count; i++)
        if (is_at(replica, &settings->upstreams[i]))
            return true;
    return false;
}

static bool has_external(const struct fleet_app *app,
                         const struct address *address)
{
    LIST_FOREACH (&app->replicas, node) {
        if (is_at(replica_of_node(node), address))
            return true;
    }
    return false;
}

void fleet_replicas_sync_external(struct fleet_app *app)
{
    const struct app_settings *settings = settings_of(app);

    for (uint32_t i = 0; i < settings->upstream_count; i++)
        if (!has_external(app, &settings->upstreams[i]))
            add_external(app, &settings->upstreams[i]);
    LIST_FOREACH_SAFE (&app->replicas, node) {
        if (!is_named(settings, replica_of_node(node)))
            replica_leave(replica_of_node(node), "not an upstream any more");
    }
}

void fleet_replicas_forget(struct fleet_app *app)
{
    LIST_FOREACH_SAFE (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        id_map_remove(&app->host->by_id, replica_view(replica)->id);
        free_replica(replica);
    }
}
