/* admin_call.c - one request to the admin API, and the answer to it. */
#include "proxy/admin/admin_call.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/admin/admin_host.h"
#include "proxy/settings.h"
#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/timers.h"

/* A stream says something at least this often; a client that takes nothing
 * for STREAM_WRITE_TIMEOUT_S is gone. */
#define SILENCE_MS             15000
#define STREAM_WRITE_TIMEOUT_S 60
#define STREAM_READ_MAX        4096
/* Names of apps in a message. */
#define NAMED_MAX 12U

struct admin_calls {
    const struct admin_host *host;
    struct timers *timers;
    struct list calls;
    unsigned stream_count;
};

struct admin_call {
    struct admin_calls *calls;
    struct list node;
    struct evhttp_request *request;
    struct strview app;
    uint64_t question; /* 0: none */
    admin_answer_fn on_answer;
    const struct admin_stream *stream; /* NULL: it is none */
    bool is_streaming;                 /* its head was sent */
    size_t uncredited; /* bytes of parts that have not left yet */
    struct evkeyvalq params;
    bool has_params;
    struct timer timer; /* no answer in time; while it streams: silence */
};

static void on_late(struct timer *timer);

struct admin_calls *admin_calls_new(const struct admin_host *host)
{
    struct admin_calls *calls = xcalloc(1, sizeof(*calls));

    calls->host = host;
    calls->timers = timers_new(host->loop);
    list_init(&calls->calls);
    return calls;
}

struct admin_call *admin_call_new(struct admin_calls *calls,
                                  struct evhttp_request *request,
                                  struct strview app)
{
    struct admin_call *call = xcalloc(1, sizeof(*call));

    call->calls = calls;
    call->request = request;
    call->app = app;
    call->timer.on_expire = on_late;
    list_add_tail(&calls->calls, &call->node);
    return call;
}

static void forget_question(struct admin_call *call)
{
    const struct admin_host *host = call->calls->host;

    timer_stop(&call->timer);
    if (call->question != 0)
        host->ops->forget(host->front, call->question);
    call->question = 0;
}

static void free_call(struct admin_call *call)
{
    forget_question(call);
    if (call->stream)
        call->calls->stream_count--;
    list_remove(&call->node);
    if (call->has_params)
        evhttp_clear_headers(&call->params);
    free(call);
}

void admin_calls_free(struct admin_calls **calls)
{
    if (!*calls)
        return;
    LIST_FOREACH_SAFE (&(*calls)->calls, node) {
        struct admin_call *call = container_of(node, struct admin_call, node);

        if (call->is_streaming)
            evhttp_connection_set_closecb(
                evhttp_request_get_connection(call->request), NULL, NULL);
        free_call(call);
    }
    timers_free(&(*calls)->timers);
    free(*calls);
    *calls = NULL;
}

const struct admin_host *admin_call_host(const struct admin_call *call)
{
    return call->calls->host;
}

struct evhttp_request *admin_call_request(struct admin_call *call)
{
    return call->request;
}

struct strview admin_call_app(const struct admin_call *call)
{
    return call->app;
}

const char *admin_call_param(struct admin_call *call, const char *name)
{
    const char *query =
        evhttp_uri_get_query(evhttp_request_get_evhttp_uri(call->request));

    if (!query)
        return NULL;
    if (!call->has_params) {
        call->has_params = true;
        /* Of what is not well formed, nothing is there. */
        (void)evhttp_parse_query_str(query, &call->params);
    }
    return evhttp_find_header(&call->params, name);
}

bool admin_call_number(struct admin_call *call, const char *name,
                       uint64_t *ret_number, bool *ret_is_there)
{
    const char *text = admin_call_param(call, name);
    size_t digits = text ? strspn(text, "0123456789") : 0;

    *ret_is_there = text != NULL;
    if (!text)
        return true;
    if (digits == 0 || digits > 15 || text[digits]) {
        admin_call_error(call, 400, "bad_request", "%s must be a number", name);
        return false;
    }
    *ret_number = strtoull(text, NULL, 10);
    return true;
}

bool admin_call_flag(struct admin_call *call, const char *name,
                     bool if_not_there)
{
    const char *text = admin_call_param(call, name);

    if (!text)
        return if_not_there;
    return !text[0] || strcmp(text, "1") == 0 || strcmp(text, "true") == 0 ||
           strcmp(text, "yes") == 0;
}

struct strview admin_call_body(struct admin_call *call)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(call->request);

    return sv_make((const char *)evbuffer_pullup(body, -1),
                   evbuffer_get_length(body));
}

static void free_data(const void *data UNUSED, size_t len UNUSED, void *arg)
{
    free(arg);
}

void admin_call_text(struct admin_call *call, int status, const char *type,
                     struct strbuf *buf)
{
    struct evkeyvalq *fields = evhttp_request_get_output_headers(call->request);
    struct evbuffer *body = evbuffer_new();

    evhttp_add_header(fields, "Content-Type", type);
    evhttp_add_header(fields, "Cache-Control", "no-store");
    evhttp_add_header(fields, "X-Content-Type-Options", "nosniff");
    if (!body || evbuffer_add_reference(body, buf->data, buf->len, free_data,
                                        buf->data) != 0)
        abort(); /* out of memory, as everywhere */
    *buf = STRBUF_INIT;
    if (evhttp_request_get_command(call->request) == EVHTTP_REQ_HEAD) {
        /* evhttp (2.1) would send the body. */
        char length[32];

        snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
        evhttp_add_header(fields, "Content-Length", length);
        evbuffer_drain(body, evbuffer_get_length(body));
    }
    evhttp_send_reply(call->request, status, NULL, body);
    evbuffer_free(body);
    free_call(call);
}

void admin_call_json(struct admin_call *call, int status, struct cJSON *json)
{
    struct strbuf buf = STRBUF_INIT;
    char *text = cJSON_Print(json);

    if (!text)
        abort(); /* out of memory, as everywhere */
    strbuf_add_str(&buf, text);
    strbuf_add_char(&buf, '\n');
    cJSON_free(text);
    cJSON_Delete(json);
    admin_call_text(call, status, "application/json", &buf);
}

void admin_call_error(struct admin_call *call, int status, const char *code,
                      const char *format, ...)
{
    char message[1024];
    struct strbuf buf = STRBUF_INIT;
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    strbuf_printf(&buf, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    strbuf_add_json(&buf, sv_of(message));
    strbuf_add_str(&buf, "}}\n");
    admin_call_text(call, status, "application/json", &buf);
}

/* --- what the keeper says that failed --- */

static int status_of(struct strview code)
{
    static const struct {
        const char *code;
        int status;
    } rows[] = {
        {"bad_request", 400},     {"unknown_app", 404},
        {"unknown_replica", 404}, {"unknown_sidecar", 404},
        {"not_possible", 409},    {"timed_out", 504},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (sv_eq(code, sv_of(rows[i].code)))
            return rows[i].status;
    return 503;
}

void admin_split_failure(struct strview body, struct strview *ret_code,
                         struct strview *ret_message)
{
    size_t n = 0;

    while (n < body.len &&
           ((body.ptr[n] >= 'a' && body.ptr[n] <= 'z') || body.ptr[n] == '_'))
        n++;
    if (!body.ptr) {
        *ret_code = SV("timed_out");
        *ret_message = SV("the keeper gave no answer in time");
    } else if (n > 0 && n < body.len && body.ptr[n] == ' ' &&
               memchr(body.ptr, '_', n)) {
        *ret_code = sv_make(body.ptr, n);
        *ret_message = sv_skip(body, n + 1);
    } else {
        *ret_code = SV("failed");
        *ret_message = body;
    }
}

void admin_call_failure(struct admin_call *call, struct strview body)
{
    struct strview code;
    struct strview message;
    char name[64];

    admin_split_failure(body, &code, &message);
    snprintf(name, sizeof name, "%.*s", SV_ARG(code));
    admin_call_error(call, status_of(code), name, "%.*s", SV_ARG(message));
}

/* --- streams --- */

/* What was written has left: the keeper may send as much again. */
static void on_written(struct evhttp_connection *connection UNUSED, void *arg)
{
    struct admin_call *call = arg;
    const struct admin_host *host = call->calls->host;

    if (call->uncredited > 0)
        host->ops->credit(host->front, call->question, call->uncredited);
    call->uncredited = 0;
}

static void write_chunk(struct admin_call *call, struct strview text)
{
    struct evbuffer *chunk;

    if (text.len == 0)
        return;
    chunk = evbuffer_new();
    if (!chunk || evbuffer_add(chunk, text.ptr, text.len) != 0)
        abort(); /* out of memory, as everywhere */
    evhttp_send_reply_chunk_with_cb(call->request, chunk, on_written, call);
    evbuffer_free(chunk);
    timer_start(call->calls->timers, &call->timer, SILENCE_MS);
}

/* evhttp has let go of the request, which is ours to free, before it frees a
 * connection that broke. */
static void on_client_gone(struct evhttp_connection *connection UNUSED,
                           void *arg)
{
    struct admin_call *call = arg;

    if (!evhttp_request_get_connection(call->request))
        evhttp_send_reply_end(call->request); /* frees it */
    free_call(call);
}

/* Silence is no fault here; what the client says meanwhile is not read, and
 * the connection is of no use to anyone afterwards. */
static void begin_stream(struct admin_call *call)
{
    static const struct timeval write_timeout = {STREAM_WRITE_TIMEOUT_S, 0};
    struct evhttp_connection *connection =
        evhttp_request_get_connection(call->request);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
    struct evkeyvalq *fields = evhttp_request_get_output_headers(call->request);

    call->is_streaming = true;
    evhttp_add_header(fields, "Content-Type", call->stream->type);
    evhttp_add_header(fields, "Cache-Control", "no-store");
    evhttp_add_header(fields, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(fields, "Connection", "close");
    evhttp_connection_set_closecb(connection, on_client_gone, call);
    bufferevent_set_timeouts(bev, NULL, &write_timeout);
    bufferevent_setwatermark(bev, EV_READ, 0, STREAM_READ_MAX);
    evhttp_send_reply_start(call->request, 200, NULL);
    timer_start(call->calls->timers, &call->timer, SILENCE_MS);
}

static void end_stream(struct admin_call *call, bool ok, struct strview body)
{
    AUTO(strbuf_done) struct strbuf last = STRBUF_INIT;
    struct evhttp_connection *connection =
        evhttp_request_get_connection(call->request);

    if (call->stream->finish)
        call->stream->finish(ok, body, &last);
    write_chunk(call, strbuf_view(&last));
    evhttp_connection_set_closecb(connection, NULL, NULL);
    evhttp_send_reply_end(call->request);
    free_call(call);
}

/* An empty part says that it begins. */
static void on_part(void *arg, struct strview body)
{
    struct admin_call *call = arg;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    if (!call->is_streaming)
        begin_stream(call);
    if (body.len == 0)
        return;
    call->uncredited += body.len;
    call->stream->write(body, &text);
    if (text.len > 0)
        write_chunk(call, strbuf_view(&text));
    else
        on_written(NULL, call);
}

/* --- questions --- */

/* "; there are a, b", for whoever mistyped one. */
static void name_apps(const struct proxy_settings *settings, struct strbuf *buf)
{
    strbuf_add_str(buf, settings->app_count == 0   ? ""
                        : settings->app_count == 1 ? "; there is "
                                                   : "; there are ");
    for (uint32_t i = 0; i < settings->app_count && i < NAMED_MAX; i++)
        strbuf_printf(buf, "%s%s", i > 0 ? ", " : "", settings->apps[i].name);
    if (settings->app_count > NAMED_MAX)
        strbuf_printf(buf, " and %u more", settings->app_count - NAMED_MAX);
}

uint32_t admin_find_app(struct admin_call *call, struct strview name)
{
    AUTO(strbuf_done) struct strbuf known = STRBUF_INIT;
    const struct admin_host *host = call->calls->host;
    const struct proxy_settings *settings = host->ops->settings(host->front);

    for (uint32_t i = 0; i < settings->app_count; i++)
        if (sv_eq(name, sv_of(settings->apps[i].name)))
            return i;
    name_apps(settings, &known);
    admin_call_error(call, 404, "unknown_app", "there is no app \"%.*s\"%s",
                     SV_ARG(name), known.data);
    return UINT32_MAX;
}

static void on_late(struct timer *timer)
{
    struct admin_call *call = container_of(timer, struct admin_call, timer);

    if (call->is_streaming) {
        write_chunk(call, sv_of(call->stream->silence));
        return;
    }
    forget_question(call);
    call->on_answer(call, false, sv_make(NULL, 0));
}

static void on_reply(void *arg, bool ok, struct strview body)
{
    struct admin_call *call = arg;

    timer_stop(&call->timer);
    call->question = 0;
    if (call->is_streaming)
        end_stream(call, ok, body);
    else
        call->on_answer(call, ok, body);
}

void admin_call_question(struct admin_call *call,
                         const struct admin_question *question)
{
    const struct admin_host *host = call->calls->host;
    const struct question asked = {
        .what = question->what,
        .is_action = question->is_action,
        .app = question->app,
        .argument = question->argument,
        .on_part = question->stream ? on_part : NULL,
        .on_reply = on_reply,
        .arg = call,
    };

    if (question->stream && call->calls->stream_count == ADMIN_STREAMS_MAX) {
        admin_call_error(call, 503, "too_many_streams",
                         "%d streams are followed already", ADMIN_STREAMS_MAX);
        return;
    }
    if (question->stream)
        call->calls->stream_count++;
    call->on_answer = question->on_answer;
    call->stream = question->stream;
    timer_start(call->calls->timers, &call->timer, question->timeout_ms);
    call->question = host->ops->ask(host->front, &asked);
}

void admin_call_ask(struct admin_call *call, const char *what,
                    unsigned timeout_ms, admin_answer_fn on_answer)
{
    const struct admin_question question = {
        .what = what,
        .app = UINT32_MAX,
        .timeout_ms = timeout_ms,
        .on_answer = on_answer,
    };

    admin_call_question(call, &question);
}
