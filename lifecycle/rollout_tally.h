/* rollout_tally.h - an app's replicas, by revision. Thread: keeper main. */
#ifndef LIFECYCLE_ROLLOUT_TALLY_H
#define LIFECYCLE_ROLLOUT_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct fleet_app;
struct replica;

struct rollout_tally {
    uint32_t new_starting;
    uint32_t new_ready;
    uint32_t old_starting;
    uint32_t old_ready;
    uint32_t old_rest; /* that leave, or wait on a lower rung */
};

/* Whether it is of the revision that its app is to be of. */
bool rollout_is_new(const struct fleet_app *app, const struct replica *replica);
/* Whether it takes requests, awake or not. */
bool rollout_is_up(const struct replica *replica);
void rollout_count(const struct fleet_app *app,
                   struct rollout_tally *ret_tally);

#endif
