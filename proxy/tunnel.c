/* tunnel.c - an upgraded connection: bytes, both ways. */
#include "proxy/tunnel.h"

#include "proxy/exchange_private.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/upstream.h"

/* Each direction: more than that waits in the sockets. */
#define TUNNEL_BUFFER_BYTES (2 * IO_BUFFER_BYTES)

static void touch(struct exchange *x)
{
    exchange_start_timer(x, x->route->settings->tunnel_timeout_ms);
}

bool tunnel_begin(struct exchange *x)
{
    struct waiter *waiter;
    struct strview excess;
    struct rejection rejection;

    if (!app_tunnel_begin(x->slot, worker_now_us(x->worker), &x->tunnel_replica,
                          &waiter))
        return false;
    x->slot = NULL;
    if (waiter)
        waiter_deliver(waiter);
    exchange_set_state(x, EXCHANGE_TUNNEL);
    x->keep_alive = false;
    timer_stop(&x->request_timer);
    relay_start_raw(&x->request_body, TUNNEL_BUFFER_BYTES);
    relay_start_raw(&x->answer_body, TUNNEL_BUFFER_BYTES);
    /* Bytes without framing are never refused and have no end. */
    if (x->client->in)
        (void)!relay_adopt(&x->request_body, &x->client->in, &x->arena, &excess,
                           &rejection);
    if (x->answer_in)
        (void)!relay_adopt(&x->answer_body, &x->answer_in, &x->arena, &excess,
                           &rejection);
    touch(x);
    /* Those that were there when the drain began have been told. */
    if (x->worker->is_draining || app_is_draining(x->tunnel_replica))
        (void)!relay_end(&x->request_body);
    return true;
}

void tunnel_end(struct exchange *x)
{
    upstream_close(&x->upstream);
    app_tunnel_end(TAKE(x->tunnel_replica), worker_now_us(x->worker));
}

void tunnel_tell_end(struct exchange *x)
{
    if (!x->request_body.is_whole)
        (void)!relay_end(&x->request_body);
    tunnel_run(x);
}

/* One side is broken: nothing that still waits can be of use. */
static void break_off(struct exchange *x)
{
    tunnel_end(x);
    exchange_set_state(x, EXCHANGE_FINISH);
    exchange_run(x);
}

/* Returns false when the upstream connection is broken. */
static bool write_upstream(struct exchange *x)
{
    struct iovec iov[BODY_RELAY_PENDING];
    int pieces;

    while ((pieces = relay_pending(&x->request_body, iov)) > 0) {
        size_t count;
        enum io_result result =
            upstream_write(x->upstream, iov, pieces, &count);

        if (result == IO_FAILED)
            return false;
        if (result != IO_DONE)
            break;
        relay_sent(&x->request_body, count);
    }
    if (pieces > 0) {
        upstream_await_write(x->upstream);
        return true;
    }
    upstream_stop_write(x->upstream);
    if (x->request_body.is_whole && !x->sent_end_to_app) {
        x->sent_end_to_app = true;
        upstream_shutdown(x->upstream);
    }
    return true;
}

void tunnel_update_watch(struct exchange *x)
{
    bool reads = !x->client->saw_end && !x->request_body.is_whole &&
                 relay_has_room(&x->request_body);

    client_set_watch(x->client, reads ? CLIENT_WATCH_READ : CLIENT_WATCH_CLOSE);
    if (!x->answer_body.is_whole && relay_has_room(&x->answer_body))
        upstream_resume(x->upstream);
    else
        upstream_pause(x->upstream);
}

void tunnel_run(struct exchange *x)
{
    if (!write_upstream(x)) {
        break_off(x);
        return;
    }
    if (!exchange_write_client(x))
        return;
    if (relay_is_done(&x->answer_body) && !x->sent_end_to_client) {
        x->sent_end_to_client = true;
        stream_shutdown(&x->client->stream);
    }
    if (x->sent_end_to_app && x->sent_end_to_client) {
        break_off(x);
        return;
    }
    tunnel_update_watch(x);
}

/* The iov of relay_space() was read into. Returns false at its end. */
static bool fill(struct exchange *x, struct body_relay *relay,
                 enum io_result result, size_t count)
{
    struct strview excess;
    struct rejection rejection;

    if (result == IO_DONE) {
        (void)!relay_fill(relay, count, &x->arena, &excess, &rejection);
        touch(x);
        return true;
    }
    relay_cancel_space(relay);
    return result == IO_AGAIN;
}

void tunnel_on_client_readable(struct exchange *x)
{
    struct iovec iov[BODY_RELAY_SPACE];
    int pieces = relay_space(&x->request_body, false, iov);
    enum io_result result;
    size_t count = 0;

    if (pieces > 0) {
        result = stream_read(&x->client->stream, iov, pieces, &count);
        if (result == IO_FAILED) {
            relay_cancel_space(&x->request_body);
            exchange_client_gone(x);
            return;
        }
        if (!fill(x, &x->request_body, result, count)) {
            x->client->saw_end = true;
            tunnel_on_client_end(x);
        }
    }
    tunnel_run(x);
}

void tunnel_on_upstream_readable(struct exchange *x)
{
    struct iovec iov[BODY_RELAY_SPACE];
    int pieces = relay_space(&x->answer_body, false, iov);
    enum io_result result;
    size_t count = 0;

    if (pieces > 0) {
        result = upstream_read(x->upstream, iov, pieces, &count);
        if (result == IO_FAILED) {
            relay_cancel_space(&x->answer_body);
            break_off(x);
            return;
        }
        if (!fill(x, &x->answer_body, result, count))
            (void)!relay_end(&x->answer_body);
    }
    tunnel_run(x);
}

bool tunnel_on_client_end(struct exchange *x)
{
    /* While there is no room, what it sent before its end is still to be
     * read: the end is seen again then. */
    if (x->client->watch == CLIENT_WATCH_CLOSE) {
        x->client->saw_end = false;
        return false;
    }
    (void)!relay_end(&x->request_body);
    return false;
}
