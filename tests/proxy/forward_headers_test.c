/* forward_headers_test.c - what goes on to the app, and to the client, byte
 * for byte; labels begin with the line of http.md. */
#include "proxy/forward_headers.h"

#include <criterion/criterion.h>

#include "proxy/http_parser.h"
#include "router/base/arena.h"

static const struct http_limits limits = {8192, 2048, 64};

struct fixture {
    struct arena arena;
    struct http_head head;
    struct strbuf out;
};

static void parse(struct fixture *f, enum http_kind kind,
                  enum http_method method, const char *text)
{
    struct http_parser parser;
    struct rejection rejection = {REJECT_NONE, NULL};

    *f = (struct fixture){.out = STRBUF_INIT};
    arena_init(&f->arena);
    http_parser_init(&parser, kind, &limits);
    http_parser_expect(&parser, method, true);
    cr_assert_eq(
        http_parser_head(&parser, sv_of(text), &f->arena, &f->head, &rejection),
        HTTP_DONE, "%s", text);
}

static void done(struct fixture *f)
{
    strbuf_done(&f->out);
    arena_done(&f->arena);
}

/* --- requests ------------------------------------------------------------ */

/* What a plain request from 192.0.2.1 to port 80 gets added. */
#define ADDED                                                                  \
    "Via: 1.1 berth\r\n"                                                       \
    "X-Forwarded-For: 192.0.2.1\r\n"                                           \
    "X-Forwarded-Proto: http\r\n"                                              \
    "X-Forwarded-Host: a\r\n"                                                  \
    "X-Forwarded-Port: 80\r\n"                                                 \
    "Forwarded: for=192.0.2.1;host=a;proto=http\r\n"                           \
    "X-Request-Id: id\r\n"
#define GET "GET /x HTTP/1.1\r\nHost: a\r\n"

static struct forward_request plain(const struct http_head *head)
{
    struct forward_request request;

    forward_request_init(&request, head);
    request.path = head->path;
    request.client_host = SV("192.0.2.1");
    request.local_port = 80;
    request.request_id = SV("id");
    request.default_host = SV("app:8000");
    return request;
}

static void expect_sent(struct fixture *f,
                        const struct forward_request *request,
                        const char *label, const char *want)
{
    struct rejection rejection;

    cr_assert(forward_headers_request(request, &f->out, &rejection), "%s",
              label);
    cr_expect_str_eq(f->out.data, want, "%s:\n%s\nnot:\n%s", label, f->out.data,
                     want);
    cr_expect_eq(f->out.len, strlen(want), "%s", label);
}

struct row {
    const char *label;
    const char *received;
    const char *sent;
};

Test(forward_headers, requests_from_anyone)
{
    static const struct row rows[] = {
        {"plain", GET "Accept: */*\r\n\r\n",
         GET "Accept: */*\r\n" ADDED "\r\n"},
        {"spelling is ours",
         "GET /x?q=%41 HTTP/1.2\r\nHost:\ta \r\nX:y\t\r\n\r\n",
         "GET /x?q=%41 HTTP/1.1\r\nHost: a\r\nX: y\r\n" ADDED "\r\n"},
        {"an empty query stays", "GET /x? HTTP/1.1\r\nHost: a\r\n\r\n",
         "GET /x? HTTP/1.1\r\nHost: a\r\n" ADDED "\r\n"},
        {"an extension method",
         "QUERY /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
         "QUERY /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" ADDED "\r\n"},
        {"absolute-form becomes origin-form",
         "GET http://a/x HTTP/1.1\r\nHost: other\r\n\r\n", GET ADDED "\r\n"},
        {"hop-by-hop fields go",
         GET "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
             "Proxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers\r\n"
             "Trailer: x\r\nUpgrade: websocket\r\nHTTP2-Settings: x\r\n"
             "X-Stays: 1\r\n\r\n",
         GET "X-Stays: 1\r\n" ADDED "\r\n"},
        {"Connection cannot strip Host, framing, Authorization, Cookie",
         "POST /x HTTP/1.1\r\nHost: a\r\n"
         "Connection: host, content-length, authorization, cookie, "
         "x-forwarded-for, via\r\n"
         "Authorization: b\r\nCookie: c\r\nContent-Length: 3\r\n\r\n",
         "POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nCookie: c\r\n"
         "Content-Length: 3\r\n" ADDED "\r\n"},
        {"Connection cannot strip Transfer-Encoding",
         "POST /x HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\n"
         "Transfer-Encoding: CHUNKED\r\n\r\n",
         "POST /x HTTP/1.1\r\nHost: a\r\n"
         "Transfer-Encoding: chunked\r\n" ADDED "\r\n"},
        {"a length loses its leading zeroes",
         "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n",
         "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n" ADDED "\r\n"},
        {"a client's forwarded fields are replaced",
         GET "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"
             "X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n"
             "X-Forwarded-Prefix: /evil\r\nForwarded: for=6.6.6.6\r\n"
             "Via: 1.1 evil\r\nX-Request-Id: evil\r\nX-Forwarded-User: root\r\n"
             "X-Request-Timeout: 1\r\n\r\n",
         GET ADDED "\r\n"},
        {"X-Client-Cert-* and X-Berth-* of clients are removed",
         GET "X-Client-Cert-Subject: x\r\nX-BERTH-Error: x\r\n"
             "X-Berth-Keep: x\r\n\r\n",
         GET ADDED "\r\n"},
        {"Upgrade stays for a real upgrade",
         GET "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\n"
             "Sec-WebSocket-Key: k\r\n\r\n",
         GET "Sec-WebSocket-Key: k\r\nConnection: upgrade\r\n"
             "Upgrade: websocket\r\n" ADDED "\r\n"},
        {"h2c is never forwarded",
         GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
             "HTTP2-Settings: x\r\n\r\n",
         GET ADDED "\r\n"},
        {"OPTIONS decrements Max-Forwards",
         "OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n",
         "OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 9\r\n" ADDED "\r\n"},
        {"other methods leave Max-Forwards alone",
         GET "Max-Forwards: 10\r\n\r\n",
         GET "Max-Forwards: 10\r\n" ADDED "\r\n"},
        {"Expect goes on",
         "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
         "Content-Length: 1\r\n\r\n",
         "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
         "Content-Length: 1\r\n" ADDED "\r\n"},
        {"fields stay apart and in order",
         GET "B: 1\r\nA: 2\r\nB: 3\r\ntraceparent: 00-x\r\n\r\n",
         GET "B: 1\r\nA: 2\r\nB: 3\r\ntraceparent: 00-x\r\n" ADDED "\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        struct forward_request request;

        parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER, rows[i].received);
        request = plain(&f.head);
        expect_sent(&f, &request, rows[i].label, rows[i].sent);
        done(&f);
    }
}

Test(forward_headers, a_trusted_proxys_fields_are_kept_and_added_to)
{
    struct fixture f;
    struct forward_request request;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER,
          GET "X-Forwarded-For: 1.1.1.1\r\nVia: 1.1 edge\r\n"
              "X-Forwarded-For: 2.2.2.2, 3.3.3.3\r\nX-Forwarded-For:\r\n"
              "X-Forwarded-Proto: https\r\nX-Forwarded-Host: www\r\n"
              "X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /outer/\r\n"
              "Forwarded: for=1.1.1.1\r\nX-Request-Id: theirs\r\n"
              "X-Forwarded-User: u\r\nX-Request-Timeout: 5\r\n"
              "X-Berth-Keep: 1\r\nX-Client-Cert-Cn: c\r\n\r\n");
    request = plain(&f.head);
    request.is_trusted = true;
    request.request_id = SV("theirs");
    request.prefix = SV("/app");
    expect_sent(&f, &request, "trusted",
                GET "X-Forwarded-Proto: https\r\n"
                    "X-Forwarded-Host: www\r\n"
                    "X-Forwarded-Port: 443\r\n"
                    "X-Forwarded-User: u\r\n"
                    "X-Request-Timeout: 5\r\n"
                    "Via: 1.1 edge, 1.1 berth\r\n"
                    "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1\r\n"
                    "X-Forwarded-Prefix: /outer/app\r\n"
                    "Forwarded: for=1.1.1.1, "
                    "for=192.0.2.1;host=a;proto=http\r\n"
                    "X-Request-Id: theirs\r\n\r\n");
    done(&f);
}

Test(forward_headers, http_1_0_is_spoken_to_as_1_1)
{
    struct fixture f;
    struct forward_request request;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER,
          "GET /x HTTP/1.0\r\nExpect: 100-continue\r\n"
          "Connection: keep-alive\r\n\r\n");
    request = plain(&f.head);
    request.client_host = SV("unix:");
    request.local_port = 0;
    expect_sent(&f, &request, "1.0",
                "GET /x HTTP/1.1\r\nHost: app:8000\r\n"
                "Via: 1.0 berth\r\n"
                "X-Forwarded-For: unknown\r\n"
                "X-Forwarded-Proto: http\r\n"
                "Forwarded: for=unknown;proto=http\r\n"
                "X-Request-Id: id\r\n\r\n");
    done(&f);
}

Test(forward_headers, addresses_and_ports_are_quoted_as_rfc_7239_says)
{
    struct fixture f;
    struct forward_request request;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER,
          "GET /p/x HTTP/1.1\r\nHost: a:8443\r\n\r\n");
    request = plain(&f.head);
    request.path = SV("/x");
    request.prefix = SV("/p");
    request.client_host = SV("2001:db8::1");
    request.local_port = 8443;
    request.is_tls = true;
    request.extra = SV("X-Client-Cert-Cn: us\r\n");
    expect_sent(&f, &request, "TLS",
                "GET /x HTTP/1.1\r\nHost: a:8443\r\n"
                "Via: 1.1 berth\r\n"
                "X-Forwarded-For: 2001:db8::1\r\n"
                "X-Forwarded-Proto: https\r\n"
                "X-Forwarded-Host: a:8443\r\n"
                "X-Forwarded-Port: 8443\r\n"
                "X-Forwarded-Prefix: /p\r\n"
                "Forwarded: for=\"[2001:db8::1]\";host=\"a:8443\";"
                "proto=https\r\n"
                "X-Request-Id: id\r\n"
                "X-Client-Cert-Cn: us\r\n\r\n");
    done(&f);
}

Test(forward_headers, a_body_read_whole_is_sent_with_its_length)
{
    struct fixture f;
    struct forward_request request;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER,
          "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
          "Transfer-Encoding: chunked\r\n\r\n");
    request = plain(&f.head);
    request.framing = FRAMING_LENGTH;
    request.content_length = 18446744073709551615U;
    expect_sent(&f, &request, "length",
                "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                "Content-Length: 18446744073709551615\r\n" ADDED "\r\n");
    done(&f);
}

Test(forward_headers, an_expectation_is_taken_out_of_a_written_head)
{
    struct strbuf buf = STRBUF_INIT;

    strbuf_add_str(&buf, "PUT / HTTP/1.1\r\nX: Expect: a\r\nexpect: b\r\n"
                         "Expect: \r\nExpected: c\r\n\r\n");
    forward_headers_drop_expect(&buf);
    cr_assert_str_eq(buf.data, "PUT / HTTP/1.1\r\nX: Expect: a\r\n"
                               "Expected: c\r\n\r\n");
    cr_assert_eq(buf.len, strlen(buf.data));
    strbuf_done(&buf);
}

static struct field_setting fields[] = {
    {(char *)"X-User", (char *)"operator"},
    {(char *)"Accept-Encoding", (char *)""},
    {(char *)"X-Forwarded-Proto", (char *)"https"},
    {(char *)"Host", (char *)"inner"},
    {(char *)"Connection", (char *)"close"},
};
static const struct field_settings settings = {ARRAY_LEN(fields), fields};

Test(forward_headers, request_header_sets_and_removes)
{
    struct fixture f;
    struct forward_request request;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER,
          GET "x-user: forged\r\nAccept-Encoding: br\r\nx-user: again\r\n"
              "X-Users: stays\r\n\r\n");
    request = plain(&f.head);
    request.settings = &settings;
    expect_sent(&f, &request, "settings",
                "GET /x HTTP/1.1\r\nX-Users: stays\r\n"
                "Via: 1.1 berth\r\n"
                "X-Forwarded-For: 192.0.2.1\r\n"
                "X-Forwarded-Host: a\r\n"
                "X-Forwarded-Port: 80\r\n"
                "Forwarded: for=192.0.2.1;host=a;proto=http\r\n"
                "X-Request-Id: id\r\n"
                "X-User: operator\r\n"
                "X-Forwarded-Proto: https\r\n"
                "Host: inner\r\n\r\n");
    done(&f);
}

Test(forward_headers, a_lookalike_of_what_request_header_sets_is_refused)
{
    struct fixture f;
    struct forward_request request;
    struct rejection rejection;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER, GET "X_User: forged\r\n\r\n");
    request = plain(&f.head);
    request.settings = &settings;
    cr_expect_not(forward_headers_request(&request, &f.out, &rejection));
    cr_expect_eq(rejection.code, REJECT_BAD_REQUEST);
    cr_expect_eq(f.out.len, 0);
    done(&f);
}

/* --- answers ------------------------------------------------------------- */

#define OK "HTTP/1.1 200 OK\r\n"

struct answer_row {
    const char *label;
    enum http_method method;
    uint8_t minor;     /* of the client */
    bool client_stays; /* it and berth would keep the connection */
    const char *received;
    const char *sent;
    struct forward_framing framing;
};

static void check_answer(const struct answer_row *row)
{
    struct fixture f;
    struct http_head client = {.kind = HTTP_KIND_REQUEST,
                               .method = row->method,
                               .minor = row->minor,
                               .keep_alive = row->client_stays};
    struct forward_answer answer = {.head = &f.head,
                                    .request = &client,
                                    .keep_alive = true,
                                    .request_id = SV("id")};
    struct forward_framing got;

    parse(&f, HTTP_KIND_RESPONSE, row->method, row->received);
    got = forward_headers_answer(&answer, &f.out);
    cr_expect_str_eq(f.out.data, row->sent, "%s:\n%s\nnot:\n%s", row->label,
                     f.out.data, row->sent);
    cr_expect_eq(got.framing, row->framing.framing, "%s", row->label);
    cr_expect_eq(got.keep_alive, row->framing.keep_alive, "%s", row->label);
    done(&f);
}

#define ID "X-Request-Id: id\r\n"

static const struct answer_row framings[] = {
    {"a length",
     METHOD_GET,
     1,
     true,
     OK "Content-Length: 05\r\n\r\n",
     OK ID "Content-Length: 5\r\n\r\n",
     {FRAMING_LENGTH, true}},
    {"chunked",
     METHOD_GET,
     1,
     true,
     OK "Transfer-Encoding: Chunked\r\n\r\n",
     OK ID "Transfer-Encoding: chunked\r\n\r\n",
     {FRAMING_CHUNKED, true}},
    {"close-delimited becomes chunked",
     METHOD_GET,
     1,
     true,
     "HTTP/1.0 200 OK\r\n\r\n",
     OK ID "Transfer-Encoding: chunked\r\n\r\n",
     {FRAMING_CHUNKED, true}},
    {"the client closes",
     METHOD_GET,
     1,
     false,
     OK "Content-Length: 5\r\n\r\n",
     OK ID "Content-Length: 5\r\nConnection: close\r\n\r\n",
     {FRAMING_LENGTH, false}},
    {"the app closes, the client stays",
     METHOD_GET,
     1,
     true,
     OK "Content-Length: 5\r\nConnection: close\r\n\r\n",
     OK ID "Content-Length: 5\r\n\r\n",
     {FRAMING_LENGTH, true}},
    {"1.0 keeps with a length",
     METHOD_GET,
     0,
     true,
     OK "Content-Length: 5\r\n\r\n",
     OK ID "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n",
     {FRAMING_LENGTH, true}},
    {"1.0 cannot have chunks",
     METHOD_GET,
     0,
     true,
     OK "Transfer-Encoding: chunked\r\n\r\n",
     OK ID "Connection: close\r\n\r\n",
     {FRAMING_CLOSE, false}},
    {"1.0, until close",
     METHOD_GET,
     0,
     true,
     OK "\r\n",
     OK ID "Connection: close\r\n\r\n",
     {FRAMING_CLOSE, false}},
    {"HEAD keeps the length, without a body",
     METHOD_HEAD,
     1,
     true,
     OK "Content-Length: 5\r\n\r\n",
     OK ID "Content-Length: 5\r\n\r\n",
     {FRAMING_NONE, true}},
    {"HEAD, chunked",
     METHOD_HEAD,
     1,
     true,
     OK "Transfer-Encoding: chunked\r\n\r\n",
     OK ID "\r\n",
     {FRAMING_NONE, true}},
    {"204 has no framing fields",
     METHOD_GET,
     1,
     true,
     "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 204 No Content\r\n" ID "\r\n",
     {FRAMING_NONE, true}},
    {"204 that claims chunks",
     METHOD_GET,
     1,
     true,
     "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP/1.1 204 No Content\r\n" ID "\r\n",
     {FRAMING_NONE, true}},
    {"304 keeps the length",
     METHOD_GET,
     1,
     true,
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 304 Not Modified\r\n" ID "Content-Length: 5\r\n\r\n",
     {FRAMING_NONE, true}},
    {"no reason",
     METHOD_GET,
     1,
     true,
     "HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 599 \r\n" ID "Content-Length: 0\r\n\r\n",
     {FRAMING_LENGTH, true}},
};

Test(forward_headers, answers_are_framed_for_the_client)
{
    for (size_t i = 0; i < ARRAY_LEN(framings); i++)
        check_answer(&framings[i]);
}

Test(forward_headers, fields_of_answers)
{
#define LENGTH "Content-Length: 0\r\n"
    static const struct answer_row rows[] = {
        {"hop-by-hop fields go",
         METHOD_GET,
         1,
         true,
         OK LENGTH "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
                   "Keep-Alive: 5\r\nProxy-Connection: x\r\nTrailer: x\r\n"
                   "Upgrade: h2c\r\nX-Stays: 1\r\n\r\n",
         OK "X-Stays: 1\r\n" ID LENGTH "\r\n",
         {FRAMING_LENGTH, true}},
        {"Set-Cookie lines stay apart and in order",
         METHOD_GET,
         1,
         true,
         OK LENGTH "Set-Cookie: b=1, x\r\nX: y\r\nSet-Cookie: a=2\r\n\r\n",
         OK "Set-Cookie: b=1, x\r\nX: y\r\nSet-Cookie: a=2\r\n" ID LENGTH
            "\r\n",
         {FRAMING_LENGTH, true}},
        {"Connection does not strip Set-Cookie",
         METHOD_GET,
         1,
         true,
         OK LENGTH "Connection: Set-Cookie\r\nSet-Cookie: b=1\r\n\r\n",
         OK "Set-Cookie: b=1\r\n" ID LENGTH "\r\n",
         {FRAMING_LENGTH, true}},
        {"Server and Date are the app's own",
         METHOD_GET,
         1,
         true,
         OK LENGTH "Server: app\r\nDate: then\r\n\r\n",
         OK "Server: app\r\nDate: then\r\n" ID LENGTH "\r\n",
         {FRAMING_LENGTH, true}},
        {"X-Berth-* of an app are removed",
         METHOD_GET,
         1,
         true,
         OK LENGTH "X-Berth-Error: forged\r\nx-berth-keep: 1\r\n"
                   "X-Request-Id: forged\r\n\r\n",
         OK ID LENGTH "\r\n",
         {FRAMING_LENGTH, true}},
        {"101",
         METHOD_GET,
         1,
         true,
         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
         "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n" ID
         "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
         {FRAMING_NONE, true}},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_answer(&rows[i]);
}

Test(forward_headers, interim_answers_go_to_1_1_only_and_without_framing)
{
    struct fixture f;
    struct http_head client = {.minor = 1, .keep_alive = true};
    struct forward_answer answer = {.head = &f.head, .request = &client};

    parse(&f, HTTP_KIND_RESPONSE, METHOD_GET,
          "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n"
          "Connection: close\r\n\r\n");
    forward_headers_interim(&answer, &f.out);
    cr_expect_str_eq(f.out.data,
                     "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    strbuf_clear(&f.out);
    client.minor = 0;
    forward_headers_interim(&answer, &f.out);
    cr_expect_eq(f.out.len, 0);
    done(&f);
}

Test(forward_headers, response_header_and_server_timing)
{
    static struct field_setting set[] = {
        {(char *)"Strict-Transport-Security", (char *)"max-age=1"},
        {(char *)"Server", (char *)""},
    };
    static const struct field_settings response_headers = {2, set};
    struct fixture f;
    struct http_head client = {.minor = 1, .keep_alive = true};
    struct forward_answer answer = {.head = &f.head,
                                    .request = &client,
                                    .keep_alive = true,
                                    .server_timing = SV("queue;dur=1.5"),
                                    .settings = &response_headers};

    parse(&f, HTTP_KIND_RESPONSE, METHOD_GET,
          OK LENGTH "Server: app\r\nServer-Timing: db;dur=2\r\n"
                    "Strict-Transport-Security: max-age=0\r\n\r\n");
    (void)forward_headers_answer(&answer, &f.out);
    cr_expect_str_eq(f.out.data, OK
                     "Server-Timing: db;dur=2\r\n"
                     "Server-Timing: queue;dur=1.5\r\n"
                     "Strict-Transport-Security: max-age=1\r\n" LENGTH "\r\n");
    done(&f);
}

/* --- trailers ------------------------------------------------------------ */

Test(forward_headers, trailers_go_where_the_client_takes_them)
{
    static const char lines[] = "X-Sum: 1\r\nX-Berth-Error: x\r\n"
                                "Connection: close\r\nX-Forwarded-For: x\r\n"
                                "Y:z\r\n\r\n";
    struct arena arena;
    struct http_head trailers;
    struct http_head client = {.te_trailers = true};
    struct rejection rejection;
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    arena_init(&arena);
    cr_assert(http_parser_trailers(HTTP_KIND_REQUEST, sv_of(lines), &arena,
                                   &trailers, &rejection));
    forward_headers_trailers(&trailers, &client, &out);
    cr_expect_str_eq(out.data, "X-Sum: 1\r\nY: z\r\n");
    strbuf_clear(&out);
    client.te_trailers = false;
    forward_headers_trailers(&trailers, &client, &out);
    cr_expect_eq(out.len, 0);
    forward_headers_trailers(NULL, &client, &out);
    cr_expect_eq(out.len, 0);
    arena_done(&arena);
}

Test(forward_headers, output_is_added_behind_what_is_there)
{
    struct fixture f;
    struct forward_request request;
    struct rejection rejection;

    parse(&f, HTTP_KIND_REQUEST, METHOD_OTHER, GET "\r\n");
    request = plain(&f.head);
    strbuf_add_str(&f.out, "before");
    cr_assert(forward_headers_request(&request, &f.out, &rejection));
    cr_expect_str_eq(f.out.data, "before" GET ADDED "\r\n");
    done(&f);
}
