/* rollout_replace.h - which replicas are started and which leave, while an app
 * goes from one revision to the next. Of a roll-out that tries its first
 * replica, or moves (struct rollout); `tally` (rollout_tally.h) is kept true.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_ROLLOUT_REPLACE_H
#define LIFECYCLE_ROLLOUT_REPLACE_H

struct fleet_app;
struct rollout_tally;

/* Start before stop, within surge and unavailable. */
void rollout_replace(struct fleet_app *app, struct rollout_tally *tally);
/* Stop before start: no two revisions are ever there at the same time. */
void rollout_recreate(struct fleet_app *app, struct rollout_tally *tally);

#endif
