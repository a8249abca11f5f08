/* fleet_private.h - what the files of the fleet share: fleet.c (what runs, its
 * life), fleet_messages.c (what the front says), fleet_reload.c (apps that
 * come, change and go). Nobody else includes it.
 */
#ifndef LIFECYCLE_FLEET_PRIVATE_H
#define LIFECYCLE_FLEET_PRIVATE_H

#include "lifecycle/adopt.h"
#include "lifecycle/fleet.h"
#include "lifecycle/fleet_app.h"
#include "lifecycle/fleet_warmth.h"
#include "lifecycle/start_queue.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

struct fleet {
    struct fleet_options options; /* settings: a reference */
    struct fleet_host host;
    struct start_queue starts;
    struct image_store *images;
    struct adopter *adopter;
    uint32_t app_count;
    struct fleet_app **apps;  /* in the order of the file; then removed ones */
    struct id_map apps_by_id; /* app_settings.id */
    uint32_t next_app_id;     /* larger ones were never used */
    struct timer tick;
    struct fleet_warmth warmth;
    struct timer learned_timer;
    struct strbuf learned; /* as it was written last */
    struct engine_call *list_call;
    struct engine_call *prune_call;
    uint64_t listed_at_us; /* when the list was asked for */
    bool has_adopted;      /* the first list was worked off */
    bool is_stopping;
    void (*on_stopped)(void *arg);
    void *on_stopped_arg;
    struct loop_task stopped_task;
};

static inline const struct lifecycle_settings *
fleet_settings(const struct fleet *fleet)
{
    return fleet->options.settings->lifecycle;
}

/* NULL: there is none (any more). */
static inline struct fleet_app *fleet_app_of_id(const struct fleet *fleet,
                                                uint32_t id)
{
    return id_map_get(&fleet->apps_by_id, id);
}
static inline struct replica *fleet_replica(const struct fleet *fleet,
                                            uint64_t id)
{
    return id_map_get(&fleet->host.by_id, id);
}

/* Networks of apps that are gone, and socket directories of replicas. */
void fleet_prune(struct fleet *fleet);
/* NULL: there is none of that name, or it was removed. */
struct fleet_app *fleet_app_named(const struct fleet *fleet, const char *name);
/* What containers get less of than was asked for, and its image, ahead of the
 * first request. */
void fleet_look_at_app(struct fleet *fleet, struct fleet_app *app);

/* --- fleet_reload.c --- */

/* Forget apps that were removed and have nothing left. */
void fleet_sweep(struct fleet *fleet);

#endif
