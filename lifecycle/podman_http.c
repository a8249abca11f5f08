/* podman_http.c - HTTP to Podman over its Unix socket: libcurl's multi
 * interface, driven by the keeper's loop.
 *
 * libcurl may not be called from its own callbacks (on_bytes, on_line run in
 * one), so a request that is cancelled there is only marked, and freed as
 * soon as libcurl has returned.
 */
#include "lifecycle/podman_http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/list.h"
#include "router/base/loop.h"

#define IDLE_CONNECTIONS_MAX 16
#define CONNECT_TIMEOUT_MS   5000L

struct podman_http {
    struct loop *loop;
    char *socket_path;
    CURLM *multi;
    struct curl_slist *headers; /* of requests with a body */
    struct event *timer;
    struct list requests;
    unsigned busy; /* depth of callbacks within which nothing may be freed */
    bool has_cancelled;
};

struct podman_request {
    struct list node;
    struct podman_http *http;
    CURL *easy;
    struct strbuf body; /* of the answer, or a line that is not whole yet */
    size_t max_body;
    bool is_cancelled;
    struct curl_slist *fields; /* NULL: those of all requests */
    int body_fd;
    uint64_t body_at; /* how much of it was read */
    void (*on_bytes)(void *arg, struct strview bytes);
    void (*on_line)(void *arg, struct strview line);
    void (*on_done)(void *arg, const struct podman_answer *answer,
                    const struct err *err);
    void *arg;
};

/* A socket of libcurl's, watched by the loop. */
struct watch {
    struct podman_http *http;
    struct event *event;
};

/* They may hold credentials. */
static void fields_free(struct curl_slist *fields)
{
    for (struct curl_slist *item = fields; item; item = item->next)
        explicit_bzero(item->data, strlen(item->data));
    curl_slist_free_all(fields);
}

static void request_free(struct podman_request *request)
{
    list_remove(&request->node);
    curl_multi_remove_handle(request->http->multi, request->easy);
    curl_easy_cleanup(request->easy);
    fields_free(request->fields);
    strbuf_done(&request->body);
    free(request);
}

/* What the operating system said, in the words of who must mend it. */
static void explain_no_connection(const struct podman_request *request,
                                  struct err *err)
{
    const char *path = request->http->socket_path;
    long value = 0;

    curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &value);
    switch (value) {
    case EACCES:
    case EPERM:
        err_set(err, ERR_DENIED,
                "no permission to open Podman's socket %s: start berth as the "
                "user that owns it (root, or the user of a rootless Podman)",
                path);
        break;
    case ENOENT:
        err_set(err, ERR_UNAVAILABLE,
                "Podman's socket %s is not there: is `podman system service` "
                "running? (`systemctl enable --now podman.socket`, or leave "
                "`podman { service auto; }` to start it)",
                path);
        break;
    default:
        err_set(err, ERR_UNAVAILABLE,
                "nobody listens on Podman's socket %s: is `podman system "
                "service` running? (`systemctl enable --now podman.socket`, "
                "or leave `podman { service auto; }` to start it)",
                path);
    }
}

static void explain(const struct podman_request *request, CURLcode code,
                    struct err *err)
{
    const char *path = request->http->socket_path;

    switch (code) {
    case CURLE_COULDNT_CONNECT:
        explain_no_connection(request, err);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        err_set(err, ERR_TIMEOUT, "Podman (%s) did not answer in time", path);
        break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        err_set(err, ERR_UNAVAILABLE,
                "the connection to Podman (%s) broke: did its service end?",
                path);
        break;
    case CURLE_WRITE_ERROR:
        err_set(err, ERR_LIMIT,
                "Podman (%s) answered more than the %zu bytes allowed here",
                path,
                request->on_line ? (size_t)PODMAN_LINE_MAX : request->max_body);
        break;
    default:
        err_set(err, ERR_PROTOCOL,
                "what listens on %s does not speak as Podman does: %s", path,
                curl_easy_strerror(code));
    }
}

/* The last line of a stream may come without its end. May cancel. */
static void flush_line(struct podman_request *request)
{
    if (!request->on_line || request->body.len == 0)
        return;
    request->http->busy++;
    request->on_line(request->arg, strbuf_view(&request->body));
    request->http->busy--;
    strbuf_clear(&request->body);
}

static void finish(struct podman_request *request, CURLcode code)
{
    struct podman_answer answer;
    struct err err;
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status < 300 && !request->is_cancelled)
        flush_line(request);
    if (!request->is_cancelled) {
        answer.status = (unsigned)status;
        answer.body = strbuf_view(&request->body);
        if (code != CURLE_OK)
            explain(request, code, &err);
        request->on_done(request->arg, &answer, code == CURLE_OK ? NULL : &err);
    }
    request_free(request);
}

static void free_cancelled(struct podman_http *http)
{
    if (!http->has_cancelled || http->busy > 0)
        return;
    http->has_cancelled = false;
    LIST_FOREACH_SAFE (&http->requests, node) {
        struct podman_request *request =
            container_of(node, struct podman_request, node);

        if (request->is_cancelled)
            request_free(request);
    }
}

static void report_finished(struct podman_http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct podman_request *request = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        finish(request, message->data.result);
    }
}

static void act(struct podman_http *http, curl_socket_t fd, int what)
{
    int running;

    http->busy++;
    curl_multi_socket_action(http->multi, fd, what, &running);
    http->busy--;
    free_cancelled(http);
    report_finished(http);
    free_cancelled(http);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct podman_http *http = arg;

    act(http, fd,
        (what & EV_READ ? CURL_CSELECT_IN : 0) |
            (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct podman_http *http = arg;
    struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

    (void)multi;
    if (timeout_ms < 0)
        event_del(http->timer);
    else if (event_add(http->timer, &tv) != 0)
        abort();
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                          void *socket_arg)
{
    struct podman_http *http = arg;
    struct watch *watch = socket_arg;
    short events = EV_PERSIST;

    (void)easy;
    if (watch)
        event_free(watch->event);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(http->multi, fd, NULL);
        free(watch);
        return 0;
    }
    if (!watch) {
        watch = xcalloc(1, sizeof *watch);
        watch->http = http;
        curl_multi_assign(http->multi, fd, watch);
    }
    if (what & CURL_POLL_IN)
        events |= EV_READ;
    if (what & CURL_POLL_OUT)
        events |= EV_WRITE;
    watch->event =
        event_new(loop_base(http->loop), fd, events, on_socket_event, http);
    if (!watch->event || event_add(watch->event, NULL) != 0)
        abort();
    return 0;
}

/* Keep what comes until there is a whole line; false when one is too long. */
static bool take_lines(struct podman_request *request, struct strview bytes)
{
    while (bytes.len > 0 && !request->is_cancelled) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = end ? (size_t)(end - bytes.ptr) : bytes.len;

        if (request->body.len + len > PODMAN_LINE_MAX)
            return false;
        strbuf_add(&request->body, bytes.ptr, len);
        if (!end)
            return true;
        bytes = sv_skip(bytes, len + 1);
        if (request->body.len > 0 &&
            request->body.data[request->body.len - 1] == '\r')
            request->body.len--;
        if (request->body.len > 0)
            request->on_line(request->arg, strbuf_view(&request->body));
        strbuf_clear(&request->body);
    }
    return true;
}

static size_t on_curl_write(char *data, size_t size, size_t count, void *arg)
{
    struct podman_request *request = arg;
    struct strview bytes = {data, size * count};
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 300 && request->on_bytes) {
        request->on_bytes(request->arg, bytes);
    } else if (status < 300 && request->on_line) {
        if (!take_lines(request, bytes))
            return 0;
    } else if (request->body.len + bytes.len > request->max_body) {
        return 0;
    } else {
        strbuf_add_sv(&request->body, bytes);
    }
    return request->is_cancelled ? 0 : bytes.len; /* 0: fail it */
}

struct podman_http *podman_http_new(struct loop *loop, const char *socket_path)
{
    static bool is_initialised;
    struct podman_http *http = xcalloc(1, sizeof *http);

    /* No TLS, no names here: what libcurl sets up for those is not needed. */
    if (!is_initialised && curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        abort();
    is_initialised = true;
    http->loop = loop;
    http->socket_path = xstrdup(socket_path);
    list_init(&http->requests);
    http->multi = curl_multi_init();
    http->timer = evtimer_new(loop_base(loop), on_timer, http);
    http->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!http->multi || !http->timer || !http->headers ||
        !curl_slist_append(http->headers, "Expect:"))
        abort();
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                      (long)IDLE_CONNECTIONS_MAX);
    return http;
}

void podman_http_set_socket(struct podman_http *http, const char *socket_path)
{
    char *copy = xstrdup(socket_path);

    free(http->socket_path);
    http->socket_path = copy;
}

void podman_http_free(struct podman_http **http_ptr)
{
    struct podman_http *http = *http_ptr;

    if (!http)
        return;
    loop_assert_owner(http->loop);
    assert(http->busy == 0);
    LIST_FOREACH_SAFE (&http->requests, node) {
        request_free(container_of(node, struct podman_request, node));
    }
    curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    event_free(http->timer);
    free(http->socket_path);
    free(http);
    *http_ptr = NULL;
}

static size_t on_curl_read(char *room, size_t size, size_t count, void *arg)
{
    struct podman_request *request = arg;
    ssize_t n =
        pread(request->body_fd, room, size * count, (off_t)request->body_at);

    if (n < 0)
        return CURL_READFUNC_ABORT;
    request->body_at += (uint64_t)n;
    return (size_t)n;
}

/* Those of all requests, and one more; it stands in place of one of its
 * name. */
static struct curl_slist *fields_with(const struct podman_http *http,
                                      const char *field)
{
    struct curl_slist *fields = curl_slist_append(NULL, field);

    if (!fields)
        abort();
    for (const struct curl_slist *it = http->headers; it; it = it->next)
        if (strncmp(it->data, field, strcspn(field, ":") + 1) != 0 &&
            !curl_slist_append(fields, it->data))
            abort();
    return fields;
}

static void set_method(struct podman_request *request,
                       const struct podman_http_call *call)
{
    CURL *easy = request->easy;

    if (call->body_bytes > 0) {
        request->body_fd = call->body_fd;
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)call->body_bytes);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_curl_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, request);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->fields);
    } else if (strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)call->body.len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
                         call->body.ptr ? call->body.ptr : "");
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
                         request->fields ? request->fields
                                         : request->http->headers);
    } else if (strcmp(call->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

struct podman_request *podman_http_send(struct podman_http *http,
                                        const struct podman_http_call *call)
{
    struct podman_request *request = xcalloc(1, sizeof *request);
    CURL *easy = curl_easy_init();
    AUTO(auto_free) char *url = xasprintf("http://podman%s", call->path);

    loop_assert_owner(http->loop);
    if (!easy)
        abort();
    request->http = http;
    request->easy = easy;
    request->max_body = call->max_body;
    request->on_bytes = call->on_bytes;
    request->on_line = call->on_line;
    request->on_done = call->on_done;
    request->arg = call->arg;
    if (call->field)
        request->fields = fields_with(http, call->field);
    list_add_tail(&http->requests, &request->node);

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, http->socket_path);
    /* Not what http_proxy in the environment says. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "berth/" BERTH_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    set_method(request, call);
    if (curl_multi_add_handle(http->multi, easy) != CURLM_OK)
        abort();
    return request;
}

void podman_http_cancel(struct podman_request **request_ptr)
{
    struct podman_request *request = TAKE(*request_ptr);

    if (!request)
        return;
    loop_assert_owner(request->http->loop);
    request->is_cancelled = true;
    request->http->has_cancelled = true;
    free_cancelled(request->http);
}

void podman_http_hold(struct podman_request *request, bool is_held)
{
    struct podman_http *http = request->http;

    /* When let go, libcurl delivers what it has kept within this call. */
    http->busy++;
    curl_easy_pause(request->easy, is_held ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    http->busy--;
    free_cancelled(http);
}

void podman_http_encode(struct strbuf *buf, struct strview text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c >= '0' && c <= '9') || memchr("-._~", c, 4))
            strbuf_add_char(buf, (char)c);
        else
            strbuf_printf(buf, "%%%02X", c);
    }
}
