/* client_setup.c - what comes before a connection's first request. */
#include "proxy/client_setup.h"

#include <stdbool.h>
#include <string.h>

#include "proxy/buffer_pool.h"
#include "proxy/client.h"
#include "proxy/listener.h"
#include "proxy/proxy_protocol.h"
#include "proxy/settings.h"
#include "proxy/worker.h"
#include "proxy/worker_generation.h"
#include "router/base/log.h"
#include "router/base/metrics.h"

static void fail(struct client *client, const char *why)
{
    static struct log_rate rate;
    bool is_tls = client->phase == CLIENT_HANDSHAKE;
    uint64_t skipped;

    metrics_add(client->listener->cell,
                is_tls ? METRIC_TLS_FAILURES : METRIC_PROXY_HEADER_FAILURES, 1);
    if (log_rate_allows(&rate, &skipped))
        log_info("client",
                 is_tls ? "TLS handshake failed" : "no PROXY header came",
                 "listener=\"%s\" client=%s why=\"%s\" skipped=%llu",
                 client->listener->settings->text, client->host, why,
                 (unsigned long long)skipped);
}

void client_setup_timed_out(struct client *client)
{
    fail(client, "it took too long");
}

/* --- TLS --- */

static void count_handshake(const struct client *client)
{
    const struct tls_stream *tls = client->stream.tls;
    bool is_resumed = tls_stream_is_resumed(tls);
    enum metric_id id = is_resumed ? METRIC_TLS12_RESUMED : METRIC_TLS12_FULL;

    if (tls_stream_is_tls13(tls))
        id = is_resumed ? METRIC_TLS13_RESUMED : METRIC_TLS13_FULL;
    metrics_add(client->listener->cell, id, 1);
}

static void begin_handshake(struct client *client)
{
    client->phase = CLIENT_HANDSHAKE;
    client->setup = worker_generation_ref(client->listener->generation);
    client->stream.tls =
        tls_stream_new(client->listener->sni, client->stream.fd);
}

static void shake(struct client *client)
{
    struct tls_stream *tls = client->stream.tls;
    enum io_result result = tls_stream_handshake(tls);
    bool wants_write = result == IO_AGAIN && tls_stream_wants_write(tls);

    if (result == IO_FAILED)
        fail(client, tls_stream_failure(tls));
    if (result == IO_FAILED || result == IO_EOF) {
        client_close(client);
        return;
    }
    client_set_watch(client,
                     wants_write ? CLIENT_WATCH_NOTHING : CLIENT_WATCH_READ);
    client_await_write(client, wants_write);
    if (result == IO_AGAIN)
        return;
    count_handshake(client);
    client_open(client);
}

/* --- the PROXY header --- */

static void end_header(struct client *client, const struct proxy_header *header)
{
    buffer_give(&client->worker->buffers, &client->in);
    if (header->has_client) {
        client->peer = header->client;
        client->local_port = header->local_port;
        client_format_host(client);
    }
    if (client->listener->sni)
        begin_handshake(client);
    else
        client_open(client);
}

/* Look at what has come without taking it: what is behind the header belongs
 * to whoever comes next. Returns how much of it is the header's; 0: the client
 * is closed. */
static size_t look_at_header(struct client *client, enum proxy_result *ret,
                             struct proxy_header *ret_header)
{
    struct io_buffer *in = client->in;
    size_t had = buffer_len(in);
    size_t size;
    char *space = buffer_space(in, &size);
    size_t count;
    enum io_result io = stream_outcome(
        recv(client->stream.fd, space,
             size < PROXY_HEADER_MAX_BYTES ? size : PROXY_HEADER_MAX_BYTES,
             MSG_PEEK),
        &count);

    if (io == IO_AGAIN) {
        *ret = PROXY_MORE;
        return 0;
    }
    *ret = PROXY_REFUSED;
    if (io != IO_DONE) {
        if (had > 0)
            fail(client, "closed in the middle of it");
        return 0;
    }
    *ret = proxy_protocol_parse(sv_make(in->data + in->start, had + count),
                                ret_header);
    if (*ret == PROXY_REFUSED)
        fail(client, "not one");
    return *ret == PROXY_DONE ? ret_header->bytes - had : count;
}

static void read_header(struct client *client)
{
    struct proxy_header header;
    enum proxy_result result;
    size_t take;

    if (!client->in)
        client->in = buffer_take(&client->worker->buffers);
    take = look_at_header(client, &result, &header);
    if (result == PROXY_REFUSED) {
        client_close(client);
        return;
    }
    if (take > 0) {
        struct io_buffer *in = client->in;

        if (recv(client->stream.fd, in->data + in->end, take, 0) !=
            (ssize_t)take) {
            client_close(client);
            return;
        }
        in->end += (uint32_t)take;
    }
    if (result == PROXY_DONE)
        end_header(client, &header);
    else if (buffer_len(client->in) == 0)
        buffer_give(&client->worker->buffers, &client->in);
}

/* --- both --- */

void client_setup_begin(struct client *client)
{
    struct worker *worker = client->worker;

    client->phase = CLIENT_PROXY_HEADER;
    if (!client->listener->settings->proxy_protocol)
        begin_handshake(client);
    list_add_tail(&worker->idle_clients, &client->node);
    timer_start(worker->timers, &client->timer,
                client->listener->server->handshake_timeout_ms);
    client_set_watch(client, CLIENT_WATCH_READ);
}

void client_setup_run(struct client *client)
{
    if (client->phase == CLIENT_PROXY_HEADER)
        read_header(client);
    else
        shake(client);
}
