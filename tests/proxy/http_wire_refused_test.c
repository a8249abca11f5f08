/* http.md, "Requests: refused": on the wire. Nothing of a refused request
 * reaches the app, what follows it is not read, and the connection closes. */
#include <criterion/criterion.h>
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
#define GET_LINE "GET / HTTP/1.1\r\n"
#define POST     "POST / HTTP/1.1\r\n" H
#define CHUNKED  POST "Transfer-Encoding: chunked\r\n\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
#define RAW(text)                                                              \
    {                                                                          \
        text SMUGGLED, sizeof(text SMUGGLED) - 1                               \
    }

struct refused {
    const char *line;
    struct strview sent;
    unsigned status; /* 0: 400 */
    const char *code;
};

static void expect_all_refused(struct front_fixture *f,
                               const struct refused *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int client = harness_connect(f->h);

        raw_send_bytes(client, rows[i].sent.ptr, rows[i].sent.len);
        wire_expect_refusal(client, rows[i].status ? rows[i].status : 400,
                            rows[i].code ? rows[i].code : "bad_request",
                            rows[i].line);
        cr_assert(!raw_has_connection(f->listen, 0), "%s: it reached the app",
                  rows[i].line);
        close(client);
    }
}

static const struct refused heads[] = {
    {"Line ends: a bare CR anywhere: in the target",
     RAW("GET /\r HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Line ends: a bare CR anywhere: in a value",
     RAW(GET_LINE H "X: a\rb\r\n\r\n"), 0, NULL},
    {"Line ends: a bare CR anywhere: as an end of line",
     RAW(GET_LINE H "X: a\rY: b\r\n\r\n"), 0, NULL},
    {"Line ends: a bare LF as a terminator of a start line",
     RAW("GET / HTTP/1.1\n" H "\r\n"), 0, NULL},
    {"Line ends: a bare LF as a terminator of a field line",
     RAW(GET_LINE "Host: x\n\r\n"), 0, NULL},
    {"Line ends: a bare LF as the empty line", RAW(GET_LINE H "\n"), 0, NULL},
    {"Line ends: one empty line is tolerated, two are not",
     RAW("\r\n\r\n" GET_LINE H "\r\n"), 0, NULL},
    {"Start line: one SP between the three parts: two",
     RAW("GET  / HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: one SP between the three parts: HTAB",
     RAW("GET\t/ HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: one SP between the three parts: behind",
     RAW("GET / HTTP/1.1 \r\n" H "\r\n"), 0, NULL},
    {"Start line: a method that is no token",
     RAW("G{T / HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: CONNECT is 405", RAW("CONNECT x:443 HTTP/1.1\r\n" H "\r\n"),
     405, "method_not_allowed"},
    {"Start line: TRACE is 405", RAW("TRACE / HTTP/1.1\r\n" H "\r\n"), 405,
     "method_not_allowed"},
    {"Start line: a target that is not origin-form",
     RAW("GET x HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: authority-form", RAW("GET x:80 HTTP/1.1\r\n" H "\r\n"), 0,
     NULL},
    {"Start line: `*` but for OPTIONS", RAW("GET * HTTP/1.1\r\n" H "\r\n"), 0,
     NULL},
    {"Start line: absolute-form with userinfo",
     RAW("GET http://a@x/ HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: controls in the target",
     RAW("GET /\x01 HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: space in the target", RAW("GET /a b HTTP/1.1\r\n" H "\r\n"),
     0, NULL},
    {"Start line: non-ASCII in the target",
     RAW("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"), 0, NULL},
    {"Start line: `#` in the target", RAW("GET /#a HTTP/1.1\r\n" H "\r\n"), 0,
     NULL},
    {"Start line: `\\` in the target", RAW("GET /a\\b HTTP/1.1\r\n" H "\r\n"),
     0, NULL},
    {"Start line: 505 for 2 and above", RAW("GET / HTTP/2.0\r\n" H "\r\n"), 505,
     "version_not_supported"},
    {"Start line: the preface of HTTP/2",
     RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "version_not_supported"},
    {"Start line: another version", RAW("GET / HTTP/0.9\r\n" H "\r\n"), 0,
     NULL},
    {"Start line: HTTP/0.9", RAW("GET /\r\n"), 0, NULL},
    {"Field lines: space before the colon", RAW(GET_LINE H "X : a\r\n\r\n"), 0,
     NULL},
    {"Field lines: no colon", RAW(GET_LINE H "X\r\n\r\n"), 0, NULL},
    {"Field lines: an empty name", RAW(GET_LINE H ": a\r\n\r\n"), 0, NULL},
    {"Field lines: a non-token name", RAW(GET_LINE H "X(: a\r\n\r\n"), 0, NULL},
    {"Field lines: leading white space", RAW(GET_LINE " " H "\r\n"), 0, NULL},
    {"Field lines: obs-fold", RAW(GET_LINE H "X: a\r\n b\r\n\r\n"), 0, NULL},
    {"Field lines: NUL", RAW(GET_LINE H "X: a\0b\r\n\r\n"), 0, NULL},
    {"Field lines: other controls in a value",
     RAW(GET_LINE H "X: a\x07\r\n\r\n"), 0, NULL},
    {"Host: none in 1.1", RAW(GET_LINE "\r\n"), 0, NULL},
    {"Host: several in 1.1", RAW(GET_LINE H H "\r\n"), 0, NULL},
    {"Host: an invalid one", RAW(GET_LINE "Host: x/y\r\n\r\n"), 0, NULL},
    {"Host: an invalid one: a list", RAW(GET_LINE "Host: x,y\r\n\r\n"), 0,
     NULL},
    {"Content-Length: anything but digits",
     RAW(POST "Content-Length: +1\r\n\r\na"), 0, NULL},
    {"Content-Length: an overflow of 63 bits",
     RAW(POST "Content-Length: 9223372036854775808\r\n\r\n"), 0, NULL},
    {"Content-Length: a list", RAW(POST "Content-Length: 1, 1\r\n\r\na"), 0,
     NULL},
    {"Content-Length: several lines, even if equal",
     RAW(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), 0, NULL},
    {"Content-Length: together with Transfer-Encoding",
     RAW(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
              "0\r\n\r\n"),
     0, NULL},
    {"Transfer-Encoding: anything but exactly one `chunked` is 501",
     RAW(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501,
     "not_implemented"},
    {"Transfer-Encoding: anything but exactly one `chunked`: twice",
     RAW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"
              "\r\n\r\n0\r\n\r\n"),
     501, "not_implemented"},
    {"Transfer-Encoding: 400 where the syntax is broken",
     RAW(POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"), 0, NULL},
    {"Transfer-Encoding: in HTTP/1.0 refused",
     RAW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n"),
     0, NULL},
    {"A field name with `_` is refused",
     RAW(GET_LINE H "X_Forwarded_For: 10.0.0.1\r\n\r\n"), 0, NULL},
};

Test(http_wire_refused, heads, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    expect_all_refused(&f, heads, ARRAY_LEN(heads));
    fixture_end(&f);
}

/* A body that berth has the beginning of before it takes a slot. */
Test(http_wire_refused, chunks_before_a_slot_is_taken, .timeout = 60)
{
    static const struct refused rows[] = {
        {"Chunks: signs", RAW(CHUNKED "+1\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Chunks: `0x`", RAW(CHUNKED "0x1\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Chunks: white space", RAW(CHUNKED " 1\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Chunks: white space behind", RAW(CHUNKED "1 \r\na\r\n0\r\n\r\n"), 0,
         NULL},
        {"Chunks: underscores", RAW(CHUNKED "1_0\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Chunks: overflow in the size",
         RAW(CHUNKED "10000000000000001\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Chunks: no size", RAW(CHUNKED "\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Chunks: a missing CRLF after data", RAW(CHUNKED "1\r\na0\r\n\r\n"), 0,
         NULL},
        {"Chunks: data of more than the size",
         RAW(CHUNKED "1\r\nab\r\n0\r\n\r\n"), 0, NULL},
        {"Line ends: a bare LF as a terminator of a chunk line",
         RAW(CHUNKED "1\na\r\n0\r\n\r\n"), 0, NULL},
        {"Line ends: a bare LF in an extension",
         RAW(CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n"), 0, NULL},
        {"Line ends: a bare CR in a chunk line",
         RAW(CHUNKED "1\ra\r\n0\r\n\r\n"), 0, NULL},
        {"Line ends: a bare LF after data", RAW(CHUNKED "1\r\na\n0\r\n\r\n"), 0,
         NULL},
        {"Line ends: a bare LF as a terminator of a trailer",
         RAW(CHUNKED "0\r\nX: a\n\r\n"), 0, NULL},
        {"Line ends: a bare LF after the last chunk", RAW(CHUNKED "0\r\n\n"), 0,
         NULL},
        {"Trailers are checked like fields: no colon",
         RAW(CHUNKED "0\r\nX\r\n\r\n"), 0, NULL},
        {"Trailers are checked like fields: framing",
         RAW(CHUNKED "0\r\nContent-Length: 5\r\n\r\n"), 0, NULL},
        {"Trailers are checked like fields: obs-fold",
         RAW(CHUNKED "0\r\nX: a\r\n b\r\n\r\n"), 0, NULL},
    };
    struct front_fixture f = fixture_begin(1);

    fixture_start(&f);
    expect_all_refused(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

/* A body whose beginning is with the app already: the app sees its connection
 * close, and never the end of a body. */
Test(http_wire_refused, chunks_that_break_when_the_app_has_some, .timeout = 60)
{
    static const struct {
        const char *line;
        const char *sent;
    } rows[] = {
        {"Chunks: signs", "-1\r\na\r\n0\r\n\r\n"},
        {"Chunks: a missing CRLF after data", "1\r\nab0\r\n\r\n"},
        {"Chunks: overflow in the size", "fffffffffffffffff\r\n"},
        {"Line ends: a bare LF as a terminator of a chunk line", "1\na\r\n"},
        {"Line ends: a bare LF as a terminator of a trailer",
         "0\r\nX: a\n\r\n"},
        {"Trailers are checked like fields", "0\r\nX : a\r\n\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct front_fixture f = fixture_begin(1);
        size_t came;
        int client;
        int app;

        harness_route(f.h, 0)->request_buffer_bytes = 0;
        fixture_start(&f);
        client = harness_connect(f.h);
        raw_send(client, CHUNKED "5\r\nfirst\r\n");
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        raw_expect(app, "5\r\nfirst\r\n");
        raw_send(client, rows[i].sent);
        raw_send(client, SMUGGLED);
        wire_expect_refusal(client, 400, "bad_request", rows[i].line);
        came = raw_read_off(app);
        cr_assert_leq(came, 6, "%s: %zu bytes more came", rows[i].line, came);
        cr_assert(!raw_has_connection(f.listen, 0));
        close(client);
        close(app);
        fixture_end(&f);
    }
}

static void send_many(int fd, const char *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        raw_send(fd, text);
}

Test(http_wire_refused, limits, .timeout = 60)
{
    struct front_fixture f = fixture_begin(1);
    int client;

    harness_route(f.h, 0)->client_max_body_bytes = 8;
    fixture_start(&f);

    client = harness_connect(f.h);
    raw_send(client, "GET /");
    send_many(client, "aaaaaaaaaaaaaaaa", 1100);
    raw_send(client, " HTTP/1.1\r\n" H "\r\n" SMUGGLED);
    wire_expect_refusal(client, 414, "uri_too_long", "Limits: 414");
    close(client);

    client = harness_connect(f.h);
    raw_send(client, GET_LINE H "X: ");
    send_many(client, "aaaaaaaaaaaaaaaa", 1100);
    raw_send(client, "\r\n\r\n" SMUGGLED);
    wire_expect_refusal(client, 431, "headers_too_large", "Limits: 431");
    close(client);

    client = harness_connect(f.h);
    raw_send(client, GET_LINE H);
    send_many(client, "X: a\r\n", 130);
    raw_send(client, "\r\n" SMUGGLED);
    wire_expect_refusal(client, 431, "headers_too_large", "Limits: 431, many");
    close(client);

    client = harness_connect(f.h);
    raw_send(client, POST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    wire_expect_refusal(client, 413, "body_too_large",
                        "Limits: 413 (at once when Content-Length tells; "
                        "before any 100)");
    close(client);

    client = harness_connect(f.h);
    raw_send(client, CHUNKED "8\r\n12345678\r\n1\r\n9\r\n0\r\n\r\n" SMUGGLED);
    wire_expect_refusal(client, 413, "body_too_large", "Limits: 413, chunked");
    close(client);

    client = harness_connect(f.h);
    raw_send(client, CHUNKED);
    for (int i = 0; i < 5; i++) {
        raw_send(client, "1;");
        send_many(client, "aaaaaaaaaaaaaaaa", 60);
        raw_send(client, "\r\na\r\n");
    }
    wire_expect_refusal(client, 400, "bad_request",
                        "Chunks: extensions are bounded (4 KiB a message)");
    close(client);

    client = harness_connect(f.h);
    raw_send(client, CHUNKED "0\r\n");
    send_many(client, "X: a\r\n", 130);
    raw_send(client, "\r\n" SMUGGLED);
    wire_expect_refusal(client, 400, "bad_request",
                        "Trailers are bounded like fields");
    close(client);
    cr_assert(!raw_has_connection(f.listen, 0));
    fixture_end(&f);
}

Test(http_wire_refused, slow_heads_are_408_in_total_not_between_reads)
{
    struct front_fixture f = fixture_begin(1);
    static const char slow[] = GET_LINE H "X-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaa";
    uint64_t began;
    int client;

    harness_server(f.h)->client_header_timeout_ms = 300;
    fixture_start(&f);
    client = harness_connect(f.h);
    began = raw_now_ms();
    for (const char *p = slow; *p && raw_now_ms() - began < 250; p++) {
        raw_send_bytes(client, p, 1);
        usleep(10000);
    }
    wire_expect_refusal(client, 408, "client_timeout",
                        "Limits: 408 for slow heads (total)");
    cr_assert(raw_now_ms() - began < 2000);
    cr_assert(!raw_has_connection(f.listen, 0));
    close(client);
    fixture_end(&f);
}

Test(http_wire_refused, slow_bodies_are_408_between_reads)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;

    harness_route(f.h, 0)->client_body_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST "Content-Length: 100\r\n\r\n");
    began = raw_now_ms();
    for (int i = 0; i < 5; i++) { /* more than the time-out, in all */
        usleep(100000);
        raw_send(client, "a");
    }
    wire_expect_refusal(client, 408, "client_timeout",
                        "Limits: 408 for bodies (between reads)");
    cr_assert(raw_now_ms() - began >= 650);
    cr_assert(!raw_has_connection(f.listen, 0));
    close(client);
    fixture_end(&f);
}

Test(http_wire_refused,
     bodies_below_client_min_rate_are_408_when_they_hold_a_slot, .timeout = 40)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_route(f.h, 0)->client_min_rate = 100;
    harness_route(f.h, 0)->request_buffer_bytes = 0;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, POST "Content-Length: 100000\r\n\r\na");
    app = raw_accept(f.listen);
    for (int i = 0; i < 100 && !raw_has_connection(client, 0); i++) {
        raw_send(client, "abc");
        usleep(200000);
    }
    wire_expect_refusal(client, 408, "client_timeout",
                        "Limits: below `client_min_rate` while they hold a "
                        "slot");
    raw_read_off(app); /* it is closed there, too */
    close(client);
    close(app);
    fixture_end(&f);
}
