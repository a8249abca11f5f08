/* exchange_log.c - what the access log is told of an exchange. */
#include <stdio.h>
#include <string.h>

#include "proxy/access_log.h"
#include "proxy/exchange_private.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/log_outlet.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker_generation.h"
#include "router/base/clock.h"
#include "router/replica_ref.h"
#include "router/settings.h"

/* NULL: it is off. */
static const struct access_log *log_of(const struct exchange *x)
{
    uint32_t number =
        x->route ? x->route->settings->access_log : x->server->access_log;

    return number == 0 ? NULL
                       : &x->generation->shared->access_logs->all[number - 1];
}

void exchange_log_request(struct exchange *x)
{
    const struct access_log *log = log_of(x);

    if (log)
        x->log_values =
            access_log_keep(log, &x->request, x->normal_path, &x->arena);
}

void exchange_log_refused_head(struct exchange *x)
{
    const struct access_log *log = log_of(x);
    const struct io_buffer *in = x->client->in;

    if (log && in)
        x->log_values = access_log_keep_raw(
            log, sv_make(in->data + in->start, buffer_len(in)), &x->arena);
}

static struct strview keep(struct exchange *x, const char *text)
{
    struct strview view = sv_of(text);

    return view.len == 0 ? view
                         : sv_make(arena_copy(&x->arena, view), view.len);
}

static void keep_upstream(struct exchange *x, const struct replica_ref *replica)
{
    char text[ADDRESS_TEXT_SIZE];

    if (replica->connect == CONNECT_DIRECT)
        address_format(&replica->address, text);
    else if (replica->connect == CONNECT_INSIDE)
        snprintf(text, sizeof text, "%s:%u", replica->name, replica->port);
    else
        snprintf(text, sizeof text, "unix:%s", replica->name);
    x->log_upstream = keep(x, text);
}

/* The replica may be gone when the line is written. */
void exchange_log_slot(struct exchange *x)
{
    const struct access_log *log = log_of(x);

    if (!log)
        return;
    if (access_log_uses(log, LOG_VARIABLE_REPLICA))
        x->log_replica = keep(x, x->slot->replica->name);
    if (access_log_uses(log, LOG_VARIABLE_REVISION))
        x->log_revision = keep(x, x->slot->replica->revision);
    if (access_log_uses(log, LOG_VARIABLE_UPSTREAM_ADDR))
        keep_upstream(x, x->slot->replica);
}

void exchange_log_answer(struct exchange *x, size_t begin)
{
    const struct access_log *log = log_of(x);
    struct strview head = sv_skip(strbuf_view(&x->answer_body.head), begin);
    const char *end;

    if (!log || head.len == 0)
        return;
    end = memmem(head.ptr, head.len, "\r\n\r\n", 4);
    if (end)
        head.len = (size_t)(end - head.ptr) + 4;
    x->sent_head_size = begin + head.len;
    if (access_log_uses(log, LOG_VARIABLE_SENT_HTTP))
        x->log_sent = sv_make(arena_copy(&x->arena, head), head.len);
}

static uint16_t peer_port(const struct client_peer *peer)
{
    if (peer->any.sa_family == AF_INET)
        return ntohs(peer->v4.sin_port);
    return peer->any.sa_family == AF_INET6 ? ntohs(peer->v6.sin6_port) : 0;
}

static void fill_route(const struct exchange *x, struct access_entry *entry)
{
    if (x->server->name_count > 0)
        entry->server_name = sv_of(x->server->names[0]);
    if (!x->route)
        return;
    entry->route = sv_of(x->route->settings->prefix);
    if (x->app)
        entry->app = sv_of(exchange_app(x)->name);
}

static void fill_times(const struct exchange *x, struct access_entry *entry)
{
    uint64_t now = worker_now_us(x->worker);

    entry->unix_ms = clock_unix_ms();
    entry->request_us = now - x->started_us;
    if (x->waiter.arrived_us != 0)
        entry->queue_us =
            (x->slot_us ? x->slot_us : now) - x->waiter.arrived_us;
    if (x->slot_us != 0)
        entry->upstream_us =
            (x->app_done_us ? x->app_done_us : now) - x->slot_us;
}

/* How warm the app was when the request came. */
static struct strview warmth_of(const struct exchange *x)
{
    if (!x->app)
        return sv_make(NULL, 0);
    return x->woke ? SV("frozen") : sv_of(app_state_name(x->warmth));
}

void exchange_log_end(struct exchange *x)
{
    const struct access_log *log = log_of(x);
    struct worker *worker = x->worker;
    const struct client *client = x->client;
    struct access_entry entry;

    if (!log || x->status == 0 || !worker->log_outlet)
        return;
    entry = (struct access_entry){
        .remote = x->remote,
        .peer = sv_of(client->host),
        .user = x->user,
        .request_id = x->request_id,
        .revision = x->log_revision,
        .replica = x->log_replica,
        .upstream = x->log_upstream,
        .warmth = warmth_of(x),
        .error = sv_of(x->error),
        .head_values = x->log_values,
        .sent_head = x->log_sent,
        .bytes = x->sent_bytes,
        .body_bytes = x->sent_bytes > x->sent_head_size
                          ? x->sent_bytes - x->sent_head_size
                          : 0,
        .request_bytes = x->request.bytes + x->request_body.body.total,
        .connection = (uint64_t)client->number * worker->shared->worker_count +
                      worker->index,
        .connection_requests = client->request_count,
        .status = x->status,
        .remote_port = peer_port(&client->peer),
        .server_port = client->local_port,
        .is_tls = client->stream.tls != NULL,
        .cold_start = x->waited_for_start,
    };
    fill_route(x, &entry);
    fill_times(x, &entry);
    access_log_write(log, &entry,
                     log_outlet_begin(worker->log_outlet, log->file));
    log_outlet_commit(worker->log_outlet, log->file);
}
