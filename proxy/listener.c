/* listener.c - a listening socket of one worker. */
#include "proxy/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/client.h"
#include "proxy/generation.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "proxy/worker_generation.h"
#include "proxy/worker_tls.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/metrics.h"

/* Connections taken in one go; the rest waits until others were served. */
#define ACCEPT_BATCH 32

/* is_due: one waits to be accepted for sure. Else no other is closed for it;
 * if there is one, the loop says so again. */
static bool make_room(struct worker *worker, bool is_due)
{
    if (worker->client_count < worker->client_max)
        return true;
    if (!is_due)
        return false;
    if (worker_close_oldest_idle(worker))
        return true;
    worker_pause_accept(worker, false);
    return false;
}

/* Out of descriptors (or memory): idle connections go first. */
static void on_accept_failed(struct worker *worker, int error)
{
    static struct log_rate rate;
    bool made_room = worker_close_oldest_idle(worker);
    uint64_t skipped;

    if (!made_room)
        worker_pause_accept(worker, true);
    if (log_rate_allows(&rate, &skipped))
        log_error("listener", "cannot accept connections",
                  "why=\"%s\" connections=%u skipped=%llu cure=\"raise the "
                  "limit of open files, or lower max_connections\"",
                  strerror(error), worker->client_count,
                  (unsigned long long)skipped);
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ECONNABORTED ||
           error == EPROTO || error == EPERM;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    struct worker *worker = listener->worker;

    (void)what;
    for (int i = 0; i < ACCEPT_BATCH && !worker->accept_paused; i++) {
        struct client_peer peer;
        socklen_t len = sizeof peer;
        int client;

        if (!make_room(worker, i == 0))
            return;
        memset(&peer, 0, sizeof peer);
        client = accept4(fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            if (errno == EAGAIN)
                return;
            if (is_passing(errno))
                continue;
            /* Said before it is looked whether one waits at all: believed
             * only where the loop said so. */
            if (i > 0)
                return;
            on_accept_failed(worker, errno);
            continue;
        }
        metrics_add(listener->cell, METRIC_CONNECTIONS, 1);
        client_new(listener, client, &peer);
    }
}

static struct metrics_cell *cell_of(const struct listener *listener)
{
    return metrics_cell_take(listener->worker->shared->metrics,
                             METRIC_SCOPE_LISTENER, listener->settings->text,
                             listener->worker->index);
}

struct http_limits listener_server_limits(const struct server_settings *server)
{
    uint32_t bytes = (uint32_t)server->client_max_header_bytes;

    return (struct http_limits){bytes, bytes, server->client_max_headers};
}

static struct http_limits largest_limits(const struct proxy_settings *settings,
                                         const struct listener_settings *of)
{
    struct http_limits largest = {0, 0, 0};

    for (uint32_t i = 0; i < of->server_count; i++) {
        struct http_limits limits =
            listener_server_limits(&settings->servers[of->servers[i]]);

        if (largest.max_head_bytes < limits.max_head_bytes)
            largest.max_head_bytes = limits.max_head_bytes;
        if (largest.max_fields < limits.max_fields)
            largest.max_fields = limits.max_fields;
    }
    largest.max_line_bytes = largest.max_head_bytes;
    return largest;
}

/* Serve by the worker's generation, where it stands at `index`. */
static void use_settings(struct listener *listener, uint32_t index)
{
    struct worker_generation *part = listener->worker->generation;
    const struct proxy_settings *settings = part->shared->settings;

    listener->generation = part;
    listener->index = index;
    listener->settings = &settings->listeners[index];
    listener->server =
        &settings->servers[routes_any_host(settings, listener->settings)];
    listener->routes = part->shared->routes->tables[index];
    listener->limits = largest_limits(settings, listener->settings);
    listener->sni =
        listener->settings->is_tls ? worker_tls_sni(part->tls, index) : NULL;
    listener->has_setup = listener->sni || listener->settings->proxy_protocol;
}

void listener_add(struct worker *worker, uint32_t index, int fd)
{
    struct listener *listener = xcalloc(1, sizeof *listener);
    const int on = 1;

    listener->worker = worker;
    listener->fd = fd;
    use_settings(listener, index);
    listener->port = (uint16_t)address_port(&listener->settings->address);
    listener->cell = cell_of(listener);
    /* Accepted sockets inherit it: no call per connection. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    evutil_make_socket_nonblocking(fd);
    listener->event = event_new(loop_base(worker->loop), fd,
                                EV_READ | EV_PERSIST, on_acceptable, listener);
    if (!listener->event)
        abort();
    list_add_tail(&worker->listeners, &listener->node);
}

static const enum metric_id gauges[LISTENER_CLIENTS_COUNT] = {
    [LISTENER_SETUP] = METRIC_CONNECTIONS_SETUP,
    [LISTENER_IDLE] = METRIC_CONNECTIONS_IDLE,
    [LISTENER_ACTIVE] = METRIC_CONNECTIONS_ACTIVE,
};

static void add_to_gauge(struct metrics_cell *cell, enum metric_id id,
                         uint64_t count)
{
    metrics_set(cell, id, metrics_get(cell, id) + count);
}

void listener_move_client(struct listener *listener, enum listener_clients from,
                          enum listener_clients to)
{
    if (from != LISTENER_NONE) {
        listener->clients[from]--;
        add_to_gauge(listener->cell, gauges[from], UINT64_MAX);
    }
    if (to != LISTENER_NONE) {
        listener->clients[to]++;
        add_to_gauge(listener->cell, gauges[to], 1);
    }
}

/* The same address may be written in another way now: another label. */
static void rename_cell(struct listener *listener)
{
    struct metrics_cell *cell = cell_of(listener);
    struct metrics_cell *old = listener->cell;

    for (int i = LISTENER_NONE + 1; i < LISTENER_CLIENTS_COUNT; i++) {
        add_to_gauge(cell, gauges[i], listener->clients[i]);
        add_to_gauge(old, gauges[i], 0U - (uint64_t)listener->clients[i]);
    }
    metrics_cell_drop(listener->worker->shared->metrics, &old);
    listener->cell = cell;
}

static void free_listener(void *ptr)
{
    struct listener *listener = ptr;

    metrics_cell_drop(listener->worker->shared->metrics, &listener->cell);
    event_free(listener->event);
    free(listener);
}

/* Callbacks of this turn may still hold it. */
static void free_where_unused(struct listener *listener)
{
    if (!listener->is_gone || listener->client_count > 0)
        return;
    list_remove(&listener->node);
    worker_generation_unref(&listener->generation);
    loop_free_later(listener->worker->loop, listener, free_listener);
}

void listener_client_ended(struct listener *listener)
{
    listener->client_count--;
    free_where_unused(listener);
}

/* Who connected has been told that it may. */
static void accept_all(struct listener *listener)
{
    unsigned before;

    do {
        before = listener->client_count;
        on_acceptable(listener->fd, EV_READ, listener);
    } while (listener->client_count >= before + ACCEPT_BATCH);
}

/* moves: another one has its socket. */
static void retire(struct listener *listener, bool moves)
{
    listener->is_gone = true;
    listener->generation = worker_generation_ref(listener->generation);
    listener->client_count++; /* so that it outlives what follows */
    event_del(listener->event);
    if (moves) {
        listener->fd = -1;
    } else if (listener->fd >= 0) {
        accept_all(listener);
        listener_close(listener);
    }
    listener_client_ended(listener);
}

void listener_switch(struct listener *listener,
                     const struct worker_switch *order)
{
    struct worker *worker = listener->worker;
    const struct listener_settings *was = listener->settings;
    const struct listener_settings *is;
    uint32_t to;
    int fd = listener->fd;

    if (listener->is_gone || listener->generation == worker->generation)
        return;
    to = order->kept[listener->index];
    if (to == UINT32_MAX) {
        retire(listener, false);
        return;
    }
    is = &worker->generation->shared->settings->listeners[to];
    if (is->is_tls != was->is_tls ||
        is->proxy_protocol != was->proxy_protocol) {
        /* The same socket speaks another protocol now. */
        retire(listener, true);
        if (fd >= 0)
            listener_add(worker, to, fd);
        return;
    }
    use_settings(listener, to);
    if (strcmp(was->text, is->text) != 0)
        rename_cell(listener);
}

void listener_resume(struct listener *listener)
{
    if (listener->fd >= 0 && event_add(listener->event, NULL) != 0)
        abort();
}

void listener_pause(struct listener *listener)
{
    if (listener->fd >= 0)
        event_del(listener->event);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    event_del(listener->event);
    close(listener->fd);
    listener->fd = -1;
}

void listener_free(struct listener *listener)
{
    listener_close(listener);
    list_remove(&listener->node);
    if (listener->is_gone)
        worker_generation_unref(&listener->generation);
    free_listener(listener);
}
