#include "proxy/local_reply.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "proxy/http_parser.h"
#include "router/base/arena.h"
#include "tests/support/strict_http.h"

static const struct http_limits limits = {8192, 2048, 64};

struct client {
    struct arena arena;
    struct http_head head;
};

static void connect_client(struct client *client, const char *text)
{
    struct http_parser parser;
    struct rejection rejection;

    arena_init(&client->arena);
    http_parser_init(&parser, HTTP_KIND_REQUEST, &limits);
    cr_assert_eq(http_parser_head(&parser, sv_of(text), &client->arena,
                                  &client->head, &rejection),
                 HTTP_DONE, "%s", text);
}

/* The answer, as a client reads it. */
static struct strict_message *read_answer(const struct strbuf *out,
                                          bool no_body)
{
    static struct strict_message message;

    cr_assert(strict_http_answer(out->data, out->len, no_body, &message),
              "%s in:\n%s", message.why, out->data);
    cr_assert(message.is_whole);
    cr_assert_eq(message.total, out->len, "%s", out->data);
    return &message;
}

static void expect_field(const struct strict_message *message, const char *name,
                         const char *value)
{
    struct strict_text text = {"", 0};
    size_t count = strict_http_count(message, name, &text);

    cr_expect_eq(count, value ? 1 : 0, "%s: %zu", name, count);
    if (value)
        cr_expect(strict_text_is(text, value), "%s: %.*s, not %s", name,
                  (int)text.len, text.ptr, value);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

Test(local_reply, every_code_is_answered_with_its_status)
{
    struct client client;

    connect_client(&client, GET "\r\n");
    for (unsigned code = 1; code < REJECT_CODE_COUNT; code++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
        struct rejection rejection = {(enum reject_code)code, NULL};
        struct local_reply reply = {.request = &client.head,
                                    .request_id = SV("id"),
                                    .keep_alive = true};
        unsigned status = rejection_status(rejection.code);
        struct strict_message *message;

        local_reply_reject(&reply, &rejection, SV(""), &out);
        message = read_answer(&out, false);
        cr_expect_eq(message->status, status);
        cr_expect_neq(local_reply_reason(status)[0], '\0', "%u", status);
        expect_field(message, "x-berth-error", rejection_name(rejection.code));
        expect_field(message, "content-type", "application/json");
        expect_field(message, "x-request-id", "id");
        expect_field(message, "retry-after",
                     status == 503 || status == 429 ? "1" : NULL);
        expect_field(message, "connection", NULL);
        strict_http_done(message);
    }
    arena_done(&client.arena);
}

Test(local_reply, json_has_code_message_and_id)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct rejection rejection = {REJECT_START_FAILED, NULL};
    struct local_reply reply = {.request_id = SV("id"), .retry_after_s = 30};
    struct strict_message *message;

    local_reply_reject(&reply, &rejection, SV("exit \"1\"\n<b>"), &out);
    message = read_answer(&out, false);
    message->body[message->body_len] = '\0';
    cr_expect_str_eq(message->body,
                     "{\"error\":{\"code\":\"start_failed\",\"message\":"
                     "\"exit \\\"1\\\"\\n<b>\",\"request_id\":\"id\"}}\n");
    expect_field(message, "retry-after", "30");
    expect_field(message, "connection", "close");
    strict_http_done(message);
}

Test(local_reply, html_is_escaped)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct rejection rejection = {REJECT_NO_ROUTE, NULL};
    struct client client;
    struct local_reply reply = {.request = &client.head};
    struct strict_message *message;

    connect_client(&client, GET "Accept: text/html\r\n\r\n");
    local_reply_reject(&reply, &rejection, SV("<script>&\"'\x01"), &out);
    message = read_answer(&out, false);
    message->body[message->body_len] = '\0';
    expect_field(message, "content-type", "text/html; charset=utf-8");
    cr_expect_not_null(
        strstr(message->body, "<p>&lt;script&gt;&amp;&quot;&#39; </p>"), "%s",
        message->body);
    strict_http_done(message);
    arena_done(&client.arena);
}

Test(local_reply, accept_chooses_between_json_and_html)
{
    static const struct {
        const char *accept; /* NULL: none */
        bool is_html;
    } rows[] = {
        {NULL, false},
        {"*/*", false},
        {"text/html", true},
        {"TEXT/HTML", true},
        {"text/*", true},
        {"application/json", false},
        {"application/json, text/html", false},
        {"application/json;q=0.9, text/html", true},
        {"application/json, text/html;q=0.9", false},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
         true},
        {"text/html;q=0.5, */*;q=0.8", false},
        {"text/html;q=0, */*", false},
        {"text/html; q=0.001", true},
        {"text/html;level=1;q=0.4, application/json;q=0.3", true},
        {"text/html;q=x", false},
        {"text/html;q=1.0, application/json;q=0.999", true},
        {"", false},
        {"image/png", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        struct client client;

        strbuf_add_str(&text, GET);
        if (rows[i].accept)
            strbuf_printf(&text, "Accept: %s\r\n", rows[i].accept);
        strbuf_add_str(&text, "\r\n");
        connect_client(&client, text.data);
        cr_expect_eq(local_reply_wants_html(&client.head), rows[i].is_html,
                     "%s", rows[i].accept ? rows[i].accept : "none");
        arena_done(&client.arena);
    }
    cr_expect_not(local_reply_wants_html(NULL));
}

Test(local_reply, head_gets_the_length_without_the_body)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct rejection rejection = {REJECT_NO_ROUTE, NULL};
    struct client client;
    struct local_reply reply = {.request = &client.head, .keep_alive = true};
    struct strict_message *message;
    struct strict_text length = {"", 0};

    connect_client(&client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    local_reply_reject(&reply, &rejection, SV(""), &out);
    message = read_answer(&out, true);
    cr_expect_eq(strict_http_count(message, "content-length", &length), 1);
    cr_expect_not(strict_text_is(length, "0"));
    strict_http_done(message);
    arena_done(&client.arena);
}

Test(local_reply, the_connection_stays_where_both_sides_would)
{
    static const struct {
        const char *text;
        bool keep_alive;
        const char *connection;
    } rows[] = {
        {GET "\r\n", true, NULL},
        {GET "\r\n", false, "close"},
        {GET "Connection: close\r\n\r\n", true, "close"},
        {"GET / HTTP/1.0\r\n\r\n", true, "close"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true,
         "keep-alive"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
        struct rejection rejection = {REJECT_NO_ROUTE, NULL};
        struct client client;
        struct local_reply reply = {.request = &client.head,
                                    .keep_alive = rows[i].keep_alive};
        struct strict_message *message;

        connect_client(&client, rows[i].text);
        local_reply_reject(&reply, &rejection, SV(""), &out);
        message = read_answer(&out, false);
        expect_field(message, "connection", rows[i].connection);
        strict_http_done(message);
        arena_done(&client.arena);
    }
}

Test(local_reply, method_not_allowed_says_what_is)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct rejection rejection = {REJECT_METHOD_NOT_ALLOWED, NULL};
    struct local_reply reply = {.extra = SV("X-Extra: 1\r\n")};
    struct strict_message *message;

    local_reply_reject(&reply, &rejection, SV(""), &out);
    message = read_answer(&out, false);
    expect_field(message, "allow",
                 "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    expect_field(message, "x-extra", "1");
    strict_http_done(message);
}

Test(local_reply, return_answers_with_text_or_a_redirect)
{
    static const struct {
        unsigned status;
        const char *text;
        const char *location;
        const char *body;
    } rows[] = {
        {200, "hello", NULL, "hello"}, {301, "https://b/", "https://b/", ""},
        {308, "/c", "/c", ""},         {204, "", NULL, ""},
        {404, "", NULL, ""},           {503, "later", NULL, "later"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
        struct local_reply reply = {.request = NULL};
        struct strict_message *message;

        local_reply_return(&reply, rows[i].status, sv_of(rows[i].text), &out);
        message = read_answer(&out, false);
        cr_expect_eq(message->status, rows[i].status);
        expect_field(message, "location", rows[i].location);
        expect_field(message, "x-berth-error", NULL);
        expect_field(message, "retry-after",
                     rows[i].status == 503 ? "1" : NULL);
        cr_expect_eq(message->body_len, strlen(rows[i].body));
        cr_expect(message->body_len == 0 ||
                  memcmp(message->body, rows[i].body, message->body_len) == 0);
        strict_http_done(message);
    }
}

Test(local_reply, dates_are_imf_fixdate)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct local_reply reply = {.request = NULL};
    struct strict_message *message;
    struct strict_text date = {"", 0};
    int day, year, hour, minute, second, used = 0;
    char weekday[4], month[4], text[40];

    local_reply_return(&reply, 200, SV(""), &out);
    message = read_answer(&out, false);
    cr_expect_eq(strict_http_count(message, "date", &date), 1);
    cr_assert_eq(date.len, 29);
    memcpy(text, date.ptr, date.len);
    text[date.len] = '\0';
    cr_expect_eq(sscanf(text,
                        "%3[A-Z-a-z], %2d %3[A-Z-a-z] %4d "
                        "%2d:%2d:%2d GMT%n",
                        weekday, &day, month, &year, &hour, &minute, &second,
                        &used),
                 7);
    cr_expect_eq(used, 29);
    strict_http_done(message);
}

Test(local_reply, continue_is_an_interim_answer)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct strict_message *message;

    local_reply_continue(&out);
    message = read_answer(&out, false);
    cr_expect_eq(message->status, 100);
    strict_http_done(message);
}
