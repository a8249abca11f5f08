/* fleet_limits.h - cpus, memory and pids of containers that run: changed in
 * place, where that can be done, else by new containers.
 *
 * Of one container one change is under way at a time; what changed meanwhile
 * follows it. Until its end the larger of both is reserved. Where the engine
 * cannot make it, the app's replicas are replaced as by `berth restart`.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_LIMITS_H
#define LIFECYCLE_FLEET_LIMITS_H

#include "lifecycle/fleet_app.h"

struct engine_container;
struct replica;

/* Have all containers of the app get the limits that it has now. */
void fleet_limits_update_all(struct fleet_app *app);
/* It was adopted; where its container, as it was found, has others (the file
 * changed while no berth ran), it gets them. */
void fleet_limits_check(struct fleet_app *app, struct replica *replica,
                        const struct engine_container *found);
/* What is under way is broken off. */
void fleet_limits_cancel(struct fleet_host *host);

#endif
