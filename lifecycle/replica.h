/* replica.h - one running copy of an app, and the machine that brings it from
 * nothing to ready and back.
 *
 * It makes, starts, watches, stops and removes its container; when to do so,
 * and what the front is told, is its owner's (fleet_app): replica_owner.h. The
 * rungs below ready are in replica_warmth.h. Thread: keeper main.
 */
#ifndef LIFECYCLE_REPLICA_H
#define LIFECYCLE_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine.h"
#include "lifecycle/replica_owner.h"
#include "lifecycle/replica_view.h"
#include "lifecycle/settings.h"
#include "router/base/address.h"
#include "router/base/attr.h"
#include "router/base/digest.h"
#include "router/base/err.h"
#include "router/base/list.h"
#include "router/replica_ref.h"

const char *replica_state_name(enum replica_state state);
const char *replica_rung_name(enum replica_rung rung); /* "absent" … */

struct channel_replica_outcomes;
struct fleet_room;

/* Start one. host, app and the owner's arg must outlive it. is_urgent: a
 * request waits for it. */
MUST_USE struct replica *replica_start(const struct replica_host *host,
                                       const struct keeper_app *app,
                                       uint64_t id, bool is_urgent,
                                       const struct replica_owner *owner);
/* Make and initialise one, and go no further: PRIMED. */
MUST_USE struct replica *replica_prime(const struct replica_host *host,
                                       const struct keeper_app *app,
                                       uint64_t id,
                                       const struct replica_owner *owner);
/* Take one that is there already: in PROBING where it runs, FROZEN, or PRIMED.
 * NULL: it cannot be held (it has just ended). */
MUST_USE struct replica *replica_adopt(const struct replica_host *host,
                                       const struct keeper_app *app,
                                       const struct engine_container *container,
                                       const struct replica_owner *owner,
                                       struct err *err);
/* One that somebody else runs at `address`; READY, for ever. */
MUST_USE struct replica *replica_external(const struct replica_host *host,
                                          const struct keeper_app *app,
                                          uint64_t id,
                                          const struct address *address,
                                          const struct replica_owner *owner);
/* Forget it; its container, if it has one, stays as it is. Not from within its
 * hooks. NULL is skipped. */
void replica_free(struct replica **replica);

const struct replica_view *replica_view(const struct replica *replica);
/* berth-NAMESPACE-APP-ID; also the name of its socket directory. */
const char *replica_container_name(const struct replica *replica);
/* The owner's list. */
struct list *replica_node(struct replica *replica);
struct replica *replica_of_node(struct list *node);

/* What it is made from; borrowed. */
const struct keeper_app *replica_app(const struct replica *replica);
void *replica_owner_arg(const struct replica *replica);
/* On its way to READY: up to PROBING, or thawed to be published. */
bool replica_is_starting(const struct replica *replica);
bool replica_is_urgent(const struct replica *replica); /* begun for a request */
bool replica_waits_for_turn(const struct replica *replica); /* start_queue.h */
/* The front knows it, or would but for replica_awaits_line(): PROBING to
 * DRAINING. */
bool replica_is_announced(const struct replica *replica);
/* Its log has not said yet that it is ready (ready_check log): the front is not
 * told of it before. */
bool replica_awaits_line(const struct replica *replica);
/* Its process is held: its end will be seen in the moment it comes. */
bool replica_is_held(const struct replica *replica);

/* Its container could not be removed, though it is GONE. */
bool replica_leaves_container(const struct replica *replica);
/* There is room for it. Copies. */
void replica_on_room(struct replica *replica, const struct fleet_room *room);

/* What the front says. Messages that come too late are ignored. */
void replica_on_ready(struct replica *replica, uint64_t boot_us,
                      uint64_t ready_us, int family);
void replica_on_probe_status(struct replica *replica, struct strview text);
/* false: it is no news, or it is part of what on_state is told by READY. */
MUST_USE bool replica_on_first_byte(struct replica *replica, uint64_t at_us);
void replica_on_drained(struct replica *replica);
void replica_on_broken(struct replica *replica, struct strview text);
/* READY, and it does not answer: it has failed, and is killed. One that runs
 * elsewhere is not ours to kill. */
void replica_on_hung(struct replica *replica, struct strview text);
void replica_on_outcomes(struct replica *replica,
                         const struct channel_replica_outcomes *outcomes);

/* The engine says that its container has ended, or is not there any more.
 * exit_code: -1 when it is not known. */
void replica_on_died(struct replica *replica, int exit_code);

/* READY: drain, then stop. READY or not yet there: no request will be hurt.
 * A replica that does not serve yet is stopped as soon as may be. */
void replica_leave(struct replica *replica, const char *why);
/* READY, and the front has drained it: stop it. */
void replica_retire(struct replica *replica, const char *why);
/* DRAINING: back to READY. */
void replica_resume(struct replica *replica, const char *why);

/* false: not known (now). */
MUST_USE bool replica_memory(const struct replica *replica,
                             struct engine_memory *ret_memory);
/* Sockets to it: unconnected ones of family (CONNECT_INSIDE), connected ones
 * (CONNECT_KEEPER). ret_fds has room for count; the caller owns them. Returns
 * how many; 0: err says why. */
unsigned replica_sockets(struct replica *replica, int family, unsigned count,
                         int *ret_fds, struct err *err);

#endif
