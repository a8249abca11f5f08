/* fleet_scale.h - an app's demand as the keeper knows it, and how many replicas
 * follow from it. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_SCALE_H
#define LIFECYCLE_FLEET_SCALE_H

#include <stdint.h>

#include "lifecycle/fleet_app.h"
#include "lifecycle/learned.h"
#include "router/autoscaler.h"
#include "router/channel.h"

/* The front says where the app stands. */
void fleet_scale_on_demand(struct fleet_app *app,
                           const struct channel_demand *demand);
/* The front is gone: nothing is in flight any more. */
void fleet_scale_on_front_down(struct fleet_app *app);

/* When the last request ended, or the youngest replica became ready. */
uint64_t fleet_scale_idle_since_us(const struct fleet_app *app);

/* A start that was made for requests has ended, or a replica left: those who
 * came up to now and found no slot have had theirs. */
void fleet_scale_settle(struct fleet_app *app);

/* What berth learned about the app in an earlier life, and what it knows now.
 */
void fleet_scale_know(struct fleet_app *app, const struct learned_app *known);
void fleet_scale_tell(const struct fleet_app *app,
                      struct learned_app *ret_known);
/* A start has ended well. */
void fleet_scale_learn_start(struct fleet_app *app,
                             const struct replica_view *view);

/* Where the app's starts stand among those of others. app: struct fleet_app. */
struct start_rank fleet_scale_rank(void *app);
/* How many more containers the app may have: those that stop still run. */
uint32_t fleet_scale_room(const struct fleet_app *app,
                          const struct fleet_app_counts *counts);

/* Tell the front how long the starts under way will take, where that is news.
 */
void fleet_scale_tell_starts(struct fleet_app *app,
                             const struct fleet_app_counts *counts);
/* To a new front. */
void fleet_scale_announce_starts(struct fleet_app *app);

/* The least there shall be: as configured, or as an operator asked. */
uint32_t fleet_scale_min(const struct fleet_app *app);

/* Of the replicas that there are now, none goes for one scale_down_delay. */
void fleet_scale_hold(struct fleet_app *app);

/* What the next start takes, from the warmest rung that there is; 0: not known.
 */
uint64_t fleet_scale_start_us(const struct fleet_app *app);

struct autoscaler_output
fleet_scale_decide(struct fleet_app *app,
                   const struct fleet_app_counts *counts);

#endif
