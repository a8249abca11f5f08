/* app_call.c - one HTTP request of berth's own to one replica. */
#include "proxy/app_call.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/http_parser.h"
#include "router/app_sockets.h"
#include "router/base/alloc.h"
#include "router/base/arena.h"
#include "router/base/loop.h"
#include "router/base/strbuf.h"
#include "router/base/timers.h"
#include "router/replica_ref.h"

#define HEAD_MAX_BYTES 65536

struct app_call {
    struct loop *loop;
    struct replica_ref *replica;
    char *path; /* NULL: to connect is all */
    const char *method;
    unsigned status_max;
    void (*done)(void *arg, const char *error);
    void *arg;
    struct timer timer;
    struct loop_task begin_task;
    struct socket_waiter socket_waiter;
    bool awaits_socket;
    struct event *event;
    int fd;
    bool is_freed; /* begin_task or the socket is still to come */
    struct http_limits limits;
    struct http_parser parser;
    struct arena arena;
    struct strbuf in;
};

static void drop_event(struct app_call *call)
{
    if (call->event)
        event_free(call->event);
    call->event = NULL;
}

static void close_all(struct app_call *call)
{
    drop_event(call);
    timer_stop(&call->timer);
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
}

static void finish(struct app_call *call, const char *error)
{
    close_all(call);
    call->done(call->arg, error);
}

static void fail_errno(struct app_call *call, const char *what, int error)
{
    char text[192];

    snprintf(text, sizeof text, "%s: %s", what, strerror(error));
    finish(call, text);
}

static void watch(struct app_call *call, short what, event_callback_fn on_event)
{
    drop_event(call);
    call->event =
        event_new(loop_base(call->loop), call->fd, what, on_event, call);
    if (!call->event || event_add(call->event, NULL) != 0)
        abort();
}

static void judge(struct app_call *call, const struct http_head *head)
{
    char text[192];

    if (head->status >= 200 && head->status <= call->status_max) {
        finish(call, NULL);
        return;
    }
    snprintf(text, sizeof text, "%s %.120s answered %u", call->method,
             call->path, head->status);
    finish(call, text);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct app_call *call = arg;
    ssize_t n = recv(fd, strbuf_reserve(&call->in, 4096), 4096, MSG_DONTWAIT);
    struct http_head head;
    struct rejection rejection;

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        finish(call, "closed the connection before it answered");
        return;
    }
    call->in.len += (size_t)n;
    switch (http_parser_head(&call->parser, strbuf_view(&call->in),
                             &call->arena, &head, &rejection)) {
    case HTTP_MORE:
        return;
    case HTTP_REFUSED:
        finish(call, "answered with invalid HTTP");
        return;
    case HTTP_DONE:
        judge(call, &head);
        return;
    }
}

static void ask(struct app_call *call)
{
    AUTO(strbuf_done) struct strbuf request = STRBUF_INIT;
    bool is_post = strcmp(call->method, "POST") == 0;
    ssize_t n;

    if (!call->path) {
        finish(call, NULL);
        return;
    }
    strbuf_printf(&request,
                  "%s %s HTTP/1.1\r\nHost: localhost\r\n"
                  "User-Agent: berth\r\nAccept: */*\r\n%s"
                  "Connection: close\r\n\r\n",
                  call->method, call->path,
                  is_post ? "Content-Length: 0\r\n" : "");
    /* A fresh socket takes that much whole. */
    n = send(call->fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != (ssize_t)request.len) {
        finish(call, "closed the connection before it was asked");
        return;
    }
    http_parser_expect(&call->parser, is_post ? METHOD_POST : METHOD_GET,
                       false);
    watch(call, EV_READ | EV_PERSIST, on_answer);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
    struct app_call *call = arg;
    int error = 0;
    socklen_t len = sizeof error;

    (void)what;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0)
        fail_errno(call, "connect", error);
    else
        ask(call);
}

static int start_connect(const struct app_call *call)
{
    const struct replica_ref *replica = call->replica;
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)replica->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)replica->port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    if (fcntl(call->fd, F_SETFL, O_NONBLOCK) != 0)
        return -1;
    if (replica->connect == CONNECT_KEEPER)
        return 0;
    if (replica->connect == CONNECT_DIRECT)
        return connect(call->fd, &replica->address.any, replica->address.len);
    if (replica->family == AF_INET6)
        return connect(call->fd, (struct sockaddr *)&v6, sizeof v6);
    return connect(call->fd, (struct sockaddr *)&v4, sizeof v4);
}

static void connect_fd(struct app_call *call)
{
    if (start_connect(call) == 0)
        ask(call);
    else if (errno == EINPROGRESS)
        watch(call, EV_WRITE, on_connect);
    else
        fail_errno(call, "connect", errno);
}

static void free_late(void *ptr)
{
    struct app_call *call = ptr;

    arena_done(&call->arena);
    strbuf_done(&call->in);
    free(call->path);
    free(call);
}

static void on_socket(struct socket_waiter *waiter)
{
    struct app_call *call =
        container_of(waiter, struct app_call, socket_waiter);

    call->fd = waiter->fd;
    call->awaits_socket = false;
    if (call->is_freed) {
        close_all(call);
        free_late(call);
    } else if (call->fd < 0) {
        fail_errno(call, "no socket to connect with", waiter->errno_value);
    } else {
        connect_fd(call);
    }
}

static void begin(struct loop_task *task)
{
    struct app_call *call = container_of(task, struct app_call, begin_task);
    const struct replica_ref *replica = call->replica;

    if (call->is_freed) {
        free_late(call);
        return;
    }
    if (replica->connect != CONNECT_DIRECT) {
        call->fd = app_take_socket(call->replica, &call->socket_waiter);
        if (call->fd < 0) {
            call->awaits_socket = true;
            return;
        }
    } else {
        call->fd = socket(replica->address.any.sa_family,
                          SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (call->fd < 0) {
            fail_errno(call, "socket", errno);
            return;
        }
    }
    connect_fd(call);
}

/* false: on_socket() is under way. */
static bool leave_socket(struct app_call *call)
{
    return !call->awaits_socket || app_leave_socket(&call->socket_waiter);
}

static void on_timer(struct timer *timer)
{
    finish(container_of(timer, struct app_call, timer), "no answer in time");
}

struct app_call *app_call_new(struct loop *loop, struct timers *timers,
                              struct replica_ref *replica, const char *path,
                              uint64_t timeout_ms,
                              void (*done)(void *arg, const char *error),
                              void *arg)
{
    struct app_call *call = xcalloc(1, sizeof *call);

    call->loop = loop;
    call->replica = replica;
    call->path = path ? xstrdup(path) : NULL;
    call->method = "POST";
    call->status_max = 299;
    call->done = done;
    call->arg = arg;
    call->fd = -1;
    call->timer.on_expire = on_timer;
    call->begin_task.run = begin;
    call->socket_waiter.loop = loop;
    call->socket_waiter.on_socket = on_socket;
    call->socket_waiter.fd = -1;
    call->limits = (struct http_limits){HEAD_MAX_BYTES, HEAD_MAX_BYTES, 256};
    arena_init(&call->arena);
    http_parser_init(&call->parser, HTTP_KIND_RESPONSE, &call->limits);
    timer_start(timers, &call->timer, timeout_ms);
    loop_post(loop, &call->begin_task);
    return call;
}

struct app_call *app_call_check(struct loop *loop, struct timers *timers,
                                struct replica_ref *replica, const char *path,
                                uint64_t timeout_ms,
                                void (*done)(void *arg, const char *error),
                                void *arg)
{
    struct app_call *call =
        app_call_new(loop, timers, replica, path, timeout_ms, done, arg);

    call->method = "GET";
    call->status_max = 399;
    return call;
}

void app_call_free(struct app_call **call_ptr)
{
    struct app_call *call = TAKE(*call_ptr);
    bool is_pending;

    if (!call)
        return;
    is_pending = loop_task_is_pending(&call->begin_task);
    call->is_freed = true;
    if (!is_pending)
        is_pending = !leave_socket(call);
    close_all(call);
    /* Not at once: it may be the one whose done() runs. */
    if (!is_pending)
        loop_free_later(call->loop, call, free_late);
}
