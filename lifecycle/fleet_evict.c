/* fleet_evict.c - who gives way for another app, and how.
 *
 * Whether a replica has nothing to do, the front alone knows in the moment: it
 * is asked, drains it where that is so, and only then is it stopped. What the
 * keeper knows of an app's demand, which may be some 100 ms old, only tells
 * whom to ask.
 */
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_place_private.h"
#include "lifecycle/fleet_scale.h"
#include "lifecycle/replica_warmth.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

/* A front that has not answered by then has gone. */
#define ANSWER_US UINT64_C(2000000)
/* One that was busy is asked again after this at the earliest. */
#define BUSY_US 100000U
/* Where nobody knows how long a start takes. */
#define START_GUESS_US   UINT64_C(1000000)
#define HIBERNATE_REASON "another app needs its memory"

static void count(struct fleet_place *place, const char *app, const char *by)
{
    uint32_t n = place->eviction_count;

    for (uint32_t i = 0; i < n; i++) {
        struct eviction_count *it = &place->evictions[i];

        if (strcmp(it->app, app) == 0 && strcmp(it->by, by) == 0) {
            it->count++;
            return;
        }
    }
    place->evictions =
        xrealloc(place->evictions, (n + 1U) * sizeof *place->evictions);
    place->evictions[n] = (struct eviction_count){xstrdup(app), xstrdup(by), 1};
    place->eviction_count++;
}

/* It goes now, or its memory has gone. */
static void note(struct fleet_place *place, const struct reservation *it)
{
    const char *app = it->app->settings->app->name;
    const struct replica_view *view = replica_view(it->replica);
    const char *state = replica_state_name(view->state);

    log_info("place", "a replica makes room for another app",
             "app=%s replica=%s by=%s state=%s", app, view->name,
             it->evicted_for, state);
    event_log_add(place->events,
                  &(struct event){.kind = EVENT_EVICTION,
                                  .app = app,
                                  .replica = view->name,
                                  .from = it->is_to_hibernate ? NULL : state,
                                  .to = it->is_to_hibernate ? state : NULL,
                                  .reason = it->evict_reason,
                                  .by = it->evicted_for});
    count(place, app, it->evicted_for);
}

static void forget(struct reservation *it)
{
    free(it->evicted_for);
    free(it->evict_reason);
    it->evicted_for = NULL;
    it->evict_reason = NULL;
    it->is_to_hibernate = false;
}

/* It has been frozen for it, or is being written out, which takes as long as
 * the disk does; the engine bounds that. */
static bool is_on_its_way(const struct reservation *it)
{
    return it->is_to_hibernate && it->replica &&
           replica_view(it->replica)->state == REPLICA_FROZEN &&
           replica_hibernate_reason(it->replica);
}

/* What it would not give back as long as it is hibernated: devices. */
static bool gives_all(const struct reservation *it)
{
    return it->devices == 0 && it->need.gpu_millis == 0 &&
           it->need.gpu_memory_bytes == 0;
}

static bool can_hibernate(const struct reservation *it)
{
    return gives_all(it) && it->hold != PLACEMENT_NOTHING &&
           it->hold != PLACEMENT_DEVICES_ALL &&
           it->hold != PLACEMENT_DEVICES_ASLEEP &&
           fleet_ladder_can_hibernate(it->app, it->replica);
}

uint64_t fleet_evict_expire(struct reservation *it, uint64_t now_us)
{
    if (it->evicted_for && is_on_its_way(it))
        return 0; /* told by fleet_evict_on_state() */
    if (it->evicted_for && it->evict_us + ANSWER_US <= now_us)
        forget(it);
    if (it->evicted_for)
        return it->evict_us + ANSWER_US;
    return it->busy_until_us > now_us ? it->busy_until_us : 0;
}

/* The front publishes it, and may have given it a request this very moment. */
static bool is_published(const struct reservation *it)
{
    enum replica_state state = replica_view(it->replica)->state;

    return (state == REPLICA_READY || state == REPLICA_FROZEN) &&
           it->hold == PLACEMENT_ALL && it->app->host->channel;
}

void fleet_evict(struct fleet_place *place, struct reservation *it,
                 const struct fleet_app *by)
{
    const struct channel_replica_evict message = {
        .replica = replica_view(it->replica)->id};

    it->evicted_for = xstrdup(by->settings->app->name);
    it->evict_us = clock_now_us();
    it->is_to_hibernate = can_hibernate(it);
    if (it->is_to_hibernate) {
        it->evict_reason = xasprintf("hibernated for %s", it->evicted_for);
        fleet_ladder_hibernate_for(it->app, it->replica, HIBERNATE_REASON);
        return;
    }
    it->evict_reason = xasprintf("evicted for %s", it->evicted_for);
    if (is_published(it)) {
        channel_send_replica_evict(it->app->host->channel, &message, NULL, 0);
        return;
    }
    note(place, it);
    fleet_scale_settle(it->app);
    replica_leave(it->replica, it->evict_reason);
}

void fleet_evict_on_state(struct fleet_place *place, struct reservation *it)
{
    enum replica_state state = replica_view(it->replica)->state;

    if (!it->evicted_for || !it->is_to_hibernate)
        return;
    if (state == REPLICA_HIBERNATED)
        note(place, it);
    else if (state >= REPLICA_DRAINING || is_on_its_way(it))
        return;
    forget(it);
    fleet_place_look_now(place);
}

bool fleet_place_on_drained(struct fleet_place *place,
                            const struct replica *replica, const char **ret_why)
{
    struct reservation *it = fleet_place_find(place, replica);

    if (!it || !it->evicted_for || it->is_to_hibernate)
        return false;
    if (it->app->queued > 0) { /* somebody came in the meantime */
        forget(it);
        fleet_place_look(place);
        return false;
    }
    note(place, it);
    fleet_scale_settle(it->app);
    *ret_why = it->evict_reason;
    return true;
}

void fleet_place_on_busy(struct fleet_place *place,
                         const struct replica *replica)
{
    struct reservation *it = fleet_place_find(place, replica);

    if (!it || !it->evicted_for)
        return;
    forget(it);
    it->busy_until_us = clock_now_us() + BUSY_US;
    fleet_place_look(place);
}

/* --- as placement sees it --- */

/* As far as it is known: the front has the last word. */
static bool is_idle(const struct reservation *it)
{
    const struct fleet_app *app = it->app;
    struct fleet_app_counts counts;

    if (app->queued > 0 || it->is_asking || it->busy_until_us > clock_now_us())
        return false;
    if (replica_is_starting(it->replica))
        return true;
    fleet_app_count(app, &counts);
    return app->in_flight + app->tunnels == 0 ||
           app->in_flight + app->tunnels < counts.ready;
}

static uint64_t last_used_us(const struct reservation *it)
{
    const struct replica_view *view = replica_view(it->replica);
    uint64_t at_us = it->app->last_end_us;

    if (view->state == REPLICA_READY && view->since_us > at_us)
        at_us = view->since_us;
    return at_us > it->since_us ? at_us : it->since_us;
}

void fleet_evict_describe(const struct reservation *it, bool is_min,
                          struct placement_replica *ret)
{
    uint64_t start_us;

    *ret = (struct placement_replica){
        .id = it->replica ? replica_view(it->replica)->id : 0,
        .app = it->app ? it->app->id : UINT32_MAX,
        .need = it->need,
        .hold = it->hold,
        .devices = it->devices,
        .since_us = it->since_us,
        .is_leaving = it->is_removing || it->evicted_for,
        .uses = it->uses,
        .clock = it->clock,
        .resident_bytes = it->resident_bytes,
    };
    if (!it->replica)
        return;
    ret->is_leaving |= replica_view(it->replica)->state >= REPLICA_DRAINING ||
                       (replica_is_hibernating(it->replica) && gives_all(it));
    ret->can_hibernate = can_hibernate(it);
    ret->is_starting = replica_is_starting(it->replica) &&
                       !replica_view(it->replica)->is_adopted;
    ret->is_idle = is_idle(it);
    ret->is_evictable = it->app->settings->is_evictable;
    ret->is_min = is_min;
    ret->importance = it->app->settings->importance;
    ret->used_us = last_used_us(it);
    start_us = fleet_scale_start_us(it->app);
    ret->start_us = start_us ? start_us : START_GUESS_US;
}
