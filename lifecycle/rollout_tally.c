/* rollout_tally.c - an app's replicas, by revision. */
#include "lifecycle/rollout_tally.h"

#include "lifecycle/fleet_app.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/replica.h"
#include "lifecycle/replica_warmth.h"

bool rollout_is_new(const struct fleet_app *app, const struct replica *replica)
{
    return fleet_replicas_revision_of(replica) == app->revision;
}

bool rollout_is_up(const struct replica *replica)
{
    enum replica_state state = replica_view(replica)->state;

    return state == REPLICA_READY ||
           (state == REPLICA_FROZEN && !replica_is_withheld(replica));
}

void rollout_count(const struct fleet_app *app, struct rollout_tally *ret_tally)
{
    struct rollout_tally tally = {0};

    LIST_FOREACH (&app->replicas, node) {
        const struct replica *replica = replica_of_node(node);
        bool is_ready = rollout_is_up(replica);

        if (rollout_is_new(app, replica)) {
            tally.new_starting += replica_is_starting(replica);
            tally.new_ready += is_ready;
        } else if (replica_is_starting(replica)) {
            tally.old_starting++;
        } else if (is_ready) {
            tally.old_ready++;
        } else {
            tally.old_rest++;
        }
    }
    *ret_tally = tally;
}
