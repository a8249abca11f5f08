/* upstream.c - one connection to a replica. */
#include "proxy/upstream.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/exchange.h"
#include "proxy/stream.h"
#include "proxy/upstream_pool.h"
#include "proxy/worker.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "router/replica_ref.h"

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *upstream = arg;

    (void)fd;
    (void)what;
    if (upstream->exchange)
        exchange_on_upstream_readable(upstream->exchange);
    else
        upstream_pool_on_readable(upstream);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *upstream = arg;

    (void)fd;
    (void)what;
    exchange_on_upstream_writable(upstream->exchange);
}

void upstream_attach(struct upstream *upstream, struct worker *worker)
{
    struct event_base *base = loop_base(worker->loop);

    assert(!upstream->worker);
    upstream->worker = worker;
    if (event_assign(&upstream->read_event, base, upstream->fd,
                     EV_READ | EV_PERSIST, on_readable, upstream) != 0 ||
        event_assign(&upstream->write_event, base, upstream->fd,
                     EV_WRITE | EV_PERSIST, on_writable, upstream) != 0)
        abort();
    upstream->is_reading = false;
    upstream->is_writing = false;
    upstream_resume(upstream);
}

void upstream_detach(struct upstream *upstream)
{
    upstream_pause(upstream);
    upstream_stop_write(upstream);
    upstream->worker = NULL;
}

static int connect_inside(int fd, const struct replica_ref *replica)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)replica->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)replica->port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    if (replica->family == AF_INET6)
        return connect(fd, (struct sockaddr *)&v6, sizeof v6);
    return connect(fd, (struct sockaddr *)&v4, sizeof v4);
}

/* ret_connecting: it is not yet established. */
static bool begin(int fd, const struct replica_ref *replica,
                  bool *ret_connecting)
{
    const int on = 1;
    int rc = 0;

    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return false;
    /* Fails on a Unix socket, which has no such delay. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (replica->connect == CONNECT_DIRECT)
        rc = connect(fd, &replica->address.any, replica->address.len);
    else if (replica->connect == CONNECT_INSIDE)
        rc = connect_inside(fd, replica);
    *ret_connecting = rc != 0;
    return rc == 0 || errno == EINPROGRESS;
}

struct upstream *upstream_open(struct worker *worker,
                               const struct replica_ref *replica, int fd,
                               struct exchange *exchange)
{
    struct upstream *upstream;
    bool connecting;

    if (fd < 0)
        fd = socket(replica->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC,
                    0);
    if (fd < 0)
        return NULL;
    if (!begin(fd, replica, &connecting)) {
        int saved = errno;

        close(fd);
        errno = saved;
        return NULL;
    }
    upstream = xcalloc(1, sizeof *upstream);
    upstream->fd = fd;
    upstream->is_connecting = connecting;
    upstream->exchange = exchange;
    upstream_attach(upstream, worker);
    return upstream;
}

static void free_upstream(void *ptr)
{
    free(ptr);
}

void upstream_close(struct upstream **upstream_ptr)
{
    struct upstream *upstream = TAKE(*upstream_ptr);
    struct worker *worker;

    if (!upstream)
        return;
    worker = upstream->worker;
    if (upstream->fd >= 0) {
        if (worker)
            upstream_detach(upstream);
        close(upstream->fd);
        upstream->fd = -1;
    }
    if (worker)
        loop_free_later(worker->loop, upstream, free_upstream);
    else
        free(upstream);
}

void upstream_pause(struct upstream *upstream)
{
    if (!upstream->is_reading)
        return;
    upstream->is_reading = false;
    event_del(&upstream->read_event);
}

void upstream_resume(struct upstream *upstream)
{
    if (upstream->is_reading)
        return;
    upstream->is_reading = true;
    if (event_add(&upstream->read_event, NULL) != 0)
        abort();
}

void upstream_await_write(struct upstream *upstream)
{
    if (upstream->is_writing)
        return;
    upstream->is_writing = true;
    if (event_add(&upstream->write_event, NULL) != 0)
        abort();
}

void upstream_stop_write(struct upstream *upstream)
{
    if (!upstream->is_writing)
        return;
    upstream->is_writing = false;
    event_del(&upstream->write_event);
}

enum io_result upstream_read(struct upstream *upstream, const struct iovec *iov,
                             int iov_count, size_t *ret_count)
{
    struct stream stream = upstream_stream(upstream);

    return stream_read(&stream, iov, iov_count, ret_count);
}

enum io_result upstream_write(struct upstream *upstream,
                              const struct iovec *iov, int iov_count,
                              size_t *ret_count)
{
    struct stream stream = upstream_stream(upstream);

    return stream_write(&stream, iov, iov_count, ret_count);
}

void upstream_shutdown(struct upstream *upstream)
{
    shutdown(upstream->fd, SHUT_WR);
}

bool upstream_is_quiet(const struct upstream *upstream)
{
    char byte;

    return recv(upstream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}
