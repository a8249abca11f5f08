/* Streaming's limits on the wire: each time-out with its status, what a
 * client's end does in each state, and what back-pressure holds back. */
#include <criterion/criterion.h>
#include <netinet/in.h>
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

#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define LINE "HTTP/1.1 200 OK\r\n"
#define UPGRADE                                                                \
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"                     \
    "Upgrade: websocket\r\n\r\n"

/* --- time-outs --- */

enum limit { READ_TIMEOUT, REQUEST_TIMEOUT, QUEUE_TIMEOUT };

static void set_limit(struct front_fixture *f, enum limit limit, uint64_t ms)
{
    if (limit == READ_TIMEOUT)
        harness_route(f->h, 0)->upstream_read_timeout_ms = ms;
    else if (limit == REQUEST_TIMEOUT)
        harness_route(f->h, 0)->request_timeout_ms = ms;
    else
        harness_app(f->h, 0)->queue_timeout_ms = ms;
}

Test(http_wire_times, an_app_that_does_not_answer_in_time, .timeout = 30)
{
    static const struct {
        const char *label;
        enum limit limit;
        const char *app_says; /* before it goes silent */
        unsigned status;
        const char *code;
    } rows[] = {
        {"no head: upstream_timeout", READ_TIMEOUT, "", 504,
         "upstream_timeout"},
        {"half a head: upstream_timeout", READ_TIMEOUT, "HTTP/1.1 200 OK\r\n",
         504, "upstream_timeout"},
        {"only an interim answer: upstream_timeout", READ_TIMEOUT,
         "HTTP/1.1 103 Early Hints\r\n\r\n", 504, "upstream_timeout"},
        {"no head: request_timeout", REQUEST_TIMEOUT, "", 504,
         "request_timeout"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        char *head;
        int client;
        int app;

        set_limit(&f, rows[i].limit, 400);
        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        raw_send(app, rows[i].app_says);
        head = wire_read_final_head(client);
        cr_assert_eq(atoi(head + 9), (int)rows[i].status, "%s: \"%s\"",
                     rows[i].label, head);
        fixture_expect_field(head, "X-Berth-Error", rows[i].code);
        free(head);
        free(raw_read_until(client, "}}\n"));
        wire_expect_end(app, WIRE_CLOSED, rows[i].label);
        close(app);
        app = fixture_send_get(&f, client); /* the client's goes on */
        fixture_answer_ok(app, client);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(http_wire_times, an_answer_that_stalls_is_cut)
{
    static const struct {
        const char *label;
        enum limit limit;
    } rows[] = {{"upstream_read_timeout", READ_TIMEOUT},
                {"request_timeout", REQUEST_TIMEOUT}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        set_limit(&f, rows[i].limit, 400);
        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        raw_send(app, LINE "Content-Length: 10\r\n\r\nhalf");
        wire_expect(client, 0, LINE ID "Content-Length: 10\r\n\r\nhalf",
                    rows[i].label);
        wire_expect_end(client, WIRE_CLOSED, rows[i].label);
        wire_expect_end(app, WIRE_CLOSED, rows[i].label);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

/* A byte in time keeps it: the time-out is between reads. */
Test(http_wire_times, an_answer_that_goes_on_is_not_cut_by_the_read_timeout)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    set_limit(&f, READ_TIMEOUT, 600);
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, LINE "Content-Length: 6\r\n\r\n");
    for (int i = 0; i < 6; i++) {
        usleep(150000);
        raw_send(app, "x");
    }
    fixture_expect_head(client, LINE);
    raw_expect(client, "xxxxxx");
    close(client);
    close(app);
    fixture_end(&f);
}

#define MUCH (32U << 20)

static void *send_much(void *arg)
{
    raw_send_pattern(*(int *)arg, 0, MUCH);
    return NULL;
}

/* Nor does a client that takes its time, with the answer in berth's buffers
 * and the app held back, count against the app. */
Test(http_wire_times, a_slow_reader_is_not_the_apps_time_out, .timeout = 30)
{
    struct front_fixture f = fixture_begin(1);
    pthread_t sender;
    int client;
    int app;

    set_limit(&f, READ_TIMEOUT, 600);
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    app = fixture_send_get(&f, client);
    raw_send(app, LINE "Content-Length: 33554432\r\n\r\n");
    pthread_create(&sender, NULL, send_much, &app);
    usleep(1200000);
    fixture_expect_head(client, LINE);
    raw_expect_pattern(client, 0, MUCH);
    pthread_join(sender, NULL);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(http_wire_times, a_reader_that_takes_nothing_is_given_up)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_server(f.h)->send_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    app = fixture_send_get(&f, client);
    raw_send(app, LINE "Content-Length: 100000000\r\n\r\n");
    cr_assert(!raw_send_pattern(app, 0, 100000000), "it was all taken");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(http_wire_times, a_queue_has_its_time_out)
{
    struct front_fixture f = fixture_begin(1);
    int first;
    int second;
    int app;

    set_limit(&f, QUEUE_TIMEOUT, 150);
    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    first = harness_connect(f.h);
    app = fixture_send_get(&f, first);
    second = harness_connect(f.h);
    raw_send(second, GET);
    fixture_expect_error(second, 503, "queue_timeout");
    fixture_answer_ok(app, first);
    close(first);
    close(second);
    close(app);
    fixture_end(&f);
}

/* An app whose backlog is full: the connection is never established. */
Test(http_wire_times, a_connection_that_is_not_made_is_502_upstream_connect,
     .timeout = 30)
{
    struct front_fixture f = fixture_begin(1);
    int fill[64];
    int client;

    close(f.listen);
    f.listen = raw_listen(&f.port);
    listen(f.listen, 0); /* so that it is full soon */
    for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fill[i],
                (struct sockaddr *)&(struct sockaddr_in){
                    .sin_family = AF_INET,
                    .sin_port = htons(f.port),
                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                sizeof(struct sockaddr_in));
    }
    usleep(50000);
    harness_route(f.h, 0)->upstream_connect_timeout_ms = 100;
    harness_route(f.h, 0)->retry = 1;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST "Content-Length: 1\r\n\r\na");
    fixture_expect_error(client, 502, "upstream_connect");
    for (size_t i = 0; i < ARRAY_LEN(fill); i++)
        close(fill[i]);
    close(client);
    fixture_end(&f);
}

/* --- the client's end, in each state --- */

static void end_client(int client, bool reset)
{
    if (reset)
        raw_reset(client);
    else
        close(client);
}

static void expect_free(struct front_fixture *f, const char *label)
{
    for (int i = 0; i < 2000; i++) {
        struct app_counts counts = harness_counts(f->h, 0);

        if (counts.queued == 0 && counts.in_flight == 0 && counts.tunnels == 0)
            return;
        usleep(1000);
    }
    cr_assert_fail("%s: its place is not free", label);
}

/* What it has sent when it ends, and how far the app is with it. */
Test(http_wire_times, a_clients_end_frees_its_place_in_each_state,
     .timeout = 60)
{
    static const struct {
        const char *label;
        const char *sent;
        const char *app_says; /* NULL: it does not even accept */
    } rows[] = {
        {"nothing", "", NULL},
        {"in the head", "GET / HTTP/1.1\r\nHo", NULL},
        {"in a body that is buffered", POST "Content-Length: 9\r\n\r\nabc",
         NULL},
        {"the answer is awaited", GET, ""},
        {"the head of the answer comes", GET, "HTTP/1.1 200 OK\r\nA"},
        {"after an interim answer", GET, "HTTP/1.1 102 Processing\r\n\r\n"},
        {"the body of the answer comes", GET,
         LINE "Content-Length: 9\r\n\r\nabc"},
        {"a chunked answer comes", GET,
         LINE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
        {"waiting for a 100",
         POST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", ""},
        {"in a tunnel", UPGRADE,
         "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\n\r\nabc"},
        {"a pipeline", GET GET GET, ""},
    };

    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        bool reset = i % 2;
        int client;
        int app = -1;

        harness_app(f.h, 0)->concurrency = 1;
        fixture_start(&f);
        client = harness_connect(f.h);
        raw_send(client, rows[i / 2].sent);
        if (rows[i / 2].app_says) {
            app = raw_accept(f.listen);
            free(raw_read_head(app));
            raw_send(app, rows[i / 2].app_says);
        }
        usleep(5000);
        end_client(client, reset);
        if (app >= 0) {
            wire_expect_end(app, WIRE_CLOSED, rows[i / 2].label);
            close(app);
        }
        expect_free(&f, rows[i / 2].label);
        cr_assert(!raw_has_connection(f.listen, 0), "%s", rows[i / 2].label);
        /* The one place there is can be had. */
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        fixture_answer_ok(app, client);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(http_wire_times, a_client_that_ends_in_the_queue_is_never_sent)
{
    for (int reset = 0; reset < 2; reset++) {
        struct front_fixture f = fixture_begin(1);
        int first;
        int second;
        int third;
        int app;

        harness_app(f.h, 0)->concurrency = 1;
        fixture_start(&f);
        first = harness_connect(f.h);
        app = fixture_send_get(&f, first);
        second = harness_connect(f.h);
        raw_send(second, "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n");
        while (harness_counts(f.h, 0).queued != 1)
            usleep(500);
        end_client(second, reset);
        while (harness_counts(f.h, 0).queued != 0)
            usleep(500);
        third = harness_connect(f.h);
        raw_send(third, "GET /third HTTP/1.1\r\nHost: x\r\n\r\n");
        fixture_answer_ok(app, first);
        fixture_expect_head(app, "GET /third ");
        fixture_answer_ok(app, third);
        close(first);
        close(third);
        close(app);
        fixture_end(&f);
    }
}

/* A FIN after the request, where that is no hang-up, and one while berth
 * answers by itself. */
Test(http_wire_times, a_half_closed_client_gets_what_berth_says_itself)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.1\r\nHost : x\r\n\r\n");
    shutdown(client, SHUT_WR);
    wire_expect_refusal(client, 400, "bad_request", "half-closed");
    close(client);
    fixture_end(&f);
}

/* --- who holds a slot --- */

Test(http_wire_times, a_small_body_takes_its_slot_when_it_is_whole)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST "Content-Length: 6\r\n\r\nabc");
    usleep(50000);
    cr_assert_eq(harness_counts(f.h, 0).in_flight, 0);
    cr_assert(!raw_has_connection(f.listen, 0));
    raw_send(client, "def");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST / ");
    raw_expect(app, "abcdef");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

/* The client has not read a byte of its answer, and the next one is served. */
Test(http_wire_times, a_slot_ends_with_the_apps_last_byte)
{
    struct front_fixture f = fixture_begin(1);
    static char body[200000];
    int slow;
    int client;
    int app;

    harness_app(f.h, 0)->concurrency = 1;
    fixture_start(&f);
    slow = harness_connect(f.h);
    app = fixture_send_get(&f, slow);
    raw_send(app, LINE "Content-Length: 200000\r\n\r\n");
    raw_send_bytes(app, body, sizeof body);
    client = harness_connect(f.h);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    fixture_expect_head(slow, LINE);
    free(raw_read_bytes(slow, sizeof body));
    close(slow);
    close(client);
    close(app);
    fixture_end(&f);
}

/* Interim answers that berth keeps to itself are bounded, too. */
Test(http_wire_times, an_app_cannot_say_100_for_ever)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_start(f.h);
    client = harness_connect(f.h);
    raw_send(client, POST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    fixture_expect_head(client, "HTTP/1.1 100 ");
    raw_send(client, "body");
    harness_add_replica(f.h, 0, 1, f.port);
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    for (int i = 0; i < 17; i++)
        raw_send(app, "HTTP/1.1 100 Continue\r\n\r\n");
    fixture_expect_error(client, 502, "upstream_invalid");
    close(client);
    close(app);
    fixture_end(&f);
}
