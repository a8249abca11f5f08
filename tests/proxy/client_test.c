/* A client's connection: its time-outs, its ends, how many there may be. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"

static void expect_within(uint64_t began_ms, unsigned from_ms, unsigned to_ms)
{
    uint64_t took = raw_now_ms() - began_ms;

    cr_assert(took >= from_ms && took <= to_ms, "it took %llu ms",
              (unsigned long long)took);
}

Test(client, is_closed_when_it_is_idle_for_long)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;
    int app;

    harness_server(f.h)->keepalive_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    usleep(250000); /* not while a request is under way */
    fixture_answer_ok(app, client);
    began = raw_now_ms();
    raw_expect_end(client);
    expect_within(began, 190, 2000);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(client, gets_408_for_a_head_that_takes_too_long)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;

    harness_server(f.h)->client_header_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    began = raw_now_ms();
    /* Total, however often a byte comes. */
    for (int i = 0; i < 5; i++) {
        raw_send(client, i == 0 ? "GET / HTTP/1.1\r\nA: " : "b");
        usleep(30000);
    }
    fixture_expect_error(client, 408, "client_timeout");
    expect_within(began, 190, 2000);
    close(client);
    fixture_end(&f);
}

Test(client, gets_408_for_a_body_that_stops)
{
    static const struct {
        const char *label;
        unsigned buffered; /* before a slot is taken */
    } cases[] = {{"before a slot is taken", 65536},
                 {"while it holds a slot", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        uint64_t began;
        int client;
        int app = -1;

        harness_route(f.h, 0)->client_body_timeout_ms = 200;
        harness_route(f.h, 0)->request_buffer_bytes = cases[i].buffered;
        fixture_start(&f);
        client = harness_connect(f.h);
        began = raw_now_ms();
        raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                         "Content-Length: 10\r\n\r\nabc");
        if (cases[i].buffered == 0) {
            app = raw_accept(f.listen);
            free(raw_read_head(app));
            raw_expect(app, "abc");
        }
        fixture_expect_error(client, 408, "client_timeout");
        expect_within(began, 190, 2000);
        if (app >= 0) {
            raw_expect_end(app);
            close(app);
        } else {
            cr_assert(!raw_has_connection(f.listen, 20), "%s", cases[i].label);
        }
        close(client);
        fixture_end(&f);
    }
}

Test(client, gets_408_below_client_min_rate, .timeout = 30)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;
    int app;

    harness_route(f.h, 0)->request_buffer_bytes = 0;
    harness_route(f.h, 0)->client_min_rate = 500;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 100000\r\n\r\nabc");
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    began = raw_now_ms();
    for (int i = 0; i < 9; i++) {
        raw_send(client, "abcdefghij");
        sleep(1);
    }
    fixture_expect_error(client, 408, "client_timeout");
    expect_within(began, 9000, 13000);
    raw_read_off(app);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(client, is_closed_when_it_does_not_take_its_answer, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_server(f.h)->send_timeout_ms = 300;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    /* Until it is broken off. */
    cr_assert(!raw_send_pattern(app, 0, 1000000000));
    close(client);
    close(app);
    fixture_end(&f);
}

Test(client, is_closed_after_keepalive_requests)
{
    struct front_fixture f = fixture_begin(1);
    char *head;
    int client;
    int app;

    harness_server(f.h)->keepalive_requests = 2;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    raw_send(app, OK);
    head = raw_read_head(client);
    fixture_expect_field(head, "Connection", "close");
    free(head);
    raw_expect(client, "ok");
    raw_expect_end(client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(client, takes_a_head_of_more_than_a_buffer)
{
    struct front_fixture f = fixture_begin(1);
    char *value = calloc(1, 40001);
    char *got;
    char *head;
    int client;
    int app;

    memset(value, 'v', 40000);
    harness_server(f.h)->client_max_header_bytes = 65536;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                     "X-Long: ");
    raw_send(client, value);
    raw_send(client, "\r\n\r\nbody" GET);
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    got = raw_field(head, "X-Long");
    cr_assert(got && strcmp(got, value) == 0);
    raw_expect(app, "body");
    fixture_answer_ok(app, client);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    free(got);
    free(head);
    free(value);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(client, gets_431_or_414_when_its_head_is_too_large)
{
    static const struct {
        unsigned status;
        const char *code;
        const char *before;
    } cases[] = {
        {431, "headers_too_large", "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "},
        {414, "uri_too_long", "GET /"},
    };
    char more[16001] = "";

    memset(more, 'a', 16000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;

        fixture_start(&f);
        client = harness_connect(f.h);
        raw_send(client, cases[i].before);
        raw_send(client, more);
        raw_send(client, more);
        fixture_expect_error(client, cases[i].status, cases[i].code);
        close(client);
        fixture_end(&f);
    }
}

Test(client, that_is_idle_longest_makes_room_for_a_new_one)
{
    struct front_fixture f = fixture_begin(1);
    int busy;
    int oldest;
    int idle;
    int fresh;
    int app;
    int second;

    harness_settings(f.h)->max_connections = 3;
    fixture_start(&f);
    busy = harness_connect(f.h);
    app = fixture_send_get(&f, busy);
    oldest = harness_connect(f.h);
    usleep(20000);
    idle = harness_connect(f.h);
    usleep(20000);
    fresh = harness_connect(f.h);
    raw_expect_end(oldest);
    second = fixture_send_get(&f, fresh);
    fixture_answer_ok(second, fresh);
    raw_send(idle, GET); /* still there */
    fixture_expect_head(second, "GET / ");
    fixture_answer_ok(second, idle);
    fixture_answer_ok(app, busy);
    close(busy);
    close(oldest);
    close(idle);
    close(fresh);
    close(app);
    close(second);
    fixture_end(&f);
}

Test(client, waits_in_the_kernel_while_all_places_are_busy)
{
    struct front_fixture f = fixture_begin(1);
    int busy;
    int waiting;
    int app;

    harness_settings(f.h)->max_connections = 1;
    fixture_start(&f);
    busy = harness_connect(f.h);
    app = fixture_send_get(&f, busy);
    waiting = harness_connect(f.h);
    raw_send(waiting, GET);
    raw_expect_silence(waiting, 50);
    fixture_answer_ok(app, busy);
    close(busy);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, waiting);
    close(waiting);
    close(app);
    fixture_end(&f);
}

/* Descriptors run out: idle connections go, and accept tries again. */
Test(client, is_accepted_when_files_can_be_had_again, .timeout = 30)
{
    struct front_fixture f = fixture_begin(1);
    struct rlimit limit;
    struct rlimit low;
    int client;
    int spare;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    getrlimit(RLIMIT_NOFILE, &limit);
    spare = dup(0);
    low = limit;
    low.rlim_cur = (rlim_t)spare + 1; /* one for this test's own connect */
    close(spare);
    setrlimit(RLIMIT_NOFILE, &low);
    spare = harness_connect(f.h);
    /* No descriptor for it: the idle one had to go. */
    raw_expect_end(client);
    setrlimit(RLIMIT_NOFILE, &limit);
    raw_send(spare, GET);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, spare);
    close(client);
    close(spare);
    close(app);
    fixture_end(&f);
}
