/* From the queue to a slot, as peers see it: deadlines, and how long to stay
 * away. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/address.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

#define GET_WITHIN(seconds)                                                    \
    "GET /" seconds " HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: " seconds      \
    "\r\n\r\n"

/* One slot. trusted: 127.0.0.1 is a trusted proxy. */
static struct front_fixture begin_with_one_slot(bool trusted)
{
    struct front_fixture f = fixture_begin(1);
    struct server_settings *server = harness_server(f.h);

    harness_app(f.h, 0)->concurrency = 1;
    harness_app(f.h, 0)->queue_timeout_ms = 60000;
    if (trusted) {
        server->trusted_count = 1;
        server->trusted = xcalloc(1, sizeof *server->trusted);
        cr_assert(
            address_range_parse(SV("127.0.0.0/8"), server->trusted, NULL));
    }
    fixture_start(&f);
    return f;
}

static void wait_queued(const struct front_fixture *f, uint32_t count)
{
    for (int i = 0; i < 5000 && harness_counts(f->h, 0).queued != count; i++)
        usleep(1000);
    cr_assert_eq(harness_counts(f->h, 0).queued, count);
}

Test(exchange_slot, a_trusted_peers_deadline_ends_the_wait)
{
    struct front_fixture f = begin_with_one_slot(true);
    int busy = harness_connect(f.h);
    int client = harness_connect(f.h);
    int app = fixture_send_get(&f, busy);
    uint64_t began_us = clock_now_us();
    char *head;
    char *after;

    raw_send(client, GET_WITHIN("0.25"));
    head = raw_read_head(client);
    cr_assert_eq(clock_now_us() - began_us >= 250000, true, "not before");
    fixture_expect_field(head, "X-Berth-Error", "queue_timeout");
    after = raw_field(head, "Retry-After");
    cr_assert(after && atoi(after) >= 1, "%s", head);
    fixture_answer_ok(app, busy);
    free(after);
    free(head);
    close(client);
    close(busy);
    close(app);
    fixture_end(&f);
}

Test(exchange_slot, who_can_wait_for_the_shortest_is_served_first)
{
    static const char *const requests[] = {GET_WITHIN("50"), GET_WITHIN("30"),
                                           GET, GET_WITHIN("40")};
    static const char *const order[] = {"GET /30 ", "GET /40 ", "GET /50 ",
                                        "GET / "};
    static const unsigned who[] = {1, 3, 0, 2};
    struct front_fixture f = begin_with_one_slot(true);
    int busy = harness_connect(f.h);
    int app = fixture_send_get(&f, busy);
    int clients[4];

    for (unsigned i = 0; i < 4; i++) {
        clients[i] = harness_connect(f.h);
        raw_send(clients[i], requests[i]);
        wait_queued(&f, i + 1);
    }
    fixture_answer_ok(app, busy);
    for (unsigned i = 0; i < 4; i++) {
        char *head = raw_read_head(app);

        cr_assert(strncmp(head, order[i], strlen(order[i])) == 0, "%s", head);
        if (who[i] == 3) /* it goes on as it came */
            fixture_expect_field(head, "X-Request-Timeout", "40");
        free(head);
        fixture_answer_ok(app, clients[who[i]]);
        close(clients[who[i]]);
    }
    close(busy);
    close(app);
    fixture_end(&f);
}

Test(exchange_slot, a_deadline_that_has_passed_gets_no_slot)
{
    struct front_fixture f = begin_with_one_slot(true);
    int client = harness_connect(f.h);

    raw_send(client, GET_WITHIN("0"));
    fixture_expect_error(client, 503, "queue_timeout");
    cr_assert_not(raw_has_connection(f.listen, 100));
    close(client);
    fixture_end(&f);
}

Test(exchange_slot, what_is_no_deadline_is_none)
{
    static const char *const values[] = {"soon", "-1", "1s", ""};
    struct front_fixture f = begin_with_one_slot(true);
    int client = harness_connect(f.h);
    int app = -1;

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        raw_send(client, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: ");
        raw_send(client, values[i]);
        raw_send(client, "\r\n\r\n");
        if (app < 0)
            app = raw_accept(f.listen);
        fixture_expect_head(app, "GET / ");
        fixture_answer_ok(app, client);
    }
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_slot, a_deadline_of_anybody_else_is_neither_obeyed_nor_passed_on)
{
    struct front_fixture f = begin_with_one_slot(false);
    int client = harness_connect(f.h);
    int app;
    char *head;

    raw_send(client, GET_WITHIN("0"));
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    fixture_expect_field(head, "X-Request-Timeout", NULL);
    free(head);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}
