/* fleet.h - all replicas of all apps: what is found running at the start, what
 * the front asks for, what becomes of it, and what status says about it.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_H
#define LIFECYCLE_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine.h"
#include "lifecycle/keeper_settings.h"
#include "router/base/attr.h"
#include "router/base/metrics.h"
#include "router/base/strbuf.h"
#include "router/channel.h"

struct cJSON;
struct event_log;
struct fleet_app;
struct image_store;
struct fleet; /* opaque; defined in fleet.c */
struct loop;
struct machine;
struct timers;

struct fleet_options {
    struct loop *loop;
    struct timers *timers;
    struct keeper_settings *settings; /* the fleet has its own reference */
    const struct machine *machine;    /* NULL: nothing is bounded */
    struct engine *engine;            /* NULL: external apps only */
    struct metrics_registry *metrics;
    struct event_log *events; /* NULL: nobody keeps them */
    const char *proc; /* where meminfo and pressure are; NULL: "/proc" */
};

/* Copies options but for what they point to. */
MUST_USE struct fleet *fleet_new(const struct fleet_options *options);
/* Containers stay as they are. NULL is skipped. */
void fleet_free(struct fleet **fleet);

/* The engine can be used (again): list what runs, adopt or reconcile. */
void fleet_on_engine_up(struct fleet *fleet);
/* It cannot be used for now: nothing is started, and no app fails for it; who
 * waits goes on to wait, until fleet_on_engine_up(). */
void fleet_on_engine_down(struct fleet *fleet, const char *why);
/* A container of ours has ended, as the engine's events say. */
/* As engine_events.on_sidecar(): for the record. */
void fleet_on_sidecar(struct fleet *fleet, const char *container_id,
                      const char *sidecar, const char *why);
void fleet_on_engine_died(struct fleet *fleet, const char *container_id,
                          int exit_code);

/* From now on `next` is in force. Adds to ret_apps an object for each app:
 * {"name", "result"}, of unchanged, changed (in place: no container is made
 * anew), rolling, added, removed. Apps that are gone serve what waits for them
 * until fleet_on_switched(), then drain; the rest of the work goes on by
 * itself. */
void fleet_reload(struct fleet *fleet, struct keeper_settings *next,
                  struct cJSON *ret_apps);
/* The front routes by the settings of the last fleet_reload(). */
void fleet_on_switched(struct fleet *fleet);
/* The first that it has. Followed by fleet_on_engine_up(). */
void fleet_set_engine(struct fleet *fleet, struct engine *engine);

/* A new front listens: tell it all that is there. Borrowed until
 * fleet_on_front_down(). */
void fleet_on_front_up(struct fleet *fleet, struct channel *channel);
void fleet_on_front_down(struct fleet *fleet);

/* A message of the front about apps, replicas and demand. false: it is none of
 * these, or not whole. */
MUST_USE bool fleet_on_message(struct fleet *fleet, enum channel_type type,
                               struct strview payload);

/* Start nothing until fleet_on_engine_up(). */
void fleet_hold_starts(struct fleet *fleet);
/* Start nothing any more. */
void fleet_freeze_starts(struct fleet *fleet);
/* Stop and remove all containers; on_stopped runs once, later, when none is
 * left. */
void fleet_stop(struct fleet *fleet, void (*on_stopped)(void *arg), void *arg);

/* A reload changed what there is (machine.h); borrows it. */
void fleet_set_machine(struct fleet *fleet, const struct machine *machine);
/* The "resources" of status, and their metrics. */
MUST_USE struct cJSON *fleet_status_resources(const struct fleet *fleet);
void fleet_expose_resources(const struct fleet *fleet, struct strbuf *buf);

/* The "apps" of status (proxy/admin/admin_status.h says what they hold). */
MUST_USE struct cJSON *fleet_status_apps(const struct fleet *fleet);
/* fleet_status_starts() of one. */
MUST_USE struct cJSON *fleet_app_starts(const struct fleet *fleet,
                                        const struct fleet_app *app);

/* NULL: external apps only. */
struct engine *fleet_engine(const struct fleet *fleet);
struct image_store *fleet_images(const struct fleet *fleet);

/* By its number, as the channel's messages have it; NULL: there is none. */
struct fleet_app *fleet_find_app(const struct fleet *fleet, uint32_t id);

#endif
