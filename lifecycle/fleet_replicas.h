/* fleet_replicas.h - the replicas of an app of the fleet: how they come, and
 * what becomes of them.
 *
 * It is their owner (replica.h): it tells the front, keeps events, starts and
 * metrics of them, and has fleet_app decide anew. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_REPLICAS_H
#define LIFECYCLE_FLEET_REPLICAS_H

#include <stdbool.h>

#include "lifecycle/fleet_app.h"
#include "router/base/attr.h"

/* Start one of that revision, now. */
void fleet_replicas_start(struct fleet_app *app, struct app_revision *revision);
/* Make one, and initialise it (PRIMED). */
void fleet_replicas_prime(struct fleet_app *app);
/* Take a running container. false: it cannot be used; err says why. */
MUST_USE bool fleet_replicas_adopt(struct fleet_app *app,
                                   const struct engine_container *container,
                                   struct err *err);
/* The front says that the answer which ends its start began at at_us. */
void fleet_replicas_on_first_byte(struct fleet_app *app,
                                  struct replica *replica, uint64_t at_us);
/* External apps: have the replicas that the settings name, and no others. */
void fleet_replicas_sync_external(struct fleet_app *app);
/* Forget all; their containers stay as they are. Not from within a hook. */
void fleet_replicas_forget(struct fleet_app *app);

/* What it is made from; borrowed. */
struct app_revision *fleet_replicas_revision_of(const struct replica *replica);

#endif
