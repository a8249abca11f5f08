/* fleet_app.h - one app of the fleet: its replicas, how many there shall be,
 * and what the front is told about them.
 *
 * It hears the front's demand and its replicas' fates, and decides once a loop
 * turn, never from within a replica's hook. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_APP_H
#define LIFECYCLE_FLEET_APP_H

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
#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/id_map.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/metrics.h"
#include "router/base/timers.h"
#include "router/channel.h"
#include "router/demand.h"

struct event_log;
struct start_log;

/* What all apps of a fleet share. */
struct fleet_host {
    struct replica_host replicas;
    struct channel *channel; /* to the front; NULL: there is none now */
    bool may_start; /* what runs already is known, and berth does not stop */
    bool engine_is_away; /* nothing can be started now, by nobody's fault */
    char engine_error[ERR_TEXT_SIZE]; /* why, then */
    uint64_t next_replica_id;
    struct event_log *events; /* NULL: nobody keeps them */
    struct fleet_place *place;
    struct id_map by_id; /* struct replica */
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

struct fleet_app { /* open for fleet.c and fleet_status.c, which only read */
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

/* Borrows all; from: whose `settings` are (app_revision_new()). External apps
 * get their replicas at once. */
MUST_USE struct fleet_app *fleet_app_new(struct fleet_host *host,
                                         struct keeper_settings *from,
                                         const struct keeper_app *settings,
                                         struct metrics_registry *metrics);
/* Containers stay as they are. NULL is skipped. */
void fleet_app_free(struct fleet_app **app);

/* A new front is there (host->channel): tell it all. */
void fleet_app_announce(struct fleet_app *app);
/* The front is gone (host->channel is NULL): nothing is in flight any more. */
void fleet_app_on_front_down(struct fleet_app *app);
void fleet_app_on_demand(struct fleet_app *app,
                         const struct channel_demand *demand);

/* Somebody asked for the app to be kept (an answer of its own, an operator): no
 * replica leaves for idle_timeout before until_us, or a later time asked for
 * before. It starts none, and its replicas can still be evicted. */
void fleet_app_keep_until(struct fleet_app *app, uint64_t until_us);

/* An operator wants `count` replicas: so many at least, whatever the minimum
 * that is configured, and no more than demand asks for beyond that. Those over
 * are let go at once. */
void fleet_app_scale(struct fleet_app *app, uint32_t count);
/* One replica at least, whatever the minimum is, until it is let sleep as often
 * as it was asked to wake. */
void fleet_app_wake(struct fleet_app *app);
void fleet_app_let_sleep(struct fleet_app *app);
/* A reload: what was asked by fleet_app_scale() is forgotten. */
void fleet_app_forget_asked(struct fleet_app *app);
/* What failed before is forgotten: the next start is tried at once. */
void fleet_app_forget_failures(struct fleet_app *app);

/* app->place_wait has changed. */
void fleet_app_on_wait(struct fleet_app *app);

/* A start, or what was started, failed: no other before the delay of `backoff`,
 * one of app's, is over. */
void fleet_app_wait_before_start(struct fleet_app *app,
                                 struct backoff *backoff);

/* Decide at the end of this turn how many replicas there shall be. */
void fleet_app_decide_soon(struct fleet_app *app);

/* Starts are made from `revision` (taken) from now on; app->revision is given
 * back to the caller, who owns it. An earlier failure is forgotten. */
MUST_USE struct app_revision *fleet_app_use(struct fleet_app *app,
                                            struct app_revision *revision);
/* A reload took the app away: it goes once nothing waits for it and
 * app->may_leave is set. */
void fleet_app_remove(struct fleet_app *app);

/* Let all replicas leave, and start no other (host->may_start is false). */
void fleet_app_stop(struct fleet_app *app);

/* The front says that this one of its replicas has nothing in flight, and gets
 * nothing more. */
void fleet_app_on_drained(struct fleet_app *app, struct replica *replica);

struct fleet_app_counts {
    uint32_t starting; /* to PROBING, and those that wake to be published */
    uint32_t ready;    /* they take requests: READY, and FROZEN ones that do */
    uint32_t dozing;   /* of these, FROZEN */
    uint32_t asleep;   /* FROZEN or HIBERNATED, and take none */
    uint32_t hibernated; /* of these */
    uint32_t primed;     /* or on their way there, and no further */
    uint32_t leaving;    /* DRAINING, STOPPING, FAILED */
};
void fleet_app_count(const struct fleet_app *app,
                     struct fleet_app_counts *ret_counts);

#endif
