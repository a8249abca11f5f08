/* sidecar_probe_test.c - a ready_check, against a server in a thread. */
#include "lifecycle/sidecar_probe.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/clock.h"
#include "router/base/loop.h"

static struct loop *loop;
static unsigned dones;
static struct err last;
static unsigned sockets_left; /* open_socket() fails after so many */

/* The server: one answer a connection, the last again and again. */
static int listener = -1;
static uint32_t port;
static pthread_t server;
static const char *const *answers;
static char request[512];

static void init(void)
{
    loop = loop_new("test");
    sockets_left = 1000;
}

static void stop_server(void)
{
    if (listener < 0)
        return;
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
    listener = -1;
}

static void fini(void)
{
    stop_server();
    loop_free(&loop);
}

TestSuite(sidecar_probe, .init = init, .fini = fini, .timeout = 30);

static void listen_on(int family)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    bool is_v6 = family == AF_INET6;

    listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 ||
        bind(listener, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
             is_v6 ? sizeof v6 : sizeof v4) != 0)
        cr_skip_test("no loopback address of this family");
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    port = ntohs(is_v6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                       : ((struct sockaddr_in *)&name)->sin_port);
}

static void *serve(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        ssize_t n = recv(fd, request, sizeof request - 1, 0);

        request[n > 0 ? n : 0] = '\0';
        if (send(fd, *answers, strlen(*answers), MSG_NOSIGNAL) >= 0 &&
            answers[1])
            answers++;
        close(fd);
    }
    return NULL;
}

static void start_server(int family, const char *const *texts)
{
    answers = texts;
    listen_on(family);
    cr_assert_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

static bool open_socket(void *arg, int family, int *ret_fd, struct err *err)
{
    (void)arg;
    if (sockets_left == 0)
        return err_set(err, ERR_NOT_FOUND, "the container has ended");
    sockets_left--;
    *ret_fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return *ret_fd >= 0 || err_set(err, ERR_IO, "no socket");
}

static void on_done(void *arg, const struct err *err)
{
    (void)arg;
    dones++;
    last = err ? *err : (struct err){.code = ERR_NONE};
    loop_stop(loop);
}

static struct sidecar_probe *start(const struct sidecar_check *check,
                                   uint64_t timeout_ms)
{
    const struct sidecar_probe_options options = {
        .loop = loop,
        .open_socket = open_socket,
        .done = on_done,
        .check = check,
        .timeout_ms = timeout_ms,
    };

    return sidecar_probe_start(&options);
}

static enum err_code probe(bool is_http, uint64_t timeout_ms)
{
    const struct sidecar_check check = {.is_http = is_http,
                                        .port = port,
                                        .path = (char *)"/up",
                                        .status_min = 200,
                                        .status_max = 399};

    dones = 0;
    cr_assert_not_null(start(&check, timeout_ms));
    cr_assert_eq(dones, 0, "never within the call");
    loop_run(loop);
    cr_assert_eq(dones, 1);
    return last.code;
}

Test(sidecar_probe, a_connection_is_enough_for_tcp)
{
    static const char *const texts[] = {"", NULL};

    start_server(AF_INET, texts);
    cr_assert_eq(probe(false, 5000), ERR_NONE, "%s", last.text);
}

Test(sidecar_probe, one_that_listens_on_ipv6_only_is_found)
{
    static const char *const texts[] = {"", NULL};

    start_server(AF_INET6, texts);
    cr_assert_eq(probe(false, 5000), ERR_NONE, "%s", last.text);
}

Test(sidecar_probe, http_waits_for_a_status_that_will_do)
{
    static const char *const texts[] = {"HTTP/1.1 503 No\r\n\r\n",
                                        "",
                                        "HTTP/1.1 199 No\r\n\r\n",
                                        "SSH-2.0-x\n",
                                        "HTTP/1.1 2x0 No\r\n\r\n",
                                        "HTTP/1.0 204 Yes\r\n\r\n",
                                        NULL};

    start_server(AF_INET, texts);
    cr_assert_eq(probe(true, 10000), ERR_NONE, "%s", last.text);
    cr_assert_eq(
        strncmp(request, "GET /up HTTP/1.1\r\nHost: localhost\r\n", 35), 0,
        "%s", request);
    cr_assert_null(answers[1], "all of them were asked for");
}

Test(sidecar_probe, one_that_is_never_ready_times_out_with_the_reason)
{
    static const struct {
        const char *answer;
        const char *reason;
    } cases[] = {
        {"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"},
        {"HTTP/1.1 99999\r\n\r\n", "status 999"},
        {"hello, it is me again", "does not speak HTTP"},
        {"HTTP/1.1 ", "without an answer"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const texts[] = {cases[i].answer, NULL};

        start_server(AF_INET, texts);
        cr_expect_eq(probe(true, 100), ERR_TIMEOUT, "%s", cases[i].answer);
        cr_expect_not_null(strstr(last.text, cases[i].reason), "%s: %s",
                           cases[i].answer, last.text);
        stop_server();
    }
}

Test(sidecar_probe, nobody_there_times_out_and_an_end_is_told_at_once)
{
    uint64_t began_us;

    listen_on(AF_INET);
    close(listener);
    listener = -1;
    cr_assert_eq(probe(false, 60), ERR_TIMEOUT);
    cr_assert_not_null(strstr(last.text, "refused"), "%s", last.text);
    sockets_left = 4;
    began_us = clock_now_us();
    cr_assert_eq(probe(false, 20000), ERR_NOT_FOUND, "%s", last.text);
    cr_assert_lt(clock_now_us() - began_us, 5000000);
}

Test(sidecar_probe, a_cancelled_one_says_nothing)
{
    const struct sidecar_check check = {.port = 9};
    struct sidecar_probe *it = start(&check, 5000);

    sidecar_probe_cancel(&it);
    cr_assert_null(it);
    sidecar_probe_cancel(&it);
    cr_assert_eq(dones, 0);
}
