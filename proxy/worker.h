/* worker.h - a thread of the front that serves clients: its loop, what it
 * listens on, its connections, and what they share.
 *
 * The struct is open to the files of the data plane (listener, client,
 * exchange, upstream, tunnel), all of which run on its loop; it and what main
 * may order are one contract, hence the length. Thread: owner loop, where a
 * function does not say otherwise.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/buffer_pool.h"
#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

struct app;
struct exchange;
struct log_outlet;
struct metrics_cell;
struct metrics_registry;
struct password_cache;
struct replica_ref;
struct tls_settings;
struct worker_generation;

/* What a worker tells main; all run on main's loop. */
struct worker_events {
    /* Nothing is left after worker_drain(). */
    void (*on_drained)(void *arg);
    /* A connection to the replica failed or broke. text: why; borrowed. */
    void (*on_broken)(void *arg, uint64_t replica, const char *text);
    /* It serves by what worker_switch() gave it. */
    void (*on_switched)(void *arg, uint64_t generation);
    /* Its last user is gone: free it. */
    void (*on_generation_ended)(void *arg, struct worker_generation *part);
    void *arg;
    /* The answer that ends a start of the replica began at at_us. */
    void (*on_first_byte)(void *arg, uint64_t replica, uint64_t at_us);
};

/* What all workers share; borrowed, and outlives them. */
struct worker_shared {
    unsigned worker_count;
    struct loop *main_loop;
    struct worker_events events;
    struct metrics_registry *metrics;
};

/* What changes with a configuration. */
struct worker_switch {
    struct loop_task task;
    struct worker *worker;
    struct worker_generation *generation; /* taken */
    uint64_t number;                      /* of it */
    /* Where each of the listeners until now stands in the new settings;
     * UINT32_MAX: it is gone. */
    uint32_t kept_count;
    uint32_t *kept;
    /* And those that are new; each fd is taken. */
    uint32_t added_count;
    struct worker_socket {
        uint32_t listener;
        int fd;
    } * added;
};

struct worker {
    unsigned index;
    const struct worker_shared *shared;
    struct loop *loop;
    struct timers *timers;
    pthread_t thread;
    bool has_thread;
    struct buffer_pool buffers;
    struct worker_generation *generation; /* for what begins now */
    struct metrics_cell *cell;            /* of no app */
    struct password_cache *passwords;     /* NULL until the first */
    struct list listeners;     /* those that are gone, too, until they end */
    struct timer accept_timer; /* until accept is tried again */
    bool accept_paused;
    struct list idle_clients; /* oldest first */
    struct list busy_clients;
    unsigned client_count;
    unsigned deferred_count; /* clients whose next_task is deferred */
    unsigned client_max;
    struct exchange *free_exchanges;
    unsigned free_exchange_count;
    /* Exchanges whose client is gone and handovers under way: they end by
     * themselves, but not before another loop answered. */
    unsigned leaving_count;
    bool is_draining;
    bool drain_reported;
    struct loop_task drained_task; /* to main */
    struct log_outlet *log_outlet; /* NULL: there was no access log yet */
    uint32_t connection_count;     /* so far */
    uint64_t broken_replica;       /* reported last, and when */
    uint64_t broken_us;
};

/* Thread: main. The thread begins with worker_start(). */
MUST_USE struct worker *worker_new(const struct worker_shared *shared,
                                   unsigned index);
/* Before the first worker_switch() is carried out it listens on nothing. */
void worker_start(struct worker *worker);
/* Serve by another configuration from now on; on_switched tells when it does.
 * Takes *order and what it holds (free()). Thread: main. */
void worker_switch(struct worker *worker, struct worker_switch *order);

/* Stop listening, close idle connections, let requests in flight end; then
 * on_drained. Thread: main. */
void worker_drain(struct worker *worker);
/* Close all connections now; after worker_drain(). Thread: main. */
void worker_abort(struct worker *worker);
/* Close the connections to the replica (NULL: to all of the app) that are
 * parked here. Thread: main. */
void worker_unpark(struct worker *worker, struct app *app,
                   struct replica_ref *replica);
/* The same, then post `reply` to main's loop. */
void worker_unpark_then(struct worker *worker, struct app *app,
                        struct replica_ref *replica, struct loop_task *reply);
/* Close the connections that are parked here where replicas of the app have
 * more than they may. Thread: main. */
void worker_trim(struct worker *worker, struct app *app);
/* Close all of the app's connections that are parked on any worker; then
 * on_done runs on main's loop: no order that names the app is under way any
 * more. Thread: main. */
void workers_forget(struct worker *const *workers, struct app *app,
                    void (*on_done)(void *arg), void *arg);
/* New certificates of a server (an index of the settings that it has then).
 * Takes what *settings holds, and leaves it empty. Thread: main. */
void worker_update_tls(struct worker *worker, uint32_t server,
                       struct tls_settings *settings);
/* Tell the tunnels to the replica to end. Thread: main. */
void worker_end_tunnels(struct worker *worker, struct replica_ref *replica);
/* End the thread; after on_drained of all workers, and after nothing is parked
 * any more. Thread: main. */
void worker_stop(struct worker *worker);
/* After worker_stop() of all workers. Thread: main. */
void worker_free(struct worker **worker);

/* --- for the data plane --- */

static inline uint64_t worker_now_us(const struct worker *worker)
{
    return loop_now_us(worker->loop);
}

/* A connection ended, or an exchange or handover that was leaving: accept
 * again, or report that all is drained. */
void worker_on_ended(struct worker *worker);

/* Tell the keeper (through main) that a connection to the replica failed or
 * broke: at most once in 50 ms for the same replica. */
void worker_report_broken(struct worker *worker,
                          const struct replica_ref *replica, const char *text);

/* Tell the keeper (through main) that the answer which ends a start of the
 * replica (slot.ends_start) has begun. */
void worker_report_first_byte(struct worker *worker,
                              const struct replica_ref *replica);

/* Accept nothing until a connection ends; retry_soon: also in a while, when
 * descriptors may be had again. */
void worker_pause_accept(struct worker *worker, bool retry_soon);

/* Close the idle client connection that is idle longest, to make room.
 * false: there is none. */
bool worker_close_oldest_idle(struct worker *worker);

#endif
