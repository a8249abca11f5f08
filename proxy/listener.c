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
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
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

void listener_add(struct worker *worker, uint32_t index, int fd)
{
    const struct proxy_settings *settings = worker->shared->settings;
    struct listener *listener = xcalloc(1, sizeof *listener);
    const int on = 1;

    listener->worker = worker;
    listener->fd = fd;
    listener->settings = &settings->listeners[index];
    listener->server = &settings->servers[listener->settings->servers[0]];
    listener->routes = worker->shared->routes->tables[index];
    listener->limits.max_head_bytes =
        (uint32_t)listener->server->client_max_header_bytes;
    listener->limits.max_line_bytes = listener->limits.max_head_bytes;
    listener->limits.max_fields = listener->server->client_max_headers;
    if (listener->settings->is_tls)
        listener->sni = worker_tls_sni(worker->tls, index);
    listener->has_setup = listener->sni || listener->settings->proxy_protocol;
    listener->port = (uint16_t)address_port(&listener->settings->address);
    listener->cell =
        metrics_cell_new(worker->shared->metrics, METRIC_SCOPE_LISTENER,
                         listener->settings->text);
    /* Accepted sockets inherit it: no call per connection. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    evutil_make_socket_nonblocking(fd);
    listener->event = event_new(loop_base(worker->loop), fd,
                                EV_READ | EV_PERSIST, on_acceptable, listener);
    if (!listener->event)
        abort();
    list_add_tail(&worker->listeners, &listener->node);
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
    event_free(listener->event);
    free(listener);
}
