/* replica_owner.h - whose a replica is, and what that one is told and asked.
 * Hooks run on the keeper's main thread; what they are given is borrowed.
 */
#ifndef LIFECYCLE_REPLICA_OWNER_H
#define LIFECYCLE_REPLICA_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/image_store.h"
#include "lifecycle/replica_view.h"
#include "lifecycle/start_queue.h"
#include "router/base/err.h"
#include "router/base/strview.h"

struct engine;
struct loop;
struct replica; /* opaque; defined in replica_private.h */
struct timers;

/* What all replicas of a keeper share. */
struct replica_host {
    struct loop *loop;
    struct timers *timers;
    struct engine *engine;
    struct image_store *images;
    struct start_queue *starts;
    const char *namespace_name;
    const char *state_dir;
};

struct replica_failure {
    const char *code; /* "start_failed", "start_timeout", "crashed" */
    char reason[ERR_TEXT_SIZE];
    bool is_permanent;  /* trying again soon cannot help */
    bool was_ready;     /* a crash, not a failed start */
    struct strview log; /* its last lines; borrowed for the call */
};

enum replica_content {
    CONTENT_WHAT_IT_WAS, /* of its revision, whatever it was called */
    CONTENT_OF_ANOTHER,  /* of a revision that the owner changes to now */
    CONTENT_LOST,        /* and its own cannot be made any more */
};

struct replica_owner {
    /* On its way up (CREATING, PRIMED): it needs room on the machine, and goes
     * on by replica_on_room(), never from within. NULL: it needs none. */
    void (*on_room_wanted)(void *arg, struct replica *replica);
    /* It went from `before` to replica_view()->state. */
    void (*on_state)(void *arg, struct replica *replica,
                     enum replica_state before);
    /* In PROBING: the line came that it was withheld from the front for. */
    void (*on_line)(void *arg, struct replica *replica);
    /* In PULLING: what it needs failed to come, and is tried again after
     * delay_ms; failure->log is empty. */
    void (*on_delayed)(void *arg, struct replica *replica,
                       const struct replica_failure *failure,
                       uint64_t delay_ms);
    /* Once, in FAILED, when all is known about why. */
    void (*on_failed)(void *arg, struct replica *replica,
                      const struct replica_failure *failure);
    struct start_rank (*rank)(void *arg); /* of its start; NULL: none */
    /* What its revision is made of; NULL: that is not known (yet), so that the
     * images' names are looked up. The hook NULL: never. */
    const struct image_answer *(*made_of)(void *arg,
                                          const struct replica *replica);
    /* What it would be made of was looked up. Other than WHAT_IT_WAS, it is
     * not to be made. The hook NULL: whatever it is. */
    enum replica_content (*on_content)(void *arg, struct replica *replica,
                                       const struct image_answer *answer);
    void *arg;
};

#endif
