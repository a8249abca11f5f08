/* app.h - an app as the front sees it: the slots of its replicas
 * (app_replicas.h), its queue, its demand.
 *
 * Shared by all worker threads: one mutex, held for tens of nanoseconds, never
 * across a call back. A slot is the right to one request in flight at a
 * replica, and carries that request's connection when it is idle (parked).
 * Waiting requests are served by priority, then by how soon they must be, then
 * by arrival, whichever worker they wait on; whoever releases a slot hands it
 * to the head of the queue.
 */
#ifndef ROUTER_APP_H
#define ROUTER_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/strview.h"
#include "router/replica_ref.h"
#include "router/settings.h"
#include "router/wait_queue.h"

struct app; /* opaque; defined in app.c */

enum app_state { APP_ASLEEP, APP_STARTING, APP_READY, APP_FAILED };
const char *app_state_name(enum app_state state); /* "asleep" … */

/* How a request at a replica ended, as far as the replica is to blame. */
enum slot_outcome {
    OUTCOME_NONE,   /* the client went, or it was not asked */
    OUTCOME_ANSWER, /* below 500 */
    OUTCOME_ERROR,  /* an answer of 5xx */
    OUTCOME_FAILED, /* no connection, none or half an answer */
};

struct slot {
    struct replica_ref *replica; /* borrowed while the slot is held */
    enum slot_outcome outcome;   /* its holder's, for app_release() */
    bool woke;                   /* its replica slept when its holder got it */
    bool ends_start; /* its holder is the first, and waited for it or woke it */
    void *parked;    /* the idle connection it carries; NULL: none */
    unsigned parked_worker; /* whose it is until it is given away */
    uint64_t taken_us;      /* app.c's: when its holder got it */
    struct list node;       /* app.c's */
};

enum refusal {
    REFUSED_NOT,
    REFUSED_QUEUE_FULL, /* queue_full */
    REFUSED_LATE,     /* queue_timeout: it has, or would have, waited so long */
    REFUSED_FAILED,   /* start_failed, start_timeout: app_failure() */
    REFUSED_STARTING, /* starting: no replica, and it does not wait for one */
    REFUSED_DRAINING, /* draining */
};

/* One request that waits, embedded in its exchange. The owner fills loop,
 * worker, priority, deadline_us and on_resolved, zeroes the rest, and keeps it
 * alive until app_leave() returned true or on_resolved ran. */
struct waiter {
    struct loop *loop;
    unsigned worker;
    enum app_priority priority;
    bool takes_page;                  /* on_cold_start page: it is not held */
    bool is_repeatable, avoids_trial; /* app_trial.h */
    uint64_t deadline_us; /* past it nobody waits for an answer; 0: none */
    /* On `loop`: slot is set (granted), or refusal (refused). */
    void (*on_resolved)(struct waiter *waiter);
    uint64_t arrived_us; /* 0: set by app_acquire(); kept on a retry */
    /* Set by app_acquire(): the deadline, or the end of queue_timeout where
     * that is sooner. Who waits until then leaves; UINT64_MAX: neither. */
    uint64_t until_us;
    struct slot *slot;
    enum refusal refusal;
    /* app.c's: */
    struct app *app;
    bool is_waiting;
    struct wait_queue_place place;
    struct loop_task task;
};

enum acquire {
    ACQUIRE_GRANTED, /* waiter->slot; on_resolved will not run */
    ACQUIRE_WAITING, /* on_resolved will run, unless it leaves before */
    ACQUIRE_REFUSED, /* waiter->refusal; on_resolved will not run */
};

/* Borrows settings until the next app_update(). index: what app_index() says.
 * worker_count: how many workers there are. Thread: main. */
MUST_USE struct app *app_new(const struct app_settings *settings,
                             unsigned index, unsigned worker_count);
/* No slot may be held, no connection parked, no one waiting; replicas are
 * dropped. What is posted to main's loop on its behalf is waited for: the
 * memory goes when that has run. Thread: main. */
void app_free(struct app **app);

/* New settings, over which slots, queue and counts stay as they are: requests
 * that wait stay where the queue is shorter now. Borrows settings; the old ones
 * are not looked at after it returned. true: replicas have more slots than they
 * may; each worker should app_trim(). Thread: main. */
MUST_USE bool app_update(struct app *app, const struct app_settings *settings,
                         uint64_t now_us);
/* As they are now. Requests read those of their generation instead
 * (route.app_settings). Thread: main. */
const struct app_settings *app_settings_now(const struct app *app);
unsigned app_index(const struct app *app);
/* Nobody waits, no slot is held, and no replica is left, not even one that was
 * removed. Thread: any. */
bool app_is_idle(struct app *app);

/* Have `hook` run on main's loop as soon as a request came that no slot was
 * free for (it waits, or was refused). At most one call is under way, however
 * many came. Other changes are not told: ask app_count() now and then.
 * loop: main's; on_drained and the socket hook run there, too. Thread: main,
 * before workers run. */
void app_set_demand_hook(struct app *app, struct loop *loop,
                         void (*hook)(struct app *app, void *arg), void *arg);

/* Demand that comes while it is hushed is only noted: who queues then costs
 * main's loop nothing. Returns whether some was noted since the last call, for
 * which the hook will not run. Thread: main. */
bool app_hush_demand(struct app *app, bool hush);

/* --- slots; Thread: any --- */

/* Take a slot, or wait for one. Of replicas that it may have (app_trial.h), one
 * that is not under suspicion (app_suspect()) goes before any that is; then one
 * that is awake; then the newest revision (replica_ref.serial), which so gets
 * all that its slots can take; then the one with the fewest requests in flight
 * (with `concurrency off` these come before the revision); then the most
 * recently used. On it a slot whose connection is parked on the waiter's
 * worker, then one without, then another worker's. Cost: O(replicas). Refused
 * is also who would wait for longer than queue_timeout, by the last ten seconds
 * (wait_estimate.h): where there are replicas, somebody has waited for a whole
 * second, and no start is under way (app_set_starts()). A retry is not: it
 * keeps its place. */
enum acquire app_acquire(struct app *app, struct waiter *waiter,
                         uint64_t now_us);

/* Leave the queue. true: it is out. false: it was resolved meanwhile, and
 * on_resolved is under way to its loop. */
MUST_USE bool app_leave(struct app *app, struct waiter *waiter,
                        uint64_t now_us);

/* Give a slot back. parked: its connection, idle on `worker`; NULL: closed.
 * Returns the waiter that has it now (with the connection), or NULL. The caller
 * must make the connection ready to be taken by the waiter's loop (its events
 * deleted, when that is another one), then call waiter_deliver(). *ret_parked
 * false: the connection is the caller's again, to be closed (the replica takes
 * no more requests, or there was none); the slot is gone. From this call on
 * another worker may have the slot. */
MUST_USE struct waiter *app_release(struct slot *slot, void *parked,
                                    unsigned worker, uint64_t now_us,
                                    bool *ret_parked);
/* Post on_resolved to the waiter's loop. */
void waiter_deliver(struct waiter *waiter);

/* The parked connection closed by itself, on its own worker. true: it was
 * still parked and the slot no longer carries it: free it. false: the slot was
 * taken meanwhile by another worker, which will ask for it: who was granted a
 * slot with another worker's connection must take that from it, or have it
 * closed, before the slot is released. */
MUST_USE bool app_unpark(struct slot *slot, void *parked);

/* Every connection that is parked on `worker` is asked for: calls
 * fn(arg, parked) without the lock for each, after it was taken off its slot
 * (before a freeze, a drain of the replica, the end of the worker).
 * replica NULL: of all replicas. Thread: that worker. */
void app_unpark_all(struct app *app, struct replica_ref *replica,
                    unsigned worker, void (*fn)(void *arg, void *parked),
                    void *arg);

/* Have connections that are parked on `worker` closed (as app_unpark_all()
 * does) while replicas have more slots than they may. Thread: that worker. */
void app_trim(struct app *app, unsigned worker,
              void (*fn)(void *arg, void *parked), void *arg);

/* Tunnels keep their replica but no slot: convert a held slot (it is free
 * again, as by app_release(slot, NULL, ...)), and end one. ret_waiter: as
 * there. false: max_tunnels of the replica is reached, the slot is still held.
 */
MUST_USE bool app_tunnel_begin(struct slot *slot, uint64_t now_us,
                               struct replica_ref **ret_replica,
                               struct waiter **ret_waiter);
void app_tunnel_end(struct replica_ref *replica, uint64_t now_us);
/* Whether app_drain() was called for it. */
bool app_is_draining(struct replica_ref *replica);

/* An attempt at the replica failed: for a moment it is taken only where no
 * other has a free slot, though it has the fewest in flight. Thread: any. */
void app_suspect(struct replica_ref *replica, uint64_t now_us);

/* An answer asked for the app to be kept: without a request it stays until
 * until_us, or longer where that was asked before. Thread: any. */
void app_keep(struct app *app, uint64_t until_us);

/* Whether it is failed, so that a split route better takes another. What came
 * for it then counts as its demand, or it would never be tried again.
 * Thread: any. */
bool app_is_left_out(struct app *app);

/* --- state; Thread: main --- */

/* State as the keeper sees it; APP_FAILED refuses all who wait and, until the
 * state changes, all who come and find no free slot (they still count as
 * demand). In other states code and reason are for those who wait too long.
 * Copies. */
void app_set_state(struct app *app, enum app_state state, struct strview code,
                   struct strview reason, uint64_t retry_after_ms);
/* Starts are under way, by the keeper's estimate until then: refuse nobody
 * before because of how long the wait would be. 0: none is. */
void app_set_starts(struct app *app, uint64_t until_us);
/* Refuse all who wait and all who come with `draining`. */
void app_close(struct app *app);

struct app_failure { /* for the answer to a refused request */
    char code[32];
    char reason[1024];
    uint64_t retry_after_ms;
};
/* Thread: any. */
void app_failure(struct app *app, struct app_failure *ret_failure);

/* --- counts; Thread: any --- */
struct app_counts {
    enum app_state state;
    uint32_t queued;
    uint32_t in_flight;
    uint32_t tunnels;
    uint32_t replicas; /* published, not draining */
    uint32_t slots;    /* of those; UINT32_MAX: no limit */
    uint64_t arrivals; /* since the start */
    uint64_t refused;  /* likewise */
    uint64_t unserved; /* refused, or gone while they waited; likewise */
    /* For demand.h; since the start, no tunnels: */
    uint64_t completions;     /* slots given back */
    uint64_t service_time_us; /* of those, from taken to given back */
    uint64_t slot_time_us;    /* integral of in_flight, up to now_us */
    uint64_t last_end_us;     /* last release of a slot or end of a tunnel */
    uint64_t keep_until_us;   /* app_keep(); 0: nobody asked */
    /* How long who comes now would wait: for those ahead of it; without a
     * replica, for a start under way. 0: not known. */
    uint64_t wait_us;
    uint64_t waited_us_max; /* age of the oldest waiter; 0: none */
};
void app_count(struct app *app, uint64_t now_us, struct app_counts *ret);

#endif
