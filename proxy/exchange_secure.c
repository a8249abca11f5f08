/* exchange_secure.c - what TLS means for a request: who may ask whom over which
 * connection, and what app and client are told of it. */
#include <stdio.h>
#include <string.h>

#include "proxy/client_address.h"
#include "proxy/exchange_private.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/worker_generation.h"
#include "proxy/worker_tls.h"
#include "tls/tls_context.h"

bool exchange_is_misdirected(const struct exchange *x,
                             const struct server_settings *server)
{
    const struct server_settings *servers =
        x->generation->shared->settings->servers;
    const struct tls_context *asked;
    const struct tls_context *meant;

    if (!x->client->stream.tls)
        return false;
    asked = tls_stream_context(x->client->stream.tls);
    meant =
        worker_tls_context(x->generation->tls, (uint32_t)(server - servers));
    return !meant || !tls_context_same_clients(asked, meant);
}

/* A trusted proxy before us may have spoken TLS with the client. */
static bool came_by_https(const struct exchange *x)
{
    struct address peer;

    if (x->client->stream.tls)
        return true;
    peer = client_address_of(&x->client->peer);
    return client_address_came_by_https(&peer, &x->request, x->server);
}

/* Where the server has TLS: 443 where it has that, else the first such port; 0:
 * on none of its listeners, so that a proxy before us has it. */
static unsigned https_port(const struct exchange *x)
{
    const struct proxy_settings *settings = x->generation->shared->settings;
    uint32_t server = (uint32_t)(x->server - settings->servers);
    unsigned port = 0;

    for (uint32_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        unsigned found = listener->is_tls && !listener->is_admin
                             ? address_port(&listener->address)
                             : 0;

        for (uint32_t j = 0; found && j < listener->server_count; j++) {
            if (listener->servers[j] != server)
                continue;
            if (found == 443)
                return 443;
            port = port ? port : found;
        }
    }
    return port;
}

bool exchange_redirect_https(struct exchange *x)
{
    AUTO(strbuf_done) struct strbuf url = STRBUF_INIT;
    const struct http_head *request = &x->request;
    unsigned port;

    if (!x->server->redirect_https || came_by_https(x))
        return false;
    if (request->host.len == 0) {
        exchange_reject_with(
            x,
            &(struct rejection){REJECT_BAD_REQUEST,
                                "This needs https, or a Host field that says "
                                "where to redirect to."},
            sv_make(NULL, 0), 0);
        return true;
    }
    port = https_port(x);
    strbuf_printf(&url, "https://%.*s", SV_ARG(request->host));
    if (port != 0 && port != 443)
        strbuf_printf(&url, ":%u", port);
    if (!http_head_is_asterisk(request))
        strbuf_add_sv(&url, request->path);
    if (request->query.ptr)
        strbuf_printf(&url, "?%.*s", SV_ARG(request->query));
    /* 301 is what every client knows; but only 308 keeps method and body. */
    exchange_reply_status(
        x,
        request->method == METHOD_GET || request->method == METHOD_HEAD ? 301
                                                                        : 308,
        strbuf_view(&url));
    return true;
}

struct strview exchange_client_cert(struct exchange *x)
{
    struct tls_stream *tls = x->client->stream.tls;
    const char *subject = tls ? tls_stream_client_subject(tls) : NULL;
    static const char name[] = "X-Client-Cert-Subject: ";
    size_t len;
    char *line;

    if (!subject)
        return sv_make(NULL, 0);
    len = sizeof name - 1 + strlen(subject) + 2;
    line = arena_alloc(&x->arena, len + 1);
    snprintf(line, len + 1, "%s%s\r\n", name, subject);
    return sv_make(line, len);
}

struct strview exchange_hsts(struct exchange *x)
{
    char *value;

    if (x->server->hsts_ms == 0 || !x->client || !x->client->stream.tls)
        return sv_make(NULL, 0);
    value = arena_alloc(&x->arena, 32);
    snprintf(value, 32, "max-age=%llu",
             (unsigned long long)(x->server->hsts_ms / 1000));
    return sv_of(value);
}
