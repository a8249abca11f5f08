/* client.c - a connection that requests come on. */
#include "proxy/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/buffer_pool.h"
#include "proxy/client_setup.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "proxy/worker_generation.h"
#include "router/base/alloc.h"
#include "tls/tls_context.h"
#include "tls/tls_sni.h"

/* Requests that are read first, then begun together: what reads is run in a row
 * then, and what begins them, each out of caches that hold it. More of them
 * would push each other's bytes out. */
#define BEGUN_TOGETHER 16
/* How long a peer that still sends is read off after the answer. */
#define LINGER_MS 3000

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Edge-triggered where no bytes are taken, so that what lies there unread does
 * not keep the loop busy. libevent shows a reset as readable and writable, not
 * as closed: so reading is asked for there, too. */
static short wanted_events(const struct client *client)
{
    short what = client->is_writing || client->read_wants_write ? EV_WRITE : 0;

    if (client->watch == CLIENT_WATCH_READ)
        return (short)(what | EV_READ | EV_PERSIST);
    if (client->watch == CLIENT_WATCH_CLOSE)
        return (short)(what | EV_READ | EV_CLOSED | EV_ET | EV_PERSIST);
    return what ? (short)(what | EV_PERSIST) : 0;
}

static void apply_watch(struct client *client, short before)
{
    short wanted = wanted_events(client);

    if (before != 0)
        event_del(&client->event);
    if (wanted == 0)
        return;
    if (event_assign(&client->event, loop_base(client->worker->loop),
                     client->stream.fd, wanted, on_event, client) != 0 ||
        event_add(&client->event, NULL) != 0)
        abort();
}

static void defer_next(struct client *client)
{
    client->worker->deferred_count++;
    loop_defer(client->worker->loop, &client->next_task);
}

/* Bytes that TLS holds already make no socket readable: come back for them at
 * the end of the turn. */
static void look_for_pending(struct client *client)
{
    if (client->watch == CLIENT_WATCH_READ && client->phase == CLIENT_OPEN &&
        stream_has_pending(&client->stream) &&
        !loop_task_is_pending(&client->next_task))
        defer_next(client);
}

void client_set_watch(struct client *client, enum client_watch watch)
{
    short before = wanted_events(client);

    if (client->watch == watch)
        return;
    client->watch = (uint8_t)watch;
    apply_watch(client, before);
    if (client->stream.tls)
        look_for_pending(client);
}

void client_await_write(struct client *client, bool wanted)
{
    short before = wanted_events(client);

    if (client->is_writing == wanted)
        return;
    client->is_writing = wanted;
    apply_watch(client, before);
}

static void count_as(struct client *client, enum listener_clients state)
{
    listener_move_client(client->listener, client->counted_as, state);
    client->counted_as = (uint8_t)state;
}

static void free_client(void *ptr)
{
    free(ptr);
}

/* Frees what it holds; the memory goes at the end of the turn. */
static void end(struct client *client, void (*close_stream)(struct stream *))
{
    struct worker *worker = client->worker;

    if (client->is_closed)
        return;
    client->is_closed = true;
    client->read_wants_write = false;
    client_await_write(client, false);
    client_set_watch(client, CLIENT_WATCH_NOTHING);
    timer_stop(&client->timer);
    list_remove(&client->node);
    buffer_give(&worker->buffers, &client->in);
    close_stream(&client->stream);
    worker->client_count--;
    count_as(client, LISTENER_NONE);
    worker_generation_unref(&client->setup);
    listener_client_ended(client->listener);
    loop_free_later(worker->loop, client, free_client);
    worker_on_ended(worker);
}

void client_close(struct client *client)
{
    assert(!client->exchange);
    end(client, stream_close);
}

void client_abort(struct client *client)
{
    if (client->exchange)
        exchange_abort(client->exchange); /* ends the client, too */
    else
        end(client, stream_close);
}

static void on_timer(struct timer *timer)
{
    struct client *client = container_of(timer, struct client, timer);

    if (client->phase != CLIENT_OPEN)
        client_setup_timed_out(client);
    client_close(client);
}

/* Of the server that it asked for in its handshake, as that is now. */
static const struct tls_context *context_now(const struct client *client)
{
    return tls_sni_find(client->listener->sni,
                        sv_of(tls_stream_server_name(client->stream.tls)));
}

const struct server_settings *client_server(const struct client *client)
{
    const struct listener *listener = client->listener;

    if (!client->stream.tls || !listener->sni)
        return listener->server;
    return &listener->generation->shared->settings
                ->servers[tls_context_server(context_now(client))];
}

bool client_is_stale(const struct client *client)
{
    const struct tls_context *now;
    const struct tls_context *then;

    if (client->listener->is_gone)
        return true;
    if (!client->stream.tls || client->phase != CLIENT_OPEN)
        return false;
    now = context_now(client);
    then = tls_stream_context(client->stream.tls);
    return now != then && !tls_context_same_clients(now, then);
}

bool client_may_stay(const struct client *client)
{
    return !client->worker->is_draining && !client_is_stale(client);
}

static void become_idle(struct client *client)
{
    struct worker *worker = client->worker;

    list_remove(&client->node);
    list_add_tail(&worker->idle_clients, &client->node);
    count_as(client, LISTENER_IDLE);
    timer_start(worker->timers, &client->timer, client->keepalive_ms);
    client_set_watch(client, CLIENT_WATCH_READ);
}

/* A request has come: it is neither idle any more, nor closed as such. */
static void become_busy(struct client *client)
{
    timer_stop(&client->timer);
    list_remove(&client->node);
    list_add_tail(&client->worker->busy_clients, &client->node);
    count_as(client, LISTENER_ACTIVE);
}

/* Bytes of the next request are there. Deferred, so that requests begin
 * together and a pipeline of them is no recursion; and bytes that TLS holds
 * become an event of the next turn, so that others are served in between. */
static void on_next(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, next_task);

    client->worker->deferred_count--;
    if (!client->is_closed && !client->exchange && !client->is_lingering &&
        client->in) {
        client->request_count++;
        exchange_start(client);
    }
    if (!client->is_closed && client->watch == CLIENT_WATCH_READ &&
        stream_has_pending(&client->stream))
        event_active(&client->event, EV_READ, 0);
}

/* What comes is of no use: not even TLS looks at it. */
static void read_off(struct client *client)
{
    struct worker *worker = client->worker;
    struct io_buffer *buffer = buffer_take(&worker->buffers);
    size_t size;
    char *space = buffer_space(buffer, &size);
    size_t count;
    enum io_result result =
        stream_outcome(recv(client->stream.fd, space, size, 0), &count);

    buffer_give(&worker->buffers, &buffer);
    if (result == IO_EOF || result == IO_FAILED)
        client_close(client);
}

static void read_first(struct client *client)
{
    struct worker *worker = client->worker;
    struct iovec iov;
    enum io_result result;
    size_t count;

    if (!client->in)
        client->in = buffer_take(&worker->buffers);
    iov.iov_base = buffer_space(client->in, &iov.iov_len);
    result = stream_read(&client->stream, &iov, 1, &count);
    if (result == IO_DONE) {
        client->in->end += (uint32_t)count;
        become_busy(client);
        if (!loop_task_is_pending(&client->next_task))
            defer_next(client);
        if (worker->deferred_count >= BEGUN_TOGETHER)
            loop_run_deferred(worker->loop);
        return;
    }
    buffer_give(&worker->buffers, &client->in);
    if (result != IO_AGAIN)
        client_close(client);
}

static bool was_reset(const struct client *client)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(client->stream.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error != 0;
}

/* While no bytes are taken. Returns whether it is gone. */
static bool watch_close(struct client *client, short what)
{
    if (was_reset(client)) {
        client_abort(client);
        return true;
    }
    if (!(what & EV_CLOSED) || client->saw_end)
        return false;
    client->saw_end = true;
    return exchange_on_client_end(client->exchange);
}

static void serve_event(struct client *client, short what)
{
    if (client->watch == CLIENT_WATCH_CLOSE && (what & (EV_READ | EV_CLOSED)) &&
        watch_close(client, what))
        return;
    if ((what & EV_WRITE) && client->is_writing) {
        exchange_on_client_writable(client->exchange);
        if (client->is_closed)
            return;
    }
    if (!(what & EV_READ) || client->watch != CLIENT_WATCH_READ)
        return;
    if (client->exchange)
        exchange_on_client_readable(client->exchange);
    else if (client->is_lingering)
        read_off(client);
    else if (!client->in)
        read_first(client);
}

/* What TLS waits for now is not always what its user waits for. */
static void after_tls_event(struct client *client)
{
    short before = wanted_events(client);
    bool wants = client->watch == CLIENT_WATCH_READ &&
                 tls_stream_read_wants_write(client->stream.tls);

    if (client->read_wants_write != wants) {
        client->read_wants_write = wants;
        apply_watch(client, before);
    }
    look_for_pending(client);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;

    (void)fd;
    if (client->phase != CLIENT_OPEN) {
        client_setup_run(client);
        return;
    }
    if ((what & EV_WRITE) && client->read_wants_write)
        what |= EV_READ;
    serve_event(client, what);
    if (client->stream.tls && !client->is_closed)
        after_tls_event(client);
}

void client_format_host(struct client *client)
{
    const struct client_peer *peer = &client->peer;

    if (peer->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &peer->v4.sin_addr, client->host,
                  sizeof client->host);
    else if (peer->any.sa_family != AF_INET6)
        strcpy(client->host, "unix:");
    else if (IN6_IS_ADDR_V4MAPPED(&peer->v6.sin6_addr))
        inet_ntop(AF_INET, &peer->v6.sin6_addr.s6_addr[12], client->host,
                  sizeof client->host);
    else
        inet_ntop(AF_INET6, &peer->v6.sin6_addr, client->host,
                  sizeof client->host);
}

void client_new(struct listener *listener, int fd,
                const struct client_peer *peer)
{
    struct worker *worker = listener->worker;
    struct client *client = xcalloc(1, sizeof *client);

    client->worker = worker;
    client->listener = listener;
    client->stream.fd = fd;
    client->peer = *peer;
    client->local_port = listener->port;
    client->watch = CLIENT_WATCH_NOTHING;
    client->timer.on_expire = on_timer;
    client->next_task.run = on_next;
    client_format_host(client);
    client->number = worker->connection_count++;
    worker->client_count++;
    listener->client_count++;
    count_as(client, LISTENER_SETUP);
    if (listener->has_setup)
        client_setup_begin(client);
    else
        client_open(client);
}

/* keepalive_timeout 0: no second request; the first may take its time. */
static uint32_t first_wait_ms(const struct server_settings *server)
{
    return (uint32_t)(server->keepalive_timeout_ms != 0
                          ? server->keepalive_timeout_ms
                          : server->client_header_timeout_ms);
}

void client_open(struct client *client)
{
    client->phase = CLIENT_OPEN;
    client->keepalive_ms = first_wait_ms(client_server(client));
    worker_generation_unref(&client->setup);
    become_idle(client);
    if (client->stream.tls)
        look_for_pending(client);
}

static void linger(struct client *client)
{
    struct worker *worker = client->worker;

    client->is_lingering = true;
    buffer_give(&worker->buffers, &client->in);
    stream_shutdown(&client->stream);
    client_await_write(client, false);
    client_set_watch(client, CLIENT_WATCH_READ);
    timer_start(worker->timers, &client->timer, LINGER_MS);
}

void client_end_exchange(struct client *client, enum client_end how)
{
    client->exchange = NULL;
    if (how == CLIENT_KEEP && !client_may_stay(client))
        how = CLIENT_CLOSE;
    switch (how) {
    case CLIENT_KEEP:
        if (client->in && buffer_len(client->in) > 0) {
            if (!loop_task_is_pending(&client->next_task))
                defer_next(client);
            return;
        }
        buffer_give(&client->worker->buffers, &client->in);
        become_idle(client);
        return;
    case CLIENT_LINGER:
        linger(client);
        return;
    case CLIENT_CLOSE:
        end(client, stream_close);
        return;
    case CLIENT_RESET:
        end(client, stream_reset);
        return;
    }
}

void client_keep_bytes(struct client *client, struct strview bytes)
{
    size_t size = 0;

    if (bytes.len == 0)
        return;
    assert(!client->in);
    client->in = buffer_take(&client->worker->buffers);
    buffer_space(client->in, &size);
    if (bytes.len > size) { /* they came with a head of more than a buffer */
        buffer_give(&client->worker->buffers, &client->in);
        client->in = buffer_take_large(bytes.len);
    }
    memcpy(client->in->data + client->in->end, bytes.ptr, bytes.len);
    client->in->end += (uint32_t)bytes.len;
}
