/* app_sleep.h - replicas that are frozen, or about to be.
 *
 * One that sleeps and stays published still gives slots, where no replica that
 * is awake has a free one: whoever gets the first one wakes it (the wake hook
 * runs on main's loop), and goes on at once. One that is withheld gives none.
 * Thread: main, unless told.
 */
#ifndef ROUTER_APP_SLEEP_H
#define ROUTER_APP_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct app;
struct replica_ref;

enum app_sleep {
    APP_AWAKE,
    APP_DOZING,   /* sleeps, and is published */
    APP_WITHHELD, /* sleeps, and takes no requests */
};

/* Have hook run on main's loop once a slot of a dozing replica was taken: it
 * counts as awake from then on. at_us: when that was. Before workers run. */
void app_set_wake_hook(struct app *app,
                       void (*hook)(struct replica_ref *replica, uint64_t at_us,
                                    void *arg),
                       void *arg);

/* One that was not published yet is found asleep. */
void app_publish_asleep(struct replica_ref *replica, uint64_t now_us);

/* Put to sleep one that takes requests, has nothing in flight and was used
 * last at least idle_us ago; a dozing one may be withheld so. false: it is
 * busy, or was used since; *ret_idle_us says how long it has been idle (0:
 * busy). */
MUST_USE bool app_sleep(struct replica_ref *replica, enum app_sleep how,
                        uint64_t idle_us, uint64_t now_us,
                        uint64_t *ret_idle_us);
/* The same for the least recently used of those that are awake, while more
 * than `awake` of them are; NULL: there is none left. */
struct replica_ref *app_sleep_next(struct app *app, uint32_t awake,
                                   enum app_sleep how);
/* Awake, and published: waiters are granted at once. No hook runs. */
void app_wake(struct replica_ref *replica, uint64_t now_us);
enum app_sleep app_sleep_of(struct replica_ref *replica);

#endif
