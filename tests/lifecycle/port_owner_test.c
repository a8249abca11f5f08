/* port_owner_test.c */
#include "lifecycle/port_owner.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned listen_somewhere(int family, int *ret_fd)
{
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address =
        family == AF_INET ? (struct sockaddr *)&sin : (struct sockaddr *)&sin6;
    socklen_t len = family == AF_INET ? sizeof sin : sizeof sin6;

    *ret_fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(*ret_fd, address, len) != 0)
        cr_skip_test("no such loopback here");
    cr_assert_eq(listen(*ret_fd, 1), 0);
    cr_assert_eq(getsockname(*ret_fd, address, &len), 0);
    return ntohs(family == AF_INET ? sin.sin_port : sin6.sin6_port);
}

static void expect_own(int family)
{
    char owner[64];
    char expected[32];
    int fd;
    unsigned port = listen_somewhere(family, &fd);

    cr_assert(port_owner_find(port, owner, sizeof owner));
    snprintf(expected, sizeof expected, "(pid %d)", (int)getpid());
    cr_assert_not_null(strstr(owner, expected), "%s", owner);
    close(fd);
    cr_assert_not(port_owner_find(port, owner, sizeof owner),
                  "nobody listens there any more");
}

Test(port_owner, finds_who_listens_on_ipv4)
{
    expect_own(AF_INET);
}

Test(port_owner, finds_who_listens_on_ipv6)
{
    expect_own(AF_INET6);
}
