/* fleet_app.c - one app of the fleet. */
#include "lifecycle/fleet_app.h"

#include <stdlib.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/front_announce.h"
#include "lifecycle/replica_warmth.h"
#include "lifecycle/rollout.h"
#include "lifecycle/start_log.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

#define START_BACKOFF_FIRST_MS 250
#define START_BACKOFF_MAX_MS   30000

static const struct app_settings *settings_of(const struct fleet_app *app)
{
    return app->settings->app;
}

static bool is_external(const struct fleet_app *app)
{
    return settings_of(app)->upstream_count > 0;
}

static void count_one(const struct replica *replica,
                      struct fleet_app_counts *counts)
{
    enum replica_state state = replica_view(replica)->state;
    bool is_asleep = replica_is_asleep(replica);

    if (replica_is_starting(replica)) {
        counts->starting++;
    } else if (replica_is_priming(replica)) {
        counts->primed++;
        counts->priming += state != REPLICA_PRIMED;
    } else if (is_asleep && replica_is_withheld(replica)) {
        counts->asleep++;
        counts->hibernated += state == REPLICA_HIBERNATED;
    } else if (is_asleep || state == REPLICA_READY) {
        counts->ready++;
        counts->dozing += is_asleep;
    } else {
        counts->leaving++;
        counts->draining += state == REPLICA_DRAINING;
        counts->failed += state == REPLICA_FAILED;
    }
}

void fleet_app_count(const struct fleet_app *app,
                     struct fleet_app_counts *ret_counts)
{
    struct fleet_app_counts counts = {0};

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);

        count_one(replica, &counts);
    }
    *ret_counts = counts;
}

/* --- what the front is told of the app --- */

static enum app_state state_now(const struct fleet_app *app)
{
    struct fleet_app_counts counts;
    bool has_demand = app->queued > 0 || app->unserved != app->unserved_mark ||
                      fleet_scale_min(app) > 0;

    fleet_app_count(app, &counts);
    if (counts.ready > 0)
        return APP_READY;
    if (app->is_refusing || app->place_wait.verdict == PLACEMENT_NEVER)
        return APP_FAILED;
    if (counts.starting > 0 || app->failing > 0 ||
        (timer_is_running(&app->retry_timer) && has_demand) ||
        (app->queued > 0 && counts.leaving > 0)) /* then it starts */
        return APP_STARTING;
    return APP_ASLEEP;
}

/* What a request is answered with: at once where the app is failed, else when
 * it has waited for too long. */
static void send_state(const struct fleet_app *app)
{
    struct channel_app_state message = {.app = app->id, .state = app->state};
    uint64_t now_us = clock_now_us();
    uint64_t retry_at_us = app->retry_at_us;

    if (app->state == APP_FAILED && app->is_refusing) {
        message.code = sv_of(app->error.code);
        message.reason = sv_of(app->error.reason);
    } else if (app->state != APP_READY && app->host->engine_is_away) {
        message.code = SV("start_failed");
        message.reason = sv_of(app->host->engine_error);
    } else if (app->state != APP_READY &&
               app->place_wait.verdict != PLACEMENT_START) {
        message.code = SV("no_resources");
        message.reason = sv_of(app->place_wait.reason);
        retry_at_us = app->place_wait.retry_at_us;
    }
    if (message.code.len > 0 && retry_at_us > now_us)
        message.retry_after_ms = (retry_at_us - now_us) / 1000;
    channel_send_app_state(app->host->channel, &message, NULL, 0);
}

static const char *failure_of(const struct fleet_app *app)
{
    return app->is_refusing ? app->error.reason : app->place_wait.reason;
}

static void set_state(struct fleet_app *app, enum app_state state)
{
    const char *name = settings_of(app)->name;
    const char *from = app_state_name(app->state);

    if (state == APP_FAILED)
        log_info("fleet", "app changed its state",
                 "app=%s from=%s to=failed reason=\"%s\"", name, from,
                 failure_of(app));
    else
        log_info("fleet", "app changed its state", "app=%s from=%s to=%s", name,
                 from, app_state_name(state));
    event_log_add(
        app->host->events,
        &(struct event){.kind = EVENT_APP,
                        .app = name,
                        .from = from,
                        .to = app_state_name(state),
                        .reason = state == APP_FAILED ? failure_of(app) : "",
                        .before_ms =
                            (clock_now_us() - app->state_since_us) / 1000});
    app->state = state;
    app->state_since_us = clock_now_us();
}

static void publish_state(struct fleet_app *app)
{
    enum app_state state = state_now(app);

    if (state == app->state && app->state_is_known)
        return;
    if (state != app->state)
        set_state(app, state);
    app->state_is_known = app->host->channel != NULL;
    send_state(app);
}

/* --- deciding --- */

/* One that is on its way out but still whole is the quickest to have. */
static bool resume_one(struct fleet_app *app)
{
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_view(replica)->state == REPLICA_DRAINING &&
            rollout_may_resume(app, replica)) {
            replica_resume(replica, "a request came");
            return true;
        }
    }
    return false;
}

/* After a failure one start alone tries whether it goes again. */
static bool may_start(const struct fleet_app *app, uint32_t starting)
{
    return app->failing == 0 && !timer_is_running(&app->retry_timer) &&
           (starting == 0 || app->start_backoff.failure_count == 0);
}

static void grow(struct fleet_app *app, const struct fleet_app_counts *counts)
{
    uint32_t starting = counts->starting;
    uint32_t missing = app->wanted - counts->starting - counts->ready;
    uint32_t room = fleet_scale_room(app, counts);

    while (missing > 0 && resume_one(app))
        missing--;
    missing = fleet_ladder_raise(app, missing, counts);
    if (app->host->engine_is_away)
        return; /* what waits goes on to wait: it is decided again then */
    if (missing > room)
        missing = room; /* one that stops makes some when it is gone */
    for (; missing > 0 && may_start(app, starting) && fleet_ladder_climb(app);
         missing--)
        starting++;
    for (; missing > 0 && may_start(app, starting); missing--) {
        fleet_replicas_start(app, app->revision);
        starting++;
    }
}

/* Call off starts, the youngest first, that no request was waiting for. What
 * was begun for one goes on: it may have gone, but the next one follows. */
static void cancel_starts(struct fleet_app *app, uint32_t surplus)
{
    struct list *node = app->replicas.prev;

    while (surplus > 0 && node != &app->replicas) {
        struct replica *replica = replica_of_node(node);

        node = node->prev;
        if (!replica_is_starting(replica) || replica_is_urgent(replica) ||
            replica_view(replica)->is_adopted)
            continue;
        replica_leave(replica, "not needed any more");
        surplus--;
    }
}

static void leave_all(struct fleet_app *app)
{
    fleet_scale_settle(app);
    LIST_FOREACH_SAFE (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_view(replica)->state == REPLICA_READY ||
            (replica_view(replica)->state == REPLICA_FROZEN &&
             !replica_is_withheld(replica)))
            replica_leave(replica, "idle for idle_timeout");
    }
}

/* Which of several have nothing to do, the front alone knows in the moment: it
 * takes some out and says which. Those that are still to come do not replace
 * what is there: they may yet fail. */
static void shrink(struct fleet_app *app, const struct fleet_app_counts *counts)
{
    uint32_t keep = fleet_ladder_keep(app, counts);
    const struct channel_app_shrink message = {app->id, keep};

    cancel_starts(app, counts->starting + counts->ready - app->wanted);
    if (counts->ready <= keep)
        return;
    if (keep == 0 || (!app->host->channel && app->wanted == keep))
        leave_all(app);
    else
        channel_send_app_shrink(app->host->channel, &message, NULL, 0);
}

void fleet_app_on_drained(struct fleet_app *app, struct replica *replica)
{
    const struct replica_view *view = replica_view(replica);
    const struct channel_replica_resume resume = {view->id};
    struct fleet_app_counts counts;
    const char *why = "fewer are needed";
    bool makes_room = fleet_place_on_drained(app->host->place, replica, &why);

    if (view->state != REPLICA_READY && view->state != REPLICA_FROZEN) {
        replica_on_drained(replica);
        return;
    }
    fleet_app_count(app, &counts);
    if (makes_room ||
        (app->queued == 0 && counts.ready > fleet_ladder_keep(app, &counts)))
        replica_retire(replica, why);
    else
        channel_send_replica_resume(app->host->channel, &resume, NULL, 0);
}

/* Without a front, nothing is in flight: what drains is drained. */
static void finish_drains(struct fleet_app *app)
{
    LIST_FOREACH_SAFE (&app->replicas, node) {
        replica_on_drained(replica_of_node(node));
    }
}

static void update_metrics(struct fleet_app *app,
                           const struct fleet_app_counts *counts)
{
    metrics_set(app->cell, METRIC_REPLICAS_WANTED, app->wanted);
    metrics_set(app->cell, METRIC_REPLICAS_READY,
                counts->ready - counts->dozing);
    metrics_set(app->cell, METRIC_REPLICAS_FROZEN,
                counts->dozing + counts->asleep - counts->hibernated);
    metrics_set(app->cell, METRIC_REPLICAS_HIBERNATED, counts->hibernated);
    metrics_set(app->cell, METRIC_REPLICAS_PRIMED,
                counts->primed - counts->priming);
    metrics_set(app->cell, METRIC_REPLICAS_STARTING,
                counts->starting + counts->priming);
    metrics_set(app->cell, METRIC_REPLICAS_DRAINING, counts->draining);
    metrics_set(app->cell, METRIC_REPLICAS_STOPPING,
                counts->leaving - counts->draining - counts->failed);
    metrics_set(app->cell, METRIC_REPLICAS_FAILED, counts->failed);
}

static void ask_autoscaler(struct fleet_app *app,
                           const struct fleet_app_counts *counts)
{
    struct autoscaler_output out = fleet_scale_decide(app, counts);

    if (out.wanted != app->wanted)
        log_info("fleet", "another number of replicas is wanted",
                 "app=%s from=%u to=%u reason=\"%s\" queued=%u in_flight=%u",
                 settings_of(app)->name, app->wanted, out.wanted,
                 autoscaler_reason_text(out.reason), app->queued,
                 app->in_flight);
    app->wanted = out.wanted;
    app->wanted_reason = out.reason;
}

/* No route leads here any more, and nothing waits. What is still on its way
 * here waits in the front's queue then, and is seen as demand. */
static void decide_to_go(struct fleet_app *app)
{
    app->wanted = 0;
    if (!app->may_leave)
        return;
    LIST_FOREACH_SAFE (&app->replicas, node) {
        replica_leave(replica_of_node(node), "its app was removed");
    }
}

static void decide(struct loop_task *task)
{
    struct fleet_app *app = container_of(task, struct fleet_app, decide_task);
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    if (is_external(app)) {
        app->wanted = counts.ready;
    } else if (app->is_removed && app->queued == 0) {
        decide_to_go(app);
    } else if (app->host->may_start && app->adopting == 0) {
        ask_autoscaler(app, &counts);
        if (rollout_decide(app))
            fleet_app_count(app, &counts);
        else if (app->wanted > counts.starting + counts.ready)
            grow(app, &counts);
        else if (app->wanted < counts.starting + counts.ready)
            shrink(app, &counts);
        fleet_ladder_step(app);
    }
    if (!app->host->channel)
        finish_drains(app);
    fleet_app_count(app, &counts);
    update_metrics(app, &counts);
    fleet_scale_tell_starts(app, &counts);
    publish_state(app);
}

void fleet_app_decide_soon(struct fleet_app *app)
{
    if (!loop_task_is_pending(&app->decide_task))
        loop_defer(app->host->replicas.loop, &app->decide_task);
}

void fleet_app_on_wait(struct fleet_app *app)
{
    app->state_is_known = false;
    fleet_app_decide_soon(app);
}

static void on_retry_timer(struct timer *timer)
{
    fleet_app_decide_soon(container_of(timer, struct fleet_app, retry_timer));
}

void fleet_app_wait_before_start(struct fleet_app *app, struct backoff *backoff)
{
    uint64_t delay_ms = backoff_fail(backoff);

    app->retry_at_us = clock_now_us() + delay_ms * 1000;
    timer_start(app->host->replicas.timers, &app->retry_timer, delay_ms);
}

/* --- what an operator asks --- */

void fleet_app_scale(struct fleet_app *app, uint32_t count)
{
    app->asked.has_min = true;
    app->asked.min = count;
    app->asked.let_go = count == 0;
    app->keep_until_us = 0;
    app->history = (struct autoscaler_history){0};
    fleet_app_decide_soon(app);
}

void fleet_app_forget_asked(struct fleet_app *app)
{
    app->asked.has_min = false;
    app->asked.let_go = false;
}

void fleet_app_wake(struct fleet_app *app)
{
    app->asked.wakes++;
    app->asked.let_go = false;
    fleet_app_forget_failures(app);
}

void fleet_app_let_sleep(struct fleet_app *app)
{
    app->asked.wakes--;
    fleet_app_decide_soon(app);
}

void fleet_app_forget_failures(struct fleet_app *app)
{
    backoff_reset(&app->start_backoff);
    backoff_reset(&app->crash_backoff);
    timer_stop(&app->retry_timer);
    app->retry_at_us = 0;
    app->is_refusing = false;
    app->first_id_after_failure = app->host->next_replica_id;
    fleet_app_decide_soon(app);
}

void fleet_app_keep_until(struct fleet_app *app, uint64_t until_us)
{
    if (until_us <= app->keep_until_us)
        return;
    app->keep_until_us = until_us;
    app->host->keeps_changed = true;
    fleet_app_decide_soon(app);
}

void fleet_app_stop(struct fleet_app *app)
{
    if (is_external(app))
        return;
    timer_stop(&app->retry_timer);
    LIST_FOREACH_SAFE (&app->replicas, node) {
        replica_leave(replica_of_node(node), "berth stops");
    }
    fleet_app_decide_soon(app);
}

/* --- the front --- */

void fleet_app_announce(struct fleet_app *app)
{
    if (app->is_removed)
        return; /* this front has never heard of it */
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_is_announced(replica) &&
            replica_view(replica)->state != REPLICA_DRAINING)
            front_announce_replica(app->host->channel, app->id,
                                   settings_of(app), replica);
    }
    app->state_is_known = true;
    send_state(app);
    fleet_scale_announce_starts(app);
}

void fleet_app_remove(struct fleet_app *app)
{
    app->is_removed = true;
    app->removed_us = clock_now_us();
    timer_stop(&app->retry_timer);
    rollout_done(app);
    fleet_app_decide_soon(app);
}

void fleet_app_on_front_down(struct fleet_app *app)
{
    fleet_scale_on_front_down(app);
    app->progress = (struct fleet_progress){0};
    app->state_is_known = false;
    finish_drains(app); /* the next front may be there before a decision is */
    fleet_app_decide_soon(app);
}

void fleet_app_on_demand(struct fleet_app *app,
                         const struct channel_demand *demand)
{
    fleet_scale_on_demand(app, demand);
    fleet_place_on_demand(app->host->place);
    fleet_app_decide_soon(app);
}

/* --- made and freed --- */

struct app_revision *fleet_app_use(struct fleet_app *app,
                                   struct app_revision *revision)
{
    struct app_revision *before = app->revision;

    app->revision = revision;
    app->settings = &revision->app;
    backoff_reset(&app->start_backoff);
    backoff_reset(&app->crash_backoff);
    timer_stop(&app->retry_timer);
    app->retry_at_us = 0;
    app->is_refusing = false;
    app->first_id_after_failure = app->host->next_replica_id;
    fleet_app_decide_soon(app);
    return before;
}

struct fleet_app *fleet_app_new(struct fleet_host *host,
                                struct keeper_settings *from,
                                const struct keeper_app *settings,
                                struct metrics_registry *metrics)
{
    struct fleet_app *app = xcalloc(1, sizeof *app);

    app->host = host;
    app->revision = app_revision_new(from, settings);
    app->revision->serial = 1;
    app->settings = &app->revision->app;
    app->id = settings->app->id;
    app->state_since_us = clock_now_us();
    app->start_backoff = (struct backoff){.first_ms = START_BACKOFF_FIRST_MS,
                                          .max_ms = START_BACKOFF_MAX_MS};
    app->crash_backoff = app->start_backoff;
    app->retry_timer.on_expire = on_retry_timer;
    app->decide_task.run = decide;
    app->cell =
        metrics_cell_new(metrics, METRIC_SCOPE_KEEPER_APP, settings->app->name);
    app->starts = start_log_new();
    list_init(&app->replicas);
    rollout_init(app);
    if (is_external(app)) {
        fleet_replicas_sync_external(app);
        app->state = APP_READY;
        app->wanted = settings_of(app)->upstream_count;
    }
    return app;
}

void fleet_app_free(struct fleet_app **app_ptr)
{
    struct fleet_app *app = *app_ptr;

    if (!app)
        return;
    timer_stop(&app->retry_timer);
    rollout_done(app);
    fleet_replicas_forget(app);
    start_log_free(&app->starts);
    app_revision_unref(&app->revision);
    free(app->error.log);
    free(app);
    *app_ptr = NULL;
}
