/* app_replicas.h - the replicas of an app: made, published, drained, removed.
 *
 * Thread: main.
 */
#ifndef ROUTER_APP_REPLICAS_H
#define ROUTER_APP_REPLICAS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"
#include "router/replica_ref.h"

struct app;

/* Make a replica; not yet published: it has no slots. Copies name. */
MUST_USE struct replica_ref *app_replica_new(struct app *app, uint64_t id,
                                             struct strview name,
                                             enum connect_kind connect,
                                             const struct address *address,
                                             uint32_t port);
/* Make its slots available: waiters are granted at once. */
void app_publish(struct replica_ref *replica, uint64_t now_us);
/* No more grants; on_drained runs on main's loop (maybe at once, never inside
 * this call) when its last slot was released and its last tunnel ended. */
void app_drain(struct replica_ref *replica,
               void (*on_drained)(struct replica_ref *replica, void *arg),
               void *arg);
/* As app_drain(), for replicas that have nothing in flight, the least recently
 * used first, until `keep` are left that take requests. Fewer where the rest is
 * busy. */
void app_shrink(struct app *app, uint32_t keep,
                void (*on_drained)(struct replica_ref *replica, void *arg),
                void *arg);
/* As app_drain(), where it has nothing in flight and its app nobody waiting;
 * also where it is draining already. false: it goes on as it was. */
MUST_USE bool app_evict(struct replica_ref *replica,
                        void (*on_drained)(struct replica_ref *replica,
                                           void *arg),
                        void *arg);
/* Calls a drain off. */
void app_resume(struct replica_ref *replica, uint64_t now_us);
/* Forget it: no more grants, socket waiters fail with ECONNRESET; freed when
 * the last slot, tunnel and parked connection are gone (maybe at once): have
 * every worker call app_unpark_all() for it, before or after. */
void app_remove(struct replica_ref *replica);
/* How its requests ended since it was made. */
struct app_outcomes {
    uint64_t answers;
    uint64_t failures; /* those of 5xx are both */
    uint64_t repeated; /* of the failures, those made good elsewhere */
};
/* Thread: any. */
void app_outcomes(struct replica_ref *replica, struct app_outcomes *ret);
/* NULL: none, or removed. */
struct replica_ref *app_find_replica(struct app *app, uint64_t id);

#endif
