/* fleet_ladder.c - the rungs below ready of an app's replicas. */
#include "lifecycle/fleet_ladder.h"

#include <stdio.h>

#include "lifecycle/fleet_scale.h"
#include "lifecycle/replica_warmth.h"
#include "router/base/clock.h"
#include "router/base/log.h"

/* Before a hibernation that failed is tried again. */
#define HIBERNATE_RETRY_US 30000000U

static const struct warmth_settings *warmth_of(const struct fleet_app *app)
{
    return &app->settings->app->warmth;
}

/* --- up --- */

static uint32_t minus(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

static void on_room(struct replica *replica, const struct fleet_room *room)
{
    replica_wake(replica, room->waited_us, "there is room to wake it");
}

void fleet_ladder_wake(struct fleet_app *app, struct replica *replica,
                       const char *why)
{
    struct fleet_place *place = app->host->place;

    if (fleet_place_has_all(place, replica))
        replica_thaw(replica, 0, why);
    else
        fleet_place_ask(place, app, replica, on_room);
}

/* The one that was put to sleep last: of its memory the most is still there. */
static struct replica *find_asleep(const struct fleet_app *app)
{
    struct replica *best = NULL;

    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);
        const struct replica_view *view = replica_view(replica);

        if (!replica_is_asleep(replica) || !replica_is_withheld(replica) ||
            replica_is_waking(replica) ||
            fleet_place_is_asking(app->host->place, replica))
            continue;
        if (!best ||
            (view->state == REPLICA_FROZEN &&
             replica_view(best)->state != REPLICA_FROZEN) ||
            (view->state == replica_view(best)->state &&
             view->asleep_at_us > replica_view(best)->asleep_at_us))
            best = replica;
    }
    return best;
}

struct replica *fleet_ladder_climb(struct fleet_app *app)
{
    struct replica *best = NULL;

    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_is_priming(replica) &&
            (!best || replica_view(replica)->state > replica_view(best)->state))
            best = replica;
    }
    if (!best)
        return NULL;
    fleet_scale_settle(app);
    replica_climb(best, app->queued > 0,
                  app->queued > 0 ? "a request waits for it"
                                  : "it shall be ready");
    return best;
}

uint32_t fleet_ladder_raise(struct fleet_app *app, uint32_t missing,
                            const struct fleet_app_counts *counts)
{
    bool has_demand = app->queued > 0 || app->in_flight > 0 ||
                      app->unserved != app->unserved_mark;
    struct replica *replica;
    uint32_t asking = fleet_place_count_asleep(app->host->place, app);

    if (!has_demand)
        return missing > counts->asleep ? missing - counts->asleep : 0;
    missing = minus(missing, asking);
    while (missing > 0 && (replica = find_asleep(app))) {
        fleet_ladder_wake(app, replica, "a request waits for it");
        missing--;
    }
    return missing;
}

/* --- down --- */

static void ask_front(const struct fleet_app *app,
                      const struct replica *replica, bool published)
{
    const struct channel_replica_sleep message = {replica_view(replica)->id,
                                                  published};

    channel_send_replica_sleep(app->host->channel, &message, NULL, 0);
}

/* It sleeps, and shall take requests again, as far as its app lets it. */
static void publish(const struct fleet_app *app, struct replica *replica)
{
    const struct warmth_settings *warmth = warmth_of(app);

    if (!warmth->on_sleep && !warmth->on_wake)
        replica_set_withheld(replica, false);
    ask_front(app, replica, true);
}

static void tell_awake(const struct fleet_app *app,
                       const struct replica *replica, bool answer)
{
    const struct channel_replica_awake message = {replica_view(replica)->id,
                                                  answer, replica_nap(replica)};

    channel_send_replica_awake(app->host->channel, &message, NULL, 0);
}

bool fleet_ladder_tell_front(struct fleet_app *app, struct replica *replica,
                             enum replica_state before)
{
    enum replica_state state = replica_view(replica)->state;
    bool was_asleep = before == REPLICA_FROZEN || before == REPLICA_HIBERNATED;

    if (state == REPLICA_READY && was_asleep) {
        tell_awake(app, replica, false);
        return true;
    }
    if (state == REPLICA_PROBING && (was_asleep || before == REPLICA_READY)) {
        tell_awake(app, replica, true);
        return true;
    }
    /* It was not hibernated: back among those that take requests. */
    if (state == REPLICA_FROZEN && before == REPLICA_FROZEN) {
        publish(app, replica);
        return true;
    }
    return false;
}

static void freeze_now(struct fleet_app *app, struct replica *replica,
                       bool is_withheld)
{
    const char *why = replica_freeze_reason(replica);

    if (is_withheld && app->queued > 0) {
        replica_call_off_sleep(replica);
    } else if (!replica_freeze(replica, is_withheld, why)) {
        tell_awake(app, replica, false);
    }
}

static void hibernate_now(struct fleet_app *app, struct replica *replica)
{
    if (app->queued == 0 &&
        replica_hibernate(replica, replica_hibernate_reason(replica)))
        return;
    replica_want_hibernate(replica, NULL);
    fleet_place_on_busy(app->host->place, replica);
    if (!replica_is_waking(replica))
        publish(app, replica);
}

void fleet_ladder_on_asleep(struct fleet_app *app, struct replica *replica,
                            const struct channel_replica_asleep *message)
{
    enum replica_state state = replica_view(replica)->state;

    replica_set_nap(replica, message->nap);
    app->queued = message->queued;
    app->in_flight = message->in_flight;
    if (!message->ok) {
        log_debug("fleet", "a replica is not put to sleep",
                  "app=%s replica=%s reason=\"%.*s\"", app->settings->app->name,
                  replica_view(replica)->name, SV_ARG(message->reason));
        replica_want_freeze(replica, NULL);
        if (state == REPLICA_READY)
            replica_want_hibernate(replica, NULL);
        fleet_place_on_busy(app->host->place, replica);
        return;
    }
    if (state == REPLICA_READY) {
        freeze_now(app, replica, message->withheld);
        return;
    }
    if (state != REPLICA_FROZEN)
        return;
    /* It may have been asked twice. While it is being frozen it goes on to be
     * hibernated by itself. */
    if (replica_is_hibernating(replica))
        return;
    replica_set_withheld(replica, message->withheld);
    if (message->withheld && replica_hibernate_reason(replica) &&
        !replica_is_calling(replica))
        hibernate_now(app, replica);
}

void fleet_ladder_on_wake(struct replica *replica, uint64_t at_us)
{
    replica_thaw(replica, at_us, "a request came");
}

/* --- what is kept --- */

/* keep_frozen, while its time lasts. */
static uint32_t kept_frozen(const struct fleet_app *app)
{
    const struct warmth_settings *warmth = warmth_of(app);
    uint64_t end_us =
        fleet_scale_idle_since_us(app) + warmth->keep_frozen_for_ms * 1000;

    if (warmth->keep_frozen_for_ms > 0 && clock_now_us() >= end_us)
        return 0;
    return warmth->keep_frozen;
}

uint32_t fleet_ladder_keep(const struct fleet_app *app,
                           const struct fleet_app_counts *counts)
{
    uint32_t kept = minus(kept_frozen(app), counts->asleep);

    return kept > app->wanted ? kept : app->wanted;
}

/* What is kept beyond what is wanted is frozen, whatever freeze_after says. */
static void freeze_kept(struct fleet_app *app,
                        const struct fleet_app_counts *counts)
{
    const struct channel_app_sleep message = {app->id, app->wanted};

    if (kept_frozen(app) == 0 || app->queued > 0 ||
        counts->ready - counts->dozing <= app->wanted)
        return;
    channel_send_app_sleep(app->host->channel, &message, NULL, 0);
}

/* Whether the last replica stays for now, though nothing asks for it. */
static bool keeps_one(const struct fleet_app *app)
{
    const struct app_settings *settings = app->settings->app;
    uint64_t now_us = clock_now_us();

    return settings->idle_timeout_ms == 0 ||
           warmth_of(app)->keep_until_pressure || now_us < app->keep_until_us ||
           now_us < fleet_scale_idle_since_us(app) +
                        settings->idle_timeout_ms * 1000;
}

/* Those that sleep and take no requests leave as the others do. */
static void release_asleep(struct fleet_app *app,
                           const struct fleet_app_counts *counts)
{
    uint32_t keep = app->settings->app->replicas_min;
    uint32_t there = counts->ready + counts->starting + counts->asleep;
    struct replica *oldest = NULL;

    if (counts->asleep == 0 || app->queued > 0)
        return;
    if (kept_frozen(app) > keep)
        keep = kept_frozen(app);
    if (app->wanted > keep)
        keep = app->wanted;
    if (keep == 0 && keeps_one(app))
        keep = 1;
    if (there <= keep)
        return;
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_is_asleep(replica) && replica_is_withheld(replica) &&
            !replica_is_waking(replica) &&
            (!oldest || replica_view(replica)->asleep_at_us <
                            replica_view(oldest)->asleep_at_us))
            oldest = replica;
    }
    if (oldest)
        replica_leave(oldest, "idle for idle_timeout");
}

/* --- hibernation --- */

static bool is_able(const struct fleet_app *app, const struct replica *replica)
{
    const struct replica_view *view = replica_view(replica);

    return !replica_is_waking(replica) && !replica_is_hibernating(replica) &&
           !replica_is_calling(replica) &&
           engine_capabilities(app->host->replicas.engine)->can_hibernate &&
           (view->hibernate_failed_at_us == 0 ||
            clock_now_us() - view->hibernate_failed_at_us > HIBERNATE_RETRY_US);
}

static bool may_hibernate(const struct fleet_app *app,
                          const struct replica *replica)
{
    return replica_view(replica)->state == REPLICA_FROZEN &&
           is_able(app, replica);
}

/* freeze_after off: it is not to be frozen for others' sake. */
bool fleet_ladder_can_hibernate(const struct fleet_app *app,
                                const struct replica *replica)
{
    const struct warmth_settings *warmth = warmth_of(app);
    const struct replica_view *view = replica_view(replica);

    if (warmth->hibernate_when == HIBERNATE_OFF || view->is_external ||
        !is_able(app, replica) || !app->host->channel)
        return false;
    return view->state == REPLICA_FROZEN ||
           (view->state == REPLICA_READY && warmth->freeze_after_ms > 0);
}

void fleet_ladder_freeze_one(struct fleet_app *app, struct replica *replica,
                             const char *why)
{
    replica_want_freeze(replica, why);
    ask_front(app, replica, true);
}

void fleet_ladder_hibernate_for(struct fleet_app *app, struct replica *replica,
                                const char *why)
{
    if (fleet_ladder_hibernate_one(app, replica, why))
        return;
    replica_want_freeze(replica, why);
    replica_want_hibernate(replica, why);
    ask_front(app, replica, false);
}

bool fleet_ladder_hibernate_one(struct fleet_app *app, struct replica *replica,
                                const char *why)
{
    if (!may_hibernate(app, replica))
        return false;
    replica_want_hibernate(replica, why);
    if (replica_is_withheld(replica))
        hibernate_now(app, replica);
    else
        ask_front(app, replica, false);
    return true;
}

static void hibernate_old(struct fleet_app *app)
{
    const struct warmth_settings *warmth = warmth_of(app);
    uint64_t now_us = clock_now_us();

    LIST_FOREACH_SAFE (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);
        const struct replica_view *view = replica_view(replica);

        if (replica_hibernate_reason(replica))
            (void)fleet_ladder_hibernate_one(app, replica,
                                             replica_hibernate_reason(replica));
        else if (warmth->hibernate_when == HIBERNATE_AFTER &&
                 now_us >=
                     view->asleep_at_us + warmth->hibernate_after_ms * 1000)
            (void)fleet_ladder_hibernate_one(app, replica,
                                             "frozen for hibernate_after");
    }
}

/* Who asked for them has gone. */
static void stop_asking(struct fleet_app *app)
{
    if (app->queued > 0 || app->unserved != app->unserved_mark ||
        app->asked.wakes > 0)
        return;
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_is_asleep(replica) &&
            fleet_place_is_asking(app->host->place, replica))
            fleet_place_take_back(app->host->place, replica);
    }
}

void fleet_ladder_step(struct fleet_app *app)
{
    struct fleet_app_counts counts;

    stop_asking(app);
    fleet_app_count(app, &counts);
    freeze_kept(app, &counts);
    release_asleep(app, &counts);
    hibernate_old(app);
}

/* --- primed --- */

uint32_t fleet_ladder_primed_wanted(const struct fleet_app *app)
{
    const struct warmth_settings *warmth = warmth_of(app);

    /* A container that has devices is made for those that it is to get. */
    if (!app->settings->container.image ||
        app->settings->container.gpu_millis > 0)
        return 0;
    if (!warmth->keep_primed_auto)
        return warmth->keep_primed;
    return app->is_primed_auto ? 1 : 0;
}

/* --- commands --- */

uint32_t fleet_ladder_freeze(struct fleet_app *app, struct err *err)
{
    uint32_t count = 0;

    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (replica_view(replica)->state != REPLICA_READY ||
            replica_view(replica)->is_external)
            continue;
        fleet_ladder_freeze_one(app, replica, "berth freeze");
        count++;
    }
    if (count == 0)
        err_set(err, ERR_NOT_FOUND, "app \"%s\" has no replica that is ready",
                app->settings->app->name);
    return count;
}

uint32_t fleet_ladder_hibernate(struct fleet_app *app, struct err *err)
{
    const struct engine_capabilities *can =
        engine_capabilities(app->host->replicas.engine);
    uint32_t count = 0;

    if (!can->can_hibernate) {
        err_set(err, ERR_DENIED, "%s", can->hibernate_text);
        return 0;
    }
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);
        enum replica_state state = replica_view(replica)->state;

        if ((state != REPLICA_READY && state != REPLICA_FROZEN) ||
            replica_view(replica)->is_external)
            continue;
        replica_want_freeze(replica, "berth hibernate");
        replica_want_hibernate(replica, "berth hibernate");
        ask_front(app, replica, false);
        count++;
    }
    if (count == 0)
        err_set(err, ERR_NOT_FOUND,
                "app \"%s\" has no replica that is ready or frozen",
                app->settings->app->name);
    return count;
}
