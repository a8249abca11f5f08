/* admin_call.c - one request to the admin API, and the answer to it. */
#include "proxy/admin/admin_call.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/admin/admin_host.h"
#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/timers.h"

struct admin_calls {
    const struct admin_host *host;
    struct timers *timers;
    struct list calls;
};

struct admin_call {
    struct admin_calls *calls;
    struct list node;
    struct evhttp_request *request;
    struct strview app;
    uint64_t question; /* 0: none */
    admin_answer_fn on_answer;
    struct timer timer;
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
    list_remove(&call->node);
    free(call);
}

void admin_calls_free(struct admin_calls **calls)
{
    if (!*calls)
        return;
    LIST_FOREACH_SAFE (&(*calls)->calls, node)
        free_call(container_of(node, struct admin_call, node));
    timers_free(&(*calls)->timers);
    free(*calls);
    *calls = NULL;
}

const struct admin_host *admin_call_host(const struct admin_call *call)
{
    return call->calls->host;
}

struct strview admin_call_app(const struct admin_call *call)
{
    return call->app;
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

static void on_late(struct timer *timer)
{
    struct admin_call *call = container_of(timer, struct admin_call, timer);

    forget_question(call);
    call->on_answer(call, false, sv_make(NULL, 0));
}

static void on_reply(void *arg, bool ok, struct strview body)
{
    struct admin_call *call = arg;

    timer_stop(&call->timer);
    call->question = 0;
    call->on_answer(call, ok, body);
}

void admin_call_ask(struct admin_call *call, const char *what,
                    unsigned timeout_ms, admin_answer_fn on_answer)
{
    const struct admin_host *host = call->calls->host;

    call->on_answer = on_answer;
    timer_start(call->calls->timers, &call->timer, timeout_ms);
    call->question = host->ops->query(host->front, what, on_reply, call);
}

void admin_call_act(struct admin_call *call, const char *what,
                    struct strview argument, unsigned timeout_ms,
                    admin_answer_fn on_answer)
{
    const struct admin_host *host = call->calls->host;

    call->on_answer = on_answer;
    timer_start(call->calls->timers, &call->timer, timeout_ms);
    call->question =
        host->ops->action(host->front, what, argument, on_reply, call);
}
