/* inherited_sockets_test.c */
#include "lifecycle/inherited_sockets.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A listening socket of ours at descriptor `at`. */
static struct address listen_at(int at, const struct address *address)
{
    struct address bound = {.len = sizeof bound.un};
    int fd = socket(address->any.sa_family, SOCK_STREAM, 0);

    cr_assert_eq(bind(fd, &address->any, address->len), 0);
    cr_assert_eq(listen(fd, 4), 0);
    cr_assert_eq(getsockname(fd, &bound.any, &bound.len), 0);
    if (fd != at) {
        dup2(fd, at);
        close(fd);
    }
    return bound;
}

static struct address parse(const char *text)
{
    struct address address;
    struct err err;

    cr_assert(address_parse(sv_of(text), &address, &err), "%s", err.text);
    return address;
}

/* Of the same host; the kernel picks a port that is free. */
static struct address any_port(const char *text)
{
    struct address address = parse(text);

    address.v4.sin_port = 0; /* sin6_port is at the same place */
    return address;
}

/* Far from the test runner's own. */
#define FIRST 700

static void announce(int count)
{
    char text[32];

    snprintf(text, sizeof text, "%d", getpid());
    setenv("LISTEN_PID", text, 1);
    snprintf(text, sizeof text, "%d", count);
    setenv("LISTEN_FDS", text, 1);
}

Test(inherited_sockets, finds_the_socket_by_its_address_and_gives_it_once)
{
    AUTO(strbuf_done) struct strbuf lines = STRBUF_INIT;
    struct address any = any_port("127.0.0.1:1");
    struct address first = listen_at(FIRST, &any);
    struct address second = listen_at(FIRST + 1, &any);
    struct address other = parse("127.0.0.1:1");

    announce(2);
    inherited_sockets_read(FIRST);
    cr_assert(inherited_sockets_take(&second) == FIRST + 1);
    cr_assert(inherited_sockets_take(&second) == -1);
    cr_assert(inherited_sockets_take(&other) == -1);
    cr_assert(inherited_sockets_take(&first) == FIRST);
    cr_assert(fcntl(FIRST, F_GETFD) == FD_CLOEXEC);
    cr_assert(fcntl(FIRST, F_GETFL) & O_NONBLOCK);
    cr_assert(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID"));
    inherited_sockets_close_rest(&lines);
    cr_assert(lines.len == 0);
    cr_assert(fcntl(FIRST, F_GETFD) >= 0);
}

Test(inherited_sockets, takes_a_dual_stack_socket_for_any_ipv4_address)
{
    struct address any = any_port("[::]:1");
    struct address bound = listen_at(FIRST, &any);
    char text[32];
    struct address wanted;

    snprintf(text, sizeof text, "%u", address_port(&bound));
    wanted = parse(text);
    announce(1);
    inherited_sockets_read(FIRST);
    cr_assert(inherited_sockets_take(&wanted) == FIRST);
}

Test(inherited_sockets, takes_a_unix_socket_by_its_path)
{
    char text[64];
    struct address wanted;

    snprintf(text, sizeof text, "unix:/tmp/berth-inherited-%d", getpid());
    wanted = parse(text);
    listen_at(FIRST, &wanted);
    announce(1);
    inherited_sockets_read(FIRST);
    cr_assert(inherited_sockets_take(&wanted) == FIRST);
    unlink(wanted.un.sun_path);
}

Test(inherited_sockets, closes_and_names_what_nobody_took)
{
    AUTO(strbuf_done) struct strbuf lines = STRBUF_INIT;
    struct address any = any_port("127.0.0.1:1");
    struct address bound = listen_at(FIRST, &any);
    int pipe_fds[2];
    char expected[128];

    cr_assert(pipe(pipe_fds) == 0);
    dup2(pipe_fds[0], FIRST + 1);
    announce(3); /* the third is not open */
    inherited_sockets_read(FIRST);
    inherited_sockets_close_rest(&lines);
    snprintf(expected, sizeof expected, "listens on 127.0.0.1:%u,",
             address_port(&bound));
    cr_assert(strstr(lines.data, expected));
    cr_assert(strstr(lines.data, "descriptor 701 is no listening socket\n"));
    cr_assert(!strstr(lines.data, "descriptor 702"));
    cr_assert(fcntl(FIRST, F_GETFD) == -1 && fcntl(FIRST + 1, F_GETFD) == -1);
}

Test(inherited_sockets, ignores_what_is_for_another_process)
{
    struct address any = any_port("127.0.0.1:1");
    struct address bound = listen_at(FIRST, &any);

    announce(1);
    setenv("LISTEN_PID", "1", 1); /* meant for another process */
    inherited_sockets_read(FIRST);
    cr_assert(inherited_sockets_take(&bound) == -1);
}

Test(inherited_sockets, ignores_a_number_that_is_none)
{
    struct address any = any_port("127.0.0.1:1");
    struct address bound = listen_at(FIRST, &any);

    announce(1);
    setenv("LISTEN_FDS", "-1", 1);
    inherited_sockets_read(FIRST);
    cr_assert(inherited_sockets_take(&bound) == -1);
}
