/* replica_warmth.h - the rungs below ready: primed, hibernated, frozen, and the
 * way up and down between them. Thread: keeper main.
 */
#ifndef LIFECYCLE_REPLICA_WARMTH_H
#define LIFECYCLE_REPLICA_WARMTH_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct replica;

bool replica_is_asleep(const struct replica *replica); /* FROZEN, HIBERNATED */
/* The front gives it no requests until it is told that it is awake. */
bool replica_is_withheld(const struct replica *replica);
bool replica_is_waking(const struct replica *replica); /* its thaw is on */
bool replica_is_hibernating(const struct replica *replica);
/* Of the front's REPLICA_ASLEEP that was heard last; 0 with a new front. */
void replica_set_nap(struct replica *replica, uint32_t nap);
uint32_t replica_nap(const struct replica *replica);
bool replica_is_calling(const struct replica *replica); /* the engine works */
/* PRIMED, or on its way there and no further. */
bool replica_is_priming(const struct replica *replica);

void replica_set_withheld(struct replica *replica, bool is_withheld);
/* Why it is frozen, where the front's freeze_after is not why (a literal). */
void replica_want_freeze(struct replica *replica, const char *why);
const char *replica_freeze_reason(const struct replica *replica);
/* It shall be hibernated as soon as may be, and why (a literal); NULL: not. It
 * ends when it is awake. */
void replica_want_hibernate(struct replica *replica, const char *why);
const char *replica_hibernate_reason(const struct replica *replica);

/* READY, and the front says that it sleeps: freeze it. FROZEN at once; back to
 * READY where the engine cannot. false: not now. */
MUST_USE bool replica_freeze(struct replica *replica, bool is_withheld,
                             const char *why);
/* FROZEN, and the front withholds it: HIBERNATED when its memory is written
 * out; on_state runs, FROZEN to FROZEN, where that failed. false: not now. */
MUST_USE bool replica_hibernate(struct replica *replica, const char *why);
/* Thaw it: FROZEN, HIBERNATED or still DRAINING. To READY; by PROBING where the
 * app has on_wake and it was withheld. at_us: when the request for it came; 0:
 * now. */
void replica_thaw(struct replica *replica, uint64_t at_us, const char *why);
/* The same, of one that waited for room on the machine for so long. */
void replica_wake(struct replica *replica, uint64_t waited_us, const char *why);
/* READY, and the front put it to sleep with on_sleep, but it is not to be
 * frozen now: PROBING until on_wake has answered. */
void replica_call_off_sleep(struct replica *replica);
/* One that is primed, or is to be: go on to READY. */
void replica_climb(struct replica *replica, bool is_urgent, const char *why);

#endif
