/* probe.c - the ready check of one replica that starts. */
#include "proxy/probe.h"

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
#include "router/base/alloc.h"
#include "router/base/arena.h"
#include "router/base/loop.h"
#include "router/base/strbuf.h"
#include "router/base/timers.h"
#include "router/replica_ref.h"
#include "router/settings.h"

#define DELAY_MIN_MS   2
#define DELAY_MAX_MS   50
#define DELAY_LATER_MS 250
#define FIRST_US       5000000
/* An attempt that takes longer has failed. */
#define CONNECT_MS 1000
#define ANSWER_MS  5000
/* A forwarder's connection that is still open then leads to the app. */
#define FORWARDED_MS   500
#define SOCKETS_AHEAD  4
#define HEAD_MAX_BYTES 65536

enum phase {
    PHASE_PAUSE,
    PHASE_SOCKET,
    PHASE_CONNECT,
    PHASE_OPEN,
    PHASE_ANSWER
};

/* Sockets made inside the container, not yet connected. */
struct stash {
    int family;
    int fds[SOCKETS_AHEAD];
    unsigned count;
    bool asked;
    bool unavailable; /* the container has no such family */
};

struct probe {
    struct loop *loop;
    struct timers *timers;
    const struct replica_ref *replica;
    struct ready_check check; /* its own: settings change */
    bool forwarded;
    struct probe_events events;
    struct timer timer;
    struct event *event;
    enum phase phase;
    int fd;
    unsigned which; /* stash of this attempt: IPv4, then IPv6 */
    struct stash stashes[2];
    uint64_t started_us;
    uint64_t booted_us; /* 0: it has accepted nothing yet */
    uint64_t delay_ms;
    struct http_limits limits;
    struct http_parser parser;
    struct arena arena;
    struct strbuf in;
    char status[256];
};

static void begin(struct probe *probe);

static void drop_event(struct probe *probe)
{
    if (probe->event)
        event_free(probe->event);
    probe->event = NULL;
}

static void drop_connection(struct probe *probe)
{
    drop_event(probe);
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

static void pause_attempts(struct probe *probe)
{
    uint64_t since = loop_now_us(probe->loop) - probe->started_us;

    probe->phase = PHASE_PAUSE;
    if (since > FIRST_US)
        probe->delay_ms = DELAY_LATER_MS;
    timer_start(probe->timers, &probe->timer, probe->delay_ms);
    if (probe->delay_ms < DELAY_MAX_MS) {
        probe->delay_ms *= 2;
        if (probe->delay_ms > DELAY_MAX_MS)
            probe->delay_ms = DELAY_MAX_MS;
    }
}

static void fail(struct probe *probe, const char *text)
{
    drop_connection(probe);
    pause_attempts(probe);
    if (strcmp(text, probe->status) == 0)
        return;
    snprintf(probe->status, sizeof probe->status, "%s", text);
    probe->events.on_status(probe->events.arg, probe->status);
}

static void fail_connect(struct probe *probe, int error)
{
    char text[128];

    if (probe->replica->connect == CONNECT_INSIDE)
        snprintf(text, sizeof text, "port %u: %s",
                 (unsigned)probe->replica->port, strerror(error));
    else
        snprintf(text, sizeof text, "connect: %s", strerror(error));
    fail(probe, text);
}

static void pass(struct probe *probe)
{
    uint64_t now = loop_now_us(probe->loop);
    int family = probe->stashes[probe->which].family;

    drop_connection(probe);
    timer_stop(&probe->timer);
    probe->events.on_ready(probe->events.arg, family,
                           probe->booted_us - probe->started_us,
                           now - probe->booted_us);
}

/* --- the check over an open connection --- */

static void watch(struct probe *probe, short what, event_callback_fn on_event)
{
    drop_event(probe);
    probe->event =
        event_new(loop_base(probe->loop), probe->fd, what, on_event, probe);
    if (!probe->event || event_add(probe->event, NULL) != 0)
        abort();
}

static void judge_answer(struct probe *probe, const struct http_head *head)
{
    const struct ready_check *check = &probe->check;
    char text[256];

    if (head->status >= check->status_min &&
        head->status <= check->status_max) {
        pass(probe);
        return;
    }
    snprintf(text, sizeof text, "GET %.120s answered %u, not %u-%u",
             check->path, head->status, check->status_min, check->status_max);
    fail(probe, text);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct probe *probe = arg;
    ssize_t n = recv(fd, strbuf_reserve(&probe->in, 4096), 4096, MSG_DONTWAIT);
    struct http_head head;
    struct rejection rejection;

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(probe, "closed the connection before it answered the check");
        return;
    }
    probe->in.len += (size_t)n;
    switch (http_parser_head(&probe->parser, strbuf_view(&probe->in),
                             &probe->arena, &head, &rejection)) {
    case HTTP_MORE:
        return;
    case HTTP_REFUSED:
        fail(probe, "answered the check with invalid HTTP");
        return;
    case HTTP_DONE:
        judge_answer(probe, &head);
        return;
    }
}

static void ask(struct probe *probe)
{
    struct strbuf request = STRBUF_INIT;
    ssize_t n;

    strbuf_printf(&request,
                  "GET %s HTTP/1.1\r\nHost: localhost\r\n"
                  "User-Agent: berth\r\nAccept: */*\r\n"
                  "Connection: close\r\n\r\n",
                  probe->check.path);
    /* A fresh socket takes that much whole. */
    n = send(probe->fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != (ssize_t)request.len) {
        strbuf_done(&request);
        fail(probe, "closed the connection before it was asked");
        return;
    }
    strbuf_done(&request);
    strbuf_clear(&probe->in);
    arena_reset(&probe->arena);
    http_parser_init(&probe->parser, HTTP_KIND_RESPONSE, &probe->limits);
    http_parser_expect(&probe->parser, METHOD_GET, false);
    probe->phase = PHASE_ANSWER;
    timer_start(probe->timers, &probe->timer, ANSWER_MS);
    watch(probe, EV_READ | EV_PERSIST, on_answer);
}

static void on_closed(evutil_socket_t fd, short what, void *arg)
{
    struct probe *probe = arg;
    char byte;

    (void)what;
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        pass(probe); /* an app that speaks first */
    else
        fail(probe, "the forwarder closes the connection: nothing listens");
}

static void on_connected(struct probe *probe)
{
    if (probe->booted_us == 0)
        probe->booted_us = loop_now_us(probe->loop);
    if (probe->check.kind == CHECK_HTTP) {
        ask(probe);
    } else if (probe->forwarded) {
        probe->phase = PHASE_OPEN;
        timer_start(probe->timers, &probe->timer, FORWARDED_MS);
        watch(probe, EV_READ, on_closed);
    } else {
        pass(probe);
    }
}

/* --- a connection --- */

static bool has_other_family(const struct probe *probe)
{
    return probe->replica->connect == CONNECT_INSIDE && probe->which == 0 &&
           !probe->stashes[1].unavailable;
}

/* A refused socket can be connected again: Linux leaves it closed, not
 * broken. */
static void keep_socket(struct probe *probe)
{
    struct stash *stash = &probe->stashes[probe->which];

    drop_event(probe);
    if (probe->replica->connect == CONNECT_INSIDE &&
        stash->count < SOCKETS_AHEAD)
        stash->fds[stash->count++] = probe->fd;
    else
        close(probe->fd);
    probe->fd = -1;
}

static void on_refused(struct probe *probe, int error)
{
    if (error == ECONNREFUSED)
        keep_socket(probe);
    else
        drop_connection(probe);
    if (has_other_family(probe)) {
        probe->which = 1;
        begin(probe);
        return;
    }
    fail_connect(probe, error);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
    struct probe *probe = arg;
    int error = 0;
    socklen_t len = sizeof error;

    (void)what;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    drop_event(probe);
    if (error != 0)
        on_refused(probe, error);
    else
        on_connected(probe);
}

/* A socket that was refused before answers the next connect() with the end of
 * that attempt (ECONNABORTED), and only then takes another. */
static int connect_again(int fd, const void *address, socklen_t len)
{
    int result = connect(fd, address, len);

    if (result != 0 && errno == ECONNABORTED)
        result = connect(fd, address, len);
    return result;
}

static int start_connect(struct probe *probe)
{
    const struct replica_ref *replica = probe->replica;
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)replica->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)replica->port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    if (fcntl(probe->fd, F_SETFL, O_NONBLOCK) != 0)
        return -1;
    if (replica->connect == CONNECT_KEEPER)
        return 0;
    if (replica->connect == CONNECT_DIRECT)
        return connect(probe->fd, &replica->address.any, replica->address.len);
    if (probe->stashes[probe->which].family == AF_INET6)
        return connect_again(probe->fd, &v6, sizeof v6);
    return connect_again(probe->fd, &v4, sizeof v4);
}

static void connect_fd(struct probe *probe)
{
    if (start_connect(probe) == 0) {
        on_connected(probe);
        return;
    }
    if (errno != EINPROGRESS) {
        on_refused(probe, errno);
        return;
    }
    probe->phase = PHASE_CONNECT;
    timer_start(probe->timers, &probe->timer, CONNECT_MS);
    watch(probe, EV_WRITE, on_connect);
}

static void want_socket(struct probe *probe, struct stash *stash)
{
    bool inside = probe->replica->connect == CONNECT_INSIDE;

    probe->phase = PHASE_SOCKET;
    timer_start(probe->timers, &probe->timer, ANSWER_MS);
    if (stash->asked)
        return;
    stash->asked = true;
    probe->events.on_want(probe->events.arg, inside ? stash->family : 0,
                          inside ? SOCKETS_AHEAD : 1);
}

static void begin(struct probe *probe)
{
    struct stash *stash = &probe->stashes[probe->which];

    if (probe->replica->connect == CONNECT_DIRECT) {
        probe->fd = socket(probe->replica->address.any.sa_family,
                           SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (probe->fd < 0)
            fail_connect(probe, errno);
        else
            connect_fd(probe);
        return;
    }
    if (stash->count == 0) {
        want_socket(probe, stash);
        return;
    }
    probe->fd = stash->fds[--stash->count];
    connect_fd(probe);
}

static void on_timer(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);

    switch (probe->phase) {
    case PHASE_PAUSE:
        probe->which = 0;
        begin(probe);
        return;
    case PHASE_OPEN:
        pass(probe);
        return;
    case PHASE_SOCKET:
        probe->stashes[probe->which].asked = false;
        fail(probe, "no socket to connect with in time");
        return;
    case PHASE_CONNECT:
        fail_connect(probe, ETIMEDOUT);
        return;
    case PHASE_ANSWER:
        fail(probe, "did not answer the check in 5 s");
        return;
    }
}

struct probe *probe_new(struct loop *loop, struct timers *timers,
                        const struct replica_ref *replica,
                        const struct ready_check *check, bool forwarded,
                        const struct probe_events *events)
{
    struct probe *probe = xcalloc(1, sizeof *probe);

    probe->loop = loop;
    probe->timers = timers;
    probe->replica = replica;
    probe->check = *check;
    probe->check.path = check->path ? xstrdup(check->path) : NULL;
    probe->forwarded = forwarded;
    probe->events = *events;
    probe->timer.on_expire = on_timer;
    probe->fd = -1;
    probe->stashes[0].family = AF_INET;
    probe->stashes[1].family = AF_INET6;
    probe->started_us = loop_now_us(loop);
    probe->delay_ms = DELAY_MIN_MS;
    probe->limits = (struct http_limits){HEAD_MAX_BYTES, HEAD_MAX_BYTES, 256};
    arena_init(&probe->arena);
    /* Not within this call: on_ready must not run before it returned. */
    probe->phase = PHASE_PAUSE;
    timer_start(timers, &probe->timer, 1);
    return probe;
}

void probe_free(struct probe **probe_ptr)
{
    struct probe *probe = TAKE(*probe_ptr);

    if (!probe)
        return;
    drop_connection(probe);
    timer_stop(&probe->timer);
    for (unsigned i = 0; i < ARRAY_LEN(probe->stashes); i++) {
        while (probe->stashes[i].count > 0)
            close(probe->stashes[i].fds[--probe->stashes[i].count]);
    }
    arena_done(&probe->arena);
    strbuf_done(&probe->in);
    free(probe->check.path);
    free(probe);
}

static struct stash *stash_of(struct probe *probe, int family)
{
    return &probe->stashes[family == AF_INET6 ? 1 : 0];
}

static void on_no_socket(struct probe *probe, struct stash *stash,
                         struct strview error)
{
    char text[192];

    if (stash->family == AF_INET6 && probe->replica->connect == CONNECT_INSIDE)
        stash->unavailable = true;
    if (probe->phase != PHASE_SOCKET || stash != &probe->stashes[probe->which])
        return;
    snprintf(text, sizeof text, "%.*s", SV_ARG(error));
    fail(probe, text);
}

void probe_add_sockets(struct probe *probe, int family, const int *fds,
                       unsigned count, struct strview error)
{
    struct stash *stash = stash_of(probe, family);

    stash->asked = false;
    for (unsigned i = 0; i < count; i++) {
        if (stash->count < SOCKETS_AHEAD)
            stash->fds[stash->count++] = fds[i];
        else
            close(fds[i]);
    }
    if (count == 0) {
        on_no_socket(probe, stash, error);
        return;
    }
    if (probe->phase == PHASE_SOCKET &&
        stash == &probe->stashes[probe->which]) {
        timer_stop(&probe->timer);
        begin(probe);
    }
}
