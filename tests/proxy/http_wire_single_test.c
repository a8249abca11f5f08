/* Connections to an app never exceed its concurrency, parked ones and all
 * workers included: an app that serves one connection at a time, and would
 * keep a second one waiting for ever while the first is open. */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define CLIENTS  16
#define REQUESTS 60

/* --- the app: strictly one connection after the other --- */

struct single {
    int listen;
    unsigned closes_each; /* answers; 0: never */
    bool says_so;         /* with Connection: close */
    atomic_bool stop;
    atomic_uint connections;
    atomic_uint requests;
    atomic_bool had_two;
};

/* Also where bytes of a request that was called off lie before its end. */
static bool is_ended(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};

    return poll(&pfd, 1, 0) == 1 &&
           (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* A second connection may only wait where the first one's end has come. */
static void look_for_a_second(struct single *app, int fd)
{
    if (raw_has_connection(app->listen, 0) && !is_ended(fd))
        app->had_two = true;
}

/* Whether a whole request came. */
static bool read_request(struct single *app, int fd)
{
    char got[8192];
    size_t len = 0;

    while (!app->stop) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        ssize_t n;

        look_for_a_second(app, fd);
        if (poll(&pfd, 1, 5) != 1)
            continue;
        n = recv(fd, got + len, sizeof got - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        got[len] = '\0';
        /* All of the test's bodies end so. */
        if (strncmp(got, "POST", 4) == 0 ? got[len - 1] == '$'
                                         : strstr(got, "\r\n\r\n") != NULL)
            return true;
    }
    return false;
}

static bool answer(struct single *app, int fd, unsigned count)
{
    bool last = app->closes_each != 0 && count % app->closes_each == 0;
    char text[256];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok",
                       last && app->says_so ? "Connection: close\r\n" : "");

    look_for_a_second(app, fd);
    return send(fd, text, (size_t)len, MSG_NOSIGNAL) == len && !last;
}

static void *serve(void *arg)
{
    struct single *app = arg;

    while (!app->stop) {
        unsigned count = 0;
        int fd;

        if (!raw_has_connection(app->listen, 20))
            continue;
        fd = raw_accept(app->listen);
        app->connections++;
        while (read_request(app, fd)) {
            app->requests++;
            if (!answer(app, fd, ++count))
                break;
        }
        close(fd);
    }
    return NULL;
}

/* --- the clients --- */

struct load {
    struct front_harness *h;
    unsigned seed;
    bool aborts; /* now and then, within a request */
    bool closes; /* a connection for each request */
};

static bool answered(int client)
{
    char *head = raw_read_head(client);
    bool ok = strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0;

    cr_expect(ok, "not answered well: \"%s\"", head);
    if (ok)
        raw_expect(client, "ok");
    free(head);
    return ok;
}

static void *ask(void *arg)
{
    struct load *load = arg;
    int client = -1;

    for (int i = 0; i < REQUESTS; i++) {
        if (client < 0)
            client = harness_connect(load->h);
        raw_send(client, rand_r(&load->seed) % 3
                             ? GET
                             : "POST / HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 2\r\n\r\na$");
        if (load->aborts && rand_r(&load->seed) % 5 == 0) {
            if (rand_r(&load->seed) % 2)
                usleep((unsigned)rand_r(&load->seed) % 2000);
            raw_reset(client);
            client = -1;
            continue;
        }
        if (!answered(client))
            break;
        if (load->closes) {
            close(client);
            client = -1;
        }
    }
    if (client >= 0)
        close(client);
    return NULL;
}

struct mix {
    const char *label;
    unsigned closes_each;
    bool says_so;
    bool aborts;
    bool closes;
};

static void play(const struct mix *mix)
{
    struct front_fixture f = fixture_begin(2);
    struct single app = {.listen = f.listen,
                         .closes_each = mix->closes_each,
                         .says_so = mix->says_so};
    struct load loads[CLIENTS];
    pthread_t clients[CLIENTS];
    pthread_t server;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    pthread_create(&server, NULL, serve, &app);
    for (unsigned i = 0; i < CLIENTS; i++) {
        loads[i] = (struct load){f.h, i + 1, mix->aborts && i % 2, mix->closes};
        pthread_create(&clients[i], NULL, ask, &loads[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    cr_expect(!app.had_two, "%s: two connections at once", mix->label);
    if (mix->closes_each == 0 && !mix->aborts)
        cr_expect_eq(app.connections, 1, "%s: %u connections for %u requests",
                     mix->label, app.connections, app.requests);
    app.stop = true;
    pthread_join(server, NULL);
    fixture_end(&f);
}

Test(http_wire_single, keep_alive_clients_share_one_connection, .timeout = 60)
{
    play(&(struct mix){.label = "keep-alive"});
}

Test(http_wire_single, a_connection_for_each_request, .timeout = 60)
{
    play(&(struct mix){.label = "closing clients", .closes = true});
}

Test(http_wire_single, an_app_that_says_it_closes, .timeout = 60)
{
    play(&(struct mix){
        .label = "closing app", .closes_each = 3, .says_so = true});
}

Test(http_wire_single, clients_that_abort, .timeout = 60)
{
    play(&(struct mix){.label = "aborts", .aborts = true});
}

Test(http_wire_single, aborts_and_an_app_that_closes, .timeout = 60)
{
    play(&(struct mix){.label = "aborts, closing app",
                       .closes_each = 4,
                       .says_so = true,
                       .aborts = true,
                       .closes = true});
}
