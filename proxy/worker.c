/* worker.c - a thread of the front that serves clients. */
#include "proxy/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/log_outlet.h"
#include "proxy/password_helper.h"
#include "proxy/settings.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker_generation.h"
#include "proxy/worker_tls.h"
#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/metrics.h"
#include "router/replica_ref.h"

#define ACCEPT_RETRY_MS  100
#define BROKEN_REPEAT_US 50000

/* What main asks of a worker. */
struct order {
    struct loop_task task;
    struct worker *worker;
    struct app *app;
    struct replica_ref *replica; /* only compared, never looked into */
    struct loop_task *reply; /* to main, when it is carried out; NULL: none */
};

struct tls_order {
    struct loop_task task;
    struct worker *worker;
    uint32_t server;
    struct tls_settings settings;
};

struct broken_note {
    struct loop_task task;
    const struct worker_events *events;
    uint64_t replica;
    char text[160];
};

static void on_accept_timer(struct timer *timer);
static void report_drained(struct loop_task *task);

struct worker *worker_new(const struct worker_shared *shared, unsigned index)
{
    struct worker *worker = xcalloc(1, sizeof *worker);

    worker->index = index;
    worker->shared = shared;
    worker->loop = loop_new("worker");
    worker->timers = timers_new(worker->loop);
    worker->accept_timer.on_expire = on_accept_timer;
    worker->drained_task.run = report_drained;
    buffer_pool_init(&worker->buffers, 0);
    list_init(&worker->listeners);
    list_init(&worker->idle_clients);
    list_init(&worker->busy_clients);
    worker->cell = metrics_cell_new(shared->metrics, METRIC_SCOPE_FRONT, "");
    return worker;
}

static void resume_listeners(struct worker *worker)
{
    LIST_FOREACH (&worker->listeners, node)
        listener_resume(container_of(node, struct listener, node));
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    sigset_t all;

    sigfillset(&all); /* signals are main's */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_setname_np(pthread_self(), "berth-worker");
    loop_run(worker->loop);
    return NULL;
}

void worker_start(struct worker *worker)
{
    worker->has_thread = true;
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        abort();
}

/* --- orders of main --- */

static struct order *new_order(struct worker *worker,
                               void (*carry_out)(struct loop_task *task),
                               struct app *app, struct replica_ref *replica)
{
    struct order *order = xcalloc(1, sizeof *order);

    order->task.run = carry_out;
    order->worker = worker;
    order->app = app;
    order->replica = replica;
    return order;
}

static void give_order(struct worker *worker,
                       void (*carry_out)(struct loop_task *task),
                       struct app *app, struct replica_ref *replica)
{
    loop_post(worker->loop, &new_order(worker, carry_out, app, replica)->task);
}

static struct worker *take_order(struct loop_task *task, struct order *ret)
{
    struct order *order = container_of(task, struct order, task);

    *ret = *order;
    free(order);
    return ret->worker;
}

static void report_drained(struct loop_task *task)
{
    struct worker *worker = container_of(task, struct worker, drained_task);

    worker->shared->events.on_drained(worker->shared->events.arg);
}

static void check_drained(struct worker *worker)
{
    if (!worker->is_draining || worker->drain_reported ||
        worker->client_count > 0 || worker->leaving_count > 0)
        return;
    worker->drain_reported = true;
    loop_post(worker->shared->main_loop, &worker->drained_task);
}

/* NULL: to any. */
static void end_tunnels(struct worker *worker,
                        const struct replica_ref *replica)
{
    LIST_FOREACH_SAFE (&worker->busy_clients, node) {
        struct client *client = container_of(node, struct client, node);

        if (client->exchange)
            exchange_end_tunnel(client->exchange, replica);
    }
}

static void close_listeners(struct worker *worker)
{
    LIST_FOREACH (&worker->listeners, node)
        listener_close(container_of(node, struct listener, node));
}

static void carry_out_drain(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    worker->is_draining = true;
    timer_stop(&worker->accept_timer);
    close_listeners(worker);
    while (worker_close_oldest_idle(worker))
        ;
    end_tunnels(worker, NULL);
    check_drained(worker);
}

static void carry_out_abort(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    LIST_FOREACH_SAFE (&worker->busy_clients, node)
        client_abort(container_of(node, struct client, node));
}

static void carry_out_unpark(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    app_unpark_all(order.app, order.replica, worker->index, upstream_pool_close,
                   NULL);
    if (order.reply)
        loop_post(worker->shared->main_loop, order.reply);
}

static void carry_out_end_tunnels(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    end_tunnels(worker, order.replica); /* which may be freed by now */
}

static void carry_out_stop(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    log_outlet_free(&worker->log_outlet);
    loop_stop(worker->loop);
}

void worker_drain(struct worker *worker)
{
    give_order(worker, carry_out_drain, NULL, NULL);
}

void worker_abort(struct worker *worker)
{
    give_order(worker, carry_out_abort, NULL, NULL);
}

void worker_unpark(struct worker *worker, struct app *app,
                   struct replica_ref *replica)
{
    give_order(worker, carry_out_unpark, app, replica);
}

void worker_unpark_then(struct worker *worker, struct app *app,
                        struct replica_ref *replica, struct loop_task *reply)
{
    struct order *order = new_order(worker, carry_out_unpark, app, replica);

    order->reply = reply;
    loop_post(worker->loop, &order->task);
}

/* Idle connections that may serve no more: of listeners that are gone, and
 * those whose clients showed (or did not show) a certificate by other rules
 * than their server has now. Those that are busy end with their answer. */
static void close_stale(struct worker *worker)
{
    LIST_FOREACH_SAFE (&worker->idle_clients, node) {
        struct client *client = container_of(node, struct client, node);

        if (client->request_count > 0 && client_is_stale(client))
            client_close(client);
    }
}

static void carry_out_update_tls(struct loop_task *task)
{
    struct tls_order *order = container_of(task, struct tls_order, task);
    struct err err;

    if (!worker_tls_update(order->worker->generation->tls, order->server,
                           &order->settings, &err))
        log_error("worker",
                  "new certificates cannot be used; the old ones stay",
                  "why=\"%s\"", err.text);
    close_stale(order->worker);
    tls_settings_done(&order->settings);
    free(order);
}

void worker_update_tls(struct worker *worker, uint32_t server,
                       struct tls_settings *settings)
{
    struct tls_order *order = xcalloc(1, sizeof *order);

    order->task.run = carry_out_update_tls;
    order->worker = worker;
    order->server = server;
    order->settings = *settings;
    *settings = (struct tls_settings){0};
    loop_post(worker->loop, &order->task);
}

static void carry_out_trim(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    app_trim(order.app, worker->index, upstream_pool_close, NULL);
}

void worker_trim(struct worker *worker, struct app *app)
{
    give_order(worker, carry_out_trim, app, NULL);
}

/* Goes from worker to worker, behind what main asked of each before. */
struct round {
    struct loop_task task;
    struct worker *const *workers;
    unsigned at;
    struct app *app;
    void (*on_done)(void *arg);
    void *arg;
};

static void end_round(struct loop_task *task)
{
    struct round round = *container_of(task, struct round, task);

    free(container_of(task, struct round, task));
    round.on_done(round.arg);
}

static void carry_out_round(struct loop_task *task)
{
    struct round *round = container_of(task, struct round, task);
    struct worker *worker = round->workers[round->at++];

    app_unpark_all(round->app, NULL, worker->index, upstream_pool_close, NULL);
    if (round->at < worker->shared->worker_count) {
        loop_post(round->workers[round->at]->loop, task);
        return;
    }
    task->run = end_round;
    loop_post(worker->shared->main_loop, task);
}

void workers_forget(struct worker *const *workers, struct app *app,
                    void (*on_done)(void *arg), void *arg)
{
    struct round *round = xcalloc(1, sizeof *round);

    *round =
        (struct round){{.run = carry_out_round}, workers, 0, app, on_done, arg};
    loop_post(workers[0]->loop, &round->task);
}

/* --- another configuration --- */

static void report_switched(struct loop_task *task)
{
    struct worker_switch *order =
        container_of(task, struct worker_switch, task);
    const struct worker_events *events = &order->worker->shared->events;

    events->on_switched(events->arg, order->number);
    free(order->kept);
    free(order->added);
    free(order);
}

static void take_limits(struct worker *worker)
{
    const struct generation *generation = worker->generation->shared;
    const struct proxy_settings *settings = generation->settings;
    unsigned count = worker->shared->worker_count;

    worker->client_max = settings->max_connections / count;
    if (worker->client_max == 0)
        worker->client_max = 1;
    buffer_pool_set_limit(&worker->buffers,
                          settings->buffer_memory_bytes / count);
    if (generation->log_writer && !worker->log_outlet)
        worker->log_outlet = log_outlet_new(
            generation->log_writer, worker->timers, worker->shared->metrics);
}

/* What was the worker's is each one's own now: listeners that are gone, and
 * exchanges, hold on to it. */
static void carry_out_switch(struct loop_task *task)
{
    struct worker_switch *order =
        container_of(task, struct worker_switch, task);
    struct worker *worker = order->worker;
    struct worker_generation *before = worker->generation;

    worker->generation = order->generation;
    worker->generation->worker = worker;
    take_limits(worker);
    LIST_FOREACH_SAFE (&worker->listeners, node)
        listener_switch(container_of(node, struct listener, node), order);
    for (uint32_t i = 0; i < order->added_count; i++)
        listener_add(worker, order->added[i].listener, order->added[i].fd);
    close_stale(worker);
    worker_generation_unref(&before);
    if (worker->is_draining)
        close_listeners(worker);
    else if (!worker->accept_paused)
        resume_listeners(worker);
    order->task.run = report_switched;
    loop_post(worker->shared->main_loop, &order->task);
}

void worker_switch(struct worker *worker, struct worker_switch *order)
{
    order->worker = worker;
    order->task.run = carry_out_switch;
    loop_post(worker->loop, &order->task);
}

void worker_end_tunnels(struct worker *worker, struct replica_ref *replica)
{
    give_order(worker, carry_out_end_tunnels, NULL, replica);
}

void worker_stop(struct worker *worker)
{
    give_order(worker, carry_out_stop, NULL, NULL);
}

void worker_free(struct worker **worker_ptr)
{
    struct worker *worker = *worker_ptr;

    if (!worker)
        return;
    if (worker->has_thread)
        pthread_join(worker->thread, NULL);
    timer_stop(&worker->accept_timer);
    LIST_FOREACH_SAFE (&worker->listeners, node)
        listener_free(container_of(node, struct listener, node));
    exchange_free_unused(worker);
    worker_generation_unref(&worker->generation);
    log_outlet_free(&worker->log_outlet);
    timers_free(&worker->timers);
    loop_free(&worker->loop); /* which runs what was still posted */
    buffer_pool_done(&worker->buffers);
    password_cache_free(&worker->passwords);
    free(worker);
    *worker_ptr = NULL;
}

/* --- for the data plane --- */

static void on_accept_timer(struct timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, accept_timer);

    worker->accept_paused = false;
    resume_listeners(worker);
}

void worker_pause_accept(struct worker *worker, bool retry_soon)
{
    if (worker->accept_paused)
        return;
    worker->accept_paused = true;
    LIST_FOREACH (&worker->listeners, node)
        listener_pause(container_of(node, struct listener, node));
    if (retry_soon)
        timer_start(worker->timers, &worker->accept_timer, ACCEPT_RETRY_MS);
}

void worker_on_ended(struct worker *worker)
{
    if (worker->is_draining) {
        check_drained(worker);
        return;
    }
    if (worker->accept_paused && worker->client_count < worker->client_max &&
        !timer_is_running(&worker->accept_timer)) {
        worker->accept_paused = false;
        resume_listeners(worker);
    }
}

static void deliver_note(struct loop_task *task)
{
    struct broken_note *note = container_of(task, struct broken_note, task);

    note->events->on_broken(note->events->arg, note->replica, note->text);
    free(note);
}

void worker_report_broken(struct worker *worker,
                          const struct replica_ref *replica, const char *text)
{
    uint64_t now = worker_now_us(worker);
    struct broken_note *note;

    if (worker->broken_replica == replica->id &&
        now - worker->broken_us < BROKEN_REPEAT_US)
        return;
    worker->broken_replica = replica->id;
    worker->broken_us = now;
    note = xcalloc(1, sizeof *note);
    note->task.run = deliver_note;
    note->events = &worker->shared->events;
    note->replica = replica->id;
    strncpy(note->text, text, sizeof note->text - 1);
    loop_post(worker->shared->main_loop, &note->task);
}

struct first_byte_note {
    struct loop_task task;
    const struct worker_events *events;
    uint64_t replica;
    uint64_t at_us;
};

static void deliver_first_byte(struct loop_task *task)
{
    struct first_byte_note *note =
        container_of(task, struct first_byte_note, task);

    note->events->on_first_byte(note->events->arg, note->replica, note->at_us);
    free(note);
}

void worker_report_first_byte(struct worker *worker,
                              const struct replica_ref *replica)
{
    struct first_byte_note *note = xcalloc(1, sizeof *note);

    note->task.run = deliver_first_byte;
    note->events = &worker->shared->events;
    note->replica = replica->id;
    note->at_us = worker_now_us(worker);
    loop_post(worker->shared->main_loop, &note->task);
}

bool worker_close_oldest_idle(struct worker *worker)
{
    if (list_is_empty(&worker->idle_clients))
        return false;
    client_close(container_of(worker->idle_clients.next, struct client, node));
    return true;
}
