/* raw_peer.c - the two ends of a test. */
#include "tests/support/raw_peer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"

#define FLOOD_MOST_BYTES (96U << 20)

uint64_t raw_now_ms(void)
{
    return clock_now_us() / 1000;
}

static bool wait_for(int fd, short what, unsigned ms)
{
    struct pollfd pfd = {.fd = fd, .events = what};

    return poll(&pfd, 1, (int)ms) == 1;
}

static void no_delay(int fd)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int raw_listen_at(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
                  listen(fd, 1024) == 0,
              "listen: %s", strerror(errno));
    return fd;
}

int raw_listen(uint16_t *ret_port)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int fd = raw_listen_at(0);

    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

int raw_listen_v6(uint16_t *ret_port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
              listen(fd, 1024) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin6_port);
    return fd;
}

int raw_listen_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
              listen(fd, 1024) == 0);
    return fd;
}

bool raw_has_connection(int listen_fd, unsigned within_ms)
{
    return wait_for(listen_fd, POLLIN, within_ms);
}

int raw_accept(int listen_fd)
{
    int fd;

    cr_assert(wait_for(listen_fd, POLLIN, RAW_TIMEOUT_MS),
              "no connection came");
    fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(fd >= 0);
    no_delay(fd);
    return fd;
}

int raw_try_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        auto_close(&fd);
        return -1;
    }
    no_delay(fd);
    return fd;
}

int raw_connect(uint16_t port)
{
    int fd = raw_try_connect(port);

    cr_assert(fd >= 0, "connect to port %u: %s", port, strerror(errno));
    return fd;
}

void raw_shrink_buffers(int fd)
{
    const int size = 65536;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

size_t raw_flood(int fd)
{
    static const char block[65536];
    size_t sent = 0;

    for (int idle = 0; idle < 3;) {
        ssize_t n = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            sent += (size_t)n;
            idle = 0;
            cr_assert(sent < FLOOD_MOST_BYTES, "it takes without end");
        } else {
            usleep(50000);
            idle++;
        }
    }
    return sent;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n;

        if (!wait_for(fd, POLLOUT, RAW_TIMEOUT_MS))
            return false;
        n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

void raw_send_bytes(int fd, const void *data, size_t len)
{
    cr_assert(send_all(fd, data, len), "could not send: %s", strerror(errno));
}

void raw_send(int fd, const char *text)
{
    raw_send_bytes(fd, text, strlen(text));
}

/* No short period: a byte that is lost, doubled or moved shows. */
static char pattern_at(size_t i)
{
    return (char)((i * 2654435761U) >> 16 ^ (i >> 3));
}

void raw_fill_pattern(char *to, size_t offset, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = pattern_at(offset + i);
}

bool raw_send_pattern(int fd, size_t offset, size_t count)
{
    char block[16384];

    while (count > 0) {
        size_t n = count < sizeof block ? count : sizeof block;

        raw_fill_pattern(block, offset, n);
        if (!send_all(fd, block, n))
            return false;
        offset += n;
        count -= n;
    }
    return true;
}

/* -1: nothing in time. */
static ssize_t receive(int fd, char *to, size_t size)
{
    if (!wait_for(fd, POLLIN, RAW_TIMEOUT_MS))
        return -1;
    return recv(fd, to, size, 0);
}

char *raw_read_bytes(int fd, size_t count)
{
    char *got = xcalloc(1, count + 1);
    size_t len = 0;

    while (len < count) {
        ssize_t n = receive(fd, got + len, count - len);

        cr_assert(n > 0, "only %zu of %zu bytes came: \"%s\"", len, count, got);
        len += (size_t)n;
    }
    return got;
}

void raw_expect(int fd, const char *text)
{
    char *got = raw_read_bytes(fd, strlen(text));

    cr_assert_str_eq(got, text);
    free(got);
}

char *raw_read_until(int fd, const char *end)
{
    size_t end_len = strlen(end);
    size_t size = 65536;
    char *got = xcalloc(1, size + 1);
    size_t len = 0;

    while (len < end_len || memcmp(got + len - end_len, end, end_len) != 0) {
        ssize_t n = receive(fd, got + len, 1);

        cr_assert(n == 1, "\"%s\" did not come, but \"%s\"", end, got);
        len++;
        cr_assert(len < size);
    }
    return got;
}

char *raw_read_head(int fd)
{
    return raw_read_until(fd, "\r\n\r\n");
}

void raw_expect_pattern(int fd, size_t offset, size_t count)
{
    char block[65536];

    while (count > 0) {
        ssize_t n =
            receive(fd, block, count < sizeof block ? count : sizeof block);

        cr_assert(n > 0, "%zu bytes of the pattern are missing", count);
        for (ssize_t i = 0; i < n; i++)
            cr_assert(block[i] == pattern_at(offset + (size_t)i),
                      "the byte at %zu is another", offset + (size_t)i);
        offset += (size_t)n;
        count -= (size_t)n;
    }
}

void raw_expect_silence(int fd, unsigned ms)
{
    char got[256] = "";

    if (wait_for(fd, POLLIN, ms)) {
        ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);

        cr_assert_fail("expected nothing, but %s: \"%s\"",
                       n == 0 ? "it closed" : "this came", got);
    }
}

void raw_expect_end(int fd)
{
    char got[256] = "";
    ssize_t n;

    cr_assert(wait_for(fd, POLLIN, RAW_TIMEOUT_MS), "it did not close");
    n = recv(fd, got, sizeof got - 1, 0);
    cr_assert(n <= 0, "expected the end, but this came: \"%s\"", got);
}

char *raw_field(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1;

            value += strspn(value, " ");
            return xstrndup(value, strcspn(value, "\r"));
        }
    }
    return NULL;
}

size_t raw_read_off(int fd)
{
    char block[65536];
    size_t count = 0;
    ssize_t n;

    while ((n = receive(fd, block, sizeof block)) > 0)
        count += (size_t)n;
    return count;
}

void raw_reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}
