/* exchange.c - the life of one request and its answer. */
#include "proxy/exchange.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "proxy/exchange_private.h"
#include "proxy/exchange_wait.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/tunnel.h"
#include "proxy/upstream.h"
#include "proxy/worker_generation.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/metrics.h"

/* Objects kept for the next requests of a worker. */
#define FREE_MAX 512
/* client_min_rate is measured over so long a time. */
#define RATE_WINDOW_MS 10000

static const struct {
    const char *name;
    unsigned next;
} states[] = {
#define EXCHANGE_STATE(ID, name, next) {name, next},
#include "proxy/exchange_state.def"
#undef EXCHANGE_STATE
};

void exchange_set_state(struct exchange *x, enum exchange_state next)
{
    assert(states[x->state].next & 1U << next);
    log_debug("exchange", "state", "id=%.*s from=%s to=%s",
              SV_ARG(x->request_id), states[x->state].name, states[next].name);
    x->state = next;
    timer_stop(&x->timer);
}

void exchange_start_timer(struct exchange *x, uint64_t delay_ms)
{
    timer_start(x->worker->timers, &x->timer, delay_ms);
}

struct metrics_cell *exchange_cell(const struct exchange *x)
{
    return x->app ? x->generation->app_cells[x->app_index] : NULL;
}

const struct app_settings *exchange_app(const struct exchange *x)
{
    return &x->generation->shared->settings->apps[x->app_index];
}

/* --- time-outs --- */

static void on_timer(struct timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, timer);

    switch (x->state) {
    case EXCHANGE_HEAD:
        /* Only an empty line: nobody waits for an answer. */
        if (buffer_len(x->client->in) <= 2) {
            exchange_client_gone(x);
            return;
        }
        exchange_log_refused_head(x);
        exchange_reject(x, REJECT_CLIENT_TIMEOUT);
        break;
    case EXCHANGE_ACQUIRE:
        exchange_queue_timed_out(x);
        break;
    case EXCHANGE_RETRY:
        exchange_set_state(x, EXCHANGE_ACQUIRE);
        break;
    case EXCHANGE_FOLLOW:
        break;
    case EXCHANGE_CONNECT:
        if (!exchange_abandon_connect(x))
            return; /* a socket is on its way to this loop */
        exchange_fail_attempt(x, REJECT_UPSTREAM_CONNECT,
                              "no connection in time");
        break;
    case EXCHANGE_SEND:
        if (x->upstream->is_connecting)
            exchange_fail_attempt(x, REJECT_UPSTREAM_CONNECT,
                                  "no connection in time");
        else if (!exchange_try_elsewhere(x, OUTCOME_FAILED, "no answer"))
            exchange_reject(x, REJECT_UPSTREAM_TIMEOUT);
        break;
    case EXCHANGE_RELAY:
        exchange_reject(x, REJECT_UPSTREAM_TIMEOUT);
        break;
    case EXCHANGE_TUNNEL:
        exchange_client_gone(x);
        return;
    default:
        return;
    }
    exchange_run(x);
}

static void on_body_timer(struct timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, body_timer);

    exchange_reject(x, REJECT_CLIENT_TIMEOUT);
    exchange_run(x);
}

static void start_rate_window(struct exchange *x)
{
    x->rate_bytes = x->request_body.body.total;
    x->rate_awaited_us = 0;
    if (x->rate_since_us != 0)
        x->rate_since_us = worker_now_us(x->worker);
    timer_start(x->worker->timers, &x->rate_timer, RATE_WINDOW_MS);
}

static void on_rate_timer(struct timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, rate_timer);
    uint64_t got = x->request_body.body.total - x->rate_bytes;
    uint64_t awaited_us = x->rate_awaited_us;

    if (x->rate_since_us != 0)
        awaited_us += worker_now_us(x->worker) - x->rate_since_us;
    /* While berth reads nothing, because the app takes nothing, there is no
     * rate: the window is as much longer. In whole seconds, since each length
     * is a list of its own in timers.c. */
    if (awaited_us < RATE_WINDOW_MS * 1000) {
        uint64_t left_ms = RATE_WINDOW_MS - awaited_us / 1000;

        timer_start(x->worker->timers, timer, (left_ms + 999) / 1000 * 1000);
        return;
    }
    if (got >= x->route->settings->client_min_rate * (RATE_WINDOW_MS / 1000)) {
        start_rate_window(x);
        return;
    }
    exchange_reject(x, REJECT_CLIENT_TIMEOUT);
    exchange_run(x);
}

/* What has left the socket, not what went into it: the kernel says that a full
 * one takes bytes again when a third of it is free, and that can be a
 * megabyte, minutes of an honest but slow reader. */
static uint64_t taken_by_client(const struct exchange *x)
{
    int queued = 0;

    if (ioctl(x->client->stream.fd, SIOCOUTQ, &queued) != 0 || queued < 0)
        queued = 0;
    return x->sent_bytes > (uint64_t)queued ? x->sent_bytes - (uint64_t)queued
                                            : 0;
}

void exchange_watch_reader(struct exchange *x)
{
    if (x->route->settings->client_min_rate == 0 ||
        timer_is_running(&x->reader_timer))
        return;
    x->reader_bytes = taken_by_client(x);
    timer_start(x->worker->timers, &x->reader_timer, RATE_WINDOW_MS);
}

static void on_reader_timer(struct timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, reader_timer);
    uint64_t rate = x->route->settings->client_min_rate;

    if (taken_by_client(x) >= x->reader_bytes + rate * (RATE_WINDOW_MS / 1000))
        exchange_watch_reader(x);
    else
        exchange_client_gone(x);
}

/* The client takes nothing of its answer. */
static void on_send_timer(struct timer *timer)
{
    exchange_client_gone(container_of(timer, struct exchange, send_timer));
}

static void on_request_timer(struct timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, request_timer);

    if (x->state == EXCHANGE_CONNECT && !exchange_abandon_connect(x)) {
        timer_start(x->worker->timers, timer, 1); /* a socket is under way */
        return;
    }
    exchange_reject(x, REJECT_REQUEST_TIMEOUT);
    exchange_run(x);
}

static bool takes_body(const struct exchange *x)
{
    return x->state == EXCHANGE_BUFFER || x->state == EXCHANGE_SEND ||
           (x->state == EXCHANGE_RELAY && x->upstream);
}

static bool awaits_body(const struct exchange *x)
{
    return takes_body(x) && !x->request_body.is_whole &&
           relay_has_room(&x->request_body);
}

void exchange_update_body_timers(struct exchange *x)
{
    bool awaits = awaits_body(x);

    if (!awaits) {
        timer_stop(&x->body_timer);
        if (x->rate_since_us != 0)
            x->rate_awaited_us += worker_now_us(x->worker) - x->rate_since_us;
        x->rate_since_us = 0;
    } else {
        if (x->rate_since_us == 0)
            x->rate_since_us = worker_now_us(x->worker);
        timer_start(x->worker->timers, &x->body_timer,
                    x->route->settings->client_body_timeout_ms);
    }
    if (!x->slot || x->request_body.is_whole ||
        x->route->settings->client_min_rate == 0)
        timer_stop(&x->rate_timer);
    else if (!timer_is_running(&x->rate_timer))
        start_rate_window(x);
}

/* --- the client's side --- */

void exchange_update_watch(struct exchange *x)
{
    struct client *client = x->client;
    size_t size = 0;

    if (x->state == EXCHANGE_TUNNEL) {
        tunnel_update_watch(x);
        return;
    }
    /* In AUTH the head must stay where it is. */
    if (client->saw_end || x->state == EXCHANGE_AUTH) {
        client_set_watch(client, CLIENT_WATCH_CLOSE);
        return;
    }
    if (x->state == EXCHANGE_HEAD) {
        client_set_watch(client, CLIENT_WATCH_READ);
        return;
    }
    if (!x->request_body.is_whole) {
        client_set_watch(client, awaits_body(x) ? CLIENT_WATCH_READ
                                                : CLIENT_WATCH_CLOSE);
        return;
    }
    if (client->in)
        buffer_space(client->in, &size);
    client_set_watch(client, !client->in || size > 0 ? CLIENT_WATCH_READ
                                                     : CLIENT_WATCH_CLOSE);
}

/* It said that it sends nothing more. Returns whether that ends the exchange.
 */
static bool on_end(struct exchange *x)
{
    x->client->saw_end = true;
    if (x->state == EXCHANGE_TUNNEL)
        return tunnel_on_client_end(x);
    x->keep_alive = false;
    /* Berth has the whole answer: it can still have that. */
    if ((x->state == EXCHANGE_RELAY && !x->upstream) ||
        x->state == EXCHANGE_REPLY ||
        (x->request_body.is_whole && x->state != EXCHANGE_HEAD &&
         x->server->half_close_answers)) {
        exchange_update_watch(x);
        return false;
    }
    exchange_client_gone(x);
    return true;
}

bool exchange_on_client_end(struct exchange *x)
{
    return on_end(x);
}

/* Room for more of a head, in one piece. */
static void make_head_room(struct exchange *x)
{
    struct client *client = x->client;
    struct io_buffer *old = client->in;
    struct io_buffer *larger;
    size_t len;
    size_t size;

    if (!old) {
        client->in = buffer_take(&x->worker->buffers);
        return;
    }
    buffer_space(old, &size);
    if (size > 0)
        return;
    len = buffer_len(old);
    if (old->start > IO_BUFFER_HEADROOM) {
        memmove(old->data + IO_BUFFER_HEADROOM, old->data + old->start, len);
        old->start = IO_BUFFER_HEADROOM;
        old->end = old->start + (uint32_t)len;
        return;
    }
    larger = buffer_take_large(len * 2);
    memcpy(larger->data + larger->start, old->data + old->start, len);
    larger->end += (uint32_t)len;
    buffer_give(&x->worker->buffers, &client->in);
    client->in = larger;
}

/* Bytes of this head, or of a request to come. Returns false when the
 * exchange is over. */
static bool read_ahead(struct exchange *x)
{
    struct client *client = x->client;
    struct iovec iov;
    enum io_result result;
    size_t count;

    if (x->state == EXCHANGE_HEAD)
        make_head_room(x);
    else if (!client->in)
        client->in = buffer_take(&x->worker->buffers);
    iov.iov_base = buffer_space(client->in, &iov.iov_len);
    result = stream_read(&client->stream, &iov, 1, &count);
    if (result == IO_DONE)
        client->in->end += (uint32_t)count;
    else if (buffer_len(client->in) == 0)
        buffer_give(&x->worker->buffers, &client->in);
    if (result == IO_FAILED) {
        exchange_client_gone(x);
        return false;
    }
    return result != IO_EOF || !on_end(x);
}

void exchange_on_client_readable(struct exchange *x)
{
    if (x->state == EXCHANGE_TUNNEL) {
        tunnel_on_client_readable(x);
        return;
    }
    if (x->state == EXCHANGE_HEAD || x->request_body.is_whole) {
        if (!read_ahead(x))
            return;
        if (x->state == EXCHANGE_HEAD)
            exchange_run(x);
        else
            exchange_update_watch(x);
        return;
    }
    if (!awaits_body(x)) {
        exchange_update_watch(x);
        return;
    }
    if (exchange_read_body(x))
        exchange_run(x);
}

void exchange_on_client_writable(struct exchange *x)
{
    if (x->state == EXCHANGE_TUNNEL)
        tunnel_run(x);
    else
        exchange_run(x);
}

/* --- life --- */

static struct exchange *take_object(struct worker *worker)
{
    struct exchange *x = worker->free_exchanges;

    if (x) {
        worker->free_exchanges = x->next_free;
        worker->free_exchange_count--;
        return x;
    }
    x = xcalloc(1, sizeof *x);
    x->worker = worker;
    arena_init(&x->arena);
    relay_init(&x->request_body, &worker->buffers);
    relay_init(&x->answer_body, &worker->buffers);
    x->timer.on_expire = on_timer;
    x->body_timer.on_expire = on_body_timer;
    x->rate_timer.on_expire = on_rate_timer;
    x->send_timer.on_expire = on_send_timer;
    x->reader_timer.on_expire = on_reader_timer;
    x->request_timer.on_expire = on_request_timer;
    return x;
}

static void free_object(struct exchange *x)
{
    relay_done(&x->request_body);
    relay_done(&x->answer_body);
    arena_done(&x->arena);
    free(x);
}

void exchange_free_unused(struct worker *worker)
{
    while (worker->free_exchanges) {
        struct exchange *x = worker->free_exchanges;

        worker->free_exchanges = x->next_free;
        free_object(x);
    }
    worker->free_exchange_count = 0;
}

void exchange_stop_timers(struct exchange *x)
{
    timer_stop(&x->timer);
    timer_stop(&x->body_timer);
    timer_stop(&x->rate_timer);
    timer_stop(&x->send_timer);
    timer_stop(&x->reader_timer);
    timer_stop(&x->request_timer);
}

static void give_object(struct exchange *x)
{
    struct worker *worker = x->worker;

    worker_generation_unref(&x->generation);
    if (worker->free_exchange_count >= FREE_MAX) {
        free_object(x);
        return;
    }
    x->next_free = worker->free_exchanges;
    worker->free_exchanges = x;
    worker->free_exchange_count++;
}

/* Everything that belongs to this one request. */
static void clear(struct exchange *x)
{
    struct worker *worker = x->worker;

    exchange_stop_timers(x);
    buffer_give(&worker->buffers, &x->head_buffer);
    buffer_give(&worker->buffers, &x->answer_in);
    relay_reset(&x->request_body);
    relay_reset(&x->answer_body);
    arena_reset(&x->arena);
}

void exchange_start(struct client *client)
{
    struct exchange *x = take_object(client->worker);

    x->client = client;
    x->state = EXCHANGE_HEAD;
    x->generation = worker_generation_ref(client->listener->generation);
    x->limits = client->listener->limits;
    x->routes = client->listener->routes;
    x->server = client_server(client);
    x->route = NULL;
    x->app = NULL;
    x->request = (struct http_head){0};
    x->request_id = sv_make(NULL, 0);
    x->path = sv_make(NULL, 0);
    x->normal_path = sv_make(NULL, 0);
    x->prefix = sv_make(NULL, 0);
    x->slot = NULL;
    x->handover = NULL;
    x->upstream = NULL;
    x->tunnel_replica = NULL;
    x->waiter.is_waiting = false;
    x->socket_waiter.is_waiting = false;
    x->started_us = worker_now_us(x->worker);
    x->slot_us = 0;
    x->app_done_us = 0;
    x->answer_bytes = 0;
    x->attempts = 0;
    x->remote = sv_of(client->host);
    x->user = sv_make(NULL, 0);
    x->password_job = NULL;
    x->password_is_right = false;
    x->log_values = NULL;
    x->log_sent = sv_make(NULL, 0);
    x->log_replica = sv_make(NULL, 0);
    x->log_revision = sv_make(NULL, 0);
    x->log_upstream = sv_make(NULL, 0);
    x->error = NULL;
    x->warmth = APP_READY;
    x->woke = false;
    x->sent_bytes = 0;
    x->sent_head_size = 0;
    x->status = 0;
    x->interim_count = 0;
    x->keep_alive = false;
    x->answer_began = false;
    x->said_continue = false;
    x->is_queued = false;
    x->awaits_socket = false;
    x->interim_bytes = 0;
    x->waited_for_start = false;
    x->rate_since_us = 0;
    x->rate_awaited_us = 0;
    x->is_cut = false;
    x->sent_end_to_app = false;
    x->sent_end_to_client = false;
    x->write_failed = false;
    x->ends_by_close = false;
    http_parser_init(&x->parser, HTTP_KIND_REQUEST, &x->limits);
    exchange_init_slot(x);
    client->exchange = x;
    exchange_run(x);
}

static enum step step_head(struct exchange *x)
{
    struct io_buffer *in = x->client->in;
    struct rejection rejection;
    enum http_result result;

    if (!in)
        return STEP_WAIT;
    result = http_parser_head(&x->parser,
                              sv_make(in->data + in->start, buffer_len(in)),
                              &x->arena, &x->request, &rejection);
    if (result == HTTP_MORE) {
        if (!timer_is_running(&x->timer))
            exchange_start_timer(x, x->server->client_header_timeout_ms);
        return STEP_WAIT;
    }
    if (result == HTTP_REFUSED) {
        exchange_log_refused_head(x);
        exchange_reject_with(x, &rejection, sv_make(NULL, 0), 0);
        return STEP_MORE;
    }
    x->keep_alive = x->request.keep_alive &&
                    x->client->request_count < x->server->keepalive_requests;
    exchange_set_state(x, EXCHANGE_ROUTE);
    return STEP_MORE;
}

static void count(struct exchange *x)
{
    struct worker *worker = x->worker;
    struct metrics_cell *cell = exchange_cell(x);
    uint64_t now = worker_now_us(worker);
    uint32_t counter =
        x->route ? x->counter : x->generation->shared->routes->counter_count;

    if (x->status != 0)
        metrics_count_request(x->generation->requests[counter], x->status);
    exchange_log_end(x);
    if (!cell)
        return;
    metrics_observe(cell, HISTOGRAM_REQUEST_DURATION, now - x->started_us);
    metrics_add(cell, METRIC_REQUEST_BYTES, x->request_body.body.total);
    metrics_add(cell, METRIC_RESPONSE_BYTES, x->answer_bytes);
}

static enum client_end how_to_end(const struct exchange *x)
{
    if (x->is_cut)
        return x->ends_by_close ? CLIENT_RESET : CLIENT_CLOSE;
    if (!x->request_body.is_whole)
        return CLIENT_LINGER;
    if (x->client->saw_end || x->ends_by_close)
        return CLIENT_CLOSE;
    if (x->keep_alive)
        return CLIENT_KEEP;
    return x->client->in ? CLIENT_LINGER : CLIENT_CLOSE;
}

static void finish(struct exchange *x)
{
    struct client *client = x->client;
    enum client_end end = how_to_end(x);

    assert(!x->slot && !x->upstream);
    count(x);
    clear(x);
    x->client = NULL;
    give_object(x);
    client_end_exchange(client, end);
}

/* What another loop owed it has come: see exchange_slot.c. */
static void finish_gone(struct exchange *x)
{
    struct worker *worker = x->worker;

    clear(x);
    give_object(x);
    worker->leaving_count--;
    worker_on_ended(worker);
}

void exchange_client_gone(struct exchange *x)
{
    struct client *client = x->client;
    struct metrics_cell *cell = exchange_cell(x);

    if (x->state == EXCHANGE_TUNNEL) {
        tunnel_end(x);
    } else if (x->state != EXCHANGE_HEAD) {
        x->status = STATUS_CLIENT_GONE;
        if (cell)
            metrics_add(cell, METRIC_CLIENT_ABORTS, 1);
    }
    exchange_forget_password(x);
    count(x);
    if (client->is_writing)
        client_await_write(client, false);
    x->client = NULL;
    exchange_set_state(x, EXCHANGE_GONE);
    if (exchange_leave(x)) {
        clear(x);
        give_object(x);
    } else {
        exchange_stop_timers(x);
        x->worker->leaving_count++;
    }
    client_end_exchange(client, CLIENT_CLOSE);
}

void exchange_abort(struct exchange *x)
{
    exchange_client_gone(x);
}

void exchange_end_tunnel(struct exchange *x, const struct replica_ref *replica)
{
    if (x->state == EXCHANGE_TUNNEL &&
        (!replica || x->tunnel_replica == replica))
        tunnel_tell_end(x);
}

void exchange_run(struct exchange *x)
{
    enum step step = STEP_MORE;

    while (step == STEP_MORE) {
        switch (x->state) {
        case EXCHANGE_HEAD:
            step = step_head(x);
            break;
        case EXCHANGE_ROUTE:
            step = exchange_step_route(x);
            break;
        case EXCHANGE_AUTH:
            step = exchange_step_auth(x);
            break;
        case EXCHANGE_FOLLOW:
            step = exchange_step_follow(x);
            break;
        case EXCHANGE_BUFFER:
            step = exchange_step_buffer(x);
            break;
        case EXCHANGE_ACQUIRE:
            step = exchange_step_acquire(x);
            break;
        case EXCHANGE_CONNECT:
            step = exchange_step_connect(x);
            break;
        case EXCHANGE_SEND:
            step = exchange_step_send(x);
            break;
        case EXCHANGE_RELAY:
            step = exchange_step_relay(x);
            break;
        case EXCHANGE_REPLY:
            step = exchange_step_reply(x);
            break;
        case EXCHANGE_RETRY:
            step = STEP_WAIT;
            break;
        case EXCHANGE_TUNNEL:
            tunnel_run(x);
            return;
        case EXCHANGE_FINISH:
            finish(x);
            return;
        case EXCHANGE_GONE:
            finish_gone(x);
            return;
        }
    }
    if (step == STEP_WAIT)
        exchange_update_watch(x);
}
