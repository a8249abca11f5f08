/* rollout_state.h - where the change from one revision of an app to the next
 * stands; embedded in fleet_app. Written by rollout.c alone. */
#ifndef LIFECYCLE_ROLLOUT_STATE_H
#define LIFECYCLE_ROLLOUT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/image_store.h"
#include "router/base/err.h"
#include "router/base/timers.h"

struct app_revision;

enum rollout_step {
    ROLLOUT_RESTS,
    ROLLOUT_PULLS, /* what the next revision's image means is looked up */
    ROLLOUT_TRIES, /* the first replica of the new one proves it */
    ROLLOUT_MOVES, /* proven: replica by replica */
};

enum rollout_outcome {
    ROLLOUT_NEVER, /* there was none yet */
    ROLLOUT_UNDER_WAY,
    ROLLOUT_DONE,
    ROLLOUT_ROLLED_BACK,
};

struct rollout {
    enum rollout_step step;
    enum rollout_outcome outcome; /* of the last one */
    char reason[ERR_TEXT_SIZE];   /* why it was rolled back */
    char from[16];                /* revisions, short; "": not known */
    char to[16];
    uint64_t began_us;
    uint64_t began_unix_ms;
    uint64_t took_us; /* once it has ended */
    struct image_want want;
    struct app_revision *next;     /* PULLS: what will be tried; NULL: a look */
    struct app_revision *fallback; /* TRIES, MOVES: what served before; NULL:
                                    * there is nothing to go back to */
    /* TRIES: when the first of the new ones was ready; 0: not yet. */
    uint64_t ready_us;
    bool is_restart;   /* PULLS: replicas are replaced though nothing changed */
    bool is_trial;     /* nobody asks for the app: it leaves again */
    unsigned failures; /* starts of the new one that failed */
    struct timer timer; /* TRIES: the next start, or the end of the trial */
};

#endif
