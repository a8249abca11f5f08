/* relay.c - the floor in benchmarks: what it costs to move a request and its
 * answer between two connections when nothing is looked at.
 *
 * usage: relay LISTEN UPSTREAM (ADDR:PORT or unix:PATH each)
 * One upstream connection for each client connection; read, write, read, write
 * a request, and the epoll_wait between them. One thread.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "router/base/address.h"
#include "router/base/alloc.h"

#define BUFFER_BYTES 65536
#define EVENTS       256
#define BACKLOG      4096

struct side {
    struct pair *pair;
    int fd;
    char *rest; /* what the other side sent and this one did not take yet */
    size_t rest_len;
    size_t rest_at;
    uint32_t armed;
};

struct pair {
    struct side sides[2];
    struct pair *next_dead;
    bool is_dead;
};

static int epoll_fd;
static struct address upstream;
static struct pair *dead; /* freed after the events of one epoll_wait */
static char buffer[BUFFER_BYTES];

static NORETURN void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct side *other_of(struct side *side)
{
    return side == side->pair->sides ? side + 1 : side - 1;
}

static void kill_pair(struct pair *pair)
{
    if (pair->is_dead)
        return;
    pair->is_dead = true;
    close(pair->sides[0].fd);
    close(pair->sides[1].fd);
    pair->next_dead = dead;
    dead = pair;
}

static void arm(struct side *side, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = side};
    int how = side->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (side->armed == events)
        return;
    side->armed = events;
    if (epoll_ctl(epoll_fd, how, side->fd, &event) != 0)
        die("epoll_ctl");
}

/* A side that does not take everything stops the other one's reading. */
static void on_readable(struct side *from)
{
    struct side *to = other_of(from);
    ssize_t n = read(from->fd, buffer, sizeof(buffer));
    ssize_t sent;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        kill_pair(from->pair);
        return;
    }
    sent = write(to->fd, buffer, (size_t)n);
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (sent < 0) {
        kill_pair(from->pair);
        return;
    }
    if (sent == n)
        return;
    if (!to->rest)
        to->rest = xcalloc(1, BUFFER_BYTES);
    to->rest_len = (size_t)(n - sent);
    to->rest_at = 0;
    memcpy(to->rest, buffer + sent, to->rest_len);
    arm(to, EPOLLIN | EPOLLOUT);
    arm(from, EPOLLRDHUP);
}

static void on_writable(struct side *to)
{
    ssize_t n = write(to->fd, to->rest + to->rest_at, to->rest_len);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0) {
        kill_pair(to->pair);
        return;
    }
    to->rest_at += (size_t)n;
    to->rest_len -= (size_t)n;
    if (to->rest_len > 0)
        return;
    arm(to, EPOLLIN);
    arm(other_of(to), EPOLLIN);
}

static void on_acceptable(int listener)
{
    for (;;) {
        int one = 1;
        struct pair *pair;
        int out;
        int in = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (in < 0)
            return;
        out = socket(upstream.any.sa_family,
                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (out < 0)
            die("socket");
        setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(out, &upstream.any, upstream.len) != 0 &&
            errno != EINPROGRESS)
            die("connect");
        pair = xcalloc(1, sizeof(*pair));
        pair->sides[0] = (struct side){.pair = pair, .fd = in};
        pair->sides[1] = (struct side){.pair = pair, .fd = out};
        arm(&pair->sides[0], EPOLLIN);
        arm(&pair->sides[1], EPOLLIN);
    }
}

static void bury_dead(void)
{
    while (dead) {
        struct pair *pair = dead;

        dead = pair->next_dead;
        free(pair->sides[0].rest);
        free(pair->sides[1].rest);
        free(pair);
    }
}

static struct address parse(const char *text)
{
    struct address address;
    struct err err = {0};

    if (!address_parse(sv_of(text), &address, &err)) {
        fprintf(stderr, "relay: %s: %s\n", text, err.text);
        exit(2);
    }
    return address;
}

static int listen_on(const struct address *address)
{
    int one = 1;
    int fd = socket(address->any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &address->any, address->len) != 0 || listen(fd, BACKLOG) != 0)
        die("listen");
    return fd;
}

static void on_event(const struct epoll_event *event)
{
    struct side *side = event->data.ptr;

    if (side->pair->is_dead)
        return;
    if (event->events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) &&
        !(event->events & EPOLLIN)) {
        kill_pair(side->pair);
        return;
    }
    if (event->events & EPOLLOUT)
        on_writable(side);
    if (event->events & EPOLLIN && !side->pair->is_dead)
        on_readable(side);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct address address;
    int listener;

    if (argc != 3) {
        fprintf(stderr, "usage: relay LISTEN UPSTREAM\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    address = parse(argv[1]);
    upstream = parse(argv[2]);
    listener = listen_on(&address);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0)
        die("epoll");
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            if (!events[i].data.ptr)
                on_acceptable(listener);
            else
                on_event(&events[i]);
        }
        bury_dead();
    }
}
