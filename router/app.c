/* app.c - an app as the front sees it: its slots, its queue, its counts.
 *
 * The rest of app.h is in app_replicas.c and app_sockets.c; what all three
 * share, and the rules of its lock, in app_locked.h.
 */
#include "router/app.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/app_locked.h"
#include "router/app_replicas.h"
#include "router/base/alloc.h"

static const char *const state_names[] = {"asleep", "starting", "ready",
                                          "failed"};

const char *app_state_name(enum app_state state)
{
    return state_names[state];
}

const struct app_settings *app_settings_now(const struct app *app)
{
    return app->settings;
}

unsigned app_index(const struct app *app)
{
    return app->index;
}

/* Who would wait for too long is refused only after somebody has waited for
 * this long without a break: time for the keeper to see a burst, and to begin a
 * start for it. */
#define REFUSE_AFTER_US 1000000U

/* How long a replica at which an attempt failed comes last. */
#define SUSPECT_US 1000000U

/* --- telling others ------------------------------------------------------- */

static void on_resolve_task(struct loop_task *task)
{
    struct waiter *waiter = container_of(task, struct waiter, task);

    waiter->on_resolved(waiter);
}

void waiter_deliver(struct waiter *waiter)
{
    waiter->task.run = on_resolve_task;
    loop_post(waiter->loop, &waiter->task);
}

void app_post_demand(struct app *app)
{
    app->locked.demand_is_due = app->locked.demand_is_hushed;
    if (!app->on_demand || app->locked.demand_is_posted ||
        app->locked.demand_is_hushed)
        return;
    app->locked.demand_is_posted = true;
    loop_post(app->main_loop, &app->demand_task);
}

/* Before in_flight changes. Workers read their clocks once a loop turn: one
 * that is behind another's adds nothing. */
static void count_slot_time(struct app *app, uint64_t now_us)
    REQUIRES(app->lock)
{
    if (now_us <= app->locked.slot_time_at_us)
        return;
    app->locked.slot_time_us +=
        (now_us - app->locked.slot_time_at_us) * app->locked.in_flight;
    app->locked.slot_time_at_us = now_us;
}

/* --- slots and the queue -------------------------------------------------- */

/* A newer revision goes first as far as its slots reach. Where there is no
 * limit of them, its first replica would bear what all others bear together:
 * then it goes first only among those that have as many in flight. */
static bool is_better(const struct replica_locked *a,
                      const struct replica_locked *b, uint64_t now_us)
{
    bool suspect = a->suspect_until_us > now_us;
    bool has_limit = a->slots.limit != 0;

    if (suspect != (b->suspect_until_us > now_us))
        return !suspect;
    if ((a->sleep == APP_AWAKE) != (b->sleep == APP_AWAKE))
        return a->sleep == APP_AWAKE;
    if (has_limit && a->replica->serial != b->replica->serial)
        return a->replica->serial > b->replica->serial;
    if (a->slots.held != b->slots.held)
        return a->slots.held < b->slots.held;
    if (a->replica->serial != b->replica->serial)
        return a->replica->serial > b->replica->serial;
    return a->last_used_us > b->last_used_us;
}

static bool may_take(struct app *app, const struct replica_locked *locked,
                     const struct waiter *waiter, uint64_t now_us)
    REQUIRES(app->lock)
{
    return app_takes_requests(locked) && slot_set_has_free(&locked->slots) &&
           (app->locked.trial.replicas == 0 ||
            app_trial_admits(app, locked, waiter, now_us));
}

static struct slot *take_slot(struct app *app, const struct waiter *waiter,
                              uint64_t now_us) REQUIRES(app->lock)
{
    struct replica_locked *best = NULL;
    struct slot *slot;
    bool woke;

    LIST_FOREACH (&app->locked.replicas, it) {
        struct replica_locked *locked = app_replica_of(it)->locked;

        if (may_take(app, locked, waiter, now_us) &&
            (!best || is_better(locked, best, now_us)))
            best = locked;
    }
    if (!best)
        return NULL;
    woke = best->sleep != APP_AWAKE;
    best->last_used_us = now_us;
    app_wake_taken(app, best, now_us);
    count_slot_time(app, now_us);
    app->locked.in_flight++;
    slot = slot_set_take(&best->slots, waiter->worker);
    slot->taken_us = now_us;
    slot->woke = woke;
    slot->ends_start = woke || (waiter->is_waiting && best->is_fresh);
    best->is_fresh = false;
    return slot;
}

static bool has_replica(struct app *app) REQUIRES(app->lock)
{
    LIST_FOREACH (&app->locked.replicas, it) {
        if (app_takes_requests(app_replica_of(it)->locked))
            return true;
    }
    return false;
}

static void enqueue(struct app *app, struct waiter *waiter, uint64_t now_us)
    REQUIRES(app->lock)
{
    if (app->locked.queue.count == 0)
        wait_estimate_begin(&app->locked.estimate, now_us);
    waiter->is_waiting = true;
    wait_queue_add(&app->locked.queue, waiter);
}

/* now_us 0: not known. */
static void dequeue(struct app *app, struct waiter *waiter, uint64_t now_us)
    REQUIRES(app->lock)
{
    wait_queue_remove(&app->locked.queue, waiter);
    waiter->is_waiting = false;
    if (app->locked.queue.count == 0)
        wait_estimate_end(&app->locked.estimate, now_us);
}

/* The head of the queue leaves it with what the caller then gives it. */
static struct waiter *resolve_head(struct app *app, uint64_t now_us)
    REQUIRES(app->lock)
{
    struct waiter *waiter = wait_queue_head(&app->locked.queue, now_us);

    if (waiter)
        dequeue(app, waiter, now_us);
    return waiter;
}

void app_grant_waiting(struct app *app, uint64_t now_us)
{
    struct waiter *head;

    while ((head = wait_queue_head(&app->locked.queue, now_us))) {
        struct slot *slot = take_slot(app, head, now_us);

        if (!slot)
            return;
        resolve_head(app, now_us)->slot = slot;
        waiter_deliver(head);
    }
}

static void refuse_waiting(struct app *app, enum refusal refusal)
    REQUIRES(app->lock)
{
    struct waiter *waiter;

    while ((waiter = resolve_head(app, 0))) {
        waiter->refusal = refusal;
        app->locked.refused++;
        waiter_deliver(waiter);
    }
}

/* Whether those ahead of it would keep it waiting for longer than it may. */
static bool waits_too_long(struct app *app, const struct waiter *waiter,
                           uint64_t now_us) REQUIRES(app->lock)
{
    struct wait_estimate *estimate = &app->locked.estimate;
    uint64_t timeout_us = app->settings->queue_timeout_ms * 1000;
    uint64_t wait_us;

    if (timeout_us == 0 || estimate->since_us == 0 ||
        now_us < estimate->since_us + REFUSE_AFTER_US ||
        now_us < app->locked.starts_until_us || !has_replica(app))
        return false;
    wait_us = wait_estimate_us(estimate,
                               wait_queue_count_from(&app->locked.queue,
                                                     (unsigned)waiter->priority,
                                                     now_us),
                               app->locked.in_flight, now_us);
    return wait_us != WAIT_ESTIMATE_UNKNOWN && wait_us > timeout_us;
}

static bool may_wait_for_start(const struct app *app,
                               const struct waiter *waiter) REQUIRES(app->lock)
{
    enum cold_start how = app->settings->on_cold_start;

    return how == COLD_START_HOLD ||
           (how == COLD_START_PAGE && !waiter->takes_page);
}

/* Why it may not wait; REFUSED_NOT: it may. */
static enum refusal check_wait(struct app *app, const struct waiter *waiter,
                               bool is_new, uint64_t now_us) REQUIRES(app->lock)
{
    if (app->locked.state == APP_FAILED)
        return REFUSED_FAILED;
    if (!may_wait_for_start(app, waiter) && !has_replica(app))
        return REFUSED_STARTING;
    if (app->locked.queue.count >= app->settings->queue_size &&
        !waiter->avoids_trial)
        return REFUSED_QUEUE_FULL;
    if (now_us >= waiter->until_us ||
        (is_new && waits_too_long(app, waiter, now_us)))
        return REFUSED_LATE;
    return REFUSED_NOT;
}

static enum acquire refuse(struct app *app, struct waiter *waiter,
                           enum refusal refusal) REQUIRES(app->lock)
{
    waiter->refusal = refusal;
    app->locked.refused++;
    return ACQUIRE_REFUSED;
}

static enum acquire acquire(struct app *app, struct waiter *waiter, bool is_new,
                            uint64_t now_us) REQUIRES(app->lock)
{
    enum refusal refusal;

    if (app->locked.is_closed)
        return refuse(app, waiter, REFUSED_DRAINING);
    if (waiter->deadline_us != 0 && now_us >= waiter->deadline_us)
        return refuse(app, waiter, REFUSED_LATE);
    if (app->locked.trial.replicas == 0 || app->locked.queue.count == 0)
        waiter->slot = take_slot(app, waiter, now_us);
    if (waiter->slot)
        return ACQUIRE_GRANTED;
    app_post_demand(app);
    refusal = check_wait(app, waiter, is_new, now_us);
    if (refusal != REFUSED_NOT)
        return refuse(app, waiter, refusal);
    enqueue(app, waiter, now_us);
    if (app->locked.trial.replicas > 0)
        app_grant_waiting(app, now_us);
    return ACQUIRE_WAITING;
}

/* Under the lock: settings change. */
static uint64_t until_of(struct app *app, const struct waiter *waiter)
    REQUIRES(app->lock)
{
    uint64_t timeout_us = app->settings->queue_timeout_ms * 1000;
    uint64_t until_us =
        timeout_us != 0 ? waiter->arrived_us + timeout_us : UINT64_MAX;

    if (waiter->deadline_us != 0 && waiter->deadline_us < until_us)
        return waiter->deadline_us;
    return until_us;
}

enum acquire app_acquire(struct app *app, struct waiter *waiter,
                         uint64_t now_us)
{
    bool is_new = waiter->arrived_us == 0;
    enum acquire outcome;

    assert(waiter->loop && waiter->worker < app->worker_count);
    waiter->app = app;
    waiter->slot = NULL;
    waiter->refusal = REFUSED_NOT;
    if (is_new)
        waiter->arrived_us = now_us;
    mutex_lock(&app->lock);
    waiter->until_us = until_of(app, waiter);
    app->locked.arrivals += is_new;
    outcome = acquire(app, waiter, is_new, now_us);
    mutex_unlock(&app->lock);
    return outcome;
}

bool app_leave(struct app *app, struct waiter *waiter, uint64_t now_us)
{
    bool was_waiting;

    mutex_lock(&app->lock);
    was_waiting = waiter->is_waiting;
    if (was_waiting) {
        dequeue(app, waiter, now_us);
        app->locked.left++;
    }
    mutex_unlock(&app->lock);
    return was_waiting;
}

/* Who may have the slot next, out of the queue; NULL: nobody. */
static struct waiter *next_for(struct app *app, struct replica_locked *locked,
                               uint64_t now_us) REQUIRES(app->lock)
{
    struct waiter *head;
    bool may = true;

    if (!app_takes_requests(locked) || slot_set_is_over(&locked->slots))
        return NULL;
    if (locked->is_on_trial) {
        head = wait_queue_head(&app->locked.queue, now_us);
        locked->slots.held--; /* this one is as good as free */
        may = head && app_trial_admits(app, locked, head, now_us);
        locked->slots.held++;
    }
    return may ? resolve_head(app, now_us) : NULL;
}

/* Hand a held slot to the head of the queue, or put it back: then it may be
 * gone. ret_parked: whether what it carries is parked, or the waiter's. */
static struct waiter *pass_on(struct app *app, struct slot *slot,
                              uint64_t now_us, bool *ret_parked)
    REQUIRES(app->lock)
{
    struct replica_ref *replica = slot->replica;
    struct replica_locked *locked = replica->locked;
    struct waiter *waiter = NULL;

    locked->last_used_us = now_us;
    app->locked.last_end_us = now_us;
    if (app->locked.queue.count > 0)
        wait_estimate_freed(
            &app->locked.estimate,
            now_us > slot->taken_us ? now_us - slot->taken_us : 0, now_us);
    waiter = next_for(app, locked, now_us);
    *ret_parked = slot->parked != NULL;
    if (waiter) {
        slot->taken_us = now_us;
        slot->woke = false;
        slot->ends_start = false;
        waiter->slot = slot;
        return waiter;
    }
    count_slot_time(app, now_us);
    app->locked.in_flight--;
    if (slot_set_has_surplus(&locked->slots)) {
        slot->parked = NULL;
        *ret_parked = false;
    }
    slot_set_put(&locked->slots, slot, slot->parked, slot->parked_worker);
    app_post_drained(app, replica);
    return NULL;
}

void app_suspect(struct replica_ref *replica, uint64_t now_us)
{
    struct app *app = replica->app;

    mutex_lock(&app->lock);
    replica->locked->suspect_until_us = now_us + SUSPECT_US;
    mutex_unlock(&app->lock);
}

static void count_outcome(struct app *app, struct replica_locked *locked,
                          enum slot_outcome outcome, uint64_t now_us)
    REQUIRES(app->lock)
{
    app_trial_count(app, locked, outcome, now_us);
    locked->answers += outcome == OUTCOME_ANSWER || outcome == OUTCOME_ERROR;
    locked->failures += outcome == OUTCOME_ERROR || outcome == OUTCOME_FAILED;
}

struct waiter *app_release(struct slot *slot, void *parked, unsigned worker,
                           uint64_t now_us, bool *ret_parked)
{
    struct replica_ref *replica = slot->replica;
    struct app *app = replica->app;
    struct replica_ref *dead;
    struct waiter *waiter;

    mutex_lock(&app->lock);
    slot->parked = app_takes_requests(replica->locked) ? parked : NULL;
    slot->parked_worker = worker;
    app->locked.completions++;
    count_outcome(app, replica->locked, slot->outcome, now_us);
    slot->outcome = OUTCOME_NONE;
    if (now_us > slot->taken_us)
        app->locked.service_time_us += now_us - slot->taken_us;
    waiter = pass_on(app, slot, now_us, ret_parked);
    if (app->locked.trial.replicas > 0)
        app_grant_waiting(app, now_us);
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    app_free_replica(dead);
    return waiter;
}

bool app_unpark(struct slot *slot, void *parked)
{
    struct replica_ref *replica = slot->replica;
    struct app *app = replica->app;
    struct replica_ref *dead;
    bool was_parked;

    mutex_lock(&app->lock);
    was_parked = slot_set_unpark(&replica->locked->slots, slot, parked);
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    app_free_replica(dead);
    return was_parked;
}

/* Any one connection; NULL: there is none left. */
static void *unpark_next(struct app *app, const struct replica_ref *replica,
                         unsigned worker, struct replica_ref **ret_dead)
    REQUIRES(app->lock)
{
    LIST_FOREACH_SAFE (&app->locked.replicas, it) {
        struct replica_ref *of = app_replica_of(it);
        void *parked = NULL;

        if (!replica || replica == of)
            parked = slot_set_unpark_any(&of->locked->slots, worker);
        if (!parked)
            continue;
        *ret_dead = app_reap(app, of);
        return parked;
    }
    return NULL;
}

void app_unpark_all(struct app *app, struct replica_ref *replica,
                    unsigned worker, void (*fn)(void *arg, void *parked),
                    void *arg)
{
    for (;;) {
        struct replica_ref *dead = NULL;
        void *parked;

        mutex_lock(&app->lock);
        parked = unpark_next(app, replica, worker, &dead);
        mutex_unlock(&app->lock);
        app_free_replica(dead);
        if (!parked)
            return;
        fn(arg, parked);
    }
}

bool app_tunnel_begin(struct slot *slot, uint64_t now_us,
                      struct replica_ref **ret_replica,
                      struct waiter **ret_waiter)
{
    struct replica_ref *replica = slot->replica;
    struct app *app = replica->app;
    bool parked; /* nothing */
    bool ok;

    mutex_lock(&app->lock);
    ok = replica->locked->tunnels < app->settings->max_tunnels;
    if (ok) {
        replica->locked->tunnels++;
        app->locked.tunnels++;
        slot->parked = NULL;
        *ret_waiter = pass_on(app, slot, now_us, &parked);
        *ret_replica = replica;
    }
    mutex_unlock(&app->lock);
    return ok;
}

void app_tunnel_end(struct replica_ref *replica, uint64_t now_us)
{
    struct app *app = replica->app;
    struct replica_ref *dead;

    mutex_lock(&app->lock);
    assert(replica->locked->tunnels > 0);
    replica->locked->tunnels--;
    app->locked.tunnels--;
    app->locked.last_end_us = now_us;
    app_post_drained(app, replica);
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    app_free_replica(dead);
}

bool app_is_left_out(struct app *app)
{
    bool is_failed;

    mutex_lock(&app->lock);
    is_failed = app->locked.state == APP_FAILED && !has_replica(app);
    if (is_failed) {
        app->locked.left++;
        app_post_demand(app);
    }
    mutex_unlock(&app->lock);
    return is_failed;
}

void app_keep(struct app *app, uint64_t until_us)
{
    mutex_lock(&app->lock);
    if (until_us > app->locked.keep_until_us)
        app->locked.keep_until_us = until_us;
    mutex_unlock(&app->lock);
}

/* --- the app -------------------------------------------------------------- */

void app_free_when_idle(struct app *app)
{
    bool is_idle;

    mutex_lock(&app->lock);
    is_idle = app->locked.is_freed && !app->locked.demand_is_posted &&
              list_is_empty(&app->locked.replicas);
    mutex_unlock(&app->lock);
    if (!is_idle)
        return;
    mutex_done(&app->lock);
    free(app);
}

static void on_demand_task(struct loop_task *task)
{
    struct app *app = container_of(task, struct app, demand_task);
    bool is_freed;

    mutex_lock(&app->lock);
    app->locked.demand_is_posted = false;
    is_freed = app->locked.is_freed;
    mutex_unlock(&app->lock);
    if (is_freed)
        app_free_when_idle(app);
    else
        app->on_demand(app, app->demand_arg);
}

bool app_hush_demand(struct app *app, bool hush)
{
    bool is_due;

    mutex_lock(&app->lock);
    is_due = app->locked.demand_is_due;
    app->locked.demand_is_due = false;
    app->locked.demand_is_hushed = hush;
    mutex_unlock(&app->lock);
    return is_due;
}

struct app *app_new(const struct app_settings *settings, unsigned index,
                    unsigned worker_count)
{
    struct app *app = xcalloc(1, sizeof *app);

    app->settings = settings;
    app->index = index;
    app->worker_count = worker_count;
    app->demand_task.run = on_demand_task;
    mutex_init(&app->lock);
    mutex_lock(&app->lock);
    list_init(&app->locked.replicas);
    wait_queue_init(&app->locked.queue);
    mutex_unlock(&app->lock);
    return app;
}

void app_free(struct app **app_ptr)
{
    struct app *app = *app_ptr;
    struct replica_ref *replica;

    if (!app)
        return;
    *app_ptr = NULL;
    do {
        replica = NULL;
        mutex_lock(&app->lock);
        assert(app->locked.queue.count == 0 && app->locked.in_flight == 0 &&
               app->locked.tunnels == 0);
        app->locked.is_freed = true;
        LIST_FOREACH (&app->locked.replicas, it) {
            assert(app_replica_of(it)->locked->slots.parked_count == 0);
            if (!app_replica_of(it)->locked->is_removed)
                replica = app_replica_of(it);
        }
        mutex_unlock(&app->lock);
        if (replica)
            app_remove(replica);
    } while (replica);
    app_free_when_idle(app);
}

void app_set_demand_hook(struct app *app, struct loop *loop,
                         void (*hook)(struct app *app, void *arg), void *arg)
{
    app->main_loop = loop;
    app->on_demand = hook;
    app->demand_arg = arg;
}

static void copy_text(char *to, size_t size, struct strview text)
{
    snprintf(to, size, "%.*s", SV_ARG(text));
}

void app_set_state(struct app *app, enum app_state state, struct strview code,
                   struct strview reason, uint64_t retry_after_ms)
{
    mutex_lock(&app->lock);
    app->locked.state = state;
    copy_text(app->locked.failure.code, sizeof app->locked.failure.code, code);
    copy_text(app->locked.failure.reason, sizeof app->locked.failure.reason,
              reason);
    app->locked.failure.retry_after_ms = retry_after_ms;
    if (state == APP_FAILED)
        refuse_waiting(app, REFUSED_FAILED);
    mutex_unlock(&app->lock);
}

void app_set_starts(struct app *app, uint64_t until_us)
{
    mutex_lock(&app->lock);
    app->locked.starts_until_us = until_us;
    mutex_unlock(&app->lock);
}

void app_close(struct app *app)
{
    mutex_lock(&app->lock);
    app->locked.is_closed = true;
    refuse_waiting(app, REFUSED_DRAINING);
    mutex_unlock(&app->lock);
}

void app_failure(struct app *app, struct app_failure *ret_failure)
{
    mutex_lock(&app->lock);
    *ret_failure = app->locked.failure;
    mutex_unlock(&app->lock);
}

static void count_slots(struct app *app, struct app_counts *counts)
    REQUIRES(app->lock)
{
    LIST_FOREACH (&app->locked.replicas, it) {
        if (app_takes_requests(app_replica_of(it)->locked))
            counts->replicas++;
    }
    if (app->settings->concurrency == 0)
        counts->slots = counts->replicas > 0 ? UINT32_MAX : 0;
    else
        counts->slots = counts->replicas * app->settings->concurrency;
}

static uint64_t wait_of(struct app *app, uint32_t replicas, uint64_t now_us)
    REQUIRES(app->lock)
{
    uint64_t start_us = app->locked.starts_until_us;
    uint64_t wait_us = WAIT_ESTIMATE_UNKNOWN;

    if (replicas > 0)
        wait_us =
            wait_estimate_us(&app->locked.estimate, app->locked.queue.count,
                             app->locked.in_flight, now_us);
    if (wait_us != WAIT_ESTIMATE_UNKNOWN)
        return wait_us;
    return start_us > now_us ? start_us - now_us : 0;
}

void app_count(struct app *app, uint64_t now_us, struct app_counts *ret)
{
    struct app_counts counts = {0};
    uint64_t oldest_us;

    mutex_lock(&app->lock);
    counts.state = app->locked.state;
    counts.queued = app->locked.queue.count;
    counts.in_flight = app->locked.in_flight;
    counts.tunnels = app->locked.tunnels;
    counts.arrivals = app->locked.arrivals;
    counts.refused = app->locked.refused;
    counts.unserved = app->locked.refused + app->locked.left;
    count_slot_time(app, now_us);
    counts.completions = app->locked.completions;
    counts.service_time_us = app->locked.service_time_us;
    counts.slot_time_us = app->locked.slot_time_us;
    counts.last_end_us = app->locked.last_end_us;
    counts.keep_until_us = app->locked.keep_until_us;
    count_slots(app, &counts);
    counts.wait_us = wait_of(app, counts.replicas, now_us);
    oldest_us = wait_queue_oldest_us(&app->locked.queue);
    mutex_unlock(&app->lock);
    if (oldest_us != 0 && now_us > oldest_us)
        counts.waited_us_max = now_us - oldest_us;
    *ret = counts;
}
