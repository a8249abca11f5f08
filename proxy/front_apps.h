/* front_apps.h - the apps that the front knows, by their ids, over all
 * configurations; and what the keeper is told of them.
 *
 * An app is there as long as a generation or a replica has it. Thread: main.
 */
#ifndef PROXY_FRONT_APPS_H
#define PROXY_FRONT_APPS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct app;
struct app_settings;
struct channel;
struct front_app;  /* opaque; defined in front_apps.c */
struct front_apps; /* opaque; likewise */
struct generation;
struct loop;
struct metrics_registry;
struct timers;
struct worker;

/* Borrows all; channel: where the keeper is, NULL once it is gone. */
MUST_USE struct front_apps *front_apps_new(struct loop *loop,
                                           struct timers *timers,
                                           struct channel *const *channel,
                                           struct metrics_registry *metrics);
/* Every app must have been dropped. NULL is skipped. */
void front_apps_free(struct front_apps **apps);

/* Whose parked connections are closed where an app may have fewer. */
void front_apps_set_workers(struct front_apps *apps,
                            struct worker *const *workers, unsigned count);
/* Have `hook` run for each app that is made from now on, before anybody else
 * knows of it. */
void front_apps_set_new_hook(struct front_apps *apps,
                             void (*hook)(struct app *app, void *arg),
                             void *arg);

/* The app of that id, which is made where it is new; counted. Copies settings;
 * an app that is there keeps its own until front_apps_use(). */
MUST_USE struct front_app *front_apps_take(struct front_apps *apps,
                                           const struct app_settings *settings);
struct front_app *front_app_ref(struct front_app *app);
/* NULL is skipped; sets NULL. */
void front_app_drop(struct front_app **app);

/* NULL: there is none, or no more. */
struct front_app *front_apps_find(const struct front_apps *apps, uint32_t id);
/* There is or was an app of that id. */
bool front_apps_knew(const struct front_apps *apps, uint32_t id);
struct app *front_app_of(const struct front_app *app);

/* This is the configuration now: its apps get their new settings, and those
 * that it has no more go when nothing needs them. */
void front_apps_use(struct front_apps *apps,
                    const struct generation *generation);
/* No replica of an app that is gone from the configuration takes requests any
 * more: whoever still waits is told so. Others: nothing happens. */
void front_app_check_end(struct front_app *app);

/* Begin to tell the keeper of demand, now and then and when it is urgent. */
void front_apps_start(struct front_apps *apps);
/* Refuse whoever waits or comes; parked connections are closed. */
void front_apps_close(struct front_apps *apps);
void front_apps_unpark(struct front_apps *apps);

#endif
