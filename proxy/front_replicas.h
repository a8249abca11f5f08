/* front_replicas.h - the replicas that the keeper told the front of: probed,
 * published, drained, forgotten. Thread: main.
 */
#ifndef PROXY_FRONT_REPLICAS_H
#define PROXY_FRONT_REPLICAS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/channel.h"

struct front_apps;
struct front_replicas; /* opaque; defined in front_replicas.c */
struct loop;
struct timers;
struct worker;

/* Borrows all; channel: where the keeper is, NULL once it is gone. */
MUST_USE struct front_replicas *
front_replicas_new(struct loop *loop, struct timers *timers,
                   struct channel *const *channel, struct front_apps *apps);
/* No worker may run. */
void front_replicas_free(struct front_replicas **replicas);

/* Whose parked connections are closed when a replica goes. */
void front_replicas_set_workers(struct front_replicas *replicas,
                                struct worker *const *workers, unsigned count);

/* The keeper's messages. Descriptors are taken and set to -1.
 * false: it makes no sense (an app that never was, an id that is known
 * already); of an app that is gone they are skipped. */
MUST_USE bool front_replicas_add(struct front_replicas *replicas,
                                 const struct channel_replica_add *message,
                                 int *fds, unsigned fd_count);
/* Apps have other settings now. */
void front_replicas_on_settings(struct front_replicas *replicas);
/* An unknown replica is skipped in these: it may just have gone. */
void front_replicas_sockets(struct front_replicas *replicas,
                            const struct channel_sockets *message, int *fds,
                            unsigned fd_count);
void front_replicas_drain(struct front_replicas *replicas, uint64_t id);
/* false: there never was such an app. */
MUST_USE bool front_replicas_shrink(struct front_replicas *replicas,
                                    const struct channel_app_shrink *message);
/* likewise */
MUST_USE bool front_replicas_proven(struct front_replicas *replicas,
                                    uint32_t id);
void front_replicas_evict(struct front_replicas *replicas, uint64_t id);
void front_replicas_resume(struct front_replicas *replicas, uint64_t id);
void front_replicas_remove(struct front_replicas *replicas, uint64_t id);
/* APP_SLEEP, REPLICA_SLEEP, REPLICA_AWAKE. false: it is none of these, not
 * whole, or of no app. */
MUST_USE bool front_replicas_on_sleep(struct front_replicas *replicas,
                                      enum channel_type type,
                                      struct strview payload);

#endif
