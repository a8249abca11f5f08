/* Bodies both ways, large ones and slow peers: what is passed on, in how much
 * memory. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/front_harness.h"
#include "tests/support/front_fixture.h"
#include "tests/support/raw_peer.h"

/* --- bodies --- */

#define BIG (50U << 20)

static void *send_big(void *arg)
{
    raw_send_pattern(*(int *)arg, 0, BIG);
    return NULL;
}

static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size;
    unsigned long resident;

    cr_assert(file && fscanf(file, "%lu %lu", &size, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* A sanitizer keeps memory that was freed. gcc and clang tell each in its own
 * way that there is one. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER true
#else
#define HAS_SANITIZER false
#endif

Test(exchange_body, passes_50_megabytes_on_in_bounded_memory, .timeout = 120)
{
    struct front_fixture f = fixture_begin(1);
    pthread_t sender;
    size_t before;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    before = resident_bytes();
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 52428800\r\n\r\n");
    pthread_create(&sender, NULL, send_big, &client);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST / ");
    raw_expect_pattern(app, 0, BIG);
    pthread_join(sender, NULL);
    cr_assert(HAS_SANITIZER || resident_bytes() < before + (2U << 20));
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, passes_a_large_answer_back_and_reuses_the_connection,
     .timeout = 120)
{
    struct front_fixture f = fixture_begin(1);
    pthread_t sender;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n");
    pthread_create(&sender, NULL, send_big, &app);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect_pattern(client, 0, BIG);
    pthread_join(sender, NULL);
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, streams_chunks_both_ways_at_once)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;
    char *head;

    harness_route(f.h, 0)->request_buffer_bytes = 0;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    fixture_expect_field(head, "Transfer-Encoding", "chunked");
    free(head);
    raw_expect(app, "5\r\nfirst\r\n");
    raw_send(app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\none\r\n");
    head = raw_read_head(client);
    fixture_expect_field(head, "Transfer-Encoding", "chunked");
    free(head);
    raw_expect(client, "3\r\none\r\n");
    raw_send(client, "6;ext=\"a\"\r\nsec");
    raw_expect(app, "3\r\nsec\r\n");
    raw_send(client, "ond\r\n");
    raw_expect(app, "3\r\nond\r\n");
    raw_send(app, "003\r\ntwo\r\n");
    raw_expect(client, "3\r\ntwo\r\n");
    raw_send(client, "0\r\nX-Trailer: 1\r\n\r\n");
    raw_expect(app, "0\r\n\r\n");
    raw_send(app, "0\r\nX-Trailer: 1\r\n\r\n");
    raw_expect(client, "0\r\n\r\n");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, passes_trailers_on_to_who_takes_them)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n"
                     "Connection: TE\r\n\r\n");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / ");
    raw_send(app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n");
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, frames_an_answer_that_ends_by_close_as_chunks)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;
    char *head;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.0 200 OK\r\n\r\nsome");
    head = raw_read_head(client);
    fixture_expect_field(head, "Transfer-Encoding", "chunked");
    raw_expect(client, "4\r\nsome\r\n");
    close(app);
    raw_expect(client, "0\r\n\r\n");
    free(head);
    /* The client's connection goes on. */
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, ends_a_chunked_answer_to_http_1_0_by_close)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;
    char *head;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    app = raw_accept(f.listen);
    fixture_expect_head(app, "GET / HTTP/1.1\r\n");
    raw_send(app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "4\r\nsome\r\n0\r\n\r\n");
    head = raw_read_head(client);
    fixture_expect_field(head, "Transfer-Encoding", NULL);
    raw_expect(client, "some");
    raw_expect_end(client);
    free(head);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, gives_no_body_to_head_204_and_304)
{
    static const struct {
        const char *label;
        const char *request;
        const char *answer;
    } cases[] = {
        {"HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
        {"204", GET, "HTTP/1.1 204 No Content\r\n\r\n"},
        {"304", GET,
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"},
    };
    struct front_fixture f = fixture_begin(1);
    int client;
    int app = -1;

    fixture_start(&f);
    client = harness_connect(f.h);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        raw_send(client, cases[i].request);
        if (app < 0)
            app = raw_accept(f.listen);
        free(raw_read_head(app));
        raw_send(app, cases[i].answer);
        fixture_expect_head(client, "HTTP/1.1 ");
        raw_expect_silence(client, 20);
    }
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, delivers_nothing_beyond_the_announced_length)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect(client, "ok");
    raw_expect_silence(client, 20);
    raw_expect_end(app); /* that connection is not used again */
    close(app);
    app = fixture_send_get(&f, client);
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- back-pressure --- */

Test(exchange_body, slows_the_app_down_for_a_slow_reader, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    size_t before;
    size_t sent;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    app = fixture_send_get(&f, client);
    raw_shrink_buffers(app);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    before = resident_bytes();
    sent = raw_flood(app);
    cr_assert(resident_bytes() < before + (4U << 20));
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    free(raw_read_bytes(client, sent));
    cr_assert(raw_flood(app) > 0); /* it goes on */
    close(client);
    close(app);
    fixture_end(&f);
}

Test(exchange_body, slows_the_client_down_for_a_slow_app, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    size_t sent;
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_shrink_buffers(client);
    raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                     "Content-Length: 1000000000\r\n\r\n");
    sent = raw_flood(client);
    app = raw_accept(f.listen);
    fixture_expect_head(app, "POST / ");
    free(raw_read_bytes(app, sent));
    cr_assert((sent = raw_flood(client)) > 0);
    close(client);
    raw_read_off(app); /* never whole: the app must see that */
    close(app);
    fixture_end(&f);
}

Test(exchange_body, needs_no_more_than_a_buffer_when_memory_is_short)
{
    struct front_fixture f = fixture_begin(1);
    pthread_t sender;
    int client;
    int app;

    harness_settings(f.h)->buffer_memory_bytes = 0;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n");
    pthread_create(&sender, NULL, send_big, &app);
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    raw_expect_pattern(client, 0, BIG);
    pthread_join(sender, NULL);
    close(client);
    close(app);
    fixture_end(&f);
}
