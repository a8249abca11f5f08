/* app_trial.c - replicas of a revision that is not proven yet. */
#include "router/app_trial.h"

#include "router/app.h"
#include "router/app_locked.h"

/* So many good answers for one more request in flight. */
#define GOOD_PER_SLOT 8U
/* Enough of them for a request that can be made but once. */
#define GOOD_ENOUGH 8U
/* So long it is waited for requests that bring them. */
#define REPEATABLE_FIRST_US 500000U
/* After a failure: time for the keeper to hear of it. */
#define HOLD_US 100000U

void app_trial_begin(struct replica_ref *replica)
{
    struct app *app = replica->app;

    mutex_lock(&app->lock);
    if (app->locked.trial.replicas == 0)
        app->locked.trial.good = 0;
    app->locked.trial.replicas += !replica->locked->is_on_trial;
    replica->locked->is_on_trial = true;
    mutex_unlock(&app->lock);
}

void app_trial_forget(struct app *app, struct replica_locked *locked)
{
    app->locked.trial.replicas -= locked->is_on_trial;
    locked->is_on_trial = false;
}

void app_trial_end(struct app *app, uint64_t now_us)
{
    mutex_lock(&app->lock);
    LIST_FOREACH (&app->locked.replicas, it)
        app_trial_forget(app, app_replica_of(it)->locked);
    app_grant_waiting(app, now_us);
    mutex_unlock(&app->lock);
}

/* Whether another takes requests, of a revision that is proven. */
static bool has_proven(struct app *app) REQUIRES(app->lock)
{
    LIST_FOREACH (&app->locked.replicas, it) {
        const struct replica_locked *locked = app_replica_of(it)->locked;

        if (app_takes_requests(locked) && !locked->is_on_trial)
            return true;
    }
    return false;
}

static uint32_t count_in_flight(struct app *app) REQUIRES(app->lock)
{
    uint32_t count = 0;

    LIST_FOREACH (&app->locked.replicas, it) {
        const struct replica_locked *locked = app_replica_of(it)->locked;

        if (locked->is_on_trial)
            count += locked->slots.held;
    }
    return count;
}

bool app_trial_admits(struct app *app, const struct replica_locked *locked,
                      const struct waiter *waiter, uint64_t now_us)
{
    uint32_t good = app->locked.trial.good;

    if (!locked->is_on_trial || !has_proven(app))
        return true;
    if (waiter->avoids_trial || now_us < app->locked.trial.held_until_us ||
        count_in_flight(app) >= 1 + good / GOOD_PER_SLOT)
        return false;
    return waiter->is_repeatable || good >= GOOD_ENOUGH ||
           now_us >= locked->published_us + REPEATABLE_FIRST_US;
}

void app_trial_count(struct app *app, const struct replica_locked *locked,
                     enum slot_outcome outcome, uint64_t now_us)
{
    if (!locked->is_on_trial || outcome == OUTCOME_NONE)
        return;
    if (outcome == OUTCOME_ANSWER) {
        app->locked.trial.good++;
        return;
    }
    app->locked.trial.good = 0;
    app->locked.trial.held_until_us = now_us + HOLD_US;
}

bool app_trial_repeats(struct replica_ref *replica)
{
    struct app *app = replica->app;
    bool repeats;

    mutex_lock(&app->lock);
    repeats = replica->locked->is_on_trial && has_proven(app);
    replica->locked->repeated += repeats;
    mutex_unlock(&app->lock);
    return repeats;
}
