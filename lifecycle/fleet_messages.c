/* fleet_messages.c - what the front says of apps and replicas, to those whom it
 * is about. */
#include "lifecycle/fleet_ladder.h"
#include "lifecycle/fleet_place.h"
#include "lifecycle/fleet_private.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/front_announce.h"
#include "lifecycle/rollout.h"

static bool on_demand(struct fleet *fleet, struct strview payload)
{
    struct channel_demand demand;
    struct fleet_app *app;

    if (!channel_decode_demand(payload, &demand) ||
        demand.app >= fleet->next_app_id)
        return false;
    app = fleet_app_of_id(fleet, demand.app);
    if (app) /* else it was removed a moment ago */
        fleet_app_on_demand(app, &demand);
    return true;
}

static bool on_ready(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_ready message;
    struct replica *replica;

    if (!channel_decode_replica_ready(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        replica_on_ready(replica, message.boot_us, message.ready_us,
                         (int)message.family);
    return true;
}

static bool on_probe_status(struct fleet *fleet, struct strview payload)
{
    struct channel_probe_status message;
    struct replica *replica;

    if (!channel_decode_probe_status(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        replica_on_probe_status(replica, message.text);
    return true;
}

static bool on_broken(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_broken message;
    struct replica *replica;

    if (!channel_decode_replica_broken(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        replica_on_broken(replica, message.text);
    return true;
}

static bool on_hung(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_hung message;
    struct replica *replica;

    if (!channel_decode_replica_hung(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        replica_on_hung(replica, message.text);
    return true;
}

static bool on_drained(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_drained message;
    struct replica *replica;

    if (!channel_decode_replica_drained(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        fleet_app_on_drained(replica_owner_arg(replica), replica);
    return true;
}

static bool on_outcomes(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_outcomes message;
    struct replica *replica;
    uint64_t before;

    if (!channel_decode_replica_outcomes(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (!replica)
        return true;
    /* Less than before: a new front, which counts from nought. */
    before = replica_view(replica)->answers;
    fleet_place_on_served(fleet->host.place, replica,
                          message.answers -
                              (message.answers >= before ? before : 0));
    rollout_on_outcomes(replica_owner_arg(replica), replica, &message);
    return true;
}

static bool on_asleep(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_asleep message;
    struct replica *replica;

    if (!channel_decode_replica_asleep(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        fleet_ladder_on_asleep(replica_owner_arg(replica), replica, &message);
    return true;
}

static bool on_wake(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_wake message;
    struct replica *replica;

    if (!channel_decode_replica_wake(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        fleet_ladder_on_wake(replica, message.at_us);
    return true;
}

static bool on_first_byte(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_first_byte message;
    struct replica *replica;

    if (!channel_decode_replica_first_byte(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        fleet_replicas_on_first_byte(replica_owner_arg(replica), replica,
                                     message.at_us);
    return true;
}

static bool on_busy(struct fleet *fleet, struct strview payload)
{
    struct channel_replica_busy message;
    struct replica *replica;

    if (!channel_decode_replica_busy(payload, &message))
        return false;
    replica = fleet_replica(fleet, message.replica);
    if (replica)
        fleet_place_on_busy(fleet->host.place, replica);
    return true;
}

static bool on_sockets_wanted(struct fleet *fleet, struct strview payload)
{
    struct channel_sockets_wanted message;

    if (!channel_decode_sockets_wanted(payload, &message))
        return false;
    front_answer_sockets(fleet->host.channel,
                         fleet_replica(fleet, message.replica), &message);
    return true;
}

bool fleet_on_message(struct fleet *fleet, enum channel_type type,
                      struct strview payload)
{
    switch (type) {
    case CHANNEL_DEMAND:
        return on_demand(fleet, payload);
    case CHANNEL_REPLICA_READY:
        return on_ready(fleet, payload);
    case CHANNEL_PROBE_STATUS:
        return on_probe_status(fleet, payload);
    case CHANNEL_REPLICA_BROKEN:
        return on_broken(fleet, payload);
    case CHANNEL_REPLICA_HUNG:
        return on_hung(fleet, payload);
    case CHANNEL_REPLICA_DRAINED:
        return on_drained(fleet, payload);
    case CHANNEL_REPLICA_OUTCOMES:
        return on_outcomes(fleet, payload);
    case CHANNEL_REPLICA_ASLEEP:
        return on_asleep(fleet, payload);
    case CHANNEL_REPLICA_WAKE:
        return on_wake(fleet, payload);
    case CHANNEL_REPLICA_FIRST_BYTE:
        return on_first_byte(fleet, payload);
    case CHANNEL_REPLICA_BUSY:
        return on_busy(fleet, payload);
    case CHANNEL_SOCKETS_WANTED:
        return on_sockets_wanted(fleet, payload);
    default:
        return false;
    }
}
