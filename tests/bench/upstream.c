/* upstream.c - the app behind the proxies in benchmarks: an HTTP/1.1 server
 * that costs as little as one can, so that what is measured is the proxy.
 *
 * usage: upstream [ADDR:PORT|unix:PATH]
 * Without either, where berth has an app listen: $BERTH_SOCKET, or port 8000.
 * `GET /N` is answered by N bytes, keep-alive; the body of a request is
 * skipped. One thread, one epoll loop, level-triggered. It is a benchmark's
 * tool: it trusts its peers.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "router/base/address.h"
#include "router/base/alloc.h"

#define HEAD_MAX  16384
#define BODY_MAX  (16 << 20)
#define SIZES_MAX 64
#define EVENTS    256
#define BACKLOG   4096

struct answer { /* of one size, made on its first request */
    size_t size;
    char head[128];
    size_t head_len;
};

struct connection {
    int fd;
    char in[HEAD_MAX];
    size_t in_len;
    size_t skip;                 /* bytes of a request's body still to come */
    const struct answer *answer; /* being sent; NULL: none */
    size_t sent;
    bool wants_out;
};

static struct answer answers[SIZES_MAX];
static unsigned answer_count;
static char *body;
static int epoll_fd;

static NORETURN void die(const char *what)
{
    perror(what);
    exit(1);
}

static const struct answer *answer_of(size_t size)
{
    struct answer *answer;

    for (unsigned i = 0; i < answer_count; i++)
        if (answers[i].size == size)
            return &answers[i];
    if (answer_count == SIZES_MAX || size > BODY_MAX) {
        fprintf(stderr, "upstream: too many or too large sizes\n");
        exit(1);
    }
    answer = &answers[answer_count++];
    answer->size = size;
    answer->head_len = (size_t)snprintf(answer->head, sizeof(answer->head),
                                        "HTTP/1.1 200 OK\r\n"
                                        "Server: upstream\r\n"
                                        "Content-Type: text/plain\r\n"
                                        "Content-Length: %zu\r\n\r\n",
                                        size);
    return answer;
}

static void drop(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

static void want(struct connection *connection, bool out)
{
    struct epoll_event event = {
        .events = out ? EPOLLOUT : EPOLLIN,
        .data.ptr = connection,
    };

    if (connection->wants_out == out)
        return;
    connection->wants_out = out;
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

/* False: the connection is gone. */
static bool send_answer(struct connection *connection)
{
    const struct answer *answer = connection->answer;

    while (connection->sent < answer->head_len + answer->size) {
        struct iovec parts[2];
        int count = 0;
        size_t at = connection->sent;
        ssize_t n;

        if (at < answer->head_len) {
            parts[count].iov_base = (char *)answer->head + at;
            parts[count++].iov_len = answer->head_len - at;
            at = 0;
        } else {
            at -= answer->head_len;
        }
        parts[count].iov_base = body + at;
        parts[count++].iov_len = answer->size - at;
        n = writev(connection->fd, parts, count);
        if (n < 0 && errno == EAGAIN) {
            want(connection, true);
            return true;
        }
        if (n < 0) {
            drop(connection);
            return false;
        }
        connection->sent += (size_t)n;
    }
    connection->answer = NULL;
    want(connection, false);
    return true;
}

static size_t content_length(const char *head, const char *end)
{
    static const char name[] = "\r\ncontent-length:";

    for (const char *at = head; at + sizeof(name) < end; at++)
        if (*at == '\r' && strncasecmp(at, name, sizeof(name) - 1) == 0)
            return strtoul(at + sizeof(name) - 1, NULL, 10);
    return 0;
}

static void consume(struct connection *connection, size_t n)
{
    connection->in_len -= n;
    if (connection->in_len > 0)
        memmove(connection->in, connection->in + n, connection->in_len);
}

/* Answers as many whole requests as there are. False: it is gone. */
static bool serve(struct connection *connection)
{
    while (!connection->answer) {
        const char *end;
        const char *path;
        size_t skip = connection->skip < connection->in_len
                          ? connection->skip
                          : connection->in_len;

        connection->skip -= skip;
        consume(connection, skip);
        if (connection->in_len == 0)
            return true;
        end = memmem(connection->in, connection->in_len, "\r\n\r\n", 4);
        if (!end)
            return true;
        path = memchr(connection->in, '/', connection->in_len);
        if (!path)
            break;
        connection->answer = answer_of(strtoul(path + 1, NULL, 10));
        connection->sent = 0;
        if (connection->in[0] != 'G')
            connection->skip = content_length(connection->in, end + 2);
        consume(connection, (size_t)(end + 4 - connection->in));
        if (!send_answer(connection))
            return false;
    }
    return true;
}

static void on_readable(struct connection *connection)
{
    ssize_t n = read(connection->fd, connection->in + connection->in_len,
                     sizeof(connection->in) - connection->in_len);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(connection);
        return;
    }
    connection->in_len += (size_t)n;
    (void)serve(connection);
}

static void on_acceptable(int listener)
{
    for (;;) {
        struct epoll_event event = {.events = EPOLLIN};
        struct connection *connection;
        int one = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        connection = xcalloc(1, sizeof(*connection));
        connection->fd = fd;
        event.data.ptr = connection;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(const char *text)
{
    struct address address;
    struct err err = {0};
    int one = 1;
    int fd;

    if (!address_parse(sv_of(text), &address, &err)) {
        fprintf(stderr, "upstream: %s: %s\n", text, err.text);
        exit(2);
    }
    fd = socket(address.any.sa_family,
                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &address.any, address.len) != 0 || listen(fd, BACKLOG) != 0)
        die(text);
    return fd;
}

/* As berth's app in a container. */
static int listen_as_app(void)
{
    const char *path = getenv("BERTH_SOCKET");
    char text[256];

    if (!path)
        return listen_on("0.0.0.0:8000");
    snprintf(text, sizeof text, "unix:%s", path);
    return listen_on(text);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int listener;

    if (argc > 2) {
        fprintf(stderr, "usage: upstream [ADDR:PORT|unix:PATH]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    body = xcalloc(1, BODY_MAX);
    memset(body, 'x', BODY_MAX);
    listener = argc == 2 ? listen_on(argv[1]) : listen_as_app();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0)
        die("epoll");
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;

            if (!connection)
                on_acceptable(listener);
            else if (!connection->wants_out)
                on_readable(connection);
            else if (send_answer(connection))
                (void)serve(connection);
        }
    }
}
