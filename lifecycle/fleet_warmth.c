/* fleet_warmth.c - the warmth of all apps together.
 *
 * Refilling is done one at a time, and only while no request waits for a start:
 * it is the background. When memory is short, one replica takes one step down,
 * and what that gave is seen before the next one does: first primed ones that
 * nobody asked for go, then frozen ones are hibernated, the least worth keeping
 * first, then idle ones leave. Likewise one is hibernated where all of
 * `resources` is reserved, so that a hibernated one can wake at once.
 */
#include "lifecycle/fleet_warmth.h"

#include <stdlib.h>

#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/replica_warmth.h"
#include "lifecycle/start_queue.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/placement.h"

#define LOOK_US    1000000U
#define MEASURE_US 5000000U
/* A reclaim stalls by itself: PSI says nothing new for its own ten seconds. */
#define CALM_HIBERNATED_US 12000000U
#define CALM_LEFT_US       3000000U
#define PRESSURE_REASON    "the machine runs short of memory"
#define ROOM_REASON        "all of resources is reserved: another app can wake"

void fleet_warmth_init(struct fleet_warmth *warmth, struct fleet_host *host,
                       const char *proc)
{
    *warmth = (struct fleet_warmth){.host = host, .proc = proc};
}

static bool look(struct fleet_warmth *warmth)
{
    uint64_t now_us = clock_now_us();

    if (warmth->looked_at_us > 0 && now_us - warmth->looked_at_us < LOOK_US)
        return false;
    warmth->looked_at_us = now_us;
    if (!memory_watch_read(warmth->proc, &warmth->memory))
        warmth->memory = (struct memory_watch){0};
    return true;
}

/* --- primed --- */

static bool is_auto(const struct fleet_app *app)
{
    return app->settings->container.image &&
           app->settings->app->warmth.keep_primed_auto;
}

static bool has_warmer(const struct fleet_app *app)
{
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    return counts.starting + counts.ready + counts.asleep > 0;
}

static int by_last_use(const void *left, const void *right)
{
    const struct fleet_app *a = *(struct fleet_app *const *)left;
    const struct fleet_app *b = *(struct fleet_app *const *)right;

    if (a->last_end_us != b->last_end_us)
        return a->last_end_us > b->last_end_us ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Which apps shall have one by themselves. One that has something warmer keeps
 * what it has: it is the next to start. */
static void choose_auto(const struct fleet_warmth *warmth,
                        struct fleet_app *const *by_use, uint32_t count)
{
    bool is_plenty = memory_watch_is_plenty(&warmth->memory);
    uint32_t left = is_plenty ? FLEET_WARMTH_AUTO_MAX : 0;

    for (uint32_t i = 0; i < count; i++) {
        struct fleet_app *app = by_use[i];
        struct fleet_app_counts counts;

        if (!is_auto(app))
            continue;
        fleet_app_count(app, &counts);
        app->is_primed_auto =
            left > 0 && (counts.primed > 0 || !has_warmer(app));
        left -= app->is_primed_auto;
    }
}

static void drop_surplus(struct fleet_app *app)
{
    uint32_t wanted = fleet_ladder_primed_wanted(app);
    struct list *node = app->replicas.prev;
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    while (counts.primed > wanted && node != &app->replicas) {
        struct replica *replica = replica_of_node(node);

        node = node->prev;
        if (!replica_is_priming(replica))
            continue;
        replica_leave(replica, "fewer primed ones are kept");
        counts.primed--;
    }
}

/* Something is under way that a request waits for, or that warms already. */
static bool is_busy(const struct fleet_warmth *warmth,
                    struct fleet_app *const *apps, uint32_t count)
{
    const struct start_queue *starts = warmth->host->replicas.starts;

    if (starts->active > 0 || !list_is_empty(&starts->urgent))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        LIST_FOREACH (&apps[i]->replicas, node) {
            const struct replica *replica = replica_of_node(node);

            if (replica_is_starting(replica) ||
                (replica_is_priming(replica) &&
                 replica_view(replica)->state != REPLICA_PRIMED))
                return true;
        }
    }
    return false;
}

static bool may_prime(const struct fleet_app *app)
{
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    return counts.primed < fleet_ladder_primed_wanted(app) &&
           app->adopting == 0 && app->failing == 0 && app->queued == 0 &&
           app->start_backoff.failure_count == 0 &&
           app->revision->is_known && /* the pull policy has its say first */
           clock_now_us() >= app->prime_after_us;
}

static void refill(struct fleet_warmth *warmth, struct fleet_app *const *by_use,
                   uint32_t count)
{
    if (!warmth->host->may_start || warmth->host->engine_is_away ||
        is_busy(warmth, by_use, count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (may_prime(by_use[i])) {
            fleet_replicas_prime(by_use[i]);
            return;
        }
    }
}

/* --- pressure --- */

static bool is_idle(const struct fleet_app *app)
{
    return app->queued == 0 && app->in_flight == 0 && app->tunnels == 0;
}

enum step { STEP_NONE, STEP_HIBERNATE, STEP_FREEZE, STEP_LEAVE };

/* The next step down that this one can take. */
static enum step step_of(const struct fleet_app *app,
                         const struct replica *replica)
{
    bool can_hibernate = fleet_ladder_can_hibernate(app, replica);
    struct fleet_app_counts counts;

    fleet_app_count(app, &counts);
    switch (replica_view(replica)->state) {
    case REPLICA_FROZEN:
        if (replica_is_waking(replica) || replica_is_hibernating(replica))
            return STEP_NONE;
        if (can_hibernate)
            return STEP_HIBERNATE;
        break;
    case REPLICA_READY:
        if (!is_idle(app))
            return STEP_NONE;
        if (can_hibernate)
            return STEP_FREEZE;
        break;
    default:
        return STEP_NONE;
    }
    return counts.ready + counts.asleep > app->settings->app->replicas_min &&
                   app->settings->is_evictable
               ? STEP_LEAVE
               : STEP_NONE;
}

struct victim {
    struct fleet_app *app;
    struct replica *replica;
    enum step step;
    double worth;
};

/* Whichever rung gives way first, and of that the least worth keeping. */
static void consider(struct fleet_app *app, struct replica *replica,
                     struct victim *best)
{
    enum step step = step_of(app, replica);
    double worth;

    if (step == STEP_NONE || (best->replica && step > best->step))
        return;
    worth = fleet_place_worth(app->host->place, replica);
    if (best->replica && step == best->step && worth >= best->worth)
        return;
    *best = (struct victim){app, replica, step, worth};
}

static bool is_hibernating(struct fleet_app *const *apps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        LIST_FOREACH (&apps[i]->replicas, node) {
            if (replica_is_hibernating(replica_of_node(node)))
                return true;
        }
    }
    return false;
}

/* Unasked for, and quickly made again. */
static bool drop_a_primed_one(struct fleet_app *const *apps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        LIST_FOREACH (&apps[i]->replicas, node) {
            struct replica *replica = replica_of_node(node);

            if (!replica_is_priming(replica) || !is_auto(apps[i]))
                continue;
            replica_leave(replica, PRESSURE_REASON);
            return true;
        }
    }
    return false;
}

static void take_step(struct fleet_warmth *warmth, const struct victim *victim)
{
    uint64_t now_us = clock_now_us();

    fleet_place_gave_way(warmth->host->place, victim->replica);
    log_info(
        "fleet", "a replica gives way: memory is short",
        "app=%s replica=%s state=%s available_mb=%llu stalled_percent=%.1f",
        victim->app->settings->app->name, replica_view(victim->replica)->name,
        replica_state_name(replica_view(victim->replica)->state),
        (unsigned long long)(warmth->memory.available_bytes >> 20),
        warmth->memory.stalled_percent);
    switch (victim->step) {
    case STEP_HIBERNATE:
        if (fleet_ladder_hibernate_one(victim->app, victim->replica,
                                       PRESSURE_REASON))
            warmth->calm_until_us = now_us + CALM_HIBERNATED_US;
        break;
    case STEP_FREEZE:
        fleet_ladder_freeze_one(victim->app, victim->replica, PRESSURE_REASON);
        break;
    case STEP_LEAVE:
        replica_leave(victim->replica, PRESSURE_REASON);
        warmth->calm_until_us = now_us + CALM_LEFT_US;
        break;
    case STEP_NONE:
        break;
    }
}

static void give_way(struct fleet_warmth *warmth, struct fleet_app *const *apps,
                     uint32_t count)
{
    struct victim victim = {0};

    if (!memory_watch_is_short(&warmth->memory) ||
        clock_now_us() < warmth->calm_until_us || is_hibernating(apps, count))
        return;
    if (drop_a_primed_one(apps, count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        LIST_FOREACH (&apps[i]->replicas, node) {
            if (!replica_view(replica_of_node(node))->is_external)
                consider(apps[i], replica_of_node(node), &victim);
        }
    }
    if (victim.replica)
        take_step(warmth, &victim);
}

/* A request for a hibernated app should find room to wake it, not wait until
 * another one is written out: so one that is frozen is, ahead of it, where all
 * of `resources` is reserved. */
static void keep_room(struct fleet_warmth *warmth,
                      struct fleet_app *const *apps, uint32_t count)
{
    struct victim victim = {0};
    int32_t importance;

    if (!fleet_place_is_full(warmth->host->place, &importance) ||
        is_hibernating(apps, count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        LIST_FOREACH (&apps[i]->replicas, node) {
            struct replica *replica = replica_of_node(node);

            if (apps[i]->settings->importance <= importance &&
                replica_view(replica)->state == REPLICA_FROZEN &&
                step_of(apps[i], replica) == STEP_HIBERNATE)
                consider(apps[i], replica, &victim);
        }
    }
    if (!victim.replica)
        return;
    fleet_place_gave_way(warmth->host->place, victim.replica);
    (void)fleet_ladder_hibernate_one(victim.app, victim.replica, ROOM_REASON);
}

/* What of the apps' memory is where. */
static void measure(struct fleet_warmth *warmth, struct fleet_app *const *apps,
                    uint32_t count)
{
    uint64_t now_us = clock_now_us();

    if (now_us < warmth->measure_at_us)
        return;
    warmth->measure_at_us = now_us + MEASURE_US;
    for (uint32_t i = 0; i < count; i++) {
        struct engine_memory sum = {0};
        struct engine_memory memory;

        LIST_FOREACH (&apps[i]->replicas, node) {
            if (!replica_memory(replica_of_node(node), &memory))
                continue;
            fleet_place_on_measured(apps[i]->host->place, replica_of_node(node),
                                    memory.resident_bytes);
            sum.resident_bytes += memory.resident_bytes;
            sum.swapped_bytes += memory.swapped_bytes;
        }
        metrics_set(apps[i]->cell, METRIC_MEMORY_RESIDENT, sum.resident_bytes);
        metrics_set(apps[i]->cell, METRIC_MEMORY_SWAPPED, sum.swapped_bytes);
    }
}

void fleet_warmth_tick(struct fleet_warmth *warmth,
                       struct fleet_app *const *apps, uint32_t count)
{
    struct fleet_app **by_use = xcalloc(count + 1U, sizeof(struct fleet_app *));

    for (uint32_t i = 0; i < count; i++)
        by_use[i] = apps[i];
    qsort(by_use, count, sizeof(struct fleet_app *), by_last_use);
    if (look(warmth))
        give_way(warmth, apps, count);
    keep_room(warmth, apps, count);
    measure(warmth, apps, count);
    choose_auto(warmth, by_use, count);
    for (uint32_t i = 0; i < count; i++)
        drop_surplus(by_use[i]);
    refill(warmth, by_use, count);
    free(by_use);
}
