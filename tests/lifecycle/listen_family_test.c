/* listen_family_test.c */
#include "lifecycle/listen_family.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/raw_peer.h"

Test(listen_family, is_that_of_the_socket_that_listens)
{
    uint16_t port;
    int fd = raw_listen(&port);

    cr_expect_eq(listen_family(getpid(), port), AF_INET);
    close(fd);
    cr_expect_eq(listen_family(getpid(), port), 0, "nothing listens any more");
    fd = raw_listen_v6(&port);
    cr_expect_eq(listen_family(getpid(), port), AF_INET6);
    close(fd);
    cr_expect_eq(listen_family(0, port), 0, "there is no such process");
}

Test(listen_family, a_connection_is_no_listener)
{
    uint16_t port;
    int fd = raw_listen(&port);
    int client = raw_connect(port);
    struct sockaddr_in local;
    socklen_t len = sizeof local;

    cr_assert_eq(getsockname(client, (struct sockaddr *)&local, &len), 0);
    cr_expect_eq(listen_family(getpid(), ntohs(local.sin_port)), 0);
    close(client);
    close(fd);
}
