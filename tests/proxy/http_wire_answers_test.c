/* http.md, "Answers": on both wires, byte for byte. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/attr.h"
#include "router/base/strview.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/wire_script.h"

#define H        "Host: x\r\n"
#define GETS     "GET / HTTP/1.1\r\n" H ADDED
#define HEAD     "HEAD / HTTP/1.1\r\n" H "\r\n"
#define HEADS    "HEAD / HTTP/1.1\r\n" H ADDED
#define LINE     "HTTP/1.1 200 OK\r\n"
#define CHUNKED  "Transfer-Encoding: chunked\r\n"
#define CLOSE    "Connection: close\r\n"
#define OK_SENT  LINE ID "Content-Length: 2\r\n\r\nok"
#define GET_1_0  "GET / HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\n"
#define GETS_1_0 "GET / HTTP/1.1\r\n" H ADDED_TO("1.0", "x")
#define GET_X    "GET / HTTP/1.1\r\n" H "\r\n"

Test(http_wire_answers, framing, .timeout = 60)
{
    static const struct wire_script rows[] = {
        {"a length", GET_X, GETS, OK, OK_SENT, WIRE_KEPT, WIRE_KEPT, false},
        {"no reason", GET_X, GETS, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n",
         "HTTP/1.1 299 \r\n" ID "Content-Length: 0\r\n\r\n", WIRE_KEPT,
         WIRE_KEPT, false},
        {"chunks, without their extensions and zeros", GET_X, GETS,
         LINE CHUNKED "\r\n02;a=b\r\nok\r\n0\r\n\r\n",
         LINE ID CHUNKED "\r\n2\r\nok\r\n0\r\n\r\n", WIRE_KEPT, WIRE_KEPT,
         false},
        {"Close-delimited bodies are re-framed as chunked for 1.1 clients",
         GET_X, GETS, LINE "\r\nok", LINE ID CHUNKED "\r\n2\r\nok\r\n0\r\n\r\n",
         WIRE_KEPT, WIRE_CLOSED, true},
        {"Close-delimited, of no bytes", GET_X, GETS, LINE "\r\n",
         LINE ID CHUNKED "\r\n0\r\n\r\n", WIRE_KEPT, WIRE_CLOSED, true},
        {"Close-delimited, to HTTP/1.0", GET_1_0, GETS_1_0, LINE "\r\nok",
         LINE ID CLOSE "\r\nok", WIRE_CLOSED, WIRE_CLOSED, true},
        {"chunks, to HTTP/1.0", GET_1_0, GETS_1_0,
         LINE CHUNKED "\r\n2\r\nok\r\n0\r\n\r\n", LINE ID CLOSE "\r\nok",
         WIRE_CLOSED, WIRE_KEPT, false},
        {"of HTTP/1.0, with a length", GET_X, GETS,
         "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", OK_SENT, WIRE_KEPT,
         WIRE_CLOSED, false},
        {"the app's Connection: close", GET_X, GETS,
         LINE "Connection: close\r\nContent-Length: 2\r\n\r\nok", OK_SENT,
         WIRE_KEPT, WIRE_CLOSED, false},
        {"answers to HEAD have no body: a length is told", HEAD, HEADS,
         LINE "Content-Length: 2\r\n\r\n", LINE ID "Content-Length: 2\r\n\r\n",
         WIRE_KEPT, WIRE_KEPT, false},
        {"answers to HEAD have no body: chunked", HEAD, HEADS,
         LINE CHUNKED "\r\n", LINE ID "\r\n", WIRE_KEPT, WIRE_KEPT, false},
        {"answers to HEAD: bytes after them are never delivered and the "
         "connection is not reused",
         HEAD, HEADS, LINE "Content-Length: 2\r\n\r\nok",
         LINE ID "Content-Length: 2\r\n\r\n", WIRE_KEPT, WIRE_CLOSED, false},
        {"204 carries no framing fields", GET_X, GETS,
         "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
         "HTTP/1.1 204 No Content\r\n" ID "\r\n", WIRE_KEPT, WIRE_KEPT, false},
        {"204: bytes after it are never delivered", GET_X, GETS,
         "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
         "HTTP/1.1 204 No Content\r\n" ID "\r\n", WIRE_KEPT, WIRE_CLOSED,
         false},
        {"204 carries no framing fields: chunked", GET_X, GETS,
         "HTTP/1.1 204 No Content\r\n" CHUNKED "\r\n0\r\n\r\n",
         "HTTP/1.1 204 No Content\r\n" ID "\r\n", WIRE_KEPT, WIRE_CLOSED,
         false},
        {"304: what a body would have, and bytes after it are never delivered",
         GET_X, GETS,
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
         "HTTP/1.1 304 Not Modified\r\n" ID "Content-Length: 2\r\n\r\n",
         WIRE_KEPT, WIRE_CLOSED, false},
        {"Bytes beyond the announced length are never delivered; that "
         "connection is closed",
         GET_X, GETS, OK "more", OK_SENT, WIRE_KEPT, WIRE_CLOSED, false},
        {"Bytes beyond the last chunk", GET_X, GETS,
         LINE CHUNKED "\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
         LINE ID CHUNKED "\r\n2\r\nok\r\n0\r\n\r\n", WIRE_KEPT, WIRE_CLOSED,
         false},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

Test(http_wire_answers, fields_and_interim_answers, .timeout = 60)
{
    static const struct wire_script rows[] = {
        {"Hop-by-hop fields go, and those that Connection names", GET_X, GETS,
         LINE "Connection: keep-alive, A\r\nA: 1\r\nKeep-Alive: 5\r\n"
              "Proxy-Connection: close\r\nTrailer: b\r\nUpgrade: h2\r\n"
              "B: 2\r\nContent-Length: 0\r\n\r\n",
         LINE "B: 2\r\n" ID "Content-Length: 0\r\n\r\n", WIRE_KEPT, WIRE_KEPT,
         false},
        {"Set-Cookie lines stay apart and in order, Server and Date are the "
         "app's own",
         GET_X, GETS,
         LINE "Server: a\r\nSet-Cookie: b=1\r\nDate: c\r\nSet-Cookie: a=2\r\n"
              "Content-Length: 0\r\nSet-Cookie: b=3\r\n\r\n",
         LINE "Server: a\r\nSet-Cookie: b=1\r\nDate: c\r\nSet-Cookie: a=2\r\n"
              "Set-Cookie: b=3\r\n" ID "Content-Length: 0\r\n\r\n",
         WIRE_KEPT, WIRE_KEPT, false},
        {"`X-Berth-*` fields of an app are removed", GET_X, GETS,
         LINE "X-Berth-Error: a\r\nX-Berth-Keep: 5s\r\nX-Berth-New: b\r\n"
              "x-berth-error: c\r\nContent-Length: 0\r\n\r\n",
         LINE ID "Content-Length: 0\r\n\r\n", WIRE_KEPT, WIRE_KEPT, false},
        {"trailers are dropped whole", GET_X, GETS,
         LINE CHUNKED "\r\n0\r\nA: b\r\nC: d\r\n\r\n",
         LINE ID CHUNKED "\r\n0\r\n\r\n", WIRE_KEPT, WIRE_KEPT, false},
        {"trailers are forwarded",
         "GET / HTTP/1.1\r\n" H "TE: trailers\r\n\r\n", GETS,
         LINE CHUNKED "\r\n0\r\nA: b\r\nC: d\r\n\r\n",
         LINE ID CHUNKED "\r\n0\r\nA: b\r\nC: d\r\n\r\n", WIRE_KEPT, WIRE_KEPT,
         false},
        {"1xx are forwarded, without framing fields", GET_X, GETS,
         "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n"
         "Connection: close\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" OK,
         "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n" ID "\r\n"
         "HTTP/1.1 102 Processing\r\n" ID "\r\n" OK_SENT,
         WIRE_KEPT, WIRE_KEPT, false},
        {"1xx are forwarded (not to HTTP/1.0)", GET_1_0, GETS_1_0,
         "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" OK,
         LINE ID "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
         WIRE_KEPT, WIRE_KEPT, false},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

#define RAW(text)                                                              \
    {                                                                          \
        text, sizeof(text) - 1                                                 \
    }
#define S16(text)                                                              \
    text text text text text text text text text text text text text text text \
        text

Test(http_wire_answers, an_invalid_one_is_502_if_nothing_was_sent_yet,
     .timeout = 60)
{
    static const struct {
        const char *line;
        struct strview says;
    } rows[] = {
        {"a status line that is not HTTP/1.x", RAW("HTTP/2.0 200 OK\r\n\r\n")},
        {"a status line: another protocol", RAW("ICY 200 OK\r\n\r\n")},
        {"a status line: HTTP/0.9", RAW("<html>\r\n\r\n")},
        {"a status line: two SP", RAW("HTTP/1.1  200 OK\r\n\r\n")},
        {"a status line: 2DIGIT", RAW("HTTP/1.1 20 OK\r\n\r\n")},
        {"a status line: 4DIGIT", RAW("HTTP/1.1 2000 OK\r\n\r\n")},
        {"a status line: no SP before the reason",
         RAW("HTTP/1.1 200OK\r\n\r\n")},
        {"a status below 100", RAW("HTTP/1.1 099 OK\r\n\r\n")},
        {"a status above 599", RAW("HTTP/1.1 600 OK\r\n\r\n")},
        {"The same rules on lines: bare LF", RAW("HTTP/1.1 200 OK\n\n")},
        {"The same rules on lines: bare CR",
         RAW("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n")},
        {"The same rules on names", RAW("HTTP/1.1 200 OK\r\nA : b\r\n\r\n")},
        {"The same rules on names: none",
         RAW("HTTP/1.1 200 OK\r\n: b\r\n\r\n")},
        {"The same rules: obs-fold",
         RAW("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n")},
        {"The same rules on values: NUL",
         RAW("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n")},
        {"The same rules on Content-Length",
         RAW("HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok")},
        {"The same rules on Content-Length: two",
         RAW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n"
             "\r\nok")},
        {"The same rules on Transfer-Encoding",
         RAW("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")},
        {"The same rules: length and chunked",
         RAW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
        {"The same rules: chunked in HTTP/1.0",
         RAW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\n")},
        {"The same rules on chunks",
         RAW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0x1\r\na\r\n0\r\n\r\n")},
        {"an unasked 101 is 502",
         RAW("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
             "Upgrade: websocket\r\n\r\n")},
        {"1xx up to a bound",
         RAW(S16("HTTP/1.1 102 Processing\r\n\r\n") "HTTP/1.1 102 P\r\n\r\n")},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        char *head;
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        raw_send_bytes(app, rows[i].says.ptr, rows[i].says.len);
        head = wire_read_final_head(client);
        cr_assert(strncmp(head, "HTTP/1.1 502 ", 13) == 0, "%s: \"%s\"",
                  rows[i].line, head);
        fixture_expect_field(head, "X-Berth-Error", "upstream_invalid");
        free(head);
        free(raw_read_until(client, "}}\n"));
        wire_expect_end(app, WIRE_CLOSED, rows[i].line);
        close(app);
        /* The client's connection goes on, on another one to the app. */
        app = fixture_send_get(&f, client);
        fixture_answer_ok(app, client);
        close(client);
        close(app);
        fixture_end(&f);
    }
}

Test(http_wire_answers, a_head_above_64_kib_is_502, .timeout = 30)
{
    struct front_fixture f = fixture_begin(1);
    static char block[70000];
    int client;
    int app;

    memset(block, 'a', sizeof block);
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, LINE "A: ");
    raw_send_bytes(app, block, 65000);
    raw_send(app, "\r\nContent-Length: 2\r\n\r\nok");
    fixture_expect_head(client, LINE);
    raw_expect(client, "ok");
    raw_send(client, GET);
    fixture_expect_head(app, "GET / ");
    raw_send(app, LINE "A: ");
    raw_send_bytes(app, block, sizeof block);
    fixture_expect_error(client, 502, "upstream_invalid");
    raw_read_off(app);
    close(client);
    close(app);
    fixture_end(&f);
}

/* "else the connection is cut so that the client sees it is not whole" */
Test(http_wire_answers, one_that_breaks_later_is_cut, .timeout = 30)
{
    static const struct {
        const char *line;
        const char *asks;
        const char *says;
        const char *more;
        const char *client_gets;
        bool client_sees_reset; /* where close would mean the end */
    } rows[] = {
        {"cut: chunks that break", GET_X, LINE CHUNKED "\r\n2\r\nok\r\n",
         "0x1\r\na\r\n0\r\n\r\n", LINE ID CHUNKED "\r\n2\r\nok\r\n", false},
        {"cut: a trailer that breaks", GET_X, LINE CHUNKED "\r\n2\r\nok\r\n",
         "0\r\nA : b\r\n\r\n", LINE ID CHUNKED "\r\n2\r\nok\r\n", false},
        {"cut: chunks that end too early", GET_X,
         LINE CHUNKED "\r\n2\r\nok\r\n", NULL,
         LINE ID CHUNKED "\r\n2\r\nok\r\n", false},
        {"cut: a length that is not reached", GET_X,
         LINE "Content-Length: 3\r\n\r\nok", NULL,
         LINE ID "Content-Length: 3\r\n\r\nok", false},
        {"cut: chunks that end too early, to HTTP/1.0", GET_1_0,
         LINE CHUNKED "\r\n2\r\nok\r\n", NULL, LINE ID CLOSE "\r\nok", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        char byte;
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        raw_send(client, rows[i].asks);
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        raw_send(app, rows[i].says);
        wire_expect(client, 0, rows[i].client_gets, rows[i].line);
        if (rows[i].more)
            raw_send(app, rows[i].more);
        else
            close(app);
        raw_has_connection(client, RAW_TIMEOUT_MS / 2); /* it is readable */
        cr_assert_eq(recv(client, &byte, 1, MSG_DONTWAIT),
                     rows[i].client_sees_reset ? -1 : 0, "%s", rows[i].line);
        close(client);
        fixture_end(&f);
    }
}

/* "Server-sent events, long polling and chunk-by-chunk streaming reach the
 * client without delay": each event before the next is sent. */
Test(http_wire_answers, events_reach_the_client_without_delay)
{
    static const struct {
        const char *line;
        const char *head;
        const char *event;
        const char *client_gets;
    } rows[] = {
        {"events in chunks", LINE CHUNKED "\r\n", "7\r\ndata:1\n\r\n",
         "7\r\ndata:1\n\r\n"},
        {"events until close", LINE "\r\n", "data:1\n", "7\r\ndata:1\n\r\n"},
        {"events of a known length", LINE "Content-Length: 1000000\r\n\r\n",
         "data:1\n", "data:1\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        uint64_t began;
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        raw_send(app, rows[i].head);
        fixture_expect_head(client, LINE);
        began = raw_now_ms();
        for (int n = 0; n < 100; n++) {
            raw_send(app, rows[i].event);
            wire_expect(client, 0, rows[i].client_gets, rows[i].line);
        }
        /* Nagle with a delayed acknowledgement is 40 ms for each. */
        cr_assert_lt(raw_now_ms() - began, 1000, "%s", rows[i].line);
        close(client);
        wire_expect_end(app, WIRE_CLOSED, rows[i].line);
        close(app);
        fixture_end(&f);
    }
}

#define EARLY_BYTES (8U << 20)

/* What the client holds back until it has its answer: otherwise the kernel may
 * take all of the body, on a busy machine, before berth reads the answer, which
 * then is not early. */
#define EARLY_FIRST (64U << 10)

static void *send_body(void *arg)
{
    raw_send_pattern(*(int *)arg, 0, EARLY_BYTES);
    return NULL;
}

static void *send_rest(void *arg)
{
    raw_send_pattern(*(int *)arg, EARLY_FIRST, EARLY_BYTES - EARLY_FIRST);
    return NULL;
}

/* Delivered at once, while the client still sends; and the app may go on
 * reading, or not. */
Test(http_wire_answers, one_before_the_body_is_done_is_delivered_at_once,
     .timeout = 60)
{
    static const struct {
        const char *line;
        const char *says;
        bool goes_on; /* the app reads on, and ends its answer later */
    } rows[] = {
        {"An answer that comes before the request body is done: whole",
         "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", false},
        {"An answer that comes before the request body is done: its beginning",
         "HTTP/1.1 200 OK\r\nContent-Length: 8388610\r\n\r\nno", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        pthread_t answerer;
        pthread_t sender;
        char *head;
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        raw_send(client, "POST / HTTP/1.1\r\nHost: x\r\n"
                         "Content-Length: 8388608\r\n\r\n");
        raw_send_pattern(client, 0, EARLY_FIRST);
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        raw_send(app, rows[i].says);
        head = raw_read_head(client);
        fixture_expect_field(head, "Connection", "close");
        free(head);
        raw_expect(client, "no");
        pthread_create(&sender, NULL, send_rest, &client);
        if (rows[i].goes_on) {
            raw_expect_pattern(app, 0, EARLY_BYTES);
            pthread_create(&answerer, NULL, send_body, &app);
            raw_expect_pattern(client, 0, EARLY_BYTES);
            pthread_join(answerer, NULL);
        }
        pthread_join(sender, NULL);
        raw_read_off(app);
        raw_read_off(client);
        cr_assert(!raw_has_connection(f.listen, 0), "%s", rows[i].line);
        close(client);
        close(app);
        fixture_end(&f);
    }
}
