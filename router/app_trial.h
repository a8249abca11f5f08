/* app_trial.h - replicas of a revision that is not proven yet: how much they
 * are given while others serve beside them, and what is asked again of those.
 *
 * A replica is on trial from app_trial_begin() until app_trial_end(), or until
 * it is gone. While its app has others that take requests (none: it gets all),
 * those on trial have no more requests in flight, together, than one and an
 * eighth of their good answers in a row; for a moment after each failure none;
 * in the first half second none that may not be sent twice (else the waiter
 * is_repeatable), unless eight were answered well; and none that failed at one
 * of them before (the waiter avoids_trial: a full queue does not refuse it
 * either). Within that they go first, as newer ones do (app_acquire()).
 *
 * So one that is well has its share of a busy app within milliseconds, and one
 * that is not is given ten requests a second, until the keeper has seen it. Who
 * waits may so wait though one on trial has a free slot; app_locked.h says what
 * app.c does about that.
 */
#ifndef ROUTER_APP_TRIAL_H
#define ROUTER_APP_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct app;
struct replica_ref;

/* Before it is published. Thread: main. */
void app_trial_begin(struct replica_ref *replica);
/* All that the app has are proven. Thread: main. */
void app_trial_end(struct app *app, uint64_t now_us);

/* An attempt at it failed, which may be repeated. true: it is on trial, and
 * others serve: the attempt is counted as repeated (app_outcomes()), and is to
 * be made at once, by a waiter that avoids_trial. Thread: any. */
MUST_USE bool app_trial_repeats(struct replica_ref *replica);

#endif
