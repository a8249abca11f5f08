/* exchange_route.c - from a request's head to the queue of its app. */
#include <assert.h>
#include <string.h>

#include "proxy/client_address.h"
#include "proxy/exchange_private.h"
#include "proxy/exchange_split.h"
#include "proxy/field_time.h"
#include "proxy/exchange_wait.h"
#include "proxy/forward_headers.h"
#include "proxy/listener.h"
#include "proxy/routes.h"
#include "proxy/settings.h"
#include "proxy/upstream.h"
#include "proxy/wait_page.h"
#include "router/base/clock.h"
#include "router/base/metrics.h"
#include "router/request_path.h"
#include "router/route_table.h"

/* Reads of a body in one go, before others are served. */
#define READ_ROUNDS 4

bool exchange_peer_is_trusted(const struct exchange *x)
{
    struct address address;

    if (x->server->trusted_count == 0)
        return false;
    address = client_address_of(&x->client->peer);
    return client_address_is_trusted(&address, x->server);
}

static void set_request_id(struct exchange *x, bool trusted)
{
    const struct http_field *field =
        trusted ? http_head_find(&x->request, FIELD_X_REQUEST_ID) : NULL;

    if (field && request_id_is_acceptable(field->value)) {
        memcpy(x->request_id_text, field->value.ptr, field->value.len);
        x->request_id = sv_make(x->request_id_text, field->value.len);
        return;
    }
    request_id_make(clock_unix_ms(), x->request_id_text);
    x->request_id = sv_make(x->request_id_text, REQUEST_ID_SIZE - 1);
}

static const struct route *look_up(const struct exchange *x,
                                   struct strview path, size_t *ret_prefix)
{
    return route_table_find(x->routes, x->request.host, path, ret_prefix);
}

/* An app that reads the path more loosely than berth must not be led to where
 * another route's rules apply (http.md). */
static bool is_ambiguous(struct exchange *x, struct strview path)
{
    char *lenient = arena_alloc(&x->arena, path.len + 1);
    size_t len;
    size_t prefix;

    if (!request_path_lenient(path, lenient, &len))
        return false;
    return look_up(x, sv_make(lenient, len), &prefix) != x->route;
}

static void strip_prefix(struct exchange *x, struct strview path,
                         size_t prefix_len)
{
    x->path = path;
    /* Of "/a/", the slash belongs to what is below. */
    if (prefix_len > 0 && path.ptr[prefix_len - 1] == '/')
        prefix_len--;
    if (!x->route->settings->strip_prefix || prefix_len == 0)
        return;
    x->prefix = sv_make(path.ptr, prefix_len);
    x->path = sv_skip(path, prefix_len);
    if (x->path.len == 0)
        x->path = SV("/");
}

/* The server is known by more than the connection: what of it was not known
 * when the head was read is looked at now. */
static void use_server(struct exchange *x, const struct server_settings *server)
{
    bool was_trusted = exchange_peer_is_trusted(x);

    x->server = server;
    x->limits = listener_server_limits(server);
    x->keep_alive = x->request.keep_alive &&
                    server->keepalive_timeout_ms != 0 &&
                    x->client->request_count < server->keepalive_requests;
    x->client->keepalive_ms = (uint32_t)server->keepalive_timeout_ms;
    if (exchange_peer_is_trusted(x) != was_trusted)
        set_request_id(x, !was_trusted);
}

/* The parser's limits were the largest of all servers' of the listener. */
static bool head_fits(struct exchange *x)
{
    const struct http_limits *limits = &x->limits;
    enum reject_code code = REJECT_HEADERS_TOO_LARGE;

    if (x->parser.field_at > limits->max_line_bytes)
        code = REJECT_URI_TOO_LONG;
    else if (x->request.bytes <= limits->max_head_bytes &&
             x->request.field_count <= limits->max_fields)
        return true;
    x->keep_alive = false;
    exchange_reject(x, code);
    return false;
}

static void reject_path(struct exchange *x, const char *text)
{
    const struct rejection rejection = {REJECT_BAD_REQUEST, text};

    exchange_reject_with(x, &rejection, sv_make(NULL, 0), 0);
}

/* Sets path, prefix and route, NULL where there is none. false: the request was
 * answered. */
static bool match_path(struct exchange *x)
{
    struct strview raw = x->request.path;
    char *normal;
    size_t prefix_len = 0;
    size_t len;

    if (http_head_is_asterisk(&x->request)) {
        x->route = look_up(x, SV("/"), &prefix_len);
        x->path = raw;
        return true;
    }
    normal = arena_alloc(&x->arena, raw.len + 1);
    if (!request_path_normalise(raw, normal, &len)) {
        reject_path(x, "The path of the request is not valid.");
        return false;
    }
    x->normal_path = sv_make(normal, len);
    x->route = look_up(x, x->normal_path, &prefix_len);
    if (is_ambiguous(x, x->normal_path)) {
        x->route = NULL; /* it is counted for none */
        reject_path(x, "The path could be read as one of another route.");
        return false;
    }
    if (x->route)
        strip_prefix(x, x->normal_path, prefix_len);
    return true;
}

/* false: the request was answered. */
static bool find_route(struct exchange *x)
{
    const struct route *route;

    if (!match_path(x))
        return false;
    route = TAKE(x->route); /* until it is the request's */
    if (route && exchange_is_misdirected(x, route->server)) {
        /* Where it is what the connection was made for, its rules are new. */
        if (client_is_stale(x->client))
            x->keep_alive = false;
        exchange_reject(x, REJECT_MISDIRECTED);
        return false;
    }
    use_server(x, route ? route->server : x->server);
    if (!head_fits(x))
        return false;
    if (!route) {
        exchange_reject(x, REJECT_NO_ROUTE);
        return false;
    }
    x->route = route;
    x->app = route->app;
    x->app_index = route->app_index;
    x->counter = route->counter;
    return true;
}

/* Keep what the answer will need of the head, and nothing that points into
 * the buffer it was read into. */
static void retain_head(struct exchange *x)
{
    const struct http_field *accept = http_head_find(&x->request, FIELD_ACCEPT);
    struct strview none = sv_make(NULL, 0);
    struct http_field *kept = NULL;

    if (accept) {
        kept = arena_alloc(&x->arena, sizeof *kept);
        kept->name = http_field_name(FIELD_ACCEPT);
        kept->value =
            sv_make(arena_copy(&x->arena, accept->value), accept->value.len);
        kept->id = FIELD_ACCEPT;
    }
    x->request.fields = kept;
    x->request.field_count = kept ? 1 : 0;
    x->request.present = kept ? 1ULL << FIELD_ACCEPT : 0;
    x->request.options = NULL;
    x->request.option_count = 0;
    x->request.method_name = none;
    x->request.target = none;
    x->request.path = none;
    x->request.query = none;
    x->request.authority = none;
    x->request.host = none;
}

/* Write the head for the app; its framing is known now. false: answered. */
static bool write_head(struct exchange *x)
{
    struct body_relay *body = &x->request_body;
    struct forward_request request;
    struct rejection rejection;

    forward_request_init(&request, &x->request);
    request.path = x->path;
    request.prefix = x->prefix;
    request.client_host = sv_of(x->client->host);
    request.local_port = x->client->local_port;
    request.is_tls = x->client->stream.tls != NULL;
    request.extra = exchange_client_cert(x);
    request.is_trusted = exchange_peer_is_trusted(x);
    request.request_id = x->request_id;
    request.default_host = sv_of("localhost");
    request.settings = &x->route->settings->request_headers;
    if (x->request.framing == FRAMING_CHUNKED && body->is_whole &&
        !body->body.trailers) {
        request.framing = FRAMING_LENGTH;
        request.content_length = body->body.total;
    }
    if (!forward_headers_request(&request, &body->head, &rejection)) {
        exchange_reject_with(x, &rejection, sv_make(NULL, 0), 0);
        return false;
    }
    body->is_chunked = request.framing == FRAMING_CHUNKED;
    if (body->is_whole)
        exchange_finish_body(x);
    retain_head(x);
    return true;
}

void exchange_finish_body(struct exchange *x)
{
    struct body_relay *body = &x->request_body;
    struct strbuf lines = STRBUF_INIT;

    if (body->is_chunked && body->body.trailers)
        forward_headers_trailers(body->body.trailers, &x->request, &lines);
    relay_finish(body, strbuf_view(&lines));
    strbuf_done(&lines);
}

static bool is_too_large(const struct exchange *x, uint64_t bytes)
{
    uint64_t max = x->route->settings->client_max_body_bytes;

    return max != 0 && bytes > max;
}

/* Whether the head is written before the body is looked at: not where the
 * body may turn out to be short enough to have a length. */
static bool head_comes_first(const struct exchange *x)
{
    return x->request.framing != FRAMING_CHUNKED || x->request.expect_continue;
}

/* The head's buffer must stay as it is until the head is written, so the body
 * bytes behind it move to one of their own. */
static struct io_buffer *split_buffer(struct exchange *x)
{
    struct io_buffer *in = TAKE(x->client->in);
    struct io_buffer *body = buffer_take(&x->worker->buffers);
    size_t len = buffer_len(in);
    size_t size;

    buffer_space(body, &size);
    if (len > size) {
        buffer_give(&x->worker->buffers, &body);
        body = buffer_take_large(len);
    }
    memcpy(body->data + body->start, in->data + in->start, len);
    body->end += (uint32_t)len;
    x->head_buffer = in;
    return body;
}

/* The body's beginning, which was read together with the head. */
static bool adopt_body(struct exchange *x)
{
    struct io_buffer *buffer;
    struct strview excess;
    struct rejection rejection;
    enum relay_result result;

    if (!http_head_has_body(&x->request))
        return true;
    buffer = x->head_buffer ? split_buffer(x) : TAKE(x->client->in);
    result =
        relay_adopt(&x->request_body, &buffer, &x->arena, &excess, &rejection);
    return exchange_body_filled(x, result, excess, &rejection);
}

/* 0: of no slot's business. */
static uint64_t buffer_bytes(const struct exchange *x)
{
    return x->route->settings->request_buffer_bytes;
}

/* The field is believed from trusted peers alone: who could set it himself
 * would. */
static enum app_priority priority_of(const struct exchange *x)
{
    const struct route_settings *settings = x->route->settings;
    const struct http_field *field;

    if (!settings->priority_field)
        return settings->priority;
    field =
        exchange_peer_is_trusted(x)
            ? http_head_find_name(&x->request, sv_of(settings->priority_field))
            : NULL;
    if (field && sv_eq_nocase(field->value, SV("high")))
        return PRIORITY_HIGH;
    if (field && sv_eq_nocase(field->value, SV("low")))
        return PRIORITY_LOW;
    return PRIORITY_NORMAL;
}

/* Counted from the request's first byte. A trusted peer's field goes on to the
 * app as it came; others' is no deadline, and is taken off. 0: none. */
static uint64_t deadline_of(const struct exchange *x)
{
    const struct http_field *field =
        http_head_find(&x->request, FIELD_X_REQUEST_TIMEOUT);
    uint64_t timeout_us;

    if (!field || !exchange_peer_is_trusted(x) ||
        !field_time_seconds(field->value, &timeout_us))
        return 0;
    return x->started_us + timeout_us;
}

/* Who only asks how the app is does not wake it. */
static bool answers_probe(struct exchange *x)
{
    const struct route_settings *settings = x->route->settings;
    enum app_state state;
    bool is_probe = false;

    for (uint32_t i = 0; i < settings->probe_path_count && !is_probe; i++)
        is_probe = sv_eq(x->normal_path, sv_of(settings->probe_paths[i]));
    if (!is_probe ||
        (x->request.method != METHOD_GET && x->request.method != METHOD_HEAD))
        return false;
    state = exchange_route_state(x);
    exchange_reply_status(x, state == APP_FAILED ? 503 : 200,
                          sv_of(app_state_name(state)));
    return true;
}

static bool answers_by_itself(struct exchange *x)
{
    const struct route_settings *settings = x->route->settings;

    if (x->request.method == METHOD_OPTIONS && x->request.has_max_forwards &&
        x->request.max_forwards == 0) {
        exchange_reply_status(x, 200, sv_make(NULL, 0));
        return true;
    }
    if (!x->app && !x->route->split) {
        exchange_reply_status(x, settings->return_code,
                              sv_of(settings->return_text));
        return true;
    }
    if (answers_probe(x))
        return true;
    if (x->request.has_content_length &&
        is_too_large(x, x->request.content_length)) {
        exchange_reject(x, REJECT_BODY_TOO_LARGE);
        return true;
    }
    return false;
}

/* It may use its route: on to the app, or the answer that stands for one. */
static enum step admit(struct exchange *x)
{
    struct io_buffer *in = x->client->in;

    if (answers_by_itself(x)) {
        in->start += (uint32_t)x->request.bytes;
        return STEP_MORE;
    }
    exchange_choose_app(x);
    if (exchange_app(x)->on_cold_start == COLD_START_PAGE) {
        if (wait_page_is_follow(&x->request)) {
            in->start += (uint32_t)x->request.bytes;
            exchange_follow(x);
            return STEP_MORE;
        }
        x->waiter.takes_page = wait_page_is_for(&x->request);
    }
    x->waiter.priority = priority_of(x);
    x->waiter.deadline_us = deadline_of(x);
    x->waiter.is_repeatable = http_method_is_idempotent(x->request.method);
    relay_set_limit(&x->request_body, buffer_bytes(x));
    if (head_comes_first(x)) {
        bool written = write_head(x);

        in->start += (uint32_t)x->request.bytes;
        if (!written)
            return STEP_MORE;
    } else {
        in->start += (uint32_t)x->request.bytes;
        x->head_buffer = in; /* adopt_body() parts the two */
    }
    exchange_set_state(x, x->request.expect_continue || x->request.upgrade.len
                              ? EXCHANGE_ACQUIRE
                              : EXCHANGE_BUFFER);
    if (adopt_body(x) && x->client->in && buffer_len(x->client->in) == 0)
        buffer_give(&x->worker->buffers, &x->client->in);
    return STEP_MORE;
}

static enum step after_protection(struct exchange *x, enum protect result)
{
    switch (result) {
    case PROTECT_PASSED:
        return admit(x);
    case PROTECT_ANSWERED:
        x->client->in->start += (uint32_t)x->request.bytes;
        return STEP_MORE;
    case PROTECT_WAITS:
        break;
    }
    if (x->state != EXCHANGE_AUTH)
        exchange_set_state(x, EXCHANGE_AUTH);
    return STEP_WAIT;
}

enum step exchange_step_route(struct exchange *x)
{
    struct io_buffer *in = x->client->in;
    bool found;

    set_request_id(x, exchange_peer_is_trusted(x));
    relay_start(&x->request_body, &x->request, &x->limits, 0, true);
    found = find_route(x);
    exchange_find_client(x);
    exchange_log_request(x);
    /* Before a password is asked for: it would come in the clear. */
    if (!found || exchange_redirect_https(x)) {
        in->start += (uint32_t)x->request.bytes;
        return STEP_MORE;
    }
    return after_protection(x, exchange_protect(x));
}

enum step exchange_step_auth(struct exchange *x)
{
    return after_protection(x, exchange_protect_again(x));
}

bool exchange_body_filled(struct exchange *x, enum relay_result result,
                          struct strview excess,
                          const struct rejection *rejection)
{
    struct body_relay *body = &x->request_body;

    if (result == RELAY_REFUSED) {
        exchange_reject_with(x, rejection, sv_make(NULL, 0), 0);
        return false;
    }
    if (is_too_large(x, body->body.total)) {
        x->keep_alive = false; /* what followed it is not kept */
        exchange_reject(x, REJECT_BODY_TOO_LARGE);
        return false;
    }
    if (result == RELAY_MORE)
        return true;
    client_keep_bytes(x->client, excess);
    if (!x->head_buffer) /* else it is done when the head is written */
        exchange_finish_body(x);
    return true;
}

/* IO_DONE: a piece was read, and there may be more; IO_AGAIN: no more for
 * now, or the request was refused. */
static enum io_result read_body_piece(struct exchange *x)
{
    struct body_relay *body = &x->request_body;
    struct iovec iov[BODY_RELAY_SPACE];
    struct rejection rejection;
    struct strview excess;
    enum relay_result result;
    enum io_result io;
    size_t count;
    int pieces = relay_space(body, true, iov);

    if (pieces == 0)
        return IO_AGAIN;
    io = stream_read(&x->client->stream, iov, pieces, &count);
    if (io != IO_DONE) {
        relay_cancel_space(body);
        return io;
    }
    result = relay_fill(body, count, &x->arena, &excess, &rejection);
    if (!exchange_body_filled(x, result, excess, &rejection))
        return IO_AGAIN;
    return body->was_full ? IO_DONE : IO_AGAIN;
}

/* The same past the buffers. */
static enum io_result splice_body_piece(struct exchange *x, size_t space)
{
    struct body_relay *body = &x->request_body;
    size_t count;
    enum io_result io = pipe_fill(
        body->pipe, stream_splice_fd(&x->client->stream), space, &count);

    if (io != IO_DONE) {
        relay_pipe_unfilled(body);
        return io;
    }
    if (!exchange_body_filled(x, relay_pipe_filled(body, count),
                              sv_make(NULL, 0), NULL))
        return IO_AGAIN;
    return count == space ? IO_DONE : IO_AGAIN;
}

static size_t pipe_space(struct exchange *x)
{
    if ((x->state != EXCHANGE_SEND && x->state != EXCHANGE_RELAY) ||
        !x->upstream || x->upstream->is_connecting || x->write_failed ||
        stream_splice_fd(&x->client->stream) < 0)
        return 0;
    return relay_pipe_space(&x->request_body);
}

bool exchange_read_body(struct exchange *x)
{
    enum io_result io = IO_DONE;

    for (int round = 0; round < READ_ROUNDS && !x->request_body.is_whole;
         round++) {
        size_t space = pipe_space(x);

        io = space > 0 ? splice_body_piece(x, space) : read_body_piece(x);
        if (io != IO_DONE)
            break;
        if (x->state != EXCHANGE_BUFFER && !exchange_write_upstream(x))
            return true;
    }
    exchange_update_body_timers(x);
    if (io == IO_EOF || io == IO_FAILED) {
        /* Not whole: the app must see that, too. */
        exchange_client_gone(x);
        return false;
    }
    return true;
}

/* Wait until the body is whole, or as much of it is there as may be read
 * before a slot is taken. */
enum step exchange_step_buffer(struct exchange *x)
{
    if (!x->request_body.is_whole && relay_has_room(&x->request_body) &&
        buffer_bytes(x) > 0) {
        exchange_update_body_timers(x);
        return STEP_WAIT;
    }
    if (x->head_buffer) {
        bool written = write_head(x);

        buffer_give(&x->worker->buffers, &x->head_buffer);
        if (!written)
            return STEP_MORE;
    }
    exchange_set_state(x, EXCHANGE_ACQUIRE);
    exchange_update_body_timers(x);
    return STEP_MORE;
}
