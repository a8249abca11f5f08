/* front_announce.c - what the front is told about a replica. */
#include "lifecycle/front_announce.h"

#include <sys/socket.h>

#include "lifecycle/app_revision.h"
#include "lifecycle/replica_warmth.h"
#include "router/app_sleep.h"
#include "router/base/log.h"

#define STASH_MIN 2U
#define STASH_MAX 8U

/* Enough for the probe and the first requests; more are asked for. */
static unsigned stash_size(const struct app_settings *settings)
{
    uint32_t slots = settings->concurrency;

    if (slots == 0 || slots > STASH_MAX)
        return STASH_MAX;
    return slots < STASH_MIN ? STASH_MIN : slots;
}

static enum app_sleep sleep_of(const struct replica *replica)
{
    if (replica_is_withheld(replica))
        return APP_WITHHELD;
    return replica_is_asleep(replica) ? APP_DOZING : APP_AWAKE;
}

void front_announce_replica(struct channel *channel, uint32_t app_id,
                            const struct app_settings *settings,
                            struct replica *replica)
{
    const struct replica_view *view = replica_view(replica);
    char address[ADDRESS_TEXT_SIZE] = "";
    struct channel_replica_add message = {
        .app = app_id,
        .replica = view->id,
        .name = sv_of(view->name),
        .connect = view->reach.connect,
        .port = view->reach.port,
        .probe =
            view->state == REPLICA_PROBING && !replica_is_withheld(replica),
        .sleep = sleep_of(replica),
        .family = (uint32_t)view->family,
        .forwarded = view->reach.forwarded,
        .revision = sv_of(view->revision),
        .serial = app_revision_of(replica_app(replica))->serial,
        .trial = app_revision_of(replica_app(replica))->is_on_trial,
    };
    int fds[STASH_MAX];
    unsigned count = 0;
    struct err err;

    if (!channel || replica_awaits_line(replica))
        return;
    replica_set_nap(replica, 0);
    if (view->reach.connect == CONNECT_DIRECT) {
        address_format(&view->reach.address, address);
        message.address = sv_of(address);
    } else if (view->reach.connect == CONNECT_INSIDE) {
        count = replica_sockets(replica, view->family ? view->family : AF_INET,
                                stash_size(settings), fds, &err);
        if (count == 0)
            log_warn("fleet", "cannot make sockets inside a container",
                     "app=%s replica=%s reason=\"%s\"", settings->name,
                     view->name, err.text);
    }
    channel_send_replica_add(channel, &message, fds, count);
    if (view->state == REPLICA_PROBING && replica_is_withheld(replica)) {
        const struct channel_replica_awake awake = {view->id, true, 0};

        channel_send_replica_awake(channel, &awake, NULL, 0);
    }
}

void front_answer_sockets(struct channel *channel, struct replica *replica,
                          const struct channel_sockets_wanted *wanted)
{
    struct channel_sockets message = {.replica = wanted->replica,
                                      .family = wanted->family};
    int fds[CHANNEL_DESCRIPTORS_MAX];
    unsigned count = wanted->count;
    struct err err;

    if (count > CHANNEL_DESCRIPTORS_MAX)
        count = CHANNEL_DESCRIPTORS_MAX;
    if (!replica) {
        err_set(&err, ERR_NOT_FOUND, "the replica is gone");
        count = 0;
    } else if (count > 0) {
        count = replica_sockets(replica, (int)wanted->family, count, fds, &err);
    } else {
        err_set(&err, ERR_INVALID, "no sockets were asked for");
    }
    if (count == 0)
        message.error = sv_of(err.text);
    channel_send_sockets(channel, &message, fds, count);
}
