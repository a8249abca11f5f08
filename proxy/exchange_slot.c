/* exchange_slot.c - from the queue of an app to a connection, and back. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/exchange_private.h"
#include "proxy/forward_headers.h"
#include "proxy/local_reply.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/upstream.h"
#include "proxy/upstream_pool.h"
#include "router/app_trial.h"
#include "router/base/log.h"
#include "router/base/metrics.h"

/* Before an attempt is made again: time for the keeper to see that the replica
 * is gone, so that the request waits for the next one. */
#define RETRY_DELAY_MS 20

static void on_resolved(struct waiter *waiter);
static void on_socket(struct socket_waiter *waiter);

void exchange_init_slot(struct exchange *x)
{
    x->waiter = (struct waiter){
        .loop = x->worker->loop,
        .worker = x->worker->index,
        .priority = PRIORITY_NORMAL,
        .on_resolved = on_resolved,
    };
    x->socket_waiter = (struct socket_waiter){
        .loop = x->worker->loop,
        .on_socket = on_socket,
        .fd = -1,
    };
}

/* --- the slot --- */

static void on_granted(struct exchange *x)
{
    struct metrics_cell *cell = exchange_cell(x);
    const struct route_settings *settings = x->route->settings;

    x->slot = x->waiter.slot;
    x->waiter.slot = NULL;
    x->is_queued = false;
    x->slot_us = worker_now_us(x->worker);
    x->woke |= x->slot->woke;
    exchange_log_slot(x);
    metrics_observe(cell, HISTOGRAM_QUEUE_WAIT,
                    x->slot_us - x->waiter.arrived_us);
    if (settings->request_timeout_ms != 0 &&
        !timer_is_running(&x->request_timer))
        timer_start(x->worker->timers, &x->request_timer,
                    settings->request_timeout_ms);
    exchange_set_state(x, EXCHANGE_CONNECT);
}

static void on_resolved(struct waiter *waiter)
{
    struct exchange *x = container_of(waiter, struct exchange, waiter);

    if (x->state == EXCHANGE_GONE) { /* it went while this was under way */
        if (waiter->slot)
            upstream_pool_give_back(x->worker, waiter->slot);
        exchange_run(x);
        return;
    }
    if (waiter->slot)
        on_granted(x);
    else
        exchange_refuse(x, waiter->refusal);
    exchange_run(x);
}

/* The client waits for a 100 before it sends its body, and the app that would
 * say it is not there yet. */
static void say_continue(struct exchange *x)
{
    struct app_counts counts;

    app_count(x->app, worker_now_us(x->worker), &counts);
    x->waited_for_start = counts.replicas == 0;
    if (x->waited_for_start)
        x->warmth = counts.state;
    if (!x->waited_for_start || !x->request.expect_continue ||
        x->said_continue || x->request_body.is_whole)
        return;
    x->said_continue = true;
    forward_headers_drop_expect(&x->request_body.head);
    local_reply_continue(&x->answer_body.head);
}

static void begin_waiting(struct exchange *x)
{
    uint64_t until_us = x->waiter.until_us;
    uint64_t now_us = worker_now_us(x->worker);

    x->is_queued = true;
    if (until_us != UINT64_MAX)
        exchange_start_timer(
            x, until_us > now_us ? (until_us - now_us + 999) / 1000 : 1);
    say_continue(x);
}

enum step exchange_step_acquire(struct exchange *x)
{
    if (!x->is_queued) {
        switch (app_acquire(x->app, &x->waiter, worker_now_us(x->worker))) {
        case ACQUIRE_GRANTED:
            on_granted(x);
            return STEP_MORE;
        case ACQUIRE_REFUSED:
            exchange_refuse(x, x->waiter.refusal);
            return STEP_MORE;
        case ACQUIRE_WAITING:
            begin_waiting(x);
            break;
        }
    }
    return exchange_write_client(x) ? STEP_WAIT : STEP_DONE;
}

bool exchange_leave_queue(struct exchange *x)
{
    if (!x->is_queued)
        return true;
    x->is_queued = false;
    return app_leave(x->app, &x->waiter, worker_now_us(x->worker));
}

/* --- the connection --- */

static void start_sending(struct exchange *x)
{
    x->has_bytes_from_app = false;
    x->wrote = false;
    x->write_failed = false;
    relay_rewind(&x->request_body);
    exchange_set_state(x, EXCHANGE_SEND);
    exchange_init_relay(x);
    exchange_update_body_timers(x);
}

static bool is_out_of_files(int error)
{
    return error == EMFILE || error == ENFILE;
}

static void fail_connect(struct exchange *x, int error)
{
    char text[128];

    snprintf(text, sizeof text, "connect: %s", strerror(error));
    exchange_fail_attempt(x, REJECT_UPSTREAM_CONNECT, text);
}

static void open_with(struct exchange *x, int fd)
{
    const struct replica_ref *replica = x->slot->replica;

    x->upstream = upstream_open(x->worker, replica, fd, x);
    if (!x->upstream && is_out_of_files(errno) &&
        worker_close_oldest_idle(x->worker))
        x->upstream = upstream_open(x->worker, replica, -1, x);
    if (!x->upstream) {
        fail_connect(x, errno);
        return;
    }
    start_sending(x);
    if (x->upstream->is_connecting)
        exchange_start_timer(x,
                             x->route->settings->upstream_connect_timeout_ms);
}

static enum step open_new(struct exchange *x)
{
    int fd = -1;

    if (x->slot->replica->connect != CONNECT_DIRECT) {
        fd = app_take_socket(x->slot->replica, &x->socket_waiter);
        if (fd < 0) {
            x->awaits_socket = true;
            exchange_start_timer(
                x, x->route->settings->upstream_connect_timeout_ms);
            return STEP_WAIT;
        }
    }
    open_with(x, fd);
    return STEP_MORE;
}

static void on_socket(struct socket_waiter *waiter)
{
    struct exchange *x = container_of(waiter, struct exchange, socket_waiter);
    int fd = waiter->fd;

    waiter->fd = -1;
    x->awaits_socket = false;
    if (x->state == EXCHANGE_GONE) {
        if (fd >= 0)
            close(fd);
        upstream_pool_release(x->worker, TAKE(x->slot), NULL);
        exchange_run(x);
        return;
    }
    if (fd >= 0)
        open_with(x, fd);
    else
        fail_connect(x, waiter->errno_value);
    exchange_run(x);
}

/* A connection that served before. A request that must not be sent twice goes
 * out only where nothing says that the app has closed it. */
static enum step take_parked(struct exchange *x, struct upstream *upstream)
{
    if (http_method_is_idempotent(x->request.method) ||
        upstream_is_quiet(upstream)) {
        x->upstream = upstream;
        start_sending(x);
        return STEP_MORE;
    }
    upstream_close(&upstream);
    return open_new(x);
}

void exchange_on_handover(struct exchange *x, struct upstream *upstream)
{
    enum step step;

    x->handover = NULL;
    step = upstream ? take_parked(x, upstream) : open_new(x);
    if (step == STEP_MORE)
        exchange_run(x);
}

enum step exchange_step_connect(struct exchange *x)
{
    struct upstream *upstream = NULL;

    if (x->handover || x->awaits_socket)
        return STEP_WAIT;
    switch (
        upstream_pool_take(x->worker, x->slot, x, &upstream, &x->handover)) {
    case POOL_TAKEN:
        return take_parked(x, upstream);
    case POOL_ASKED:
        return STEP_WAIT;
    case POOL_NONE:
        break;
    }
    return open_new(x);
}

/* --- its end --- */

void exchange_release(struct exchange *x, bool reusable)
{
    struct metrics_cell *cell = exchange_cell(x);

    if (x->upstream && !reusable)
        upstream_close(&x->upstream);
    if (!x->slot)
        return;
    metrics_observe(cell, HISTOGRAM_UPSTREAM_DURATION,
                    worker_now_us(x->worker) - x->slot_us);
    upstream_pool_release(x->worker, TAKE(x->slot), TAKE(x->upstream));
}

/* Nothing of an answer was sent, and what was sent of the request is there to
 * be sent again, and may be. */
static bool may_repeat(const struct exchange *x)
{
    return !x->answer_began && x->interim_count == 0 &&
           relay_can_rewind(&x->request_body) &&
           (!x->wrote || http_method_is_idempotent(x->request.method));
}

/* Its next attempt goes where nothing is on trial, at once. false: it is not
 * on trial itself, or nothing else serves. */
static bool go_elsewhere(struct exchange *x)
{
    if (!x->slot || !app_trial_repeats(x->slot->replica))
        return false;
    x->waiter.avoids_trial = true;
    return true;
}

static void leave_attempt(struct exchange *x, enum slot_outcome outcome)
{
    upstream_close(&x->upstream);
    buffer_give(&x->worker->buffers, &x->answer_in);
    if (x->slot)
        x->slot->outcome = outcome;
    exchange_release(x, false);
    exchange_stop_timers(x);
}

static void try_again(struct exchange *x, enum metric_id metric,
                      uint64_t delay_ms)
{
    x->attempts++;
    metrics_add(exchange_cell(x), metric, 1);
    exchange_set_state(x, EXCHANGE_RETRY);
    if (delay_ms > 0)
        exchange_start_timer(x, delay_ms);
    else
        exchange_set_state(x, EXCHANGE_ACQUIRE);
}

bool exchange_try_elsewhere(struct exchange *x, enum slot_outcome outcome,
                            const char *text)
{
    if (!may_repeat(x) || x->attempts >= x->route->settings->retry ||
        !go_elsewhere(x))
        return false;
    log_debug("exchange", "attempt failed on trial", "id=%.*s why=\"%s\"",
              SV_ARG(x->request_id), text);
    leave_attempt(x, outcome);
    try_again(x, METRIC_RETRIES_TRIAL, 0);
    return true;
}

void exchange_fail_attempt(struct exchange *x, enum reject_code code,
                           const char *text)
{
    bool was_reused = x->upstream && x->upstream->is_reused;
    bool may = may_repeat(x);
    bool elsewhere;

    if (!was_reused && text) {
        app_suspect(x->slot->replica, worker_now_us(x->worker));
        worker_report_broken(x->worker, x->slot->replica, text);
    }
    if (may && was_reused && !x->has_bytes_from_app) {
        /* The app closed it while the request was on its way: no failure. */
        upstream_close(&x->upstream);
        buffer_give(&x->worker->buffers, &x->answer_in);
        exchange_set_state(x, EXCHANGE_CONNECT);
        return;
    }
    log_debug("exchange", "attempt failed", "id=%.*s code=%s why=\"%s\"",
              SV_ARG(x->request_id), rejection_name(code), text ? text : "");
    may = may && x->attempts < x->route->settings->retry;
    elsewhere = may && go_elsewhere(x);
    leave_attempt(x, OUTCOME_FAILED);
    if (!may)
        exchange_reject(x, code);
    else if (elsewhere)
        try_again(x, METRIC_RETRIES_TRIAL, 0);
    else
        try_again(x,
                  code == REJECT_UPSTREAM_CONNECT  ? METRIC_RETRIES_CONNECT
                  : code == REJECT_UPSTREAM_CLOSED ? METRIC_RETRIES_CLOSED
                                                   : METRIC_RETRIES_OTHER,
                  RETRY_DELAY_MS);
}

bool exchange_abandon_connect(struct exchange *x)
{
    if (x->handover) {
        upstream_pool_forget(&x->handover);
        x->slot = NULL; /* the handover's */
    }
    if (x->awaits_socket && !app_leave_socket(&x->socket_waiter))
        return false;
    x->awaits_socket = false;
    return true;
}

bool exchange_leave(struct exchange *x)
{
    bool left = exchange_leave_queue(x);

    if (!exchange_abandon_connect(x))
        return false; /* on_socket() gives the slot back */
    exchange_release(x, false);
    return left;
}
