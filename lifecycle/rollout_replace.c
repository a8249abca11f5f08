/* rollout_replace.c - which replicas are started and which leave, while an app
 * goes from one revision to the next. */
#include "lifecycle/rollout_replace.h"

#include "lifecycle/fleet_app.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/revision.h"
#include "lifecycle/rollout_tally.h"

static bool may_start_new(const struct fleet_app *app)
{
    return app->failing == 0 && !app->host->engine_is_away &&
           !timer_is_running(&app->retry_timer) &&
           (app->rollout.ready_us != 0 ||
            !timer_is_running(&app->rollout.timer));
}

static void start_new(struct fleet_app *app, struct rollout_tally *tally)
{
    app->rollout.is_trial = tally->old_ready + tally->old_starting == 0 &&
                            app->queued == 0 && app->wanted == 0;
    fleet_replicas_start(app, app->revision);
    tally->new_starting++;
}

/* While the new revision is tried, more load is the old one's. */
static void start_old(struct fleet_app *app, struct rollout_tally *tally)
{
    struct app_revision *old = app->rollout.fallback;
    uint32_t total = tally->old_starting + tally->old_ready + tally->new_ready +
                     tally->new_starting;

    if (!old || old->is_found || !old->app.container.image ||
        app->host->engine_is_away || timer_is_running(&app->retry_timer) ||
        app->place_wait.verdict != PLACEMENT_START)
        return;
    for (; total < app->wanted && app->failing == 0; total++) {
        fleet_replicas_start(app, old);
        tally->old_starting++;
    }
}

/* The oldest that serves, so that it is the same one from call to call. */
static void drain_one(struct fleet_app *app, struct rollout_tally *tally)
{
    LIST_FOREACH (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (rollout_is_new(app, replica) || !rollout_is_up(replica))
            continue;
        replica_leave(replica, "a newer revision serves");
        tally->old_ready--;
        return;
    }
}

static void drop_the_rest(struct fleet_app *app)
{
    LIST_FOREACH_SAFE (&app->replicas, node) {
        struct replica *replica = replica_of_node(node);

        if (!rollout_is_new(app, replica) && !rollout_is_up(replica))
            replica_leave(replica, "a newer revision serves");
    }
}

static void drain_all(struct fleet_app *app, struct rollout_tally *tally)
{
    while (tally->old_ready > 0)
        drain_one(app, tally);
    drop_the_rest(app);
}

void rollout_replace(struct fleet_app *app, struct rollout_tally *tally)
{
    const struct update_settings *update = &app->settings->update;
    bool is_proven = app->rollout.step == ROLLOUT_MOVES;
    uint32_t goal = app->wanted > 0 || is_proven ? app->wanted : 1;
    uint32_t most = is_proven ? goal : 1; /* of the new ones */
    uint32_t total = tally->new_starting + tally->new_ready +
                     tally->old_starting + tally->old_ready;
    uint32_t room = goal + update->surge;

    /* Where none more may be there, one less must be first. */
    if (!is_proven && update->surge == 0 && total >= goal &&
        tally->new_starting + tally->new_ready == 0 && tally->old_ready > 0) {
        drain_one(app, tally);
        total--;
    }
    /* The machine has no room for one more, and no other app makes any. */
    if (app->place_wait.verdict == PLACEMENT_WAIT && tally->new_starting > 0 &&
        tally->old_ready > 0 && tally->old_rest == 0)
        drain_one(app, tally);
    if (!is_proven && room <= total && update->surge > 0)
        room = total + 1; /* the old ones may be more than are wanted now */
    while (tally->new_starting + tally->new_ready < most && total < room &&
           may_start_new(app)) {
        start_new(app, tally);
        total++;
    }
    if (!is_proven) {
        start_old(app, tally);
        return;
    }
    while (tally->old_ready > 0 &&
           tally->new_ready + tally->old_ready + update->unavailable > goal)
        drain_one(app, tally);
    drop_the_rest(app);
}

void rollout_recreate(struct fleet_app *app, struct rollout_tally *tally)
{
    uint32_t goal = app->wanted > 0 ? app->wanted : 1;

    drain_all(app, tally);
    rollout_count(app, tally); /* those that leave now are still there */
    if (tally->old_starting + tally->old_rest > 0 || !may_start_new(app))
        return;
    if (app->rollout.step == ROLLOUT_TRIES)
        goal = 1;
    while (tally->new_starting + tally->new_ready < goal)
        start_new(app, tally);
}
