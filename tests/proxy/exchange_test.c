/* One request and its answer: exactly the bytes on both sides. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_harness.h"
#include "tests/support/front_fixture.h"
#include "tests/support/raw_peer.h"

/* --- the common way --- */

Test(exchange, passes_a_get_on_and_its_answer_back)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;
    char *head;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET /a/../b?b=c HTTP/1.1\r\nHost: x.example\r\n"
                     "Connection: close, X-Hop\r\nX-Hop: 1\r\n\r\n");
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    cr_assert(strncmp(head, "GET /b?b=c HTTP/1.1\r\n", 21) == 0, "%s", head);
    fixture_expect_field(head, "Host", "x.example");
    fixture_expect_field(head, "X-Forwarded-For", "127.0.0.1");
    fixture_expect_field(head, "X-Hop", NULL);
    free(head);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    head = raw_read_head(client);
    cr_assert(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", head);
    fixture_expect_field(head, "Content-Length", "5");
    fixture_expect_field(head, "Connection", "close");
    raw_expect(client, "hello");
    raw_expect_end(client);
    free(head);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, keeps_both_connections_for_the_next_request)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    for (int i = 0; i < 3; i++) {
        raw_send(client, GET);
        fixture_expect_head(app, "GET / HTTP/1.1\r\n");
        fixture_answer_ok(app, client);
    }
    cr_assert(!raw_has_connection(f.listen, 0));
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, answers_pipelined_requests_in_order)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client,
             "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
             "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
             "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET /1 ");
    raw_expect_silence(app, 50);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    fixture_expect_head(app, "POST /2 ");
    raw_expect(app, "abc");
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
    fixture_expect_head(app, "GET /3 ");
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3");
    for (int i = 1; i <= 3; i++) {
        char body[2] = {(char)('0' + i), '\0'};

        fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
        raw_expect(client, body);
    }
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, answers_a_long_pipeline_of_local_replies)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    harness_route(f.h, 0)->app = UINT32_MAX;
    harness_route(f.h, 0)->return_code = 204;
    harness_start(f.h);
    client = harness_connect(f.h);
    for (int i = 0; i < 2000; i++)
        raw_send(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 2000; i++)
        fixture_expect_head(client, "HTTP/1.1 204 ");
    close(client);
    fixture_end(&f);
}

Test(exchange, takes_a_request_byte_by_byte)
{
    struct front_fixture f = fixture_begin(1);
    const char *request = "\r\nPOST /x HTTP/1.1\r\nHost: x\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n";
    int client;
    int app;
    char *head;

    fixture_start(&f);
    client = harness_connect(f.h);
    for (const char *p = request; *p; p++)
        raw_send_bytes(client, p, 1);
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    /* The whole body was there before a slot was taken: it has a length. */
    fixture_expect_field(head, "Content-Length", "7");
    fixture_expect_field(head, "Transfer-Encoding", NULL);
    raw_expect(app, "abcdefg");
    free(head);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- hang-ups --- */

Test(exchange, closes_the_apps_connection_when_the_client_hangs_up)
{
    static const struct {
        const char *label;
        bool reset;
    } cases[] = {{"FIN", false}, {"RST", true}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        if (cases[i].reset)
            raw_reset(client);
        else
            close(client);
        raw_expect_end(app);
        close(app);
        fixture_end(&f);
    }
}

Test(exchange, notices_a_hang_up_behind_bytes_that_it_does_not_read)
{
    static const struct {
        const char *label;
        bool reset;
    } cases[] = {{"FIN", false}, {"RST", true}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        char *more = calloc(1, 40001);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        /* More than is read ahead of the next request. */
        memset(more, 'x', 40000);
        raw_send(client, more);
        free(more);
        usleep(20000);
        if (cases[i].reset)
            raw_reset(client);
        else
            close(client);
        raw_expect_end(app);
        close(app);
        fixture_end(&f);
    }
}

Test(exchange, frees_the_place_of_a_client_that_hangs_up_in_the_queue)
{
    struct front_fixture f = fixture_begin(1);
    int first;
    int second;
    int third;
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    harness_app(f.h, 0)->queue_size = 1;
    fixture_start(&f);
    first = harness_connect(f.h);
    app = fixture_send_get(&f, first);
    second = harness_connect(f.h);
    raw_send(second, GET);
    usleep(20000);
    close(second);
    usleep(20000);
    third = harness_connect(f.h);
    raw_send(third, GET); /* the queue has room for one: it must be free */
    raw_expect_silence(third, 20);
    fixture_answer_ok(app, first);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, third);
    close(first);
    close(third);
    close(app);
    fixture_end(&f);
}

Test(exchange, answers_a_half_closed_client_where_that_is_asked_for)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_server(f.h)->half_close_answers = true;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    shutdown(client, SHUT_WR);
    raw_expect_silence(app, 50);
    raw_send(app, OK);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "ok");
    raw_expect_end(client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, aborts_a_half_closed_client_that_resets)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_server(f.h)->half_close_answers = true;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    shutdown(client, SHUT_WR);
    raw_expect_silence(app, 50);
    raw_reset(client);
    raw_expect_end(app);
    close(app);
    fixture_end(&f);
}

/* --- early and interim answers --- */

Test(exchange, delivers_an_answer_that_comes_before_the_body_is_done)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;
    char *head;

    harness_route(f.h, 0)->request_buffer_bytes = 0;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 100000\r\n\r\nsome");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST / ");
    raw_expect(app, "some");
    raw_send(app, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    head = raw_read_head(client);
    cr_assert(strncmp(head, "HTTP/1.1 403 ", 13) == 0);
    fixture_expect_field(head, "Connection", "close");
    free(head);
    raw_expect(client, "no");
    raw_expect_end(app);
    /* The rest of the body is no request. */
    raw_send(client, GET);
    raw_expect_end(client);
    cr_assert(!raw_has_connection(f.listen, 20));
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, passes_interim_answers_on)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    fixture_expect_head(client, "HTTP/1.1 103 ");
    raw_send(app, "HTTP/1.1 102 Processing\r\n\r\n" OK);
    fixture_expect_head(client, "HTTP/1.1 102 ");
    fixture_expect_head(client, "HTTP/1.1 200 ");
    raw_expect(client, "ok");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, passes_expect_and_the_apps_100_on)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;
    char *head;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                     "Expect: 100-continue\r\n\r\n");
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    fixture_expect_field(head, "Expect", "100-continue");
    free(head);
    raw_expect_silence(client, 20);
    raw_send(app, "HTTP/1.1 100 Continue\r\n\r\n");
    fixture_expect_head(client, "HTTP/1.1 100 ");
    raw_send(client, "body");
    raw_expect(app, "body");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, says_100_itself_while_the_app_starts)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_start(f.h);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                     "Expect: 100-continue\r\n\r\n");
    fixture_expect_head(client, "HTTP/1.1 100 ");
    raw_send(client, "body");
    harness_add_replica(f.h, 0, 1, f.port);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST / ");
    raw_expect(app, "body");
    /* Its own 100 has been said. */
    raw_send(app, "HTTP/1.1 100 Continue\r\n\r\n");
    raw_send(app, OK);
    fixture_expect_head(client, "HTTP/1.1 200 ");
    raw_expect(client, "ok");
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- what goes wrong --- */

Test(exchange, refuses_what_is_no_request)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.1\r\nHost : x\r\n\r\n" GET);
    fixture_expect_error(client, 400, "bad_request");
    free(raw_read_until(client, "}}\n"));
    raw_expect_end(client);
    cr_assert(!raw_has_connection(f.listen, 20));
    close(client);
    fixture_end(&f);
}

Test(exchange, knows_no_route)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    free(harness_route(f.h, 0)->prefix);
    harness_route(f.h, 0)->prefix = strdup("/only");
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, GET);
    fixture_expect_error(client, 404, "no_route");
    free(raw_read_until(client, "}}\n"));
    raw_send(client, "GET /x/..%2fonly HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_expect_error(client, 400, "bad_request");
    close(client);
    fixture_end(&f);
}

Test(exchange, refuses_a_body_that_is_too_large_at_once)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    harness_route(f.h, 0)->client_max_body_bytes = 10;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n"
                     "Expect: 100-continue\r\n\r\n");
    fixture_expect_error(client, 413, "body_too_large");
    close(client);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n");
    fixture_expect_error(client, 413, "body_too_large");
    close(client);
    fixture_end(&f);
}

Test(exchange, answers_502_to_an_invalid_answer)
{
    static const char *const answers[] = {
        "HTTP/1.1 99 What\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        raw_send(app, answers[i]);
        fixture_expect_error(client, 502, "upstream_invalid");
        raw_expect_end(app);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(exchange, cuts_an_answer_that_breaks_off)
{
    struct front_fixture f = fixture_begin(1);
    struct strview broken;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "4\r\nsome\r\n");
    fixture_expect_head(client, "HTTP/1.1 200 ");
    raw_expect(client, "4\r\nsome\r\n");
    raw_reset(app);
    raw_expect_end(client); /* and no last chunk */
    broken = harness_wait(f.h, CHANNEL_REPLICA_BROKEN);
    free((void *)(size_t)broken.ptr);
    close(client);
    fixture_end(&f);
}

Test(exchange, tries_a_get_again_and_then_answers_502)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, GET);
    for (int i = 0; i < 3; i++) { /* retry 2 */
        int app = raw_accept(f.listen);

        fixture_expect_head(app, "GET / ");
        close(app);
    }
    fixture_expect_error(client, 502, "upstream_closed");
    cr_assert(!raw_has_connection(f.listen, 50));
    close(client);
    fixture_end(&f);
}

Test(exchange, never_sends_a_post_twice)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client,
             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST / ");
    raw_expect(app, "body");
    close(app);
    fixture_expect_error(client, 502, "upstream_closed");
    cr_assert(!raw_has_connection(f.listen, 50));
    close(client);
    fixture_end(&f);
}

Test(exchange, answers_502_when_nothing_listens)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    close(f.listen);
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client,
             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    fixture_expect_error(client, 502, "upstream_connect");
    close(client);
    harness_end(f.h);
}

Test(exchange, tries_again_on_a_replica_that_comes_back)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    close(f.listen); /* it crashed */
    harness_remove_replica(f.h, 1);
    close(app);
    f.listen = raw_listen(&f.port);
    usleep(50000); /* longer than a retry waits: it is in the queue */
    harness_add_replica(f.h, 0, 2, f.port);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- reuse --- */

Test(exchange, uses_a_fresh_connection_when_the_app_closed_an_idle_one)
{
    static const struct {
        const char *label;
        const char *request;
    } cases[] = {
        {"GET", GET},
        {"POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        fixture_answer_ok(app, client);
        close(app);
        raw_send(client, cases[i].request);
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        fixture_answer_ok(app, client);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(exchange, sends_a_get_again_that_met_a_closing_connection)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / "); /* on the old one, which then closes */
    close(app);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange, does_not_keep_connections_where_that_is_off)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_app(f.h, 0)->upstream_keepalive = false;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    raw_expect_end(app);
    close(app);
    close(client);
    fixture_end(&f);
}
