/* http.md, "Upgrade": on both wires, byte for byte. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/attr.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/wire_script.h"

#define GET_X   "GET / HTTP/1.1\r\nHost: x\r\n"
#define UPGRADE GET_X "Connection: upgrade\r\nUpgrade: websocket\r\n"
#define OK_SENT "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n\r\nok"
#define SWITCH                                                                 \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"               \
    "Connection: Upgrade\r\nA: b\r\n\r\n"
#define SWITCHED                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nA: b\r\n" ID                          \
    "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"

Test(http_wire_upgrade, only_where_it_is_one)
{
    static const struct wire_script rows[] = {
        {"Only with `Connection: upgrade`", GET_X "Upgrade: websocket\r\n\r\n",
         GET_X ADDED, OK, OK_SENT, WIRE_KEPT, WIRE_KEPT, false},
        {"an HTTP/1.1 request",
         "GET / HTTP/1.0\r\nHost: x\r\nConnection: upgrade, keep-alive\r\n"
         "Upgrade: websocket\r\n\r\n",
         GET_X ADDED_TO("1.0", "x"), OK,
         "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n"
         "Connection: keep-alive\r\n\r\nok",
         WIRE_KEPT, WIRE_KEPT, false},
        {"without body",
         "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\nContent-Length: 1\r\n\r\na",
         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" ADDED "a", OK,
         OK_SENT, WIRE_KEPT, WIRE_KEPT, false},
        {"`h2c` is never forwarded",
         GET_X "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
               "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
         GET_X ADDED, OK, OK_SENT, WIRE_KEPT, WIRE_KEPT, false},
        {"`h2c` is never forwarded, in a list",
         GET_X "Connection: upgrade\r\nUpgrade: H2C, websocket\r\n\r\n",
         GET_X "Connection: upgrade\r\nUpgrade: websocket\r\n" ADDED, OK,
         OK_SENT, WIRE_KEPT, WIRE_KEPT, false},
        {"`h2c` is never forwarded, with a version",
         GET_X "Connection: upgrade\r\nUpgrade: h2c/1, a/1\r\n\r\n",
         GET_X "Connection: upgrade\r\nUpgrade: a/1\r\n" ADDED, OK, OK_SENT,
         WIRE_KEPT, WIRE_KEPT, false},
        {"a refused upgrade is an ordinary answer", UPGRADE "\r\n",
         UPGRADE ADDED, OK, OK_SENT, WIRE_KEPT, WIRE_KEPT, false},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

static int begin_tunnel(struct front_fixture *f, int client)
{
    int app;

    raw_send(client, UPGRADE "\r\n");
    app = raw_accept(f->listen);
    wire_expect(app, harness_port(f->h), UPGRADE ADDED, "upgrade");
    raw_send(app, SWITCH);
    wire_expect(client, 0, SWITCHED, "upgrade");
    return app;
}

Test(http_wire_upgrade, early_bytes_of_both_sides)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, UPGRADE "\r\n");
    app = raw_accept(f.listen);
    wire_expect(app, harness_port(f.h), UPGRADE ADDED, "upgrade");
    raw_send(client, "GET /"); /* no request, before the 101 came */
    raw_expect_silence(app, 30);
    raw_send(app, SWITCH "bird");
    wire_expect(client, 0, SWITCHED "bird", "early bytes");
    wire_expect(app, 0, "GET /", "early bytes");
    raw_send(client, " HTTP/9\r\r\n");
    wire_expect(app, 0, " HTTP/9\r\r\n", "bytes, whatever they are");
    close(client);
    wire_expect_end(app, WIRE_CLOSED, "the client's end");
    close(app);
    fixture_end(&f);
}

Test(http_wire_upgrade, what_followed_a_refused_one_is_parsed_as_a_request)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, UPGRADE "\r\n" GET_X "\r\n");
    app = raw_accept(f.listen);
    wire_expect(app, harness_port(f.h), UPGRADE ADDED, "upgrade");
    raw_send(app, OK);
    wire_expect(client, 0, OK_SENT, "a refused upgrade");
    wire_expect(app, harness_port(f.h), GET_X ADDED, "what followed");
    raw_send(app, OK);
    wire_expect(client, 0, OK_SENT, "what followed");
    close(client);
    close(app);
    fixture_end(&f);
}

#define MUCH (4U << 20)

static void *send_much(void *arg)
{
    raw_send_pattern(*(int *)arg, 0, MUCH);
    shutdown(*(int *)arg, SHUT_WR);
    return NULL;
}

/* Each side sends much and then its end, while the other one still sends. */
Test(http_wire_upgrade, both_directions_with_half_close, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    pthread_t from_client;
    pthread_t from_app;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = begin_tunnel(&f, client);
    pthread_create(&from_client, NULL, send_much, &client);
    raw_expect_pattern(app, 0, MUCH);
    wire_expect_end(app, WIRE_CLOSED, "half-close of the client");
    pthread_create(&from_app, NULL, send_much, &app);
    raw_expect_pattern(client, 0, MUCH);
    wire_expect_end(client, WIRE_CLOSED, "half-close of the app");
    pthread_join(from_client, NULL);
    pthread_join(from_app, NULL);
    while (harness_counts(f.h, 0).tunnels != 0)
        usleep(1000);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(http_wire_upgrade, the_apps_end_leaves_the_clients_direction_open)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = begin_tunnel(&f, client);
    shutdown(app, SHUT_WR);
    wire_expect_end(client, WIRE_CLOSED, "half-close of the app");
    raw_send(client, "still");
    raw_expect(app, "still");
    close(client);
    wire_expect_end(app, WIRE_CLOSED, "the client's end");
    close(app);
    fixture_end(&f);
}

Test(http_wire_upgrade, a_reset_of_one_side_ends_the_other)
{
    for (int of_client = 0; of_client < 2; of_client++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = begin_tunnel(&f, client);
        raw_reset(of_client ? client : app);
        wire_expect_end(of_client ? app : client, WIRE_CLOSED, "reset");
        while (harness_counts(f.h, 0).tunnels != 0)
            usleep(1000);
        close(of_client ? app : client);
        fixture_end(&f);
    }
}

Test(http_wire_upgrade, counts_against_max_tunnels_not_against_the_slots)
{
    struct front_fixture f = fixture_begin(1);
    int clients[3];
    int apps[3];

    harness_app(f.h, 0)->concurrency = 1;
    harness_app(f.h, 0)->max_tunnels = 2;
    fixture_start(&f);
    for (int i = 0; i < 2; i++) {
        clients[i] = harness_connect(f.h);
        apps[i] = begin_tunnel(&f, clients[i]);
    }
    clients[2] = harness_connect(f.h);
    raw_send(clients[2], UPGRADE "\r\n");
    apps[2] = raw_accept(f.listen);
    free(raw_read_head(apps[2]));
    raw_send(apps[2], SWITCH);
    fixture_expect_error(clients[2], 503, "tunnels_full");
    free(raw_read_until(clients[2], "}}\n"));
    wire_expect_end(apps[2], WIRE_CLOSED, "max_tunnels");
    close(apps[2]);
    /* The slot is free again. */
    apps[2] = fixture_send_get(&f, clients[2]);
    fixture_answer_ok(apps[2], clients[2]);
    for (int i = 0; i < 3; i++) {
        close(clients[i]);
        close(apps[i]);
    }
    fixture_end(&f);
}

Test(http_wire_upgrade, is_told_to_end_when_the_replica_drains)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = begin_tunnel(&f, client);
    harness_drain_replica(f.h, 1);
    wire_expect_end(app, WIRE_CLOSED, "is told to end");
    raw_send(app, "bye");
    raw_expect(client, "bye");
    close(app);
    wire_expect_end(client, WIRE_CLOSED, "the app's end");
    close(client);
    free((void *)(size_t)harness_wait(f.h, CHANNEL_REPLICA_DRAINED).ptr);
    fixture_end(&f);
}

Test(http_wire_upgrade, is_told_to_end_when_the_front_drains)
{
    struct front_fixture f = fixture_begin(2);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = begin_tunnel(&f, client);
    raw_send(client, "last");
    raw_expect(app, "last");
    harness_drain(f.h, 20000);
    wire_expect_end(app, WIRE_CLOSED, "is told to end");
    close(app);
    wire_expect_end(client, WIRE_CLOSED, "the app's end");
    cr_assert_eq(harness_join(f.h), 0);
    harness_free(f.h);
    close(client);
    close(f.listen);
}

Test(http_wire_upgrade, one_that_begins_while_the_replica_drains_is_told,
     .timeout = 30)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, UPGRADE "\r\n");
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    harness_drain_replica(f.h, 1);
    usleep(100000);
    raw_send(client, "early");
    usleep(20000);
    raw_send(app, SWITCH "bye");
    wire_expect(client, 0, SWITCHED "bye", "upgrade");
    raw_expect(app, "early");
    wire_expect_end(app, WIRE_CLOSED, "is told to end");
    close(app);
    wire_expect_end(client, WIRE_CLOSED, "the app's end");
    close(client);
    fixture_end(&f);
}
