/* replica_sleep.h - how one replica goes to sleep and wakes, on the front's
 * side: idle for freeze_after or told so by the keeper, its parked connections
 * are closed and on_sleep is called, then the keeper freezes it. A request that
 * takes one of its slots calls that off, or wakes it. Thread: main.
 */
#ifndef PROXY_REPLICA_SLEEP_H
#define PROXY_REPLICA_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "router/app_sleep.h"
#include "router/base/attr.h"

struct app;
struct channel;
struct loop;
struct replica_ref;
struct replica_sleep; /* opaque; defined in replica_sleep.c */
struct timers;
struct worker;

/* What all replicas of a front share. */
struct replica_sleep_host {
    struct loop *loop;
    struct timers *timers;
    struct channel *const *channel;
    struct worker *const *workers;
    unsigned worker_count;
};

/* Awake, and not published yet. Borrows all. */
MUST_USE struct replica_sleep *
replica_sleep_new(const struct replica_sleep_host *host, struct app *app,
                  struct replica_ref *replica);
/* Before the replica is removed. NULL is skipped. */
void replica_sleep_free(struct replica_sleep **sleep);

/* It serves from now on: publish it. how: it is found asleep. */
void replica_sleep_publish(struct replica_sleep *sleep, enum app_sleep how);

/* The keeper's messages REPLICA_SLEEP and REPLICA_AWAKE; and that app_sleep()
 * has marked it, for APP_SLEEP. */
void replica_sleep_ask(struct replica_sleep *sleep, bool published);
void replica_sleep_marked(struct replica_sleep *sleep, enum app_sleep how);
void replica_sleep_awake(struct replica_sleep *sleep, bool answer,
                         uint32_t nap);
/* The wake hook ran for it. */
void replica_sleep_on_taken(struct replica_sleep *sleep, uint64_t at_us);
/* It drains: nothing more is tried by itself; and it is back. */
void replica_sleep_stop(struct replica_sleep *sleep);
void replica_sleep_resume(struct replica_sleep *sleep);

/* As which of app_sleep's an app's replicas go on. */
enum app_sleep replica_sleep_how(const struct app *app, bool published);

#endif
