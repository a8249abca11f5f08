/* app_locked.h - what the files of an app share: its state, and its lock.
 *
 * Only app.c and app_*.c include this. One lock guards
 * all that changes. Under it nothing calls back and nothing blocks; whoever is
 * to hear of something is posted to (loop_post() is wait-free). While somebody
 * waits, no published replica has a free slot: a slot that becomes free is
 * handed to the head of the queue at once.
 */
#ifndef ROUTER_APP_LOCKED_H
#define ROUTER_APP_LOCKED_H

#include <stdbool.h>
#include <stdint.h>

#include "router/app.h"
#include "router/app_progress.h"
#include "router/app_sleep.h"
#include "router/app_sockets.h"
#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/mutex.h"
#include "router/replica_ref.h"
#include "router/settings.h"
#include "router/slot_set.h"
#include "router/socket_stash.h"
#include "router/wait_estimate.h"
#include "router/wait_queue.h"

struct app {
    const struct app_settings *settings;
    unsigned index;
    unsigned worker_count;
    struct loop *main_loop;
    void (*on_demand)(struct app *app, void *arg);
    void *demand_arg;
    void (*on_sockets)(struct replica_ref *replica, unsigned count, void *arg);
    void *sockets_arg;
    void (*on_wake)(struct replica_ref *replica, uint64_t at_us, void *arg);
    void *wake_arg;
    struct loop_task demand_task;
    struct mutex lock;
    struct {
        struct list replicas; /* removed ones too, until they can be freed */
        struct wait_queue queue;
        struct wait_estimate estimate;
        uint64_t starts_until_us;
        enum app_state state;
        struct app_failure failure;
        bool is_closed;
        bool is_freed; /* app_free() waits for what is posted to main */
        bool demand_is_posted;
        bool demand_is_hushed; /* app_hush_demand(): noted, not posted */
        bool demand_is_due;    /* what was noted */
        uint32_t in_flight;
        uint32_t tunnels;
        uint64_t arrivals;
        uint64_t refused;
        uint64_t left; /* while they waited */
        uint64_t completions;
        uint64_t service_time_us;
        uint64_t slot_time_us; /* up to slot_time_at_us */
        uint64_t slot_time_at_us;
        uint64_t last_end_us;
        uint64_t keep_until_us;
        struct app_progress progress; /* of its start */
        struct {
            uint32_t replicas;      /* that are on trial; 0: nobody need look */
            uint32_t good;          /* their answers since one failed */
            uint64_t held_until_us; /* one has just failed */
        } trial;
    } locked; /* by lock */
};

/* All of it by the app's lock. */
struct replica_locked {
    struct replica_ref *replica;
    struct list node;
    bool is_published;
    bool is_draining;
    bool is_removed;
    bool is_fresh; /* nobody has had a slot of it since it was published */
    uint32_t tunnels;
    uint64_t answers; /* since it was added */
    uint64_t failures;
    uint64_t repeated; /* of those, attempts that were made elsewhere */
    bool is_on_trial;
    uint64_t last_used_us;
    uint64_t published_us;
    enum app_sleep sleep;
    uint64_t woken_at_us;
    uint64_t suspect_until_us;
    struct slot_set slots;
    struct socket_stash stash;
    void (*on_drained)(struct replica_ref *replica, void *arg);
    void *drained_arg;
    struct loop_task drained_task;
    bool drained_is_posted;
    struct loop_task ask_task;
    bool ask_is_posted;
    struct loop_task wake_task;
    bool wake_is_posted;
};

static inline struct replica_ref *app_replica_of(struct list *node)
{
    return container_of(node, struct replica_locked, node)->replica;
}

static inline bool app_takes_requests(const struct replica_locked *locked)
{
    return locked->is_published && !locked->is_draining && !locked->is_removed;
}

/* A request came that no slot was free for: tell the demand hook. */
void app_post_demand(struct app *app) REQUIRES(app->lock);

/* Slots became free that no one released: hand them out. */
void app_grant_waiting(struct app *app, uint64_t now_us) REQUIRES(app->lock);

/* Take a replica off the app where nothing needs it any more; the caller gives
 * what is returned (which may be NULL) to app_free_replica(), without the
 * lock. */
MUST_USE struct replica_ref *app_reap(struct app *app,
                                      struct replica_ref *replica)
    REQUIRES(app->lock);
void app_free_replica(struct replica_ref *replica);

/* Have on_drained run, where it is drained now. */
void app_post_drained(struct app *app, struct replica_ref *replica)
    REQUIRES(app->lock);

/* Ends what app_free() began, once nothing posted to main's loop needs the app.
 * Thread: main. */
void app_free_when_idle(struct app *app);

/* A slot of it was taken: where it dozes, it is awake now, and main hears of
 * it. */
void app_wake_taken(struct app *app, struct replica_locked *locked,
                    uint64_t now_us) REQUIRES(app->lock);
/* replica_locked.wake_task */
void app_on_wake_task(struct loop_task *task);

/* Whether `waiter` may take a slot of it. Cost: O(replicas of the app) where it
 * is on trial. */
MUST_USE bool app_trial_admits(struct app *app,
                               const struct replica_locked *locked,
                               const struct waiter *waiter, uint64_t now_us)
    REQUIRES(app->lock);
/* A slot of it is released. */
void app_trial_count(struct app *app, const struct replica_locked *locked,
                     enum slot_outcome outcome, uint64_t now_us)
    REQUIRES(app->lock);
/* It is not (there) any more. */
void app_trial_forget(struct app *app, struct replica_locked *locked)
    REQUIRES(app->lock);

/* socket_stash's resolve: post on_socket to the waiter's loop. */
void app_deliver_socket(struct socket_waiter *waiter);
/* replica_locked.ask_task */
void app_on_ask_task(struct loop_task *task);

#endif
