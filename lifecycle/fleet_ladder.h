/* fleet_ladder.h - the rungs below ready of an app's replicas: which are
 * frozen, hibernated and primed, and which of them is taken when one is wanted.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_LADDER_H
#define LIFECYCLE_FLEET_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/fleet_app.h"
#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/channel.h"

/* So many replicas more are wanted: wake those that sleep, then start those
 * that are primed. Where no request asks for them, those that sleep count as
 * they are. Returns how many are still missing. */
MUST_USE uint32_t fleet_ladder_raise(struct fleet_app *app, uint32_t missing,
                                     const struct fleet_app_counts *counts);
/* Let one of those that are primed, or are to be, go on to ready. NULL: there
 * is none. */
struct replica *fleet_ladder_climb(struct fleet_app *app);

/* Wake one that sleeps, once what it gave back when it was hibernated is free
 * again. why: a literal. */
void fleet_ladder_wake(struct fleet_app *app, struct replica *replica,
                       const char *why);

/* How many that take requests stay, frozen, though fewer are wanted. */
uint32_t fleet_ladder_keep(const struct fleet_app *app,
                           const struct fleet_app_counts *counts);
/* What follows from how long the app has been idle, once a tick. */
void fleet_ladder_step(struct fleet_app *app);
/* It can be hibernated now: it is FROZEN, or READY and may be frozen, its app
 * allows it, and it has not failed a moment ago. */
bool fleet_ladder_can_hibernate(const struct fleet_app *app,
                                const struct replica *replica);
/* Hibernate one of which fleet_ladder_can_hibernate() holds, once the front has
 * said that nothing is in flight; fleet_place_on_busy() is told where it has
 * not. why: a literal. */
void fleet_ladder_hibernate_for(struct fleet_app *app, struct replica *replica,
                                const char *why);
/* Hibernate one that is FROZEN; why: a literal. false: not now. */
bool fleet_ladder_hibernate_one(struct fleet_app *app, struct replica *replica,
                                const char *why);
/* Have one that is READY frozen, where it has nothing in flight. */
void fleet_ladder_freeze_one(struct fleet_app *app, struct replica *replica,
                             const char *why);
/* How many primed ones there shall be. */
uint32_t fleet_ladder_primed_wanted(const struct fleet_app *app);

/* The front's messages. */
void fleet_ladder_on_asleep(struct fleet_app *app, struct replica *replica,
                            const struct channel_replica_asleep *message);
void fleet_ladder_on_wake(struct replica *replica, uint64_t at_us);
/* A replica went to another state: what the front is told of its sleep. true:
 * that was all that is to be told. */
MUST_USE bool fleet_ladder_tell_front(struct fleet_app *app,
                                      struct replica *replica,
                                      enum replica_state before);

/* `berth freeze APP` and `berth hibernate APP`: all of its replicas that have
 * nothing in flight, as soon as the front says so. Returns how many were asked;
 * 0: err says why. */
MUST_USE uint32_t fleet_ladder_freeze(struct fleet_app *app, struct err *err);
MUST_USE uint32_t fleet_ladder_hibernate(struct fleet_app *app,
                                         struct err *err);

#endif
