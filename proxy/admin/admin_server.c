/* admin_server.c - the admin API over HTTP. */
#include "proxy/admin/admin_server.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "proxy/admin/admin_access.h"
#include "proxy/admin/admin_call.h"
#include "proxy/admin/admin_gate.h"
#include "proxy/admin/admin_host.h"
#include "proxy/admin/admin_rates.h"
#include "proxy/admin/admin_route.h"
#include "proxy/settings.h"
#include "router/base/address.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "tls/tls_context.h"

#define HEAD_MAX_BYTES (16 * 1024)
#define BODY_MAX_BYTES (64 * 1024)
/* evhttp's own refusals are pages of HTML: it refuses what is far too large,
 * and what is too large is refused here. */
#define HEAD_FAR_TOO_LARGE (64 * 1024)
#define BODY_FAR_TOO_LARGE (1024 * 1024)
#define SILENCE_TIMEOUT_S  10

/* One evhttp each listening socket, so that a request tells where it came. */
struct admin_listener {
    struct admin_listener *next;
    struct admin_server *server;
    struct evhttp *http;
    struct evhttp_bound_socket *socket;
    struct evconnlistener *accepter;
    uint32_t index; /* into settings->listeners */
    bool is_unix;
    bool is_gone; /* only what it has accepted is left */
};

struct admin_server {
    struct admin_host host;
    struct admin_calls *calls;
    /* Of Unix sockets, whose clients are the operator's, and of the rest. */
    struct admin_gate *unix_gate;
    struct admin_gate *tcp_gate;
    struct admin_listener *listeners;
    struct tls_context *tls; /* NULL: no listener has TLS */
};

void admin_server_update_tls(struct admin_server *server,
                             const struct tls_settings *settings)
{
    struct err err;
    struct tls_context *fresh =
        tls_context_new(settings, NULL, SV("admin"), &err);

    if (!fresh) {
        log_error("admin", "certificates cannot be used", "why=\"%s\"",
                  err.text);
        return;
    }
    tls_context_unref(&server->tls);
    server->tls = fresh;
}

struct admin_server *admin_server_new(const struct admin_host *host)
{
    struct admin_server *server = xcalloc(1, sizeof(*server));
    const struct tls_settings *tls =
        &host->ops->settings(host->front)->admin.tls;

    server->host = *host;
    if (tls->pair_count > 0)
        admin_server_update_tls(server, tls);
    server->host.rates = admin_rates_new(&server->host);
    server->calls = admin_calls_new(&server->host);
    server->unix_gate = admin_gate_new(host->loop, ADMIN_CONNECTIONS_MAX);
    server->tcp_gate = admin_gate_new(host->loop, ADMIN_CONNECTIONS_MAX);
    return server;
}

static void free_listener(struct admin_listener *listener)
{
    evhttp_free(listener->http);
    free(listener);
}

void admin_server_free(struct admin_server **server)
{
    struct admin_listener *listener;

    if (!*server)
        return;
    admin_calls_free(&(*server)->calls);
    admin_gate_free(&(*server)->unix_gate);
    admin_gate_free(&(*server)->tcp_gate);
    admin_rates_free(&(*server)->host.rates);
    while ((listener = (*server)->listeners)) {
        (*server)->listeners = listener->next;
        free_listener(listener);
    }
    tls_context_unref(&(*server)->tls);
    free(*server);
    *server = NULL;
}

static void drop_gone(struct admin_server *server)
{
    struct admin_listener **at = &server->listeners;

    while (*at) {
        struct admin_listener *listener = *at;

        if (listener->is_gone) {
            *at = listener->next;
            free_listener(listener);
        } else {
            at = &listener->next;
        }
    }
}

static struct admin_gate *gate_of(const struct admin_listener *listener)
{
    return listener->is_unix ? listener->server->unix_gate
                             : listener->server->tcp_gate;
}

static void watch(struct admin_listener *listener)
{
    struct admin_server *server = listener->server;
    const struct proxy_settings *settings =
        server->host.ops->settings(server->host.front);

    admin_gate_watch(gate_of(listener), listener->http, listener->accepter,
                     settings->listeners[listener->index].is_tls ? &server->tls
                                                                 : NULL);
}

void admin_server_reload(struct admin_server *server, const uint32_t *kept)
{
    const struct tls_settings *tls =
        &server->host.ops->settings(server->host.front)->admin.tls;

    if (tls->pair_count > 0)
        admin_server_update_tls(server, tls);
    drop_gone(server);
    for (struct admin_listener *l = server->listeners; l; l = l->next) {
        admin_gate_unwatch(gate_of(l), l->accepter);
        l->index = kept[l->index];
        l->is_gone = l->index == UINT32_MAX;
        if (l->is_gone)
            evhttp_del_accept_socket(l->http, l->socket);
        else
            watch(l); /* it may have TLS now, or no more */
    }
}

static enum admin_method method_of(struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD:
        return ADMIN_METHOD_GET;
    case EVHTTP_REQ_POST:
        return ADMIN_METHOD_POST;
    default:
        return ADMIN_METHOD_OTHER;
    }
}

static unsigned count_fields(struct evhttp_request *request, const char *name)
{
    unsigned count = 0;
    struct evkeyval *field;

    TAILQ_FOREACH(field, evhttp_request_get_input_headers(request), next)
    count += strcasecmp(field->key, name) == 0;
    return count;
}

static struct strview field_of(struct evhttp_request *request, const char *name)
{
    return sv_of(
        evhttp_find_header(evhttp_request_get_input_headers(request), name));
}

/* Answers and returns false when the request may not go on. route NULL: there
 * is no such path, which is nobody's business without a token. */
static bool check_access(const struct admin_listener *listener,
                         struct admin_call *call,
                         struct evhttp_request *request,
                         const struct admin_route *route)
{
    const struct admin_host *host = &listener->server->host;
    const struct proxy_settings *settings = host->ops->settings(host->front);
    const struct admin_settings *admin = &settings->admin;
    struct admin_ask ask = {
        .listener = &settings->listeners[listener->index].address,
        .has_host = count_fields(request, "Host") > 0,
        .host = field_of(request, "Host"),
        .authorization = field_of(request, "Authorization"),
        .writes = !route || route->writes,
        .is_open = route &&
                   (route->open == ADMIN_OPEN_ALWAYS ||
                    (route->open == ADMIN_OPEN_METRICS && admin->metrics_open)),
    };

    switch (admin_access_check(admin, &ask)) {
    case ADMIN_ALLOWED:
        return true;
    case ADMIN_MISDIRECTED:
        admin_call_error(call, 421, "misdirected",
                         "Host must be this listener's address or localhost");
        return false;
    case ADMIN_FORBIDDEN:
        admin_call_error(call, 403, "forbidden", "this token may only read");
        return false;
    case ADMIN_UNAUTHORIZED:
        break;
    }
    evhttp_add_header(evhttp_request_get_output_headers(request),
                      "WWW-Authenticate", "Bearer realm=\"berth\"");
    if (admin->token || admin->read_token)
        admin_call_error(call, 401, "unauthorized",
                         "this needs Authorization: Bearer with the token of "
                         "token_file");
    else
        admin_call_error(call, 401, "unauthorized",
                         "no token_file is configured, so this is only "
                         "answered on the Unix socket");
    return false;
}

static bool is_well_formed(struct evhttp_request *request)
{
    const char *uri = evhttp_request_get_uri(request);
    unsigned hosts = count_fields(request, "Host");

    if (uri[0] != '/' || hosts > 1 ||
        count_fields(request, "Authorization") > 1)
        return false;
    /* RFC 9112, 3.2: HTTP/1.1 must name a host. */
    return hosts == 1 || request->major < 1 ||
           (request->major == 1 && request->minor == 0);
}

static size_t head_bytes(struct evhttp_request *request)
{
    size_t bytes = strlen(evhttp_request_get_uri(request));
    struct evkeyval *field;

    TAILQ_FOREACH(field, evhttp_request_get_input_headers(request), next)
    bytes += strlen(field->key) + strlen(field->value) + 4;
    return bytes;
}

/* Answers and returns false when it is larger than it may be. */
static bool check_size(struct admin_call *call, struct evhttp_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);

    if (head_bytes(request) > HEAD_MAX_BYTES) {
        admin_call_error(call, 431, "headers_too_large",
                         "the request's head has more than %d bytes",
                         HEAD_MAX_BYTES);
        return false;
    }
    if (evbuffer_get_length(body) > BODY_MAX_BYTES) {
        admin_call_error(call, 413, "body_too_large",
                         "the request's body has more than %d bytes",
                         BODY_MAX_BYTES);
        return false;
    }
    return true;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct admin_listener *listener = arg;
    const char *uri = evhttp_request_get_uri(request);
    struct strview rest = sv_of(uri);
    struct strview path = {NULL, 0};
    struct strview app = {NULL, 0};
    const char *allowed = NULL;
    const struct admin_route *route;
    struct admin_call *call;

    (void)sv_split(&rest, '?', &path);
    route = admin_route_find(method_of(request), path, &app, &allowed);
    call = admin_call_new(listener->server->calls, request, app);
    admin_gate_hold(gate_of(listener), request);
    if (listener->is_gone) {
        admin_call_error(call, 503, "draining",
                         "the configuration has this address no more");
        return;
    }
    if (!is_well_formed(request)) {
        admin_call_error(call, 400, "bad_request",
                         "the request needs a path and one Host field");
        return;
    }
    if (!check_access(listener, call, request, route) ||
        !check_size(call, request))
        return;
    if (route) {
        route->handle(call);
    } else if (allowed) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                          allowed);
        admin_call_error(call, 405, "method_not_allowed",
                         "this path answers %s", allowed);
    } else {
        admin_call_error(call, 404, "not_found", "there is no %.*s here",
                         SV_ARG(path));
    }
}

void admin_server_listen(struct admin_server *server, uint32_t listener, int fd)
{
    struct admin_listener *fresh = xcalloc(1, sizeof(*fresh));
    struct event_base *base = loop_base(server->host.loop);
    struct evhttp *http = evhttp_new(base);

    evutil_make_socket_nonblocking(fd);
    fresh->accepter = evconnlistener_new(
        base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (http && fresh->accepter)
        fresh->socket = evhttp_bind_listener(http, fresh->accepter);
    if (!fresh->socket)
        abort(); /* out of memory, as everywhere */
    fresh->server = server;
    fresh->http = http;
    fresh->index = listener;
    fresh->is_unix = server->host.ops->settings(server->host.front)
                         ->listeners[listener]
                         .address.any.sa_family == AF_UNIX;
    fresh->next = server->listeners;
    server->listeners = fresh;
    evhttp_set_max_headers_size(http, HEAD_FAR_TOO_LARGE);
    evhttp_set_max_body_size(http, BODY_FAR_TOO_LARGE);
    evhttp_set_timeout(http, SILENCE_TIMEOUT_S);
    /* What is not in the table is refused by us, in JSON. */
    evhttp_set_allowed_methods(
        http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                  EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                  EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(http, on_request, fresh);
    watch(fresh);
    log_debug("admin", "listening", "listener=%u", listener);
}
