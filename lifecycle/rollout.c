/* rollout.c - from one revision of an app to the next while it serves. */
#include "lifecycle/rollout.h"

#include <stdio.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/revision.h"
#include "lifecycle/rollout_replace.h"
#include "lifecycle/rollout_tally.h"
#include "lifecycle/rollout_verdict.h"
#include "router/base/clock.h"
#include "router/base/log.h"

/* Between two starts of a new revision that failed. */
#define RETRY_FIRST_MS 250U

static const struct update_settings *update_of(const struct fleet_app *app)
{
    return &app->settings->update;
}

static bool can_roll_back(const struct fleet_app *app)
{
    const struct rollout *rollout = &app->rollout;

    return rollout->fallback && !rollout->fallback->is_found &&
           update_of(app)->rollback;
}

static bool is_under_way(const struct rollout *rollout)
{
    return rollout->step == ROLLOUT_TRIES || rollout->step == ROLLOUT_MOVES;
}

bool rollout_is_under_way(const struct fleet_app *app)
{
    return app->rollout.step != ROLLOUT_RESTS;
}

static void tell(const struct fleet_app *app, const char *to,
                 const char *reason)
{
    const struct rollout *rollout = &app->rollout;

    event_log_add(app->host->events,
                  &(struct event){.kind = EVENT_ROLLOUT,
                                  .app = app->settings->app->name,
                                  .from = rollout->from,
                                  .to = to,
                                  .reason = reason,
                                  .took_ms = rollout->took_us / 1000});
}

/* --- the end --- */

static void end(struct fleet_app *app, enum rollout_outcome outcome,
                const char *reason)
{
    struct rollout *rollout = &app->rollout;

    timer_stop(&rollout->timer);
    fleet_app_decide_soon(app);
    if (rollout->next) { /* it was about to be overtaken */
        rollout->step = ROLLOUT_PULLS;
        return;
    }
    rollout->step = ROLLOUT_RESTS;
    rollout->outcome = outcome;
    rollout->took_us = clock_now_us() - rollout->began_us;
    snprintf(rollout->reason, sizeof rollout->reason, "%s", reason);
}

/* Nobody asked for it: it was there to prove that it can be. */
static void leave_again(struct fleet_app *app)
{
    if (!app->rollout.is_trial || app->queued > 0 || app->in_flight > 0 ||
        fleet_scale_min(app) > 0)
        return;
    LIST_FOREACH_SAFE (&app->replicas, node) {
        replica_leave(replica_of_node(node), "it has proven its revision");
    }
}

static void finish(struct fleet_app *app)
{
    struct rollout *rollout = &app->rollout;

    end(app, ROLLOUT_DONE, "");
    app_revision_unref(&rollout->fallback);
    log_notice("rollout", "a new revision serves",
               "app=%s from=%s to=%s took_ms=%llu", app->settings->app->name,
               rollout->from[0] ? rollout->from : "-", rollout->to,
               (unsigned long long)rollout->took_us / 1000);
    tell(app, "done", "");
    leave_again(app);
}

/* The old ones first: from one moment to the next they have it all again. */
static void go_back(struct fleet_app *app)
{
    struct app_revision *failed =
        fleet_app_use(app, TAKE(app->rollout.fallback));

    LIST_FOREACH_SAFE (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (rollout_is_new(app, replica))
            replica_resume(replica, "the revision after it was rolled back");
    }
    LIST_FOREACH_SAFE (&app->replicas, node) {
        if (!rollout_is_new(app, replica_of_node(node)))
            replica_leave(replica_of_node(node), "its revision failed");
    }
    app_revision_unref(&failed);
}

static void roll_back(struct fleet_app *app, const char *reason)
{
    struct rollout *rollout = &app->rollout;

    log_error("rollout",
              "a new revision is rolled back; the one before serves on",
              "app=%s from=%s to=%s reason=\"%s\"", app->settings->app->name,
              rollout->from[0] ? rollout->from : "-",
              rollout->to[0] ? rollout->to : "-", reason);
    end(app, ROLLOUT_ROLLED_BACK, reason);
    if (rollout->fallback)
        go_back(app);
    tell(app, "rolled_back", reason);
}

/* --- the beginning --- */

static void short_name(const struct app_revision *revision, char *ret_text)
{
    snprintf(ret_text, 13, "%.12s", revision->hex);
}

/* Of a revision that is overtaken before it was proven. */
static void call_off_starts(struct fleet_app *app,
                            const struct app_revision *revision)
{
    LIST_FOREACH_SAFE (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (fleet_replicas_revision_of(replica) == revision &&
            replica_is_starting(replica))
            replica_leave(replica, "a newer revision is wanted");
    }
}

/* Its image is there, and its name is known: it takes over. */
static void try(struct fleet_app *app, struct app_revision *next)
{
    struct rollout *rollout = &app->rollout;
    struct app_revision *before;

    short_name(next, rollout->to);
    next->serial = app->revision->serial + 1;
    before = fleet_app_use(app, next);
    if (is_under_way(rollout))
        call_off_starts(app, before);
    else
        rollout->fallback = TAKE(before);
    app_revision_unref(&before); /* it was never proven itself */
    next->is_on_trial = can_roll_back(app);
    rollout->step = ROLLOUT_TRIES;
    rollout->ready_us = 0;
    rollout->failures = 0;
    timer_stop(&rollout->timer);
    log_notice("rollout", "a new revision is tried",
               "app=%s from=%s to=%s image=%s", app->settings->app->name,
               rollout->from[0] ? rollout->from : "-", rollout->to,
               app->settings->container.image);
    tell(app, "trying", rollout->to);
}

static void note_beginning(struct fleet_app *app)
{
    struct rollout *rollout = &app->rollout;

    if (!is_under_way(rollout))
        short_name(app->revision, rollout->from);
    rollout->to[0] = '\0';
    rollout->reason[0] = '\0';
    rollout->outcome = ROLLOUT_UNDER_WAY;
    rollout->began_us = clock_now_us();
    rollout->began_unix_ms = clock_unix_ms();
    rollout->took_us = 0;
}

/* Only the specification's words changed, or the tag's, not what they mean. */
static void take_over_in_place(struct fleet_app *app, struct app_revision *next)
{
    struct app_revision *revision = app->revision;
    struct keeper_settings *before = revision->container_from;

    revision->app = next->app;
    app_revision_settle(revision, next->hex, &next->made_of);
    revision->container_from = keeper_settings_ref(next->container_from);
    keeper_settings_unref(&before);
    app_revision_unref(&next);
    end(app, ROLLOUT_DONE, "");
}

/* The reload before this one is taken back while it is carried out. */
static void return_to_fallback(struct fleet_app *app, struct app_revision *next)
{
    struct rollout *rollout = &app->rollout;

    short_name(rollout->fallback, rollout->to);
    app_revision_unref(&next);
    end(app, ROLLOUT_DONE, "");
    go_back(app);
    tell(app, "done", "back to the revision before");
}

/* What stands in the registry is something else now, by the same name. */
static void on_looked(struct fleet_app *app, const char *hex,
                      const struct image_answer *answer)
{
    struct app_revision *revision = app->revision;
    struct app_revision *next;

    if (revision->hex[0] == '\0' || strcmp(revision->hex, hex) == 0) {
        app_revision_settle(revision, hex, answer);
        return;
    }
    next = app_revision_new(revision->container_from, &revision->app);
    app_revision_update(next, revision->app_from, &revision->app);
    app_revision_settle(next, hex, answer);
    note_beginning(app);
    try(app, next);
}

enum replica_content rollout_on_content(struct fleet_app *app,
                                        const struct replica *replica,
                                        const struct image_answer *answer)
{
    struct app_revision *revision = fleet_replicas_revision_of(replica);
    const char *hex = replica_view(replica)->revision;

    if (revision->hex[0] == '\0' || strcmp(revision->hex, hex) == 0) {
        app_revision_settle(revision, hex, answer);
        return CONTENT_WHAT_IT_WAS;
    }
    if (revision != app->revision || rollout_is_under_way(app))
        return CONTENT_LOST;
    on_looked(app, hex, answer);
    return CONTENT_OF_ANOTHER;
}

static void on_image(struct image_want *want, const struct image_answer *answer,
                     const struct err *err)
{
    struct rollout *rollout = container_of(want, struct rollout, want);
    struct fleet_app *app = container_of(rollout, struct fleet_app, rollout);
    struct app_revision *next = TAKE(rollout->next);
    const struct container_settings *container =
        next ? &next->app.container : &app->settings->container;
    char hex[DIGEST_HEX_SIZE];

    if (err && !next) {
        log_warn("fleet", "an app's image is not there, and could not be had",
                 "app=%s image=%s reason=\"%s\"", app->settings->app->name,
                 container->image, err->text);
        return;
    }
    if (err) {
        struct err reason;

        err_set(&reason, err->code, "image %s: %s", container->image,
                err->text);
        app_revision_unref(&next);
        roll_back(app, reason.text);
        return;
    }
    revision_compute(container, answer->content_id, hex);
    if (!next) {
        on_looked(app, hex, answer);
        return;
    }
    app_revision_settle(next, hex, answer);
    if (rollout->is_restart)
        try(app, next);
    else if (!is_under_way(rollout) && strcmp(app->revision->hex, hex) == 0)
        take_over_in_place(app, next);
    else if (rollout->fallback && strcmp(rollout->fallback->hex, hex) == 0)
        return_to_fallback(app, next);
    else
        try(app, next);
}

void rollout_look(struct fleet_app *app)
{
    struct rollout *rollout = &app->rollout;

    if (!list_is_linked(&rollout->want.node))
        image_store_ensure(app->host->replicas.images,
                           &app->settings->container, &rollout->want);
}

void rollout_update(struct fleet_app *app, struct keeper_settings *from,
                    const struct keeper_app *next)
{
    struct rollout *rollout = &app->rollout;

    app_revision_update(app->revision, from, next);
    if (rollout->fallback)
        app_revision_update(rollout->fallback, from, next);
    if (rollout->next)
        app_revision_update(rollout->next, from, next);
}

bool rollout_is_to(const struct fleet_app *app, const struct keeper_app *next)
{
    const struct app_revision *target =
        app->rollout.next ? app->rollout.next : app->revision;

    return app_revision_is_same(&target->app, next);
}

void rollout_to_external(struct fleet_app *app, struct app_revision *next)
{
    struct app_revision *before;

    rollout_done(app);
    next->serial = app->revision->serial + 1;
    before = fleet_app_use(app, next);
    app_revision_unref(&before);
}

static void begin(struct fleet_app *app, struct app_revision *next,
                  bool is_restart)
{
    struct rollout *rollout = &app->rollout;

    rollout->is_restart = is_restart;
    image_want_cancel(&rollout->want);
    app_revision_unref(&rollout->next);
    note_beginning(app);
    rollout->next = next;
    if (!is_under_way(rollout))
        rollout->step = ROLLOUT_PULLS;
    tell(app, "pulling", next->app.container.image);
    image_store_ensure(app->host->replicas.images, &next->app.container,
                       &rollout->want);
}

void rollout_begin(struct fleet_app *app, struct app_revision *next)
{
    begin(app, next, false);
}

void rollout_restart(struct fleet_app *app)
{
    const struct app_revision *target =
        app->rollout.next ? app->rollout.next : app->revision;
    struct app_revision *next =
        app_revision_new(target->container_from, &target->app);

    app_revision_update(next, target->app_from, &target->app);
    begin(app, next, true);
}

/* An earlier berth made them; how, only they know. */
void rollout_found_older(struct fleet_app *app)
{
    struct rollout *rollout = &app->rollout;

    if (rollout_is_under_way(app))
        return;
    note_beginning(app);
    rollout->from[0] = '\0';
    short_name(app->revision, rollout->to);
    rollout->step = ROLLOUT_TRIES;
    rollout->ready_us = 0;
    rollout->failures = 0;
    log_notice("rollout",
               "replicas of an older revision serve until new ones do",
               "app=%s to=%s", app->settings->app->name,
               rollout->to[0] ? rollout->to : "-");
    tell(app, "trying", rollout->to);
}

/* --- deciding --- */

static void add_outcomes(const struct fleet_app *app,
                         struct rollout_outcomes *before,
                         struct rollout_outcomes *now)
{
    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);
        const struct replica_view *view = replica_view(replica);
        struct rollout_outcomes *of =
            rollout_is_new(app, replica) ? now : before;

        of->failures += view->failures;
        of->repeated += view->repeated;
        of->attempts +=
            view->answers > view->failures ? view->answers : view->failures;
    }
}

/* Its replicas are like any others to the front. */
static void tell_proven(struct fleet_app *app)
{
    const struct channel_app_proven message = {.app = app->id};

    if (!app->revision->is_on_trial)
        return;
    app->revision->is_on_trial = false;
    channel_send_app_proven(app->host->channel, &message, NULL, 0);
}

static void wait_for_verdict(struct fleet_app *app,
                             const struct rollout_outcomes *now,
                             uint64_t stood_us)
{
    uint64_t due_us = rollout_verdict_due_us(now);

    if (!timer_is_running(&app->rollout.timer))
        timer_start(app->host->replicas.timers, &app->rollout.timer,
                    (due_us > stood_us ? due_us - stood_us : 0) / 1000 + 1);
}

/* Whether the new revision may take the place of the old one: its first replica
 * has stood its trial, or there is nothing that would serve instead. false: it
 * may not ever, and was rolled back. */
static bool judge(struct fleet_app *app)
{
    struct rollout *rollout = &app->rollout;
    bool is_tried = rollout->step == ROLLOUT_TRIES && rollout->ready_us != 0;
    uint64_t stood_us = is_tried ? clock_now_us() - rollout->ready_us : 0;
    struct rollout_outcomes before = {0};
    struct rollout_outcomes now = {0};
    enum rollout_verdict verdict;
    struct rollout_tally tally;
    char reason[256];

    add_outcomes(app, &before, &now);
    verdict = rollout_verdict(&before, &now, stood_us);
    if (verdict == VERDICT_WORSE && can_roll_back(app)) {
        rollout_verdict_say(&before, &now, reason, sizeof reason);
        roll_back(app, reason);
        return false;
    }
    rollout_count(app, &tally);
    if (rollout->step != ROLLOUT_TRIES || tally.new_ready == 0)
        return true;
    if (tally.old_ready > 0 && verdict == VERDICT_OPEN) {
        wait_for_verdict(app, &now, stood_us);
        return true;
    }
    timer_stop(&rollout->timer);
    rollout->step = ROLLOUT_MOVES;
    tell_proven(app);
    return true;
}

static bool is_done(const struct fleet_app *app,
                    const struct rollout_tally *tally)
{
    return app->rollout.step == ROLLOUT_MOVES &&
           tally->old_ready + tally->old_starting == 0 &&
           tally->new_ready >= app->wanted;
}

/* After a `recreate` that was rolled back, too, the two are never there at the
 * same time. */
static bool waits_for_room(const struct fleet_app *app)
{
    struct rollout_tally tally;

    if (!update_of(app)->recreate ||
        app->rollout.outcome != ROLLOUT_ROLLED_BACK)
        return false;
    rollout_count(app, &tally);
    return tally.old_starting + tally.old_ready + tally.old_rest > 0;
}

bool rollout_decide(struct fleet_app *app)
{
    struct rollout_tally tally;

    if (!is_under_way(&app->rollout))
        return waits_for_room(app);
    if (!judge(app))
        return true;
    rollout_count(app, &tally);
    if (update_of(app)->recreate)
        rollout_recreate(app, &tally);
    else
        rollout_replace(app, &tally);
    rollout_count(app, &tally);
    if (is_done(app, &tally))
        finish(app);
    return true;
}

static void on_timer(struct timer *timer)
{
    struct rollout *rollout = container_of(timer, struct rollout, timer);

    fleet_app_decide_soon(container_of(rollout, struct fleet_app, rollout));
}

/* --- what becomes of the replicas --- */

void rollout_on_ready(struct fleet_app *app, const struct replica *replica)
{
    struct rollout *rollout = &app->rollout;

    if (rollout->step != ROLLOUT_TRIES || !rollout_is_new(app, replica) ||
        rollout->ready_us != 0)
        return;
    rollout->ready_us = clock_now_us();
    timer_stop(&rollout->timer);
    tell(app, "proving", "its first replica is ready");
}

bool rollout_on_failed(struct fleet_app *app, const struct replica *replica,
                       const struct replica_failure *failure)
{
    struct rollout *rollout = &app->rollout;
    unsigned tries = app->settings->app->start_retries;
    uint64_t delay_ms;
    struct rollout_tally tally;

    if (!is_under_way(rollout) || !rollout_is_new(app, replica))
        return false;
    rollout_count(app, &tally);
    rollout->failures++;
    if (rollout->failures >= (tries > 0 ? tries : 1) || failure->is_permanent ||
        failure->was_ready || strcmp(failure->code, "start_timeout") == 0) {
        if (can_roll_back(app)) {
            roll_back(app, failure->reason);
            return true;
        }
    }
    /* Nothing to go back to, and nothing that serves: the app has failed. */
    if (!can_roll_back(app) && tally.old_ready == 0)
        return false;
    if (tally.new_ready == 0)
        rollout->ready_us = 0;
    delay_ms = RETRY_FIRST_MS
               << (rollout->failures < 7 ? rollout->failures : 7);
    timer_start(app->host->replicas.timers, &rollout->timer, delay_ms);
    return true;
}

void rollout_on_outcomes(struct fleet_app *app, struct replica *replica,
                         const struct channel_replica_outcomes *outcomes)
{
    replica_on_outcomes(replica, outcomes);
    if (outcomes->failures > 0 && is_under_way(&app->rollout))
        fleet_app_decide_soon(app);
}

bool rollout_may_resume(const struct fleet_app *app,
                        const struct replica *replica)
{
    return rollout_is_new(app, replica);
}

/* --- made and freed --- */

void rollout_init(struct fleet_app *app)
{
    app->rollout.want.on_image = on_image;
    app->rollout.timer.on_expire = on_timer;
}

void rollout_done(struct fleet_app *app)
{
    struct rollout *rollout = &app->rollout;

    timer_stop(&rollout->timer);
    image_want_cancel(&rollout->want);
    app_revision_unref(&rollout->next);
    app_revision_unref(&rollout->fallback);
    rollout->step = ROLLOUT_RESTS;
    rollout->outcome = ROLLOUT_NEVER;
}
