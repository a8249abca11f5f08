/* replica_private.h - what the files of a replica share: replica.c (states,
 * serving), replica_start.c (from nothing to probing), replica_leave.c (out
 * again), replica_warmth.c (the rungs below ready) and replica_failure.c (why
 * it failed). Nobody else includes it.
 */
#ifndef LIFECYCLE_REPLICA_PRIVATE_H
#define LIFECYCLE_REPLICA_PRIVATE_H

#include "lifecycle/ready_line.h"
#include "lifecycle/replica.h"
#include "lifecycle/replica_warmth.h"
#include "router/base/timers.h"

struct replica {
    struct list node; /* the owner's */
    struct replica_view view;
    const struct replica_host *host;
    const struct keeper_app *app;
    struct replica_owner owner;
    char *container_name;
    bool is_urgent;
    bool is_priming; /* no further than PRIMED */
    bool looks_only; /* for its image, and pulls none */
    bool is_frozen;  /* its container is, or is about to be */
    bool is_thawing;
    bool is_withheld;
    uint32_t nap;
    bool is_thawing_to_stop;
    bool is_hibernating;
    char why_up[96];
    const char *freeze_reason;    /* NULL: freeze_after */
    const char *hibernate_reason; /* NULL: it shall not be */
    uint64_t began_us;
    uint64_t step_us;          /* when the phase that runs now began */
    bool awaits_first_byte;    /* READY, and it is the phase that runs now */
    uint64_t first_byte_at_us; /* it came before READY; 0: it did not */
    struct image_want want;
    struct image_answer *made_of; /* until it is created; NULL: not known */
    struct start_ticket ticket;
    struct engine_call *call;
    struct engine_container container;
    uint32_t port; /* that the app was told to listen on */
    struct engine_handle *handle;
    struct timer timer; /* start_timeout, then drain_timeout */
    bool start_timed_out;
    struct ready_line *ready_line; /* PROBING, and its line has not come yet */
    char *reserved; /* what it has reserved, as a label; NULL: nothing */
    char **devices; /* CDI names; NULL ends them; NULL: none */
    bool leaves_container;
    bool has_room;    /* on the machine, for what it is on its way to */
    bool leave_asked; /* while a call is under way that must not be broken */
    bool exit_code_is_wanted;
    unsigned oom_kills; /* engine_oom_kills() of its end */
    struct replica_failure failure;
};

/* The only writer of view.state. The owner may not act on the replica from
 * within on_state, so callers may go on afterwards. */
void replica_set_state(struct replica *replica, enum replica_state next,
                       const char *why);
/* How long the phase that ends now took; the next one begins. */
uint64_t replica_end_phase(struct replica *replica);
const char *replica_app_name(const struct replica *replica);
/* It goes, or the keeper does: nothing follows from this call. */
bool replica_call_is_cancelled(const struct err *err);

/* --- replica_leave.c --- */

/* To STOPPING: stop the container where it runs, and remove it. */
void replica_stop_now(struct replica *replica, const char *why);
/* Remove the container, then replica_leave_for_good(). */
void replica_remove_container(struct replica *replica);
/* To GONE. */
void replica_leave_for_good(struct replica *replica, const char *why);

/* STOPPING, and thawed: stop its container, then remove it. */
void replica_stop_container(struct replica *replica);

/* --- replica_warmth.c --- */

/* Initialise the container that was created. */
void replica_initialise(struct replica *replica);
/* Adopted FROZEN: HIBERNATED where its memory is in swap, so that it has what
 * it needs reserved before it wakes. */
void replica_find_hibernated(struct replica *replica);
/* on_wake has answered. */
void replica_end_wake(struct replica *replica, uint64_t ready_us);
/* Thaw it first, then replica_stop_container(). false: it is not frozen. */
bool replica_thaw_to_stop(struct replica *replica);
/* PRIMED, and its process ended. */
void replica_on_primed_end(struct replica *replica);

/* --- replica_start.c --- */

void replica_enter_starting(struct replica *replica);
/* PRIMED, and it is its turn. */
void replica_start_primed(struct replica *replica);

/* Nothing is pulled to prime one. */
void replica_ask_for_image(struct replica *replica);
void replica_on_image(struct image_want *want,
                      const struct image_answer *answer, const struct err *err);
void replica_on_image_retry(struct image_want *want, const struct err *err,
                            uint64_t delay_ms);
void replica_on_turn(struct start_ticket *ticket);
/* false: it is asked for; replica_on_room() goes on. */
MUST_USE bool replica_has_room(struct replica *replica);
/* start_timeout is over. */
void replica_on_start_timeout(struct replica *replica);
/* Hold what runs now. false: it has ended already, or may not be held. */
MUST_USE bool replica_attach(struct replica *replica, struct err *err);

/* --- replica_failure.c --- */

/* To FAILED: from there on it collects what is known, reports, and goes. */
void replica_fail(struct replica *replica, const char *code, bool is_permanent,
                  const char *format, ...) PRINTF_LIKE(4, 5);
/* Its process has ended. exit_code: -1 when it is not known (yet). */
void replica_fail_by_exit(struct replica *replica, int exit_code);

#endif
