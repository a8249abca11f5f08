/* parse_bench.c - what a head costs: reading it, and writing it anew.
 *
 * usage: parse_bench [milliseconds per row]. Prints, for each kind of head,
 * its size, nanoseconds a head (the best of five runs) and heads a second. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/forward_headers.h"
#include "proxy/http_body.h"
#include "proxy/http_parser.h"
#include "proxy/request_id.h"
#include "router/base/arena.h"
#include "router/base/clock.h"

static const struct http_limits limits = {65536, 16384, 128};

static const char small_request[] = "GET /index.html HTTP/1.1\r\n"
                                    "Host: app.example:8080\r\n"
                                    "User-Agent: wrk/4.1.0\r\n"
                                    "Accept: */*\r\n"
                                    "\r\n";

static const char browser_request[] =
    "GET /static/js/app.4f2c1b.js?v=20261124 HTTP/1.1\r\n"
    "Host: www.app.example\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,"
    "image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Referer: https://www.app.example/dashboard\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "\r\n";

static const char post_request[] = "POST /api/v1/predict HTTP/1.1\r\n"
                                   "Host: app.example\r\n"
                                   "User-Agent: python-requests/2.32\r\n"
                                   "Accept-Encoding: gzip, deflate\r\n"
                                   "Accept: */*\r\n"
                                   "Connection: keep-alive\r\n"
                                   "Content-Length: 27\r\n"
                                   "Content-Type: application/json\r\n"
                                   "\r\n";

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Server: nginx/1.22.1\r\n"
                             "Date: Tue, 24 Nov 2026 06:43:00 GMT\r\n"
                             "Content-Type: text/html\r\n"
                             "Content-Length: 100\r\n"
                             "Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\n"
                             "Connection: keep-alive\r\n"
                             "ETag: \"5f3b\"\r\n"
                             "Accept-Ranges: bytes\r\n"
                             "\r\n";

struct bench {
    const char *name;
    enum http_kind kind;
    struct strview raw;
    bool forwards;
    struct http_parser parser;
    struct arena arena;
    struct strbuf out;
    struct http_head request; /* that answers are forwarded to */
};

static void forward(struct bench *bench, const struct http_head *head)
{
    struct rejection rejection;

    strbuf_clear(&bench->out);
    if (bench->kind == HTTP_KIND_REQUEST) {
        char id[REQUEST_ID_SIZE];
        struct forward_request request;

        request_id_make(1795502580000, id);
        forward_request_init(&request, head);
        request.path = head->path;
        request.client_host = SV("192.0.2.17");
        request.local_port = 443;
        request.prefix = SV("/app");
        request.request_id = sv_make(id, REQUEST_ID_SIZE - 1);
        if (!forward_headers_request(&request, &bench->out, &rejection))
            abort();
        return;
    }
    (void)forward_headers_answer(
        &(struct forward_answer){
            .head = head,
            .request = &bench->request,
            .keep_alive = true,
            .request_id = SV("019dcf4e-1234-7abc-8def-0123456789ab")},
        &bench->out);
}

static double run_once(struct bench *bench, unsigned count)
{
    uint64_t begin = clock_now_us();

    for (unsigned i = 0; i < count; i++) {
        struct http_head head;
        struct rejection rejection;

        if (http_parser_head(&bench->parser, bench->raw, &bench->arena, &head,
                             &rejection) != HTTP_DONE)
            abort();
        if (bench->forwards)
            forward(bench, &head);
        http_parser_reset(&bench->parser);
        arena_reset(&bench->arena);
    }
    return (double)(clock_now_us() - begin) * 1000.0 / count;
}

static void run(struct bench *bench, unsigned ms)
{
    double best;
    unsigned count;

    http_parser_init(&bench->parser, bench->kind, &limits);
    arena_init(&bench->arena);
    best = run_once(bench, 20000);
    count = (unsigned)((double)ms * 1e6 / 5 / best) + 1;
    for (int i = 0; i < 5; i++) {
        double ns = run_once(bench, count);

        best = ns < best ? ns : best;
    }
    printf("%-34s %5zu B %8.0f ns %10.0f heads/s\n", bench->name,
           bench->raw.len, best, 1e9 / best);
    arena_done(&bench->arena);
    strbuf_done(&bench->out);
}

int main(int argc, char **argv)
{
    unsigned ms = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500;
    struct http_head request = {.minor = 1, .keep_alive = true};
    static const struct {
        const char *name;
        enum http_kind kind;
        const char *text;
        bool forwards;
    } rows[] = {
        {"read: small request", HTTP_KIND_REQUEST, small_request, false},
        {"read: POST", HTTP_KIND_REQUEST, post_request, false},
        {"read: browser's request", HTTP_KIND_REQUEST, browser_request, false},
        {"read: answer", HTTP_KIND_RESPONSE, answer, false},
        {"read, write: small request", HTTP_KIND_REQUEST, small_request, true},
        {"read, write: POST", HTTP_KIND_REQUEST, post_request, true},
        {"read, write: browser's request", HTTP_KIND_REQUEST, browser_request,
         true},
        {"read, write: answer", HTTP_KIND_RESPONSE, answer, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench bench = {.name = rows[i].name,
                              .kind = rows[i].kind,
                              .raw = sv_of(rows[i].text),
                              .forwards = rows[i].forwards,
                              .request = request};

        run(&bench, ms);
    }
    return 0;
}
