/* Upgrades: after a 101, bytes both ways. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define UPGRADE                                                                \
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"                   \
    "Upgrade: websocket\r\n\r\n"
#define SWITCH                                                                 \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"              \
    "Upgrade: websocket\r\n\r\n"

static int upgrade(struct front_fixture *f, int client)
{
    char *head;
    int app;

    raw_send(client, UPGRADE);
    app = raw_accept(f->listen);
    head = raw_read_head(app);
    fixture_expect_field(head, "Upgrade", "websocket");
    free(head);
    raw_send(app, SWITCH);
    head = raw_read_head(client);
    cr_assert(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%s", head);
    fixture_expect_field(head, "Upgrade", "websocket");
    free(head);
    return app;
}

Test(tunnel, relays_bytes_both_ways_and_each_end)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = upgrade(&f, client);
    raw_send(client, "ping");
    raw_expect(app, "ping");
    raw_send(app, "pong");
    raw_expect(client, "pong");
    shutdown(client, SHUT_WR);
    raw_expect_end(app);
    raw_send(app, "still");
    raw_expect(client, "still");
    close(app);
    raw_expect_end(client);
    close(client);
    fixture_end(&f);
}

Test(tunnel, delivers_early_bytes_of_both_sides)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, UPGRADE "early");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET /ws ");
    raw_send(app, SWITCH "bird");
    fixture_expect_head(client, "HTTP/1.1 101 ");
    raw_expect(client, "bird");
    raw_expect(app, "early");
    close(client);
    raw_expect_end(app);
    close(app);
    fixture_end(&f);
}

Test(tunnel, holds_no_slot, .timeout = 20)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int other;
    int app;
    int second;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = upgrade(&f, client);
    cr_assert_eq(harness_counts(f.h, 0).tunnels, 1);
    cr_assert_eq(harness_counts(f.h, 0).in_flight, 0);
    other = harness_connect(f.h);
    second = fixture_send_get(&f, other);
    fixture_answer_ok(second, other);
    close(client);
    raw_expect_end(app);
    close(app);
    while (harness_counts(f.h, 0).tunnels != 0)
        usleep(1000);
    close(other);
    close(second);
    fixture_end(&f);
}

Test(tunnel, answers_503_above_max_tunnels)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int other;
    int app;
    int second;

    harness_app(f.h, 0)->max_tunnels = 1;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = upgrade(&f, client);
    other = harness_connect(f.h);
    raw_send(other, UPGRADE);
    second = raw_accept(f.listen);
    fixture_expect_head(second, "GET /ws ");
    raw_send(second, SWITCH);
    fixture_expect_error(other, 503, "tunnels_full");
    close(client);
    close(other);
    close(app);
    close(second);
    fixture_end(&f);
}

Test(tunnel, treats_a_refused_upgrade_as_an_ordinary_answer)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, UPGRADE GET);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET /ws ");
    raw_send(app, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    fixture_expect_head(client, "HTTP/1.1 403 ");
    raw_expect(client, "no");
    fixture_expect_head(app, "GET / "); /* what followed is a request */
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(tunnel, ends_after_tunnel_timeout_without_a_byte)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;
    int app;

    harness_route(f.h, 0)->tunnel_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = upgrade(&f, client);
    began = raw_now_ms();
    usleep(120000);
    raw_send(app, "x"); /* a byte keeps it */
    raw_expect(client, "x");
    raw_expect_end(client);
    cr_assert(raw_now_ms() - began >= 300);
    raw_expect_end(app);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(tunnel, stops_reading_a_side_whose_other_side_does_not_take, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    size_t sent;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    app = upgrade(&f, client);
    raw_shrink_buffers(app);
    sent = raw_flood(client);
    shutdown(client, SHUT_WR);
    cr_assert_eq(raw_read_off(app), sent);
    raw_send(app, "bye");
    raw_expect(client, "bye");
    close(app);
    close(client);
    fixture_end(&f);
}
