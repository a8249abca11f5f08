#include "lifecycle/podman_http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "router/base/timers.h"
#include "tests/support/fake_podman.h"

static char dir[32];
static char socket_path[64];
static struct loop *loop;
static struct timers *timers;
static struct podman_http *http;
static struct fake_podman *fake;

/* What came of a request. */
struct result {
    struct podman_request *request;
    bool is_done;
    unsigned status;
    struct err err; /* ERR_NONE: answered */
    struct strbuf body;
    unsigned pieces;                /* calls of on_line, on_bytes */
    unsigned cancel_at;             /* cancel in that call; 0: never */
    struct podman_request **victim; /* cancel that one there instead */
};

static const struct fake_route none[] = {{NULL, 0, 0, NULL}};

static void init(void)
{
    snprintf(dir, sizeof dir, "/tmp/berth-http-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(socket_path, sizeof socket_path, "%s/s", dir);
    loop = loop_new("test");
    timers = timers_new(loop);
    http = podman_http_new(loop, socket_path);
    /* What must not have any effect. */
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
}

static void fini(void)
{
    podman_http_free(&http);
    fake_podman_free(&fake);
    timers_free(&timers);
    loop_free(&loop);
    rmdir(dir);
}

TestSuite(podman_http, .init = init, .fini = fini, .timeout = 60);

static void on_done(void *arg, const struct podman_answer *answer,
                    const struct err *err)
{
    struct result *result = arg;

    cr_assert_not(result->is_done, "on_done came twice");
    result->is_done = true;
    result->request = NULL;
    result->status = answer->status;
    if (err)
        result->err = *err;
    else if (answer->body.len > 0)
        strbuf_add_sv(&result->body, answer->body);
    loop_stop(loop);
}

static void on_piece(void *arg, struct strview piece)
{
    struct result *result = arg;

    strbuf_add_char(&result->body, '[');
    strbuf_add_sv(&result->body, piece);
    strbuf_add_char(&result->body, ']');
    if (++result->pieces == result->cancel_at) {
        podman_http_cancel(result->victim ? result->victim : &result->request);
        loop_stop(loop);
    }
}

static struct podman_http_call call_of(const char *path, struct result *result)
{
    return (struct podman_http_call){
        .method = "GET",
        .path = path,
        .timeout_ms = 5000,
        .max_body = 1000,
        .on_done = on_done,
        .arg = result,
    };
}

static void wait_for(const struct result *result)
{
    while (!result->is_done)
        loop_run(loop);
}

static void on_timer(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static void run_for(unsigned ms)
{
    struct timer timer = {.on_expire = on_timer};
    uint64_t until_us = clock_now_us() + (uint64_t)ms * 1000;

    while (clock_now_us() < until_us) {
        timer_start(timers, &timer, ms);
        loop_run(loop);
        timer_stop(&timer);
    }
}

static void get(const char *path, struct result *result)
{
    struct podman_http_call call = call_of(path, result);

    *result = (struct result){0};
    result->request = podman_http_send(http, &call);
    cr_assert_not(result->is_done, "on_done came within the call");
    wait_for(result);
}

Test(podman_http, answers_of_any_status_come_with_their_body)
{
    static const struct fake_route routes[] = {
        {"GET /ok HTTP/1.1\r\n", FAKE_ANSWER, 200, "{\"a\":1}"},
        {"GET /created", FAKE_ANSWER, 201, ""},
        {"GET /same", FAKE_RAW, 0, "HTTP/1.1 304 Not Modified\r\n\r\n"},
        {"GET /broken", FAKE_ANSWER, 500, "{\"message\":\"m\"}"},
        {"GET /drip", FAKE_DRIP, 200, "byte by byte"},
        {NULL, 0, 0, NULL},
    };
    static const struct {
        const char *path;
        unsigned status;
        const char *body;
    } cases[] = {
        {"/ok", 200, "{\"a\":1}"},
        {"/created", 201, ""},
        {"/same", 304, ""},
        {"/broken", 500, "{\"message\":\"m\"}"},
        {"/drip", 200, "byte by byte"},
    };

    fake = fake_podman_new(socket_path, routes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result;

        get(cases[i].path, &result);
        cr_expect_eq(result.err.code, ERR_NONE, "%s: %s", cases[i].path,
                     result.err.text);
        cr_expect_eq(result.status, cases[i].status, "%s", cases[i].path);
        cr_expect_str_eq(result.body.data ? result.body.data : "",
                         cases[i].body);
        strbuf_done(&result.body);
    }
}

Test(podman_http, a_body_is_sent_and_the_connection_used_again)
{
    static const struct fake_route routes[] = {
        {"POST /x", FAKE_ANSWER, 200, "a"},
        {"DELETE /x", FAKE_ANSWER, 200, "b"},
        {NULL, 0, 0, NULL},
    };
    struct result result = {0};
    struct podman_http_call call = call_of("/x?y=z", &result);
    AUTO(auto_free) char *request = NULL;

    fake = fake_podman_new(socket_path, routes);
    call.method = "POST";
    call.body = SV("{\"k\":\"v\"}");
    result.request = podman_http_send(http, &call);
    wait_for(&result);
    cr_assert_str_eq(result.body.data, "a", "%s", result.err.text);
    request = fake_podman_last(fake, "POST");
    cr_assert_not_null(strstr(request, "POST /x?y=z HTTP/1.1\r\n"));
    cr_assert_not_null(strstr(request, "Content-Type: application/json\r\n"));
    cr_assert_null(strstr(request, "Expect:"));
    cr_assert_not_null(strstr(request, "\r\n\r\n{\"k\":\"v\"}"));
    strbuf_done(&result.body);

    result = (struct result){0};
    call.body = sv_of(NULL);
    result.request = podman_http_send(http, &call);
    wait_for(&result);
    strbuf_done(&result.body);
    result = (struct result){0};
    call.method = "DELETE";
    result.request = podman_http_send(http, &call);
    wait_for(&result);
    cr_assert_str_eq(result.body.data, "b");
    strbuf_done(&result.body);
    cr_assert_eq(fake_podman_connections(fake), 1);
}

Test(podman_http, nobody_there_says_what_to_do)
{
    struct result result;

    get("/x", &result);
    cr_assert_eq(result.err.code, ERR_UNAVAILABLE);
    cr_assert_not_null(strstr(result.err.text, "podman.socket"), "%s",
                       result.err.text);
    cr_assert_not_null(strstr(result.err.text, socket_path));
    /* A socket file on which nobody listens. */
    fake = fake_podman_new(socket_path, none);
    cr_assert_eq(link(socket_path, "/tmp/berth-http-link"), 0);
    fake_podman_free(&fake);
    podman_http_set_socket(http, "/tmp/berth-http-link");
    get("/x", &result);
    unlink("/tmp/berth-http-link");
    cr_assert_eq(result.err.code, ERR_UNAVAILABLE);
    cr_assert_not_null(strstr(result.err.text, "nobody listens"), "%s",
                       result.err.text);
}

Test(podman_http, a_peer_that_misbehaves_is_an_error_of_its_kind)
{
    static const struct fake_route routes[] = {
        {"GET /hang", FAKE_HANG, 0, ""},
        {"GET /stalls", FAKE_STREAM, 200, "half"},
        {"GET /closes", FAKE_RAW, 0, ""},
        {"GET /cut", FAKE_RAW, 0,
         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
        {"GET /old", FAKE_RAW, 0, "I am no HTTP server\n"},
        {"GET /huge", FAKE_DRIP, 200,
         "0123456789012345678901234567890123456789"},
        {NULL, 0, 0, NULL},
    };
    static const struct {
        const char *path;
        enum err_code code;
    } cases[] = {
        {"/hang", ERR_TIMEOUT},       {"/stalls", ERR_TIMEOUT},
        {"/closes", ERR_UNAVAILABLE}, {"/cut", ERR_UNAVAILABLE},
        {"/old", ERR_PROTOCOL},       {"/huge", ERR_LIMIT},
    };

    fake = fake_podman_new(socket_path, routes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result = {0};
        struct podman_http_call call = call_of(cases[i].path, &result);
        uint64_t begun_us = clock_now_us();

        call.timeout_ms = 300;
        call.max_body = 39;
        result.request = podman_http_send(http, &call);
        wait_for(&result);
        cr_expect_eq(result.err.code, cases[i].code, "%s: %d %s", cases[i].path,
                     result.err.code, result.err.text);
        cr_expect_lt(clock_now_us() - begun_us, 2000000);
        strbuf_done(&result.body);
    }
}

Test(podman_http, lines_come_one_by_one_however_they_are_cut)
{
    static const struct fake_route routes[] = {
        {"GET /whole", FAKE_ANSWER, 200, "one\r\n\ntwo\nthree"},
        {"GET /drip", FAKE_DRIP, 200, "one\r\n\ntwo\nthree\n"},
        {"GET /fails", FAKE_ANSWER, 404, "{\"message\":\"no\"}\n"},
        {NULL, 0, 0, NULL},
    };
    static const struct {
        const char *path;
        const char *body;
    } cases[] = {
        {"/whole", "[one][two][three]"},
        {"/drip", "[one][two][three]"},
        {"/fails", "{\"message\":\"no\"}\n"},
    };

    fake = fake_podman_new(socket_path, routes);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result = {0};
        struct podman_http_call call = call_of(cases[i].path, &result);

        call.on_line = on_piece;
        result.request = podman_http_send(http, &call);
        wait_for(&result);
        cr_expect_str_eq(result.body.data, cases[i].body, "%s: %s",
                         cases[i].path, result.body.data);
        strbuf_done(&result.body);
    }
}

Test(podman_http, a_line_that_never_ends_is_given_up)
{
    static char line[PODMAN_LINE_MAX + 2]; /* the server reads on */
    static const struct fake_route routes[] = {
        {"GET /x", FAKE_STREAM, 200, line}, {NULL, 0, 0, NULL}};
    struct result result = {0};
    struct podman_http_call call = call_of("/x", &result);

    memset(line, 'x', PODMAN_LINE_MAX + 1);
    fake = fake_podman_new(socket_path, routes);
    call.on_line = on_piece;
    result.request = podman_http_send(http, &call);
    wait_for(&result);
    cr_assert_eq(result.err.code, ERR_LIMIT, "%s", result.err.text);
    cr_assert_eq(result.pieces, 0);
}

Test(podman_http, a_cancelled_request_is_silent)
{
    static const struct fake_route routes[] = {
        {"GET /hang", FAKE_HANG, 0, ""},
        {"GET /ok", FAKE_ANSWER, 200, "x"},
        {NULL, 0, 0, NULL},
    };
    struct result hanging = {0};
    struct result result;
    struct podman_http_call call = call_of("/hang", &hanging);

    fake = fake_podman_new(socket_path, routes);
    call.timeout_ms = 200;
    hanging.request = podman_http_send(http, &call);
    podman_http_cancel(&hanging.request); /* before it was even sent */
    cr_assert_null(hanging.request);
    hanging.request = podman_http_send(http, &call);
    get("/ok", &result);
    strbuf_done(&result.body);
    podman_http_cancel(&hanging.request);
    podman_http_cancel(&hanging.request);
    run_for(400);
    cr_assert_not(hanging.is_done);
}

/* libcurl may not be called from its own callbacks: see podman_http.c. */
Test(podman_http, cancel_from_a_line_of_its_own_or_of_another)
{
    static const struct fake_route routes[] = {
        {"GET /lines", FAKE_STREAM, 200, "a\nb\nc\n"},
        {"GET /hang", FAKE_HANG, 0, ""},
        {"GET /last", FAKE_ANSWER, 200, "a\nend"},
        {"GET /ok", FAKE_ANSWER, 200, "x"},
        {NULL, 0, 0, NULL},
    };
    struct result own = {.cancel_at = 2};
    struct result other = {.cancel_at = 1};
    struct result victim = {0};
    struct result last = {.cancel_at = 2};
    struct result result;
    struct podman_http_call call = call_of("/lines", &own);

    fake = fake_podman_new(socket_path, routes);
    call.on_line = on_piece;
    own.request = podman_http_send(http, &call);
    run_for(100);
    cr_assert_not(own.is_done);
    cr_assert_str_eq(own.body.data, "[a][b]");

    call = call_of("/hang", &victim);
    call.timeout_ms = 300;
    victim.request = podman_http_send(http, &call);
    run_for(100);
    call = call_of("/lines", &other);
    call.on_line = on_piece;
    call.timeout_ms = 300;
    other.victim = &victim.request;
    other.request = podman_http_send(http, &call);
    wait_for(&other);
    run_for(400);
    cr_assert_str_eq(other.body.data, "[a][b][c]");
    cr_assert_eq(other.err.code, ERR_TIMEOUT);
    cr_assert_not(victim.is_done);

    /* The line without an end comes when all is read. */
    call = call_of("/last", &last);
    call.on_line = on_piece;
    last.request = podman_http_send(http, &call);
    run_for(100);
    cr_assert_not(last.is_done);
    cr_assert_str_eq(last.body.data, "[a][end]");
    get("/ok", &result);
    cr_assert_str_eq(result.body.data, "x");
    strbuf_done(&result.body);
    strbuf_done(&own.body);
    strbuf_done(&other.body);
    strbuf_done(&last.body);
}

Test(podman_http, a_service_that_was_replaced_is_found_on_the_same_path)
{
    static const struct fake_route first[] = {
        {"GET /x", FAKE_ANSWER, 200, "first"}, {NULL, 0, 0, NULL}};
    static const struct fake_route second[] = {
        {"GET /x", FAKE_ANSWER, 200, "second"}, {NULL, 0, 0, NULL}};
    struct result result;

    fake = fake_podman_new(socket_path, first);
    get("/x", &result);
    cr_assert_str_eq(result.body.data, "first");
    strbuf_done(&result.body);
    fake_podman_free(&fake);
    fake = fake_podman_new(socket_path, second);
    get("/x", &result);
    cr_assert_eq(result.err.code, ERR_NONE, "%s", result.err.text);
    cr_assert_str_eq(result.body.data, "second");
    strbuf_done(&result.body);
}

Test(podman_http, freeing_ends_what_is_under_way)
{
    static const struct fake_route routes[] = {{"GET /", FAKE_HANG, 0, ""},
                                               {NULL, 0, 0, NULL}};
    struct result results[3] = {{0}, {0}, {0}};

    fake = fake_podman_new(socket_path, routes);
    for (int i = 0; i < 3; i++) {
        struct podman_http_call call = call_of("/x", &results[i]);

        results[i].request = podman_http_send(http, &call);
    }
    run_for(50);
    podman_http_free(&http);
    cr_assert_null(http);
    for (int i = 0; i < 3; i++)
        cr_assert_not(results[i].is_done);
}

Test(podman_http, names_are_encoded)
{
    struct strbuf buf = STRBUF_INIT;

    podman_http_encode(&buf, SV("a/b:c@d e%f?g&h=\xc3\xa4-._~Z9"));
    cr_assert_str_eq(buf.data, "a%2Fb%3Ac%40d%20e%25f%3Fg%26h%3D%C3%A4-._~Z9");
    strbuf_done(&buf);
}
