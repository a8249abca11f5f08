/* fleet_app_state.h - what is known of one app of the fleet, and what all of
 * them share.
 *
 * Open for the files named fleet_* and rollout, which each write what is
 * theirs; the calls are in fleet_app.h. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_APP_STATE_H
#define LIFECYCLE_FLEET_APP_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/app_revision.h"
#include "lifecycle/backoff.h"
#include "lifecycle/fleet_place.h"
#include "lifecycle/fleet_progress.h"
#include "lifecycle/learned.h"
#include "lifecycle/replica.h"
#include "lifecycle/rollout_state.h"
#include "lifecycle/settings.h"
#include "router/app.h"
#include "router/autoscaler.h"
#include "router/base/err.h"
#include "router/base/id_map.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"
#include "router/demand.h"

struct channel;
struct event_log;
struct start_log;

/* What all apps of a fleet share. */
struct fleet_host {
    struct replica_host replicas;
    struct channel *channel; /* to the front; NULL: there is none now */
    bool may_start; /* what runs already is known, and berth does not stop */
    bool engine_is_away; /* nothing can be started now, by nobody's fault */
    char engine_error[ERR_TEXT_SIZE]; /* why, then */
    bool keeps_changed; /* fleet_app_keep_until(): to be written soon */
    uint64_t next_replica_id;
    struct event_log *events; /* NULL: nobody keeps them */
    struct fleet_place *place;
    struct id_map by_id;       /* struct replica */
    struct list limit_updates; /* under way; fleet_limits.c's */
};

struct fleet_app_error { /* the last one, for status */
    uint64_t at_unix_ms; /* 0: none */
    char code[32];
    char reason[ERR_TEXT_SIZE];
    char *log; /* last lines of the container, NULL: none */
};

/* What an operator asked of it, until it is asked something else, or the next
 * reload. */
struct fleet_app_asked {
    bool has_min; /* `berth scale`: in the place of the configured minimum */
    uint32_t min;
    bool let_go;    /* to 0: the last one does not stay for idle_timeout */
    uint32_t wakes; /* `berth wake` under way: one at least */
};

struct fleet_app {
    struct fleet_host *host;
    struct app_revision *revision;     /* what starts are made from */
    const struct keeper_app *settings; /* &revision->app */
    struct rollout rollout;
    bool is_removed;      /* by a reload: no route leads here any more */
    bool may_leave;       /* and no request is on its way here */
    uint64_t removed_us;  /* when */
    uint32_t id;          /* app_settings.id: what the channel calls it */
    struct list replicas; /* replica_node() */
    uint32_t adopting;    /* containers that are looked at: start none */
    uint32_t failing;     /* replicas whose failure is not yet understood */

    /* demand, as the front said last */
    uint32_t queued;
    uint32_t in_flight;
    uint32_t tunnels;
    uint64_t oldest_us; /* when the oldest waiting request came; 0: none does */
    uint64_t unserved;
    uint64_t unserved_mark; /* those up to it had their start */
    uint64_t last_end_us;   /* last end of a request or tunnel */
    uint64_t keep_until_us; /* fleet_app_keep_until() */
    struct fleet_app_asked asked;
    struct demand demand;

    struct fleet_place_wait place_wait;
    uint32_t wanted;
    enum autoscaler_reason wanted_reason;
    struct autoscaler_history history;
    double start_us[LEARNED_RUNGS]; /* running means; 0: not known */
    struct backoff start_backoff;
    uint64_t first_id_after_failure; /* older ones began before it was known */
    struct backoff crash_backoff;
    struct timer retry_timer; /* runs: no start before it expires */
    uint64_t retry_at_us;
    bool is_refusing; /* requests are answered with the last error */

    enum app_state state; /* as the front knows it */
    bool state_is_known;  /* to this front */
    uint64_t state_since_us;
    uint32_t starts_told; /* to this front: how many are under way */
    uint64_t starts_until_us;
    bool is_primed_auto;     /* keep_primed auto: it shall have one */
    uint64_t prime_after_us; /* the last one failed: not before */
    struct fleet_app_error error;
    struct start_log *starts; /* the last ones */
    struct fleet_progress progress;
    struct loop_task decide_task;
    struct metrics_cell *cell;
};

#endif
