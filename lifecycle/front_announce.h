/* front_announce.h - what the front is told about a replica.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_FRONT_ANNOUNCE_H
#define LIFECYCLE_FRONT_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/replica.h"
#include "lifecycle/settings.h"
#include "router/channel.h"

/* REPLICA_ADD, by its state: to be probed, to be published, asleep; with a
 * first stash of sockets where it is reached by them. probe: it is not ready
 * yet. channel NULL: nothing. */
void front_announce_replica(struct channel *channel, uint32_t app_id,
                            const struct app_settings *settings,
                            struct replica *replica);

/* Answer SOCKETS_WANTED. replica NULL: it is gone. */
void front_answer_sockets(struct channel *channel, struct replica *replica,
                          const struct channel_sockets_wanted *wanted);

#endif
