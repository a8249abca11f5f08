/* http_parser_test.c - each line of http.md that a head can break, as raw
 * bytes with the verdict; labels begin with the line they stand for. */
#include "proxy/http_parser.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "router/base/alloc.h"

static const struct http_limits limits = {4096, 1024, 16};

/* May hold NUL. */
#define RAW(literal)                                                           \
    {                                                                          \
        "" literal, sizeof("" literal) - 1                                     \
    }

#define H   "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"

struct row {
    const char *label;
    struct strview raw;
    unsigned status; /* 0: taken */
};

/* A copy of exactly the size, so that a read past its end is seen. */
static char *exact(struct strview raw)
{
    char *copy = xrealloc(NULL, raw.len + (raw.len == 0));

    if (raw.len > 0)
        memcpy(copy, raw.ptr, raw.len);
    return copy;
}

/* Feed raw[0, step), raw[0, 2 step), …, each from another buffer. Returns the
 * status (0: taken, 1: more is wanted) and how many bytes it needed. */
static unsigned feed(enum http_kind kind, struct strview raw, size_t first,
                     size_t step, struct rejection *ret_rejection)
{
    struct http_parser parser;
    struct arena arena;
    enum http_result result = HTTP_MORE;

    http_parser_init(&parser, kind, &limits);
    http_parser_expect(&parser, METHOD_GET, true);
    arena_init(&arena);
    for (size_t len = first; result == HTTP_MORE; len += step) {
        struct http_head head;
        AUTO(auto_free) char *copy = NULL;

        if (len > raw.len)
            len = raw.len;
        copy = exact(sv_make(raw.ptr, len));
        result = http_parser_head(&parser, sv_make(copy, len), &arena, &head,
                                  ret_rejection);
        if (len == raw.len)
            break;
    }
    arena_done(&arena);
    if (result == HTTP_MORE)
        return 1;
    return result == HTTP_DONE ? 0 : rejection_status(ret_rejection->code);
}

static void check_row(enum http_kind kind, const struct row *row)
{
    struct rejection rejection = {REJECT_NONE, NULL};
    unsigned got = feed(kind, row->raw, row->raw.len, 1, &rejection);

    cr_expect_eq(got, row->status, "%s: %u, not %u (%s)", row->label, got,
                 row->status, got > 1 ? rejection_text(&rejection) : "");
    got = feed(kind, row->raw, 1, 1, &rejection);
    cr_expect_eq(got, row->status, "%s: byte by byte %u, not %u", row->label,
                 got, row->status);
    for (size_t at = 1; at < row->raw.len; at++) {
        got = feed(kind, row->raw, at, row->raw.len, &rejection);
        cr_expect_eq(got, row->status, "%s: cut at %zu %u, not %u", row->label,
                     at, got, row->status);
    }
}

#define CHECK(kind, rows)                                                      \
    do {                                                                       \
        for (size_t i_ = 0; i_ < ARRAY_LEN(rows); i_++)                        \
            check_row(kind, &(rows)[i_]);                                      \
    } while (0)

Test(http_parser, line_ends_of_requests)
{
    static const struct row rows[] = {
        {"plain", RAW(GET H "\r\n"), 0},
        {"bare CR in the request line", RAW("GET /\r HTTP/1.1\r\n" H "\r\n"),
         400},
        {"bare CR in a value", RAW(GET H "X: a\rb\r\n\r\n"), 400},
        {"bare CR in a name", RAW(GET H "X\r: a\r\n\r\n"), 400},
        {"bare CR as the line end", RAW(GET "Host: a\rX: y\r\n\r\n"), 400},
        {"CR CR LF", RAW(GET H "X: a\r\r\n\r\n"), 400},
        {"bare CR before the head", RAW("\rGET / HTTP/1.1\r\n" H "\r\n"), 400},
        {"bare LF after the start line", RAW("GET / HTTP/1.1\n" H "\r\n"), 400},
        {"bare LF after a field line", RAW(GET "Host: a\n\r\n"), 400},
        {"bare LF as the empty line", RAW(GET H "\n"), 400},
        {"bare LFs only", RAW("GET / HTTP/1.1\nHost: a\n\n"), 400},
        {"one empty line before is tolerated", RAW("\r\n" GET H "\r\n"), 0},
        {"two empty lines before", RAW("\r\n\r\n" GET H "\r\n"), 400},
        {"a bare LF before", RAW("\n" GET H "\r\n"), 400},
    };

    CHECK(HTTP_KIND_REQUEST, rows);
}

Test(http_parser, request_lines)
{
    static const struct row rows[] = {
        {"two spaces after the method", RAW("GET  / HTTP/1.1\r\n" H "\r\n"),
         400},
        {"two spaces after the target", RAW("GET /  HTTP/1.1\r\n" H "\r\n"),
         400},
        {"a tab after the method", RAW("GET\t/ HTTP/1.1\r\n" H "\r\n"), 400},
        {"a tab after the target", RAW("GET /\tHTTP/1.1\r\n" H "\r\n"), 400},
        {"a space before the method", RAW(" GET / HTTP/1.1\r\n" H "\r\n"), 400},
        {"a space after the version", RAW("GET / HTTP/1.1 \r\n" H "\r\n"), 400},
        {"a method that is no token", RAW("G(T / HTTP/1.1\r\n" H "\r\n"), 400},
        {"a method with a colon", RAW("GET: / HTTP/1.1\r\n" H "\r\n"), 400},
        {"TLS to a plain port", RAW("\x16\x03\x01\x02"), 400},
        {"an extension method", RAW("QUERY / HTTP/1.1\r\n" H "\r\n"), 0},
        {"an unheard-of method", RAW("x-y!z / HTTP/1.1\r\n" H "\r\n"), 0},
        {"CONNECT", RAW("CONNECT a:443 HTTP/1.1\r\n" H "\r\n"), 405},
        {"TRACE", RAW("TRACE / HTTP/1.1\r\n" H "\r\n"), 405},
        {"trace in lower case", RAW("trace / HTTP/1.1\r\n" H "\r\n"), 405},
        {"authority-form without CONNECT",
         RAW("GET a:443 HTTP/1.1\r\n" H "\r\n"), 400},
        {"a relative target", RAW("GET index.html HTTP/1.1\r\n" H "\r\n"), 400},
        {"absolute-form", RAW("GET http://b/x HTTP/1.1\r\n" H "\r\n"), 0},
        {"absolute-form of https",
         RAW("GET HTTPS://b:1/x?y HTTP/1.1\r\n" H "\r\n"), 0},
        {"absolute-form of another scheme",
         RAW("GET ftp://b/x HTTP/1.1\r\n" H "\r\n"), 400},
        {"absolute-form with userinfo",
         RAW("GET http://u@b/x HTTP/1.1\r\n" H "\r\n"), 400},
        {"absolute-form without a host",
         RAW("GET http:///x HTTP/1.1\r\n" H "\r\n"), 400},
        {"absolute-form with a broken port",
         RAW("GET http://b:x/ HTTP/1.1\r\n" H "\r\n"), 400},
        {"* with OPTIONS", RAW("OPTIONS * HTTP/1.1\r\n" H "\r\n"), 0},
        {"* with GET", RAW("GET * HTTP/1.1\r\n" H "\r\n"), 400},
        {"*x with OPTIONS", RAW("OPTIONS *x HTTP/1.1\r\n" H "\r\n"), 400},
        {"a control in the target", RAW("GET /\x01 HTTP/1.1\r\n" H "\r\n"),
         400},
        {"NUL in the target", RAW("GET /\0 HTTP/1.1\r\n" H "\r\n"), 400},
        {"DEL in the target", RAW("GET /\x7f HTTP/1.1\r\n" H "\r\n"), 400},
        {"a space in the target", RAW("GET /a b HTTP/1.1\r\n" H "\r\n"), 400},
        {"non-ASCII in the target", RAW("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
         400},
        {"# in the target", RAW("GET /#x HTTP/1.1\r\n" H "\r\n"), 400},
        {"# in the query", RAW("GET /?a#x HTTP/1.1\r\n" H "\r\n"), 400},
        {"\\ in the target", RAW("GET /a\\b HTTP/1.1\r\n" H "\r\n"), 400},
        {"\\ in the query", RAW("GET /?a\\b HTTP/1.1\r\n" H "\r\n"), 400},
        {"what RFC 3986 leaves out but browsers send",
         RAW("GET /{a}|\"b\"?[c]^` HTTP/1.1\r\n" H "\r\n"), 0},
        {"HTTP/0.9", RAW("GET /\r\n"), 400},
        {"HTTP/0.9 with a space", RAW("GET / \r\n"), 400},
        {"version 0.9", RAW("GET / HTTP/0.9\r\n" H "\r\n"), 400},
        {"version 1.0", RAW("GET / HTTP/1.0\r\n\r\n"), 0},
        {"version 1.2", RAW("GET / HTTP/1.2\r\n" H "\r\n"), 0},
        {"version 1.9", RAW("GET / HTTP/1.9\r\n" H "\r\n"), 0},
        {"version 1.10", RAW("GET / HTTP/1.10\r\n" H "\r\n"), 400},
        {"version 2.0", RAW("GET / HTTP/2.0\r\n" H "\r\n"), 505},
        {"the preface of HTTP/2", RAW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
        {"version 3.0", RAW("GET / HTTP/3.0\r\n" H "\r\n"), 505},
        {"version 10.1", RAW("GET / HTTP/10.1\r\n" H "\r\n"), 400},
        {"no minor version", RAW("GET / HTTP/1\r\n" H "\r\n"), 400},
        {"lower case", RAW("GET / http/1.1\r\n" H "\r\n"), 400},
        {"another protocol", RAW("GET / ICE/1.1\r\n" H "\r\n"), 400},
        {"RTSP", RAW("PLAY rtsp://a/ RTSP/1.0\r\n\r\n"), 400},
    };

    CHECK(HTTP_KIND_REQUEST, rows);
}

Test(http_parser, field_lines)
{
    static const struct row rows[] = {
        {"space before the colon", RAW(GET "Host : a\r\n\r\n"), 400},
        {"tab before the colon", RAW(GET H "X\t: a\r\n\r\n"), 400},
        {"no colon", RAW(GET H "X\r\n\r\n"), 400},
        {"no colon, with a space", RAW(GET H "X a\r\n\r\n"), 400},
        {"an empty name", RAW(GET H ": a\r\n\r\n"), 400},
        {"a name that is no token", RAW(GET H "X(y): a\r\n\r\n"), 400},
        {"a name with a slash", RAW(GET H "X/y: a\r\n\r\n"), 400},
        {"a non-ASCII name", RAW(GET H "X\xe9: a\r\n\r\n"), 400},
        {"leading white space", RAW(GET " " H "\r\n"), 400},
        {"leading white space, second line", RAW(GET H " X: a\r\n\r\n"), 400},
        {"obs-fold", RAW(GET H "X: a\r\n b\r\n\r\n"), 400},
        {"obs-fold with a tab", RAW(GET H "X: a\r\n\tb\r\n\r\n"), 400},
        {"obs-folded Content-Length",
         RAW(GET H "Content-Length:\r\n 5\r\n\r\n"), 400},
        {"a line of a space only", RAW(GET H " \r\n\r\n"), 400},
        {"NUL in a value", RAW(GET H "X: a\0b\r\n\r\n"), 400},
        {"NUL in a name", RAW(GET H "X\0: a\r\n\r\n"), 400},
        {"a control in a value", RAW(GET H "X: a\x0b\r\n\r\n"), 400},
        {"DEL in a value", RAW(GET H "X: a\x7f\r\n\r\n"), 400},
        {"a control at the start of a value", RAW(GET H "X: \x1f\r\n\r\n"),
         400},
        {"HTAB in a value", RAW(GET H "X: a\tb\r\n\r\n"), 0},
        {"white space around a value", RAW(GET H "X:\t  a \t\r\n\r\n"), 0},
        {"no white space before a value", RAW(GET "Host:a\r\n\r\n"), 0},
        {"an empty value", RAW(GET H "X:\r\nY: \r\n\r\n"), 0},
        {"obs-text in a value", RAW(GET H "X: \xc3\xa9\xff\r\n\r\n"), 0},
        {"a colon in a value", RAW(GET H "X: a:b\r\n\r\n"), 0},
        {"every mark that a token may have",
         RAW(GET H "!#$%&'*+-.^_`|~: a\r\n\r\n"), 0},
        {"X_Forwarded_For", RAW(GET H "X_Forwarded_For: a\r\n\r\n"), 400},
        {"X-Forwarded_for", RAW(GET H "X-Forwarded_for: a\r\n\r\n"), 400},
        {"X.Forwarded.Proto", RAW(GET H "X.Forwarded.Proto: a\r\n\r\n"), 400},
        {"Content_Length", RAW(GET H "Content_Length: 5\r\n\r\n"), 400},
        {"Transfer_Encoding", RAW(GET H "Transfer_Encoding: chunked\r\n\r\n"),
         400},
        {"X_Client_Cert_Subject", RAW(GET H "X_Client_Cert_Cn: a\r\n\r\n"),
         400},
        {"X_Request_Id", RAW(GET H "X_REQUEST_ID: a\r\n\r\n"), 400},
        {"another name with _", RAW(GET H "X_Api_Key: a\r\n\r\n"), 0},
    };

    CHECK(HTTP_KIND_REQUEST, rows);
}

Test(http_parser, hosts)
{
    static const struct row rows[] = {
        {"none in 1.1", RAW(GET "\r\n"), 400},
        {"none in 1.2", RAW("GET / HTTP/1.2\r\n\r\n"), 400},
        {"none in 1.0", RAW("GET / HTTP/1.0\r\n\r\n"), 0},
        {"none, but absolute-form", RAW("GET http://a/ HTTP/1.1\r\n\r\n"), 400},
        {"two", RAW(GET H "Host: b\r\n\r\n"), 400},
        {"two equal ones", RAW(GET H H "\r\n"), 400},
        {"two in 1.0", RAW("GET / HTTP/1.0\r\n" H H "\r\n"), 400},
        {"an empty one", RAW(GET "Host:\r\n\r\n"), 400},
        {"a port", RAW(GET "Host: a.example:8080\r\n\r\n"), 0},
        {"an empty port", RAW(GET "Host: a:\r\n\r\n"), 0},
        {"a port that is no number", RAW(GET "Host: a:x\r\n\r\n"), 400},
        {"a port with a sign", RAW(GET "Host: a:+80\r\n\r\n"), 400},
        {"a port too high", RAW(GET "Host: a:65536\r\n\r\n"), 400},
        {"two ports", RAW(GET "Host: a:80:80\r\n\r\n"), 400},
        {"a port only", RAW(GET "Host: :80\r\n\r\n"), 400},
        {"userinfo", RAW(GET "Host: u@a\r\n\r\n"), 400},
        {"a path", RAW(GET "Host: a/b\r\n\r\n"), 400},
        {"a space", RAW(GET "Host: a b\r\n\r\n"), 400},
        {"a list", RAW(GET "Host: a, b\r\n\r\n"), 400},
        {"a list without a space", RAW(GET "Host: a,b\r\n\r\n"), 400},
        {"a scheme", RAW(GET "Host: http://a\r\n\r\n"), 400},
        {"non-ASCII", RAW(GET "Host: \xc3\xa9\r\n\r\n"), 400},
        {"IPv4", RAW(GET "Host: 127.0.0.1:80\r\n\r\n"), 0},
        {"IPv6", RAW(GET "Host: [::1]:80\r\n\r\n"), 0},
        {"IPv6 without a port", RAW(GET "Host: [2001:db8::1]\r\n\r\n"), 0},
        {"IPv6 without brackets", RAW(GET "Host: ::1\r\n\r\n"), 400},
        {"IPv6 not closed", RAW(GET "Host: [::1\r\n\r\n"), 400},
        {"IPv6 and more", RAW(GET "Host: [::1]x\r\n\r\n"), 400},
        {"IPv6 with a zone", RAW(GET "Host: [fe80::1%25eth0]\r\n\r\n"), 400},
        {"no IPv6", RAW(GET "Host: [::g]\r\n\r\n"), 400},
        {"_ in a name", RAW(GET "Host: a_b\r\n\r\n"), 0},
        {"a percent-encoding", RAW(GET "Host: a%2db\r\n\r\n"), 0},
        {"a broken percent-encoding", RAW(GET "Host: a%2\r\n\r\n"), 400},
        {"a broken Host beside absolute-form",
         RAW("GET http://a/ HTTP/1.1\r\nHost: @\r\n\r\n"), 400},
    };

    CHECK(HTTP_KIND_REQUEST, rows);
}

#define POST "POST / HTTP/1.1\r\n" H

Test(http_parser, framing_of_requests)
{
    static const struct row rows[] = {
        {"a length", RAW(POST "Content-Length: 5\r\n\r\n"), 0},
        {"a length with tabs around", RAW(POST "Content-Length:\t5\t\r\n\r\n"),
         0},
        {"leading zeroes", RAW(POST "Content-Length: 0005\r\n\r\n"), 0},
        {"a plus", RAW(POST "Content-Length: +5\r\n\r\n"), 400},
        {"a minus", RAW(POST "Content-Length: -5\r\n\r\n"), 400},
        {"hex", RAW(POST "Content-Length: 0x5\r\n\r\n"), 400},
        {"a space inside", RAW(POST "Content-Length: 1 5\r\n\r\n"), 400},
        {"an underscore", RAW(POST "Content-Length: 1_5\r\n\r\n"), 400},
        {"empty", RAW(POST "Content-Length:\r\n\r\n"), 400},
        {"63 bits", RAW(POST "Content-Length: 9223372036854775807\r\n\r\n"), 0},
        {"64 bits", RAW(POST "Content-Length: 9223372036854775808\r\n\r\n"),
         400},
        {"far more",
         RAW(POST "Content-Length: 99999999999999999999999"
                  "\r\n\r\n"),
         400},
        {"wraps to 5",
         RAW(POST "Content-Length: 18446744073709551621"
                  "\r\n\r\n"),
         400},
        {"a list", RAW(POST "Content-Length: 5, 5\r\n\r\n"), 400},
        {"two equal lines",
         RAW(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), 400},
        {"two lines",
         RAW(POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n"), 400},
        {"chunked", RAW(POST "Transfer-Encoding: chunked\r\n\r\n"), 0},
        {"Chunked", RAW(POST "Transfer-Encoding:Chunked \r\n\r\n"), 0},
        {"chunked, with a tab", RAW(POST "Transfer-Encoding:\tchunked\r\n\r\n"),
         0},
        {"length, then chunked",
         RAW(POST "Content-Length: 5\r\nTransfer-Encoding: chunked"
                  "\r\n\r\n"),
         400},
        {"chunked, then length",
         RAW(POST "Transfer-Encoding: chunked\r\nContent-Length: 5"
                  "\r\n\r\n"),
         400},
        {"empty Transfer-Encoding beside a length",
         RAW(POST "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\n"), 400},
        {"gzip", RAW(POST "Transfer-Encoding: gzip\r\n\r\n"), 501},
        {"gzip, chunked", RAW(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
         501},
        {"chunked, gzip", RAW(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"),
         501},
        {"identity", RAW(POST "Transfer-Encoding: identity\r\n\r\n"), 501},
        {"xchunked", RAW(POST "Transfer-Encoding: xchunked\r\n\r\n"), 501},
        {"chunked twice",
         RAW(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 501},
        {"chunked on two lines",
         RAW(POST "Transfer-Encoding: chunked\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"),
         501},
        {"chunked and identity on two lines",
         RAW(POST "Transfer-Encoding: chunked\r\n"
                  "Transfer-Encoding: identity\r\n\r\n"),
         501},
        {"a parameter", RAW(POST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
         501},
        {"empty", RAW(POST "Transfer-Encoding:\r\n\r\n"), 400},
        {"empty, then chunked",
         RAW(POST "Transfer-Encoding:\r\nTransfer-Encoding: chunked"
                  "\r\n\r\n"),
         400},
        {"a leading comma", RAW(POST "Transfer-Encoding: ,chunked\r\n\r\n"),
         400},
        {"a trailing comma", RAW(POST "Transfer-Encoding: chunked,\r\n\r\n"),
         400},
        {"quotes", RAW(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 400},
        {"two words", RAW(POST "Transfer-Encoding: chunked x\r\n\r\n"), 400},
        {"a vertical tab",
         RAW(POST "Transfer-Encoding: \x0b"
                  "chunked\r\n\r\n"),
         400},
        {"chunked in 1.0",
         RAW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
        {"gzip in 1.0",
         RAW("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"), 400},
        {"a length in 1.0", RAW("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"),
         0},
        {"Max-Forwards in OPTIONS",
         RAW("OPTIONS / HTTP/1.1\r\n" H "Max-Forwards: 1\r\n\r\n"), 0},
        {"a broken Max-Forwards in OPTIONS",
         RAW("OPTIONS / HTTP/1.1\r\n" H "Max-Forwards: -1\r\n\r\n"), 400},
        {"two Max-Forwards in OPTIONS",
         RAW("OPTIONS / HTTP/1.1\r\n" H
             "Max-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n"),
         400},
        {"a broken Max-Forwards elsewhere",
         RAW(GET H "Max-Forwards: x\r\n\r\n"), 0},
    };

    CHECK(HTTP_KIND_REQUEST, rows);
}

#define OK "HTTP/1.1 200 OK\r\n"

Test(http_parser, answers)
{
    static const struct row rows[] = {
        {"plain", RAW(OK "Content-Length: 0\r\n\r\n"), 0},
        {"no reason", RAW("HTTP/1.1 200 \r\n\r\n"), 0},
        {"no reason and no space", RAW("HTTP/1.1 200\r\n\r\n"), 0},
        {"a long reason", RAW("HTTP/1.1 200 a b\tc\xe9\r\n\r\n"), 0},
        {"1.0", RAW("HTTP/1.0 200 OK\r\n\r\n"), 0},
        {"1.2", RAW("HTTP/1.2 200 OK\r\n\r\n"), 0},
        {"2.0", RAW("HTTP/2.0 200 OK\r\n\r\n"), 502},
        {"0.9", RAW("HTTP/0.9 200 OK\r\n\r\n"), 502},
        {"no HTTP", RAW("hello\r\n\r\n"), 502},
        {"ICY", RAW("ICY 200 OK\r\n\r\n"), 502},
        {"lower case", RAW("http/1.1 200 OK\r\n\r\n"), 502},
        {"two spaces", RAW("HTTP/1.1  200 OK\r\n\r\n"), 502},
        {"a tab", RAW("HTTP/1.1\t200 OK\r\n\r\n"), 502},
        {"two digits", RAW("HTTP/1.1 20 OK\r\n\r\n"), 502},
        {"four digits", RAW("HTTP/1.1 2000 OK\r\n\r\n"), 502},
        {"no digits", RAW("HTTP/1.1 2x0 OK\r\n\r\n"), 502},
        {"a reason without a space", RAW("HTTP/1.1 200OK\r\n\r\n"), 502},
        {"below 100", RAW("HTTP/1.1 099 OK\r\n\r\n"), 502},
        {"above 599", RAW("HTTP/1.1 600 OK\r\n\r\n"), 502},
        {"599", RAW("HTTP/1.1 599 OK\r\n\r\n"), 0},
        {"an empty line before", RAW("\r\n" OK "\r\n"), 502},
        {"a control in the reason", RAW("HTTP/1.1 200 O\x01\r\n\r\n"), 502},
        {"a bare CR in the reason", RAW("HTTP/1.1 200 O\rK\r\n\r\n"), 502},
        {"bare LF", RAW("HTTP/1.1 200 OK\n\n"), 502},
        {"space before the colon", RAW(OK "X : a\r\n\r\n"), 502},
        {"obs-fold", RAW(OK "X: a\r\n b\r\n\r\n"), 502},
        {"NUL", RAW(OK "X: a\0\r\n\r\n"), 502},
        {"an empty name", RAW(OK ": a\r\n\r\n"), 502},
        {"two lengths",
         RAW(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 502},
        {"a list of lengths", RAW(OK "Content-Length: 1, 1\r\n\r\n"), 502},
        {"length and chunked",
         RAW(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
         502},
        {"chunked", RAW(OK "Transfer-Encoding: chunked\r\n\r\n"), 0},
        {"gzip, chunked", RAW(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"),
         502},
        {"empty Transfer-Encoding", RAW(OK "Transfer-Encoding:\r\n\r\n"), 502},
        {"chunked in 1.0",
         RAW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 502},
        {"101",
         RAW("HTTP/1.1 101 Switching Protocols\r\n"
             "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
         0},
        {"101 to nothing", RAW("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
         502},
        {"101 to h2c",
         RAW("HTTP/1.1 101 Switching Protocols\r\n"
             "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
         502},
        {"a _ in a name", RAW(OK "Some_Name: x\r\n\r\n"), 0},
    };

    CHECK(HTTP_KIND_RESPONSE, rows);
}

/* --- what was understood -------------------------------------------------- */

struct parsed {
    struct arena arena;
    struct http_head head;
};

static struct parsed parse(enum http_kind kind, enum http_method method,
                           const char *text)
{
    struct parsed parsed;
    struct http_parser parser;
    struct rejection rejection = {REJECT_NONE, NULL};
    enum http_result result;

    arena_init(&parsed.arena);
    http_parser_init(&parser, kind, &limits);
    http_parser_expect(&parser, method, true);
    result = http_parser_head(&parser, sv_of(text), &parsed.arena, &parsed.head,
                              &rejection);
    cr_assert_eq(result, HTTP_DONE, "%s: %s", text,
                 result == HTTP_MORE ? "more" : rejection_text(&rejection));
    return parsed;
}

static struct parsed request(const char *text)
{
    return parse(HTTP_KIND_REQUEST, METHOD_OTHER, text);
}

static bool is(struct strview view, const char *text)
{
    return sv_eq(view, sv_of(text));
}

Test(http_parser, a_request_is_taken_apart)
{
    struct parsed p = request("POST /a/b?c=d?e HTTP/1.1\r\n"
                              "Host: [::1]:8080\r\n"
                              "Content-Length: 5\r\n"
                              "X-Empty:\r\n"
                              "Cookie: \ta=b \r\n\r\nhello");
    struct http_head *head = &p.head;

    cr_expect_eq(head->method, METHOD_POST);
    cr_expect(is(head->method_name, "POST"));
    cr_expect(is(head->target, "/a/b?c=d?e"));
    cr_expect(is(head->path, "/a/b"));
    cr_expect(is(head->query, "c=d?e"));
    cr_expect(is(head->authority, "[::1]:8080"));
    cr_expect(is(head->host, "[::1]"));
    cr_expect_eq(head->minor, 1);
    cr_expect_eq(head->framing, FRAMING_LENGTH);
    cr_expect_eq(head->content_length, 5);
    cr_expect(head->keep_alive);
    cr_expect_eq(head->field_count, 4);
    cr_expect(is(head->fields[2].name, "X-Empty"));
    cr_expect(is(head->fields[2].value, ""));
    cr_expect_eq(head->fields[2].id, FIELD_OTHER);
    cr_expect(is(head->fields[3].value, "a=b"));
    cr_expect_eq(http_head_find(head, FIELD_COOKIE), &head->fields[3]);
    cr_expect_null(http_head_find(head, FIELD_TE));
    cr_expect_eq(http_head_find_name(head, SV("x-empty")), &head->fields[2]);
    arena_done(&p.arena);
}

Test(http_parser, what_follows_the_head_is_left_alone)
{
    static const char text[] = "\r\n" GET H "\r\nGET /second";
    struct parsed p = request(text);

    cr_expect_str_eq(text + p.head.bytes, "GET /second");
    arena_done(&p.arena);
}

Test(http_parser, absolute_form_replaces_host)
{
    static const struct {
        const char *line;
        const char *authority;
        const char *path;
        const char *query; /* NULL: none */
    } rows[] = {
        {"GET http://b:81/x?y HTTP/1.1", "b:81", "/x", "y"},
        {"GET http://b HTTP/1.1", "b", "/", NULL},
        {"GET http://b?y HTTP/1.1", "b", "/", "y"},
        {"GET http://b/? HTTP/1.1", "b", "/", ""},
        {"OPTIONS http://b HTTP/1.1", "b", "*", NULL},
        {"GET http://b/http://c HTTP/1.1", "b", "/http://c", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(auto_free)
        char *text = xasprintf("%s\r\nHost: a\r\n\r\n", rows[i].line);
        struct parsed p = request(text);

        cr_expect_eq(p.head.target_form, TARGET_ABSOLUTE);
        cr_expect(is(p.head.authority, rows[i].authority), "%s", text);
        cr_expect(is(p.head.path, rows[i].path), "%s", text);
        if (rows[i].query)
            cr_expect(is(p.head.query, rows[i].query), "%s", text);
        else
            cr_expect_null(p.head.query.ptr, "%s", text);
        arena_done(&p.arena);
    }
}

Test(http_parser, connections_stay_as_version_and_options_say)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {GET H "\r\n", true},
        {GET H "Connection: close\r\n\r\n", false},
        {GET H "Connection: Close\r\n\r\n", false},
        {GET H "Connection: x, close\r\n\r\n", false},
        {GET H "Connection: x\r\nConnection: close\r\n\r\n", false},
        {GET H "Connection: keep-alive, close\r\n\r\n", false},
        {GET H "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", false},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parsed p = request(rows[i].text);

        cr_expect_eq(p.head.keep_alive, rows[i].keep_alive, "%s", rows[i].text);
        arena_done(&p.arena);
    }
}

Test(http_parser, upgrades_need_the_option_and_no_body)
{
    static const struct {
        const char *text;
        const char *upgrade;
    } rows[] = {
        {GET H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
         "websocket"},
        {GET H "Connection: keep-alive, upgrade\r\nUpgrade: a/1, b\r\n\r\n",
         "a/1, b"},
        {GET H "Upgrade: websocket\r\n\r\n", ""},
        {GET H "Connection: upgrade\r\n\r\n", ""},
        {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
         ""},
        {POST "Content-Length: 1\r\nConnection: upgrade\r\n"
              "Upgrade: websocket\r\n\r\n",
         ""},
        {POST "Transfer-Encoding: chunked\r\nConnection: upgrade\r\n"
              "Upgrade: websocket\r\n\r\n",
         ""},
        {POST "Content-Length: 0\r\nConnection: upgrade\r\n"
              "Upgrade: websocket\r\n\r\n",
         "websocket"},
        {GET H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
               "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
         ""},
        {GET H "Connection: upgrade\r\nUpgrade: H2C, websocket\r\n\r\n",
         "websocket"},
        {GET H "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: h2c\r\n"
               "Upgrade: b\r\n\r\n",
         "a, b"},
        {GET H "Connection: upgrade\r\nUpgrade: we(b\r\n\r\n", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parsed p = request(rows[i].text);

        cr_expect(is(p.head.upgrade, rows[i].upgrade), "%s: %.*s", rows[i].text,
                  SV_ARG(p.head.upgrade));
        arena_done(&p.arena);
    }
}

Test(http_parser, expectations_and_trailers_are_noticed)
{
    static const struct {
        const char *text;
        bool expects;
        bool trailers;
    } rows[] = {
        {POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", true, false},
        {POST "Expect: 100-Continue\r\n\r\n", true, false},
        {POST "Expect: x\r\n\r\n", false, false},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false},
        {GET H "TE: trailers\r\n\r\n", false, true},
        {GET H "TE: gzip;q=0.5, Trailers\r\n\r\n", false, true},
        {GET H "TE: gzip\r\n\r\n", false, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parsed p = request(rows[i].text);

        cr_expect_eq(p.head.expect_continue, rows[i].expects, "%s",
                     rows[i].text);
        cr_expect_eq(p.head.te_trailers, rows[i].trailers, "%s", rows[i].text);
        arena_done(&p.arena);
    }
}

Test(http_parser, max_forwards_counts_in_options_only)
{
    struct parsed p =
        request("OPTIONS * HTTP/1.1\r\n" H "Max-Forwards: 0\r\n\r\n");

    cr_expect(p.head.has_max_forwards);
    cr_expect_eq(p.head.max_forwards, 0);
    cr_expect_eq(p.head.target_form, TARGET_ASTERISK);
    arena_done(&p.arena);
    p = request(GET H "Max-Forwards: 0\r\n\r\n");
    cr_expect_not(p.head.has_max_forwards);
    arena_done(&p.arena);
}

Test(http_parser, bodies_of_answers_depend_on_the_request)
{
    static const struct {
        const char *label;
        enum http_method method;
        const char *text;
        enum http_framing framing;
        bool keep_alive;
    } rows[] = {
        {"length", METHOD_GET, OK "Content-Length: 3\r\n\r\n", FRAMING_LENGTH,
         true},
        {"chunked", METHOD_GET, OK "Transfer-Encoding: chunked\r\n\r\n",
         FRAMING_CHUNKED, true},
        {"until close", METHOD_GET, OK "\r\n", FRAMING_CLOSE, false},
        {"to HEAD", METHOD_HEAD, OK "Content-Length: 3\r\n\r\n", FRAMING_NONE,
         true},
        {"to HEAD, chunked", METHOD_HEAD,
         OK "Transfer-Encoding: chunked\r\n\r\n", FRAMING_NONE, true},
        {"to HEAD, until close", METHOD_HEAD, OK "\r\n", FRAMING_NONE, true},
        {"204", METHOD_GET,
         "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", FRAMING_NONE,
         true},
        {"304", METHOD_GET,
         "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", FRAMING_NONE,
         true},
        {"100", METHOD_GET, "HTTP/1.1 100 Continue\r\n\r\n", FRAMING_NONE,
         true},
        {"103 with a length", METHOD_GET,
         "HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n", FRAMING_NONE,
         true},
        {"close", METHOD_GET,
         OK "Content-Length: 3\r\nConnection: close\r\n\r\n", FRAMING_LENGTH,
         false},
        {"1.0", METHOD_GET, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n",
         FRAMING_LENGTH, false},
        {"1.0 keep-alive", METHOD_GET,
         "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n"
         "Connection: keep-alive\r\n\r\n",
         FRAMING_LENGTH, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct parsed p =
            parse(HTTP_KIND_RESPONSE, rows[i].method, rows[i].text);

        cr_expect_eq(p.head.framing, rows[i].framing, "%s", rows[i].label);
        cr_expect_eq(p.head.keep_alive, rows[i].keep_alive, "%s",
                     rows[i].label);
        arena_done(&p.arena);
    }
}

Test(http_parser, an_unasked_101_is_invalid)
{
    static const struct strview raw =
        RAW("HTTP/1.1 101 Switching Protocols\r\n"
            "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    struct http_parser parser;
    struct http_head head;
    struct rejection rejection;
    struct arena arena;

    arena_init(&arena);
    http_parser_init(&parser, HTTP_KIND_RESPONSE, &limits);
    http_parser_expect(&parser, METHOD_GET, false);
    cr_expect_eq(http_parser_head(&parser, raw, &arena, &head, &rejection),
                 HTTP_REFUSED);
    cr_expect_eq(rejection.code, REJECT_UPSTREAM_INVALID);
    arena_done(&arena);
}

/* --- limits --------------------------------------------------------------- */

/* prefix, then n times `fill`, then suffix. */
static struct strview stuffed(const char *prefix, size_t n, const char *suffix)
{
    size_t a = strlen(prefix);
    size_t b = strlen(suffix);
    char *text = xrealloc(NULL, a + n + b);

    memcpy(text, prefix, a);
    memset(text + a, 'x', n);
    memcpy(text + a + n, suffix, b);
    return sv_make(text, a + n + b);
}

static void expect_stuffed(enum http_kind kind, const char *prefix,
                           size_t total, const char *suffix, unsigned status)
{
    struct strview raw =
        stuffed(prefix, total - strlen(prefix) - strlen(suffix), suffix);
    struct rejection rejection;

    cr_expect_eq(feed(kind, raw, raw.len, 1, &rejection), status,
                 "%s… of %zu, not %u", prefix, total, status);
    cr_expect_eq(feed(kind, raw, 1, 1, &rejection), status,
                 "%s… of %zu, not %u byte by byte", prefix, total, status);
    cr_expect_eq(feed(kind, raw, 7, 1023, &rejection), status,
                 "%s… of %zu, not %u in pieces", prefix, total, status);
    free((char *)raw.ptr);
}

Test(http_parser, a_request_line_may_be_so_long)
{
    size_t rest = strlen(H "\r\n");

    expect_stuffed(HTTP_KIND_REQUEST, "GET /", 1024 + rest,
                   " HTTP/1.1\r\n" H "\r\n", 0);
    expect_stuffed(HTTP_KIND_REQUEST, "GET /", 1025 + rest,
                   " HTTP/1.1\r\n" H "\r\n", 414);
    expect_stuffed(HTTP_KIND_REQUEST, "GET /", 5000, "", 414);
    /* The empty line before it does not count. */
    expect_stuffed(HTTP_KIND_REQUEST, "\r\nGET /", 1026 + rest,
                   " HTTP/1.1\r\n" H "\r\n", 0);
}

Test(http_parser, a_head_may_be_so_large)
{
    expect_stuffed(HTTP_KIND_REQUEST, GET H "X: ", 4096, "\r\n\r\n", 0);
    expect_stuffed(HTTP_KIND_REQUEST, GET H "X: ", 4097, "\r\n\r\n", 431);
    expect_stuffed(HTTP_KIND_REQUEST, GET H "X: ", 4098, "\r\n\r\n", 431);
    expect_stuffed(HTTP_KIND_REQUEST, GET H "X: ", 9000, "", 431);
    expect_stuffed(HTTP_KIND_RESPONSE, OK "X: ", 4096, "\r\n\r\n", 0);
    expect_stuffed(HTTP_KIND_RESPONSE, OK "X: ", 4097, "\r\n\r\n", 502);
    expect_stuffed(HTTP_KIND_RESPONSE, "HTTP/1.1 200 ", 9000, "", 502);
}

Test(http_parser, a_head_may_have_so_many_fields)
{
#define FIVE "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\n"
    static const struct row rows[] = {
        {"as many as allowed", RAW(GET H FIVE FIVE FIVE "\r\n"), 0},
        {"one more", RAW(GET H FIVE FIVE FIVE "F:\r\n\r\n"), 431},
    };
    static const struct row answers[] = {
        {"as many as allowed", RAW(OK FIVE FIVE FIVE "F:\r\n\r\n"), 0},
        {"one more", RAW(OK FIVE FIVE FIVE "F:\r\nG:\r\n\r\n"), 502},
    };

    CHECK(HTTP_KIND_REQUEST, rows);
    CHECK(HTTP_KIND_RESPONSE, answers);
}

Test(http_parser, a_parser_is_reset_for_the_next_head)
{
    static const char text[] = GET H "\r\n" POST "Content-Length: 0\r\n\r\n";
    struct strview rest = sv_of(text);
    struct http_parser parser;
    struct http_head head;
    struct rejection rejection;
    struct arena arena;

    arena_init(&arena);
    http_parser_init(&parser, HTTP_KIND_REQUEST, &limits);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(http_parser_head(&parser, rest, &arena, &head, &rejection),
                     HTTP_DONE);
        cr_expect_eq(head.method, i == 0 ? METHOD_GET : METHOD_POST);
        rest = sv_skip(rest, head.bytes);
        http_parser_reset(&parser);
    }
    cr_expect_eq(rest.len, 0);
    cr_expect_eq(http_parser_head(&parser, rest, &arena, &head, &rejection),
                 HTTP_MORE);
    arena_done(&arena);
}

Test(http_parser, the_answer_after_an_interim_one_is_to_the_same_request)
{
    struct strview rest =
        SV("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 5\r\n\r\n");
    struct http_parser parser;
    struct http_head head;
    struct rejection rejection;
    struct arena arena;

    arena_init(&arena);
    http_parser_init(&parser, HTTP_KIND_RESPONSE, &limits);
    http_parser_expect(&parser, METHOD_HEAD, false);
    cr_assert_eq(http_parser_head(&parser, rest, &arena, &head, &rejection),
                 HTTP_DONE);
    cr_expect_eq(head.status, 100);
    rest = sv_skip(rest, head.bytes);
    http_parser_reset(&parser);
    cr_assert_eq(http_parser_head(&parser, rest, &arena, &head, &rejection),
                 HTTP_DONE);
    cr_expect_eq(head.status, 200);
    cr_expect_eq(head.framing, FRAMING_NONE);
    arena_done(&arena);
}

Test(http_parser, a_refused_head_tells_what_was_understood)
{
    static const struct strview raw = RAW("HEAD /x HTTP/1.1\r\n\r\n");
    struct http_parser parser;
    struct http_head head;
    struct rejection rejection;
    struct arena arena;

    arena_init(&arena);
    http_parser_init(&parser, HTTP_KIND_REQUEST, &limits);
    cr_expect_eq(http_parser_head(&parser, raw, &arena, &head, &rejection),
                 HTTP_REFUSED);
    cr_expect_eq(head.method, METHOD_HEAD);
    cr_expect(is(head.target, "/x"));
    arena_done(&arena);
}
