/* sidecar_probe.c - whether a sidecar is ready. */
#include "lifecycle/sidecar_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "router/base/strview.h"

#define PAUSE_FIRST_MS 2
#define PAUSE_LAST_MS  250
#define TRY_MS         5000 /* for one connection and its answer */

/* "HTTP/1.1 200": all that is looked at. */
#define STATUS_LINE_BYTES 12

struct sidecar_probe {
    struct sidecar_probe_options options;
    struct event *pause;
    struct event *io; /* of the connection under way; NULL: none */
    int fd;
    bool is_sent;
    bool was_sent; /* in an earlier try */
    bool use_v6;
    unsigned pause_ms;
    uint64_t deadline_us;
    char head[STATUS_LINE_BYTES];
    size_t head_len;
    char last[160]; /* why it is not ready yet */
};

static void try_again(struct sidecar_probe *probe);

static void drop_connection(struct sidecar_probe *probe)
{
    if (probe->io)
        event_free(probe->io);
    probe->io = NULL;
    auto_close(&probe->fd);
}

static void probe_free(struct sidecar_probe *probe)
{
    drop_connection(probe);
    event_free(probe->pause);
    free(probe);
}

void sidecar_probe_cancel(struct sidecar_probe **probe)
{
    if (*probe)
        probe_free(*probe);
    *probe = NULL;
}

/* Last in its caller. */
static void finish(struct sidecar_probe *probe, const struct err *err)
{
    struct sidecar_probe_options options = probe->options;

    probe_free(probe);
    options.done(options.arg, err);
}

static void fail_try(struct sidecar_probe *probe, const char *why)
{
    struct err err;

    /* Where it listens on one of the two only, the other one's refusal is not
     * the reason. */
    if (probe->is_sent || !probe->was_sent)
        snprintf(probe->last, sizeof probe->last, "%s", why);
    probe->was_sent |= probe->is_sent;
    drop_connection(probe);
    if (loop_now_us(probe->options.loop) >= probe->deadline_us) {
        err_set(&err, ERR_TIMEOUT, "it was not ready in time: %s on port %u",
                probe->last, probe->options.check->port);
        finish(probe, &err);
        return;
    }
    try_again(probe);
}

/* --- an answer --- */

static bool read_status(const struct sidecar_probe *probe, uint32_t *ret_status)
{
    struct strview head = sv_make(probe->head, probe->head_len);
    uint64_t status;

    if (head.len < STATUS_LINE_BYTES || !sv_starts(head, SV("HTTP/1.")) ||
        head.ptr[8] != ' ' || !sv_to_u64(sv_skip(head, 9), 999, &status))
        return false;
    *ret_status = (uint32_t)status;
    return true;
}

static void judge(struct sidecar_probe *probe)
{
    const struct sidecar_check *check = probe->options.check;
    uint32_t status;
    char why[64];

    if (!read_status(probe, &status)) {
        fail_try(probe, "what answers does not speak HTTP");
    } else if (status < check->status_min || status > check->status_max) {
        snprintf(why, sizeof why, "status %u", status);
        fail_try(probe, why);
    } else {
        finish(probe, NULL);
    }
}

static void on_readable(struct sidecar_probe *probe)
{
    ssize_t n = recv(probe->fd, probe->head + probe->head_len,
                     sizeof probe->head - probe->head_len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail_try(probe, n == 0 ? "the connection was closed without an answer"
                               : strerror(errno));
        return;
    }
    probe->head_len += (size_t)n;
    if (probe->head_len == sizeof probe->head)
        judge(probe);
}

/* --- a connection --- */

static void wait_for(struct sidecar_probe *probe, short what);

/* It is short: a socket that takes less than all of it is not to be had. */
static bool send_request(struct sidecar_probe *probe)
{
    AUTO(auto_free)
    char *request =
        xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: berth\r\n"
                  "Connection: close\r\n\r\n",
                  probe->options.check->path);

    return send(probe->fd, request, strlen(request), MSG_NOSIGNAL) ==
           (ssize_t)strlen(request);
}

static void on_connected(struct sidecar_probe *probe)
{
    int failure = 0;
    socklen_t size = sizeof failure;

    if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0 ||
        failure != 0) {
        fail_try(probe, strerror(failure));
        return;
    }
    if (!probe->options.check->is_http) {
        finish(probe, NULL);
        return;
    }
    if (!send_request(probe)) {
        fail_try(probe, "the request could not be sent");
        return;
    }
    probe->is_sent = true;
    wait_for(probe, EV_READ | EV_PERSIST);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct sidecar_probe *probe = arg;

    (void)fd;
    if (what & EV_TIMEOUT)
        fail_try(probe, "no answer");
    else if (probe->is_sent)
        on_readable(probe);
    else
        on_connected(probe);
}

static void wait_for(struct sidecar_probe *probe, short what)
{
    const struct timeval limit = {.tv_sec = TRY_MS / 1000};

    if (probe->io)
        event_free(probe->io);
    probe->io = event_new(loop_base(probe->options.loop), probe->fd, what,
                          on_event, probe);
    if (!probe->io || event_add(probe->io, &limit) != 0)
        abort();
}

static int connect_inside(const struct sidecar_probe *probe)
{
    const uint16_t port = htons((uint16_t)probe->options.check->port);
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = port,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = port,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    return probe->use_v6
               ? connect(probe->fd, (struct sockaddr *)&v6, sizeof v6)
               : connect(probe->fd, (struct sockaddr *)&v4, sizeof v4);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
    struct sidecar_probe *probe = arg;
    struct err err;

    (void)fd;
    (void)what;
    probe->is_sent = false;
    probe->head_len = 0;
    if (!probe->options.open_socket(probe->options.arg,
                                    probe->use_v6 ? AF_INET6 : AF_INET,
                                    &probe->fd, &err)) {
        probe->fd = -1;
        if (probe->use_v6) /* a host without it */
            fail_try(probe, err.text);
        else
            finish(probe, &err);
        return;
    }
    if (connect_inside(probe) == 0 || errno == EINPROGRESS)
        wait_for(probe, EV_WRITE);
    else
        fail_try(probe, strerror(errno));
}

static void pause_for(struct sidecar_probe *probe, unsigned ms)
{
    const struct timeval delay = {.tv_usec = (long)ms * 1000};

    if (evtimer_add(probe->pause, &delay) != 0)
        abort();
}

static void try_again(struct sidecar_probe *probe)
{
    probe->use_v6 = !probe->use_v6;
    pause_for(probe, probe->pause_ms);
    if (!probe->use_v6 && probe->pause_ms < PAUSE_LAST_MS)
        probe->pause_ms *= 2;
    if (probe->pause_ms > PAUSE_LAST_MS)
        probe->pause_ms = PAUSE_LAST_MS;
}

struct sidecar_probe *
sidecar_probe_start(const struct sidecar_probe_options *options)
{
    struct sidecar_probe *probe = xcalloc(1, sizeof *probe);

    loop_assert_owner(options->loop);
    probe->options = *options;
    probe->fd = -1;
    probe->pause_ms = PAUSE_FIRST_MS;
    probe->deadline_us =
        loop_now_us(options->loop) + options->timeout_ms * 1000;
    probe->pause = evtimer_new(loop_base(options->loop), on_pause, probe);
    if (!probe->pause)
        abort();
    pause_for(probe, 0);
    return probe;
}
