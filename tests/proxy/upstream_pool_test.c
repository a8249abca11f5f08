/* Connections to an app: never more than its slots, whoever has them. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

/* An app that serves one connection at a time, and the next one only when that
 * is closed: the single-threaded server that many frameworks start with. */
struct single_app {
    int listen;
    unsigned connections;
    unsigned requests;
    unsigned closes_after; /* requests of a connection; 0: never */
    pthread_t thread;
};

static bool read_head(int fd)
{
    char last[4] = "";
    char c;

    while (memcmp(last, "\r\n\r\n", 4) != 0) {
        if (recv(fd, &c, 1, 0) != 1)
            return false;
        memmove(last, last + 1, 3);
        last[3] = c;
    }
    return true;
}

static void serve_connection(struct single_app *app, int fd)
{
    unsigned served = 0;

    while (read_head(fd)) {
        app->requests++;
        raw_send(fd, OK);
        if (++served == app->closes_after)
            return;
    }
}

static void *run_app(void *arg)
{
    struct single_app *app = arg;
    int fd;

    while ((fd = accept(app->listen, NULL, NULL)) >= 0) {
        app->connections++;
        serve_connection(app, fd);
        close(fd);
    }
    return NULL;
}

static void start_app(struct single_app *app)
{
    pthread_create(&app->thread, NULL, run_app, app);
}

static void end_app(struct single_app *app)
{
    shutdown(app->listen, SHUT_RD); /* accept() fails then */
    pthread_join(app->thread, NULL);
}

#define CLIENTS  16
#define REQUESTS 100

struct caller {
    struct front_harness *h;
    pthread_t thread;
};

static void *call_often(void *arg)
{
    struct caller *caller = arg;
    int fd = harness_connect(caller->h);

    for (int i = 0; i < REQUESTS; i++) {
        raw_send(fd, GET);
        fixture_expect_head(fd, "HTTP/1.1 200 OK\r\n");
        raw_expect(fd, "ok");
    }
    close(fd);
    return NULL;
}

static void call_from_many(struct front_harness *h)
{
    struct caller callers[CLIENTS];

    for (int i = 0; i < CLIENTS; i++) {
        callers[i].h = h;
        pthread_create(&callers[i].thread, NULL, call_often, &callers[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(callers[i].thread, NULL);
}

Test(upstream_pool, serves_many_clients_over_the_one_connection_there_may_be,
     .timeout = 120)
{
    struct front_fixture f = fixture_begin(2);
    struct single_app app = {.listen = f.listen};

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    start_app(&app);
    call_from_many(f.h);
    harness_end(f.h);
    end_app(&app);
    cr_assert_eq(app.requests, CLIENTS * REQUESTS);
    /* Handed over between the workers, never opened anew. */
    cr_assert_eq(app.connections, 1, "%u connections", app.connections);
    close(f.listen);
}

Test(upstream_pool, survives_an_app_that_closes_often, .timeout = 120)
{
    struct front_fixture f = fixture_begin(2);
    struct single_app app = {.listen = f.listen, .closes_after = 3};

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    start_app(&app);
    call_from_many(f.h);
    harness_end(f.h);
    end_app(&app);
    cr_assert_eq(app.requests, CLIENTS * REQUESTS);
    close(f.listen);
}

/* Connections of which the app has read a head and not yet answered. */
Test(upstream_pool, never_has_more_connections_than_slots)
{
    struct front_fixture f = fixture_begin(2);
    int clients[CLIENTS];
    int apps[4];

    harness_app(f.h, 0)->concurrency = 4;
    fixture_start(&f);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = harness_connect(f.h);
        raw_send(clients[i], GET);
    }
    for (int i = 0; i < 4; i++) {
        apps[i] = raw_accept(f.listen);
        fixture_expect_head(apps[i], "GET / ");
    }
    cr_assert(!raw_has_connection(f.listen, 50));
    cr_assert_eq(harness_counts(f.h, 0).in_flight, 4);
    cr_assert_eq(harness_counts(f.h, 0).queued, CLIENTS - 4);
    /* Each answer hands its slot, and its connection, to the next. */
    for (int i = 0; i < CLIENTS; i++) {
        raw_send(apps[i % 4], OK);
        if (i < CLIENTS - 4)
            fixture_expect_head(apps[i % 4], "GET / ");
    }
    for (int i = 0; i < CLIENTS; i++) {
        fixture_expect_head(clients[i], "HTTP/1.1 200 OK\r\n");
        raw_expect(clients[i], "ok");
        close(clients[i]);
    }
    cr_assert(!raw_has_connection(f.listen, 20));
    for (int i = 0; i < 4; i++)
        close(apps[i]);
    fixture_end(&f);
}

Test(upstream_pool, closes_parked_connections_when_their_replica_goes)
{
    static const struct {
        const char *label;
        bool drained;
    } cases[] = {{"removed", false}, {"drained", true}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(2);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        fixture_answer_ok(app, client);
        if (cases[i].drained)
            harness_drain_replica(f.h, 1);
        else
            harness_remove_replica(f.h, 1);
        raw_expect_end(app);
        if (cases[i].drained) {
            struct strview drained = harness_wait(f.h, CHANNEL_REPLICA_DRAINED);

            free((void *)(size_t)drained.ptr);
        }
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(upstream_pool, lets_a_request_end_on_a_replica_that_drains)
{
    struct front_fixture f = fixture_begin(1);
    struct strview drained;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    harness_drain_replica(f.h, 1);
    usleep(20000);
    cr_assert_eq(harness_count(f.h, CHANNEL_REPLICA_DRAINED), 0);
    fixture_answer_ok(app, client);
    drained = harness_wait(f.h, CHANNEL_REPLICA_DRAINED);
    free((void *)(size_t)drained.ptr);
    raw_expect_end(app);
    close(client);
    close(app);
    fixture_end(&f);
}
