/* Workers: the end of the front, and what waiting requests are told. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

static void expect_refused(uint16_t port)
{
    for (int i = 0; i < 100; i++) {
        int fd = raw_try_connect(port);

        if (fd < 0)
            return;
        close(fd);
        usleep(10000);
    }
    cr_assert_fail("it still listens");
}

Test(worker, drains_to_the_last_request_in_flight)
{
    struct front_fixture f = fixture_begin(2);
    char *head;
    int idle;
    int client;
    int app;

    fixture_start(&f);
    idle = harness_connect(f.h);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    harness_drain(f.h, 10000);
    raw_expect_end(idle);
    expect_refused(harness_port(f.h));
    raw_send(app, OK);
    head = raw_read_head(client);
    fixture_expect_field(head, "Connection", "close");
    free(head);
    raw_expect(client, "ok");
    raw_expect_end(client);
    cr_assert_eq(harness_join(f.h), 0);
    harness_free(f.h);
    close(idle);
    close(client);
    close(app);
    close(f.listen);
}

Test(worker, breaks_off_what_takes_longer_than_the_drain_may)
{
    struct front_fixture f = fixture_begin(2);
    uint64_t began;
    int clients[4];
    int queued;
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    clients[0] = harness_connect(f.h);
    app = fixture_send_get(&f, clients[0]);
    for (int i = 1; i < 4; i++) {
        clients[i] = harness_connect(f.h);
        raw_send(clients[i], GET);
    }
    queued = harness_connect(f.h);
    raw_send(queued, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 10\r\n\r\nabc");
    usleep(20000);
    began = raw_now_ms();
    harness_drain(f.h, 200);
    cr_assert_eq(harness_join(f.h), 0);
    cr_assert(raw_now_ms() - began < 2000);
    raw_expect_end(app);
    for (int i = 0; i < 4; i++) {
        raw_expect_end(clients[i]);
        close(clients[i]);
    }
    harness_free(f.h);
    close(queued);
    close(app);
    close(f.listen);
}

Test(worker, answers_waiters_and_finishes_the_rest_when_the_keeper_dies)
{
    struct front_fixture f = fixture_begin(2);
    int client;
    int waiting;
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    waiting = harness_connect(f.h);
    raw_send(waiting, GET);
    raw_expect_silence(waiting, 20);
    harness_close_channel(f.h);
    fixture_expect_error(waiting, 503, "draining");
    expect_refused(harness_port(f.h));
    raw_send(app, OK);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "ok");
    raw_expect_end(client);
    cr_assert_eq(harness_join(f.h), 0);
    harness_free(f.h);
    close(client);
    close(waiting);
    close(app);
    close(f.listen);
}

/* --- the queue, as a client sees it --- */

Test(worker, answers_503_when_the_queue_is_full)
{
    struct front_fixture f = fixture_begin(1);
    char *head;
    int clients[3];
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    harness_app(f.h, 0)->queue_size = 1;
    fixture_start(&f);
    for (int i = 0; i < 3; i++) {
        clients[i] = harness_connect(f.h);
        raw_send(clients[i], GET);
        usleep(20000);
    }
    head = raw_read_head(clients[2]);
    fixture_expect_field(head, "X-Berth-Error", "queue_full");
    fixture_expect_field(head, "Retry-After", "1");
    free(head);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, clients[0]);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, clients[1]);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    close(app);
    fixture_end(&f);
}

Test(worker, answers_503_after_queue_timeout_and_keeps_the_connection)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;
    int app;

    harness_app(f.h, 0)->queue_timeout_ms = 200;
    harness_start(f.h);
    client = harness_connect(f.h);
    began = raw_now_ms();
    raw_send(client, GET);
    fixture_expect_error(client, 503, "queue_timeout");
    cr_assert(raw_now_ms() - began >= 190);
    free(raw_read_until(client, "}}\n"));
    harness_add_replica(f.h, 0, 1, f.port);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(worker, names_what_is_lacking_after_queue_timeout)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    char *head;
    int client;

    harness_app(f.h, 0)->queue_timeout_ms = 200;
    harness_start(f.h);
    harness_app_state(f.h, 0, APP_STARTING, "no_resources",
                      "gpus: all 8 are in use");
    client = harness_connect(f.h);
    began = raw_now_ms();
    raw_send(client, GET);
    head = raw_read_head(client);
    cr_assert(raw_now_ms() - began >= 190, "not before");
    fixture_expect_field(head, "X-Berth-Error", "no_resources");
    fixture_expect_field(head, "Retry-After", "3");
    free(head);
    head = raw_read_until(client, "}}\n");
    cr_expect_not_null(strstr(head, "gpus: all 8 are in use"), "%s", head);
    free(head);
    close(client);
    fixture_end(&f);
}

Test(worker, tells_why_an_app_could_not_be_started)
{
    struct front_fixture f = fixture_begin(1);
    char *head;
    char *body;
    int client;

    harness_start(f.h);
    client = harness_connect(f.h);
    raw_send(client, GET);
    raw_expect_silence(client, 20);
    harness_app_state(f.h, 0, APP_FAILED, "start_failed", "exited with code 3");
    head = raw_read_head(client);
    fixture_expect_field(head, "X-Berth-Error", "start_failed");
    fixture_expect_field(head, "Retry-After", "3");
    free(head);
    body = raw_read_until(client, "}}\n");
    cr_assert(strstr(body, "exited with code 3"), "%s", body);
    free(body);
    close(client);
    fixture_end(&f);
}

/* --- time-outs of the app --- */

Test(worker, answers_504_when_the_app_does_not_answer)
{
    static const struct {
        const char *label;
        uint64_t read_ms;
        uint64_t request_ms;
        const char *code;
    } cases[] = {{"between two reads", 200, 0, "upstream_timeout"},
                 {"all of it", 60000, 200, "request_timeout"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        harness_route(f.h, 0)->upstream_read_timeout_ms = cases[i].read_ms;
        harness_route(f.h, 0)->request_timeout_ms = cases[i].request_ms;
        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        fixture_expect_error(client, 504, cases[i].code);
        raw_expect_end(app);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(worker, cuts_an_answer_that_stops)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_route(f.h, 0)->upstream_read_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "half");
    raw_expect_end(client);
    raw_expect_end(app);
    close(client);
    close(app);
    fixture_end(&f);
}

/* Slow clients hold no slot: the app's last byte frees it. */
Test(worker, frees_the_slot_at_the_apps_last_byte)
{
    struct front_fixture f = fixture_begin(1);
    int slow;
    int client;
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    slow = harness_connect(f.h);
    raw_shrink_buffers(slow);
    app = fixture_send_get(&f, slow);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
    cr_assert(raw_send_pattern(app, 0, 200000));
    client = harness_connect(f.h);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    fixture_expect_head(slow, "HTTP/1.1 200 OK\r\n");
    raw_expect_pattern(slow, 0, 200000);
    close(slow);
    close(client);
    close(app);
    fixture_end(&f);
}
