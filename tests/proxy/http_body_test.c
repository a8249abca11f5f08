/* http_body_test.c - each line of http.md about chunks and lengths. */
#include "proxy/http_body.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/strbuf.h"

static const struct http_limits limits = {4096, 1024, 3};

#define RAW(literal)                                                           \
    {                                                                          \
        "" literal, sizeof("" literal) - 1                                     \
    }

enum outcome { WHOLE, PART, REFUSED };

struct decoded {
    struct strbuf body;
    size_t left; /* bytes behind the body */
    struct arena arena;
    struct http_body decoder;
    struct rejection rejection;
};

static struct decoded *decode(struct http_head head, struct strview raw,
                              size_t step, enum outcome *ret_outcome)
{
    struct decoded *d = xcalloc(1, sizeof *d);
    enum http_body_result result = BODY_MORE;

    arena_init(&d->arena);
    http_body_init(&d->decoder, &head, &limits);
    d->left = raw.len;
    for (;;) {
        size_t len = d->left < step ? d->left : step;
        struct strview piece = sv_make(raw.ptr + raw.len - d->left, len);
        struct strview span;

        do {
            result = http_body_next(&d->decoder, &piece, &d->arena, &span,
                                    &d->rejection);
            if (result == BODY_DATA)
                strbuf_add_sv(&d->body, span);
        } while (result == BODY_DATA);
        d->left -= len - piece.len;
        if (result != BODY_MORE || d->left == 0)
            break;
    }
    *ret_outcome = result == BODY_REFUSED ? REFUSED
                   : result == BODY_DONE  ? WHOLE
                                          : PART;
    return d;
}

static void decoded_free(struct decoded *d)
{
    strbuf_done(&d->body);
    arena_done(&d->arena);
    free(d);
}

static const struct http_head chunked = {.kind = HTTP_KIND_REQUEST,
                                         .framing = FRAMING_CHUNKED};

struct row {
    const char *label;
    struct strview raw;
    enum outcome outcome;
    const char *body;
    size_t left;
};

static void check(const struct http_head *head, const struct row *row)
{
    for (size_t step = 1; step <= row->raw.len; step++) {
        enum outcome outcome;
        struct decoded *d = decode(*head, row->raw, step, &outcome);

        cr_expect_eq(outcome, row->outcome, "%s: %d, not %d in pieces of %zu",
                     row->label, outcome, row->outcome, step);
        if (row->outcome != REFUSED) {
            cr_expect(sv_eq(strbuf_view(&d->body), sv_of(row->body)),
                      "%s in pieces of %zu", row->label, step);
            cr_expect_eq(d->left, row->left, "%s in pieces of %zu: %zu left",
                         row->label, step, d->left);
        }
        decoded_free(d);
    }
}

Test(http_body, chunks)
{
    static const struct row rows[] = {
        {"one", RAW("5\r\nhello\r\n0\r\n\r\n"), WHOLE, "hello", 0},
        {"two", RAW("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), WHOLE, "hello", 0},
        {"none", RAW("0\r\n\r\n"), WHOLE, "", 0},
        {"what follows is left", RAW("1\r\na\r\n0\r\n\r\nGET /"), WHOLE, "a",
         5},
        {"hex, both cases",
         RAW("a\r\n0123456789\r\nB\r\n0123456789a\r\n"
             "0\r\n\r\n"),
         WHOLE, "01234567890123456789a", 0},
        {"leading zeroes are fine", RAW("0005\r\nhello\r\n000\r\n\r\n"), WHOLE,
         "hello", 0},
        {"CR LF as data", RAW("4\r\n\r\n\r\n\r\n0\r\n\r\n"), WHOLE, "\r\n\r\n",
         0},
        {"not whole: data", RAW("5\r\nhel"), PART, "hel", 0},
        {"not whole: no last chunk", RAW("5\r\nhello\r\n"), PART, "hello", 0},
        {"not whole: no empty line", RAW("0\r\n"), PART, "", 0},
        {"a plus", RAW("+5\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"a minus", RAW("-5\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"0x", RAW("0x5\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"white space before", RAW(" 5\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"white space after", RAW("5 \r\nhello\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"a tab after", RAW("5\t\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"white space inside", RAW("1 5\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"an underscore", RAW("1_0\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"no size", RAW("\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"an extension only", RAW(";a\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"no digit", RAW("g\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"64 bits", RAW("8000000000000000\r\nx"), REFUSED, NULL, 0},
        {"63 bits", RAW("7fffffffffffffff\r\nx"), PART, "x", 0},
        {"wraps to 5", RAW("10000000000000005\r\nhello\r\n0\r\n\r\n"), REFUSED,
         NULL, 0},
        {"bare LF after the size", RAW("5\nhello\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"bare CR after the size", RAW("5\rhello\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"no CR LF after data", RAW("5\r\nhello0\r\n\r\n"), REFUSED, NULL, 0},
        {"more data than announced", RAW("5\r\nhello!\r\n0\r\n\r\n"), REFUSED,
         NULL, 0},
        {"a byte and LF after data", RAW("5\r\nhello!\n0\r\n\r\n"), REFUSED,
         NULL, 0},
        {"CR and a byte after the size", RAW("5\rXhello\r\n0\r\n\r\n"), REFUSED,
         NULL, 0},
        {"CR and a byte after the last size", RAW("0\rX\r\n"), REFUSED, NULL,
         0},
        {"bare LF after data", RAW("5\r\nhello\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"bare CR after data", RAW("5\r\nhello\r0\r\n\r\n"), REFUSED, NULL, 0},
        {"bare LF at the end", RAW("0\r\n\n"), REFUSED, NULL, 0},
        {"NUL in a size", RAW("5\0\r\nhello\r\n0\r\n\r\n"), REFUSED, NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&chunked, &rows[i]);
}

Test(http_body, chunk_extensions_are_parsed_and_dropped)
{
    static const struct row rows[] = {
        {"a name", RAW("1;a\r\nx\r\n0;b\r\n\r\n"), WHOLE, "x", 0},
        {"values", RAW("1;a=b;c=\"d\"\r\nx\r\n0\r\n\r\n"), WHOLE, "x", 0},
        {"what would end a line, quoted",
         RAW("1;a=\"\\\";\\\\\"\r\nx\r\n0\r\n\r\n"), WHOLE, "x", 0},
        {"white space around", RAW("1 ; a = b ; c\r\nx\r\n0\r\n\r\n"), WHOLE,
         "x", 0},
        {"no name", RAW("1;\r\nx\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"no value", RAW("1;a=\r\nx\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"a name that is no token", RAW("1;a(\r\nx\r\n0\r\n\r\n"), REFUSED,
         NULL, 0},
        {"an open quote", RAW("1;a=\"b\r\nx\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"a control in quotes", RAW("1;a=\"\x01\"\r\nx\r\n0\r\n\r\n"), REFUSED,
         NULL, 0},
        {"LF in quotes", RAW("1;a=\"\n\"\r\nx\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"bare LF after it", RAW("1;a\nx\r\n0\r\n\r\n"), REFUSED, NULL, 0},
        {"white space after it", RAW("1;a \r\nx\r\n0\r\n\r\n"), REFUSED, NULL,
         0},
        {"text after a quote", RAW("1;a=\"b\"c\r\nx\r\n0\r\n\r\n"), REFUSED,
         NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&chunked, &rows[i]);
}

/* count chunks of one byte, each with `fill` bytes of `c` in its line. */
static enum outcome with_filling(const char *before, char c, size_t fill,
                                 size_t count)
{
    AUTO(strbuf_done) struct strbuf raw = STRBUF_INIT;
    enum outcome outcome;

    for (size_t i = 0; i < count; i++) {
        strbuf_add_str(&raw, before);
        memset(strbuf_reserve(&raw, fill), c, fill);
        raw.len += fill;
        strbuf_add_str(&raw, c == '0' ? "1\r\nx\r\n" : "\r\nx\r\n");
    }
    strbuf_add_str(&raw, "0\r\n\r\n");
    decoded_free(decode(chunked, strbuf_view(&raw), 999, &outcome));
    return outcome;
}

Test(http_body, chunk_extensions_are_bounded_over_a_message)
{
    /* The last byte of a line, CR, counts as part of its extension. */
    cr_expect_eq(with_filling("1;", 'a', 4094, 1), WHOLE);
    cr_expect_eq(with_filling("1;", 'a', 4096, 1), REFUSED);
    cr_expect_eq(with_filling("1;", 'a', 100, 40), WHOLE);
    cr_expect_eq(with_filling("1;", 'a', 100, 41), REFUSED);
    cr_expect_eq(with_filling("", '0', 4000, 1), WHOLE);
    cr_expect_eq(with_filling("", '0', 4100, 1), REFUSED);
    cr_expect_eq(with_filling("", '0', 410, 10), REFUSED);
    /* An ordinary long body of small chunks is no matter of it. */
    cr_expect_eq(with_filling("", '0', 0, 10000), WHOLE);
}

Test(http_body, trailers_are_checked_like_fields)
{
    static const struct row rows[] = {
        {"two", RAW("0\r\nA: b\r\nC:\r\n\r\nrest"), WHOLE, "", 4},
        {"as many as allowed", RAW("0\r\nA:\r\nB:\r\nC:\r\n\r\n"), WHOLE, "",
         0},
        {"one more", RAW("0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n"), REFUSED, NULL,
         0},
        {"Content-Length", RAW("0\r\nContent-Length: 5\r\n\r\n"), REFUSED, NULL,
         0},
        {"Transfer-Encoding", RAW("0\r\ntransfer-encoding: chunked\r\n\r\n"),
         REFUSED, NULL, 0},
        {"Host", RAW("0\r\nHost: a\r\n\r\n"), REFUSED, NULL, 0},
        {"bare LF", RAW("0\r\nA: b\n\r\n"), REFUSED, NULL, 0},
        {"bare CR", RAW("0\r\nA: b\rC: d\r\n\r\n"), REFUSED, NULL, 0},
        {"NUL", RAW("0\r\nA: \0\r\n\r\n"), REFUSED, NULL, 0},
        {"space before the colon", RAW("0\r\nA : b\r\n\r\n"), REFUSED, NULL, 0},
        {"no colon", RAW("0\r\nA\r\n\r\n"), REFUSED, NULL, 0},
        {"obs-fold", RAW("0\r\nA: b\r\n c\r\n\r\n"), REFUSED, NULL, 0},
        {"leading white space", RAW("0\r\n A: b\r\n\r\n"), REFUSED, NULL, 0},
        {"a look-alike", RAW("0\r\nX_Forwarded_For: b\r\n\r\n"), REFUSED, NULL,
         0},
        {"a chunk instead", RAW("0\r\n5\r\nhello\r\n\r\n"), REFUSED, NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&chunked, &rows[i]);
}

Test(http_body, trailers_are_kept_apart)
{
    enum outcome outcome;
    struct decoded *d = decode(
        chunked, SV("1\r\nx\r\n0\r\nX-Sum:  abc \r\nY:\r\n\r\n"), 3, &outcome);

    cr_assert_eq(outcome, WHOLE);
    cr_assert_not_null(d->decoder.trailers);
    cr_assert_eq(d->decoder.trailers->field_count, 2);
    cr_expect(sv_eq(d->decoder.trailers->fields[0].name, SV("X-Sum")));
    cr_expect(sv_eq(d->decoder.trailers->fields[0].value, SV("abc")));
    decoded_free(d);
    d = decode(chunked, SV("0\r\n\r\n"), 3, &outcome);
    cr_expect_null(d->decoder.trailers);
    decoded_free(d);
}

Test(http_body, trailers_are_bounded_like_heads)
{
    AUTO(strbuf_done) struct strbuf raw = STRBUF_INIT;
    enum outcome outcome;

    strbuf_add_str(&raw, "0\r\nA: ");
    memset(strbuf_reserve(&raw, 4089), 'x', 4089);
    raw.len += 4089;
    strbuf_add_str(&raw, "\r\n\r\n");
    decoded_free(decode(chunked, strbuf_view(&raw), 100, &outcome));
    cr_expect_eq(outcome, WHOLE);
    raw.len -= 4;
    strbuf_add_str(&raw, "x\r\n\r\n");
    decoded_free(decode(chunked, strbuf_view(&raw), 100, &outcome));
    cr_expect_eq(outcome, REFUSED);
}

Test(http_body, lengths_are_counted)
{
    static const struct http_head head = {.kind = HTTP_KIND_REQUEST,
                                          .framing = FRAMING_LENGTH,
                                          .content_length = 5};
    static const struct row rows[] = {
        {"exact", RAW("hello"), WHOLE, "hello", 0},
        {"more", RAW("helloGET /"), WHOLE, "hello", 5},
        {"less", RAW("hell"), PART, "hell", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(&head, &rows[i]);
}

Test(http_body, no_body_is_done_at_once)
{
    static const struct http_head heads[] = {
        {.framing = FRAMING_NONE, .content_length = 10},
        {.framing = FRAMING_LENGTH},
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        enum outcome outcome;
        struct decoded *d = decode(heads[i], SV("x"), 1, &outcome);

        cr_expect_eq(outcome, WHOLE);
        cr_expect_eq(d->left, 1);
        decoded_free(d);
    }
}

Test(http_body, a_close_ends_only_what_it_frames)
{
    static const struct {
        struct http_head head;
        bool is_whole;
    } rows[] = {
        {{.framing = FRAMING_CLOSE}, true},
        {{.framing = FRAMING_LENGTH, .content_length = 5}, false},
        {{.framing = FRAMING_CHUNKED}, false},
        {{.framing = FRAMING_NONE}, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_body body;

        http_body_init(&body, &rows[i].head, &limits);
        cr_expect_eq(http_body_end(&body), rows[i].is_whole, "row %zu", i);
    }
}

Test(http_body, spliced_bytes_count)
{
    static const struct http_head head = {.framing = FRAMING_LENGTH,
                                          .content_length = 5};
    struct http_body body;

    http_body_init(&body, &head, &limits);
    http_body_skip(&body, 4);
    cr_expect_not(http_body_is_done(&body));
    http_body_skip(&body, 1);
    cr_expect(http_body_is_done(&body));
    cr_expect_eq(body.total, 5);
}

Test(http_body, an_apps_broken_chunk_is_502)
{
    static const struct http_head head = {.kind = HTTP_KIND_RESPONSE,
                                          .framing = FRAMING_CHUNKED};
    enum outcome outcome;
    struct decoded *d = decode(head, SV("x\r\n"), 3, &outcome);

    cr_expect_eq(outcome, REFUSED);
    cr_expect_eq(d->rejection.code, REJECT_UPSTREAM_INVALID);
    decoded_free(d);
    d = decode(head, SV("0\r\nHost: a\r\n\r\n"), 3, &outcome);
    cr_expect_eq(outcome, REFUSED);
    cr_expect_eq(d->rejection.code, REJECT_UPSTREAM_INVALID);
    decoded_free(d);
}

Test(http_body, chunk_heads_are_hex)
{
    static const size_t sizes[] = {1, 15, 16, 255, 4096, 0x12345678, SIZE_MAX};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char text[HTTP_CHUNK_HEAD_SIZE];
        char want[HTTP_CHUNK_HEAD_SIZE];
        size_t len = http_body_chunk_head(sizes[i], text);

        snprintf(want, sizeof want, "%zx\r\n", sizes[i]);
        cr_expect(sv_eq(sv_make(text, len), sv_of(want)), "%s", want);
    }
}
