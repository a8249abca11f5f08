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

#include "lifecycle/fleet_app_state.h"
#include "router/base/attr.h"
#include "router/channel.h"

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
    uint32_t priming;    /* of these, on their way */
    uint32_t leaving;    /* DRAINING, STOPPING, FAILED */
    uint32_t draining;   /* of these */
    uint32_t failed;     /* of these */
};
void fleet_app_count(const struct fleet_app *app,
                     struct fleet_app_counts *ret_counts);

#endif
