/* http.md, "Requests: forwarded": on both wires, byte for byte. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/attr.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/wire_script.h"

#define H       "Host: x\r\n"
#define GET_X   "GET / HTTP/1.1\r\n" H
#define POST_X  "POST / HTTP/1.1\r\n" H
#define GETS    "GET / HTTP/1.1\r\n" H ADDED
#define OK_SENT "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n\r\nok"

#define COMMON OK, OK_SENT, WIRE_KEPT, WIRE_KEPT, false

Test(http_wire_forwarded, heads, .timeout = 60)
{
    static const struct wire_script rows[] = {
        {"the common way", GET_X "\r\n", GETS, COMMON},
        {"Line ends: one empty line before the request line is tolerated",
         "\r\n" GET_X "\r\n", GETS, COMMON},
        {"Start line: extension methods are forwarded",
         "QUERY / HTTP/1.1\r\n" H "\r\n", "QUERY / HTTP/1.1\r\n" H ADDED,
         COMMON},
        {"Start line: HTTP/1.x", "GET / HTTP/1.7\r\n" H "\r\n", GETS, COMMON},
        {"Start line: (OPTIONS only) `*`", "OPTIONS * HTTP/1.1\r\n" H "\r\n",
         "OPTIONS * HTTP/1.1\r\n" H ADDED, COMMON},
        {"Host: in absolute-form the target's authority replaces Host",
         "GET http://x/a?b HTTP/1.1\r\nHost: other\r\n\r\n",
         "GET /a?b HTTP/1.1\r\n" H ADDED, COMMON},
        {"Field lines: HTAB in a value, white space around it",
         GET_X "A:b\tc\r\nD: \t e \r\nF:\r\n\r\n",
         GET_X "A: b\tc\r\nD: e\r\nF: \r\n" ADDED, COMMON},
        {"Hop-by-hop fields go: Connection and all it names",
         GET_X "Connection: keep-alive, a, B\r\nA: 1\r\nb: 2\r\nC: 3\r\n\r\n",
         GET_X "C: 3\r\n" ADDED, COMMON},
        {"Hop-by-hop: (but it can never strip Host, framing, X-Forwarded-*, "
         "Authorization or Cookie)",
         POST_X "Connection: host, content-length, x-forwarded-for, "
                "x-forwarded-proto, authorization, cookie\r\n"
                "Content-Length: 1\r\nAuthorization: a\r\nCookie: b\r\n\r\nc",
         POST_X "Authorization: a\r\nCookie: b\r\nContent-Length: 1\r\n" ADDED
                "c",
         COMMON},
        {"Hop-by-hop fields go: Keep-Alive, Proxy-Connection, "
         "Proxy-Authorization, TE, Trailer, Upgrade",
         GET_X "Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\n"
               "Proxy-Authorization: a\r\nTE: trailers\r\nTrailer: b\r\n"
               "Upgrade: websocket\r\nOther: c\r\n\r\n",
         GET_X "Other: c\r\n" ADDED, COMMON},
        {"`X-Client-Cert-*` and `X-Berth-*` of clients are removed",
         GET_X "X-Client-Cert-Subject: a\r\nX-Client-Cert-New: b\r\n"
               "X-Berth-Error: c\r\nX-Berth-New: d\r\nX-Bert: e\r\n\r\n",
         GET_X "X-Bert: e\r\n" ADDED, COMMON},
        {"Set: replaced unless the peer is a trusted proxy",
         GET_X "Via: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: b\r\n"
               "X-Forwarded-Host: c\r\nX-Forwarded-Port: 1\r\n"
               "X-Forwarded-Prefix: /d\r\nForwarded: for=e\r\n"
               "X-Request-Id: mine\r\n\r\n",
         GETS, COMMON},
        {"OPTIONS with Max-Forwards is decremented",
         "OPTIONS / HTTP/1.1\r\n" H "Max-Forwards: 3\r\n\r\n",
         "OPTIONS / HTTP/1.1\r\n" H "Max-Forwards: 2\r\n" ADDED, COMMON},
        {"Max-Forwards of other methods is a field",
         GET_X "Max-Forwards: 3\r\n\r\n", GET_X "Max-Forwards: 3\r\n" ADDED,
         COMMON},
        {"The path: unreserved decoded, upper-case hex, dot segments removed, "
         "also encoded ones",
         "GET /%61/%7e/%2e/b/%2e%2E/./c/../%c3%a4?%61=../%2e HTTP/1.1\r\n" H
         "\r\n",
         "GET /a/~/%C3%A4?%61=../%2e HTTP/1.1\r\n" H ADDED, COMMON},
        {"The path: `%2F` and `%5C` stay encoded; decoded once, so `%252e` "
         "stays what it is",
         "GET /a%2fb%5cc%252e HTTP/1.1\r\n" H "\r\n",
         "GET /a%2Fb%5Cc%252e HTTP/1.1\r\n" H ADDED, COMMON},
        {"The path: empty segments (`//`) stay",
         "GET //a///b/ HTTP/1.1\r\n" H "\r\n",
         "GET //a///b/ HTTP/1.1\r\n" H ADDED, COMMON},
        {"HTTP/1.0 without Host gets one", "GET / HTTP/1.0\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: localhost\r\nVia: 1.0 berth\r\n"
         "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
         "X-Forwarded-Port: $P\r\nForwarded: for=127.0.0.1;proto=http\r\n" ID
         "\r\n",
         OK,
         "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n"
         "Connection: close\r\n\r\nok",
         WIRE_CLOSED, WIRE_KEPT, false},
        {"Expect: ignored from HTTP/1.0",
         "POST / HTTP/1.0\r\n" H "Expect: 100-continue\r\n"
         "Connection: keep-alive\r\nContent-Length: 1\r\n\r\na",
         POST_X "Content-Length: 1\r\n" ADDED_TO("1.0", "x") "a", OK,
         "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n"
         "Connection: keep-alive\r\n\r\nok",
         WIRE_KEPT, WIRE_KEPT, false},
        {"Expect: 100-continue is passed to the app and its 100 comes back",
         POST_X "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
         POST_X "Expect: 100-continue\r\nContent-Length: 1\r\n" ADDED "a",
         "HTTP/1.1 100 Continue\r\n\r\n" OK,
         "HTTP/1.1 100 Continue\r\n" ID "\r\n" OK_SENT, WIRE_KEPT, WIRE_KEPT,
         false},
        {"After `Connection: close` nothing more is read as a request",
         GET_X "Connection: close\r\n\r\nGET /2 HTTP/1.1\r\n" H "\r\n", GETS,
         OK,
         "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n"
         "Connection: close\r\n\r\nok",
         WIRE_CLOSED, WIRE_KEPT, false},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

Test(http_wire_forwarded, targets, .timeout = 30)
{
    static const struct wire_script rows[] = {
        {"Start line: absolute-form of OPTIONS without a path is `*`",
         "OPTIONS http://x HTTP/1.1\r\nHost: other\r\n\r\n",
         "OPTIONS * HTTP/1.1\r\n" H ADDED, COMMON},
        {"Start line: absolute-form without a path",
         "GET http://x HTTP/1.1\r\n" H "\r\n", GETS, COMMON},
        {"Start line: absolute-form with a query alone",
         "OPTIONS http://x?a HTTP/1.1\r\n" H "\r\n",
         "OPTIONS /?a HTTP/1.1\r\n" H ADDED, COMMON},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

Test(http_wire_forwarded, bodies, .timeout = 60)
{
    static const struct wire_script rows[] = {
        {"a body of known length", POST_X "Content-Length: 0003\r\n\r\nabc",
         POST_X "Content-Length: 3\r\n" ADDED "abc", COMMON},
        {"a body of no bytes", POST_X "Content-Length: 0\r\n\r\n",
         POST_X "Content-Length: 0\r\n" ADDED, COMMON},
        {"a chunked body that fits gets a length; Chunks: leading zeros are "
         "fine; extensions are parsed and dropped",
         POST_X "Transfer-Encoding: chunked\r\n\r\n"
                "0003;a=\"b;\\\"c\"\r\nabc\r\n1;x\r\nd\r\n00;y=z\r\n\r\n",
         POST_X "Content-Length: 4\r\n" ADDED "abcd", COMMON},
        {"Trailers are never merged into the head, and forwarded only where "
         "TE: trailers was said: not said",
         POST_X "Transfer-Encoding: chunked\r\n\r\n"
                "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
         POST_X "Transfer-Encoding: chunked\r\n" ADDED "1\r\na\r\n0\r\n\r\n",
         COMMON},
        {"Trailers are forwarded only where TE: trailers was said",
         POST_X "TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
                "1\r\na\r\n0\r\nX-Sum: 1\r\nConnection: x\r\n"
                "X-Forwarded-For: 1.1.1.1\r\n\r\n",
         POST_X "Transfer-Encoding: chunked\r\n" ADDED
                "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
         COMMON},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

Test(http_wire_forwarded, a_trusted_proxys_fields_are_added_to)
{
    static const struct wire_script rows[] = {
        {"Set: Via, X-Forwarded-*, Forwarded, X-Request-Id of a trusted proxy",
         GET_X "Via: 2 a\r\nX-Forwarded-For: 1.2.3.4\r\n"
               "X-Forwarded-Proto: https\r\nX-Forwarded-Host: c\r\n"
               "X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /d/\r\n"
               "Forwarded: for=e\r\nX-Request-Id: theirs-1\r\n\r\n",
         GET_X "X-Forwarded-Proto: https\r\nX-Forwarded-Host: c\r\n"
               "X-Forwarded-Port: 443\r\nVia: 2 a, 1.1 berth\r\n"
               "X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n"
               "X-Forwarded-Prefix: /d\r\n"
               "Forwarded: for=e, for=127.0.0.1;host=x;proto=http\r\n"
               "X-Request-Id: theirs-1\r\n\r\n",
         OK,
         "HTTP/1.1 200 OK\r\nX-Request-Id: theirs-1\r\n"
         "Content-Length: 2\r\n\r\nok",
         WIRE_KEPT, WIRE_KEPT, false},
    };
    struct front_fixture f = fixture_begin(1);
    struct server_settings *server = harness_server(f.h);
    struct err err;

    server->trusted_count = 1;
    server->trusted = calloc(1, sizeof *server->trusted);
    cr_assert(address_range_parse(sv_of("127.0.0.0/8"), server->trusted, &err));
    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

Test(http_wire_forwarded, a_prefix_is_stripped)
{
    static const struct wire_script rows[] = {
        {"`/app` itself, stripped, is `/`", "GET /app1?q HTTP/1.1\r\n" H "\r\n",
         "GET /?q HTTP/1.1\r\n" H
         "Via: 1.1 berth\r\nX-Forwarded-For: 127.0.0.1\r\n"
         "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\n"
         "X-Forwarded-Port: $P\r\nX-Forwarded-Prefix: /app1\r\n"
         "Forwarded: for=127.0.0.1;host=x;proto=http\r\n" ID "\r\n",
         COMMON},
        {"The same form is matched and forwarded",
         "GET /x/../%61pp1/./b HTTP/1.1\r\n" H "\r\n",
         "GET /b HTTP/1.1\r\n" H
         "Via: 1.1 berth\r\nX-Forwarded-For: 127.0.0.1\r\n"
         "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\n"
         "X-Forwarded-Port: $P\r\nX-Forwarded-Prefix: /app1\r\n"
         "Forwarded: for=127.0.0.1;host=x;proto=http\r\n" ID "\r\n",
         COMMON},
    };
    struct front_fixture f = {.h = harness_new(1, 2)};

    f.listen = raw_listen(&f.port);
    harness_route(f.h, 1)->strip_prefix = true;
    harness_start(f.h);
    harness_add_replica(f.h, 1, 1, f.port);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

/* Answered by berth itself; the connection may go on. */
Test(http_wire_forwarded, paths_that_are_refused, .timeout = 30)
{
    static const struct {
        const char *line;
        const char *target;
    } rows[] = {
        {"The path: climbing above the root: 400", "/../a"},
        {"The path: climbing above the root: 400, encoded", "/a/%2e%2e/%2E./b"},
        {"The path: an invalid encoding: 400", "/%zz"},
        {"The path: an invalid encoding: 400, cut", "/%4"},
        {"The path: a NUL encoding: 400", "/%00"},
        {"The path: a `..` with `;parameters`: 400", "/app1/..;x/b"},
        {"The path: a `..` with `;parameters`: 400, encoded", "/a/%2e%2e;/b"},
        {"The path: leads to another route when read loosely: `%2F`",
         "/a%2F..%2Fapp1/x"},
        {"The path: leads to another route when read loosely: `%2F` decoded",
         "/%2Fapp1"},
        {"The path: leads to another route when read loosely: `//`", "//app1"},
        {"The path: leads to another route when read loosely: `;`",
         "/app1;x/b"},
        {"The path: leads to another route when read loosely: `%5C`",
         "/a/..%5Capp1"},
    };
    struct front_fixture f = {.h = harness_new(1, 2)};
    int client;

    f.listen = raw_listen(&f.port);
    harness_start(f.h);
    harness_add_replica(f.h, 0, 1, f.port);
    harness_add_replica(f.h, 1, 2, f.port);
    client = harness_connect(f.h);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256];

        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
                 rows[i].target);
        raw_send(client, text);
        fixture_expect_error(client, 400, "bad_request");
        free(raw_read_until(client, "}}\n"));
        cr_assert(!raw_has_connection(f.listen, 0), "%s", rows[i].line);
    }
    close(client);
    fixture_end(&f);
}

Test(http_wire_forwarded, options_with_max_forwards_0_is_answered_by_berth)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "OPTIONS * HTTP/1.1\r\n" H "Max-Forwards: 0\r\n\r\n"
                     "OPTIONS / HTTP/1.1\r\n" H "Max-Forwards: 0\r\n\r\n");
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
    cr_assert(!raw_has_connection(f.listen, 0));
    close(client);
    fixture_end(&f);
}

/* --- Expect --- */

Test(http_wire_forwarded, a_request_with_expect_takes_its_slot_before_its_body)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST_X "Expect: 100-continue\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n");
    app = raw_accept(f.listen);
    wire_expect(app, harness_port(f.h),
                POST_X "Expect: 100-continue\r\n"
                       "Transfer-Encoding: chunked\r\n" ADDED,
                "Expect");
    cr_assert_eq(harness_counts(f.h, 0).in_flight, 1);
    raw_expect_silence(client, 30); /* berth says no 100 by itself */
    /* "or its final answer, comes back", and the body is never asked for */
    raw_send(app, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
    wire_expect(client, 0,
                "HTTP/1.1 417 No\r\n" ID "Content-Length: 0\r\n"
                "Connection: close\r\n\r\n",
                "Expect: or its final answer");
    wire_expect_end(client, WIRE_CLOSED, "Expect: final answer");
    wire_expect_end(app, WIRE_CLOSED, "Expect: final answer");
    close(client);
    close(app);
    fixture_end(&f);
}

Test(http_wire_forwarded, an_expectation_that_berth_met_is_not_passed_on)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_start(f.h);
    client = harness_connect(f.h);
    raw_send(client, POST_X "A: b\r\nExpect: 100-continue\r\n"
                            "Content-Length: 4\r\n\r\n");
    wire_expect(client, 0, "HTTP/1.1 100 Continue\r\n\r\n",
                "berth says 100 itself only while it holds a request for a "
                "start");
    raw_send(client, "body");
    harness_add_replica(f.h, 0, 1, f.port);
    app = raw_accept(f.listen);
    wire_expect(app, harness_port(f.h),
                POST_X "A: b\r\nContent-Length: 4\r\n" ADDED "body",
                "no Expect after berth's own 100");
    fixture_answer_ok(app, client);
    close(client);
    close(app);
    fixture_end(&f);
}

/* --- truncated and abandoned --- */

Test(http_wire_forwarded, truncated_bodies_never_complete_upstream)
{
    static const struct {
        const char *line;
        const char *head;
        const char *app_gets;
        bool reset;
    } rows[] = {
        {"Truncated bodies: of known length, FIN",
         POST_X "Content-Length: 10\r\n\r\nabc", "abc", false},
        {"Truncated bodies: of known length, RST",
         POST_X "Content-Length: 10\r\n\r\nabc", "abc", true},
        {"Truncated bodies: chunked, between chunks",
         POST_X "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
         "3\r\nabc\r\n", false},
        {"Truncated bodies: chunked, in a chunk",
         POST_X "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "3\r\nabc\r\n",
         false},
        {"Truncated bodies: chunked, RST",
         POST_X "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
         "3\r\nabc\r\n", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        harness_route(f.h, 0)->request_buffer_bytes = 0;
        fixture_start(&f);
        client = harness_connect(f.h);
        raw_send(client, rows[i].head);
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        wire_expect(app, 0, rows[i].app_gets, rows[i].line);
        if (rows[i].reset)
            raw_reset(client);
        else
            close(client);
        wire_expect_end(app, WIRE_CLOSED, rows[i].line);
        close(app);
        fixture_end(&f);
    }
}

Test(http_wire_forwarded, a_body_cut_before_its_slot_reaches_nobody)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST_X "Content-Length: 10\r\n\r\nabc");
    shutdown(client, SHUT_WR);
    wire_expect_end(client, WIRE_CLOSED, "Truncated bodies: buffered");
    cr_assert(!raw_has_connection(f.listen, 0));
    close(client);
    fixture_end(&f);
}

/* --- order and reuse --- */

Test(http_wire_forwarded, what_follows_an_unfinished_body_is_never_a_request)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_route(f.h, 0)->request_buffer_bytes = 0;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST_X "Content-Length: 100\r\n\r\nabc");
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    raw_expect(app, "abc");
    raw_send(app, OK);
    wire_expect(client, 0,
                "HTTP/1.1 200 OK\r\n" ID "Content-Length: 2\r\n"
                "Connection: close\r\n\r\nok",
                "An answer that comes before the request body is done");
    raw_send(client, "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    wire_expect_end(client, WIRE_CLOSED, "the rest of the body");
    wire_expect_end(app, WIRE_CLOSED, "the rest of the body");
    cr_assert(!raw_has_connection(f.listen, 20));
    close(client);
    close(app);
    fixture_end(&f);
}

Test(http_wire_forwarded, a_post_is_never_sent_twice_but_goes_on_a_fresh_one)
{
    static const struct {
        const char *line;
        bool closes_before; /* berth writes */
    } rows[] = {
        {"an idle upstream connection that the app closed is noticed", true},
        {"A POST is never sent twice", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        int client;
        int app;

        fixture_start(&f);
        client = harness_connect(f.h);
        app = fixture_send_get(&f, client);
        fixture_answer_ok(app, client);
        if (rows[i].closes_before)
            close(app);
        raw_send(client, POST_X "Content-Length: 1\r\n\r\na");
        if (!rows[i].closes_before) {
            fixture_expect_head(app, "POST / ");
            raw_expect(app, "a");
            close(app);
            fixture_expect_error(client, 502, "upstream_closed");
            cr_assert(!raw_has_connection(f.listen, 50), "%s", rows[i].line);
        } else {
            app = raw_accept(f.listen);
            fixture_expect_head(app, "POST / ");
            raw_expect(app, "a");
            fixture_answer_ok(app, client);
            close(app);
        }
        close(client);
        fixture_end(&f);
    }
}

/* An app that closes after each answer without saying so, again and again,
 * while the next request may be on its way. */
Test(http_wire_forwarded, reuse_races_are_never_seen_by_the_client,
     .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    fixture_start(&f);
    client = harness_connect(f.h);
    for (int i = 0; i < 500; i++) {
        int app;

        raw_send(client, i % 2 ? "PUT / HTTP/1.1\r\nHost: x\r\n"
                                 "Content-Length: 1\r\n\r\na"
                               : GET);
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        if (i % 2)
            raw_expect(app, "a");
        raw_send(app, OK);
        if (i % 5 == 0)
            usleep((unsigned)i);
        raw_reset(app);
        wire_expect(client, 0, OK_SENT, "Connection reuse races");
    }
    close(client);
    fixture_end(&f);
}
