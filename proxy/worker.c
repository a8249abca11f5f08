/* worker.c - a thread of the front that serves clients. */
#include "proxy/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/listener.h"
#include "proxy/log_outlet.h"
#include "proxy/password_helper.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/upstream_pool.h"
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
    const struct proxy_settings *settings = shared->settings;
    struct worker *worker = xcalloc(1, sizeof *worker);

    worker->index = index;
    worker->shared = shared;
    worker->loop = loop_new("worker");
    worker->timers = timers_new(worker->loop);
    worker->accept_timer.on_expire = on_accept_timer;
    worker->drained_task.run = report_drained;
    worker->client_max = settings->max_connections / shared->worker_count;
    if (worker->client_max == 0)
        worker->client_max = 1;
    buffer_pool_init(&worker->buffers,
                     settings->buffer_memory_bytes / shared->worker_count);
    worker->tls = worker_tls_new(settings);
    list_init(&worker->listeners);
    list_init(&worker->idle_clients);
    list_init(&worker->busy_clients);
    worker->app_cells =
        xcalloc(settings->app_count + 1, sizeof(struct metrics_cell *));
    for (uint32_t i = 0; i < settings->app_count; i++)
        worker->app_cells[i] = metrics_cell_new(
            shared->metrics, METRIC_SCOPE_APP, settings->apps[i].name);
    worker->requests =
        xcalloc(shared->routes->count + 1, sizeof(struct metrics_requests *));
    for (uint32_t i = 0; i < shared->routes->count; i++) {
        const struct route *route = &shared->routes->all[i];

        worker->requests[i] = metrics_requests_new(
            shared->metrics,
            route->app ? settings->apps[route->app_index].name : "",
            route->settings->prefix);
    }
    worker->cell = metrics_cell_new(shared->metrics, METRIC_SCOPE_FRONT, "");
    if (shared->log_writer)
        worker->log_outlet =
            log_outlet_new(shared->log_writer, settings->shared.log_file_count,
                           worker->timers, shared->metrics);
    worker->requests[shared->routes->count] =
        metrics_requests_new(shared->metrics, "", "");
    return worker;
}

void worker_add_listener(struct worker *worker, uint32_t listener, int fd)
{
    listener_add(worker, listener, fd);
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
    resume_listeners(worker);
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

static void carry_out_drain(struct loop_task *task)
{
    struct order order;
    struct worker *worker = take_order(task, &order);

    worker->is_draining = true;
    timer_stop(&worker->accept_timer);
    LIST_FOREACH (&worker->listeners, node)
        listener_close(container_of(node, struct listener, node));
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

static void carry_out_update_tls(struct loop_task *task)
{
    struct tls_order *order = container_of(task, struct tls_order, task);
    struct err err;

    if (!worker_tls_update(order->worker->tls, order->server, &order->settings,
                           &err))
        log_error("worker",
                  "new certificates cannot be used; the old ones stay",
                  "why=\"%s\"", err.text);
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

void worker_end_tunnels(struct worker *worker, struct replica_ref *replica)
{
    give_order(worker, carry_out_end_tunnels, NULL, replica);
}

void worker_stop(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->shared->settings->app_count; i++)
        worker_unpark(worker, worker->shared->apps[i], NULL);
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
    log_outlet_free(&worker->log_outlet);
    timers_free(&worker->timers);
    loop_free(&worker->loop); /* which runs what was still posted */
    worker_tls_free(&worker->tls);
    buffer_pool_done(&worker->buffers);
    free(worker->app_cells);
    free(worker->requests);
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

bool worker_close_oldest_idle(struct worker *worker)
{
    if (list_is_empty(&worker->idle_clients))
        return false;
    client_close(container_of(worker->idle_clients.next, struct client, node));
    return true;
}
