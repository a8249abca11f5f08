/* rollout.h - from one revision of an app to the next while it serves.
 *
 * The new image is pulled first; one replica of the new revision is started
 * and proven by its ready check and its first requests; then the rest is
 * replaced, so many more or fewer at a time as `update` says, each old one
 * draining before it goes. A revision that does not become ready, or fails more
 * of its requests than the one before (rollout_verdict.h), is rolled back:
 * until it is proven the old one has gone on serving, and what fails at the new
 * one and may be repeated is asked of the old one (router/app_trial.h). An app
 * that nobody uses is proven with one replica, which then leaves again.
 *
 * It is asked by fleet_app at each decision. Thread: keeper main.
 */
#ifndef LIFECYCLE_ROLLOUT_H
#define LIFECYCLE_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/fleet_app.h"
#include "router/base/attr.h"

struct cJSON;
struct channel_replica_outcomes;

void rollout_init(struct fleet_app *app);
void rollout_done(struct fleet_app *app);

/* See what the app's image means now, pulling it where it is to be pulled, and
 * change to that where it is something else than before. */
void rollout_look(struct fleet_app *app);
/* A reload: take all that makes no other revision. */
void rollout_update(struct fleet_app *app, struct keeper_settings *from,
                    const struct keeper_app *next);
/* Whether the app is of that revision, or is being changed to it. */
bool rollout_is_to(const struct fleet_app *app, const struct keeper_app *next);
bool rollout_is_under_way(const struct fleet_app *app);
/* The app runs elsewhere from now on: `next` (taken) makes no containers, and
 * those that there are leave. */
void rollout_to_external(struct fleet_app *app, struct app_revision *next);
/* Change to `next` (taken). One that is under way is overtaken: what it has
 * started is old then, too. */
void rollout_begin(struct fleet_app *app, struct app_revision *next);
/* Replace all replicas by new ones of the revision that there is, or of what
 * its image means by now. */
void rollout_restart(struct fleet_app *app);
/* Replicas of an older revision were found: they serve until there are new
 * ones. */
void rollout_found_older(struct fleet_app *app);

/* Before one is created: it would be made of what its view's revision names. */
MUST_USE enum replica_content
rollout_on_content(struct fleet_app *app, const struct replica *replica,
                   const struct image_answer *answer);

/* In the decision on the app's replicas, app->wanted being new: false: no
 * change is under way, or it leaves the decision to the caller. true: what was
 * to be started, or to leave, was. */
MUST_USE bool rollout_decide(struct fleet_app *app);
/* A replica of the app is ready for the first time. */
void rollout_on_ready(struct fleet_app *app, const struct replica *replica);
/* A replica failed. true: it is dealt with here, and no failure of the app. */
MUST_USE bool rollout_on_failed(struct fleet_app *app,
                                const struct replica *replica,
                                const struct replica_failure *failure);
/* The front counts how a replica's requests end. */
void rollout_on_outcomes(struct fleet_app *app, struct replica *replica,
                         const struct channel_replica_outcomes *outcomes);

/* Whether a replica that drains may be called back. */
bool rollout_may_resume(const struct fleet_app *app,
                        const struct replica *replica);

/* For status: null, or how far it is, or how it ended. */
MUST_USE struct cJSON *rollout_status(const struct fleet_app *app);

#endif
