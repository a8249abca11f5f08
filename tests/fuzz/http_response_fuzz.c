/* http_response_fuzz.c - an answer is read, written anew for the client, and
 * read again by an independent reader: it must be one answer, and mean the
 * same. The first byte chooses the request and how the input is cut. */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/forward_headers.h"
#include "proxy/http_syntax.h"
#include "tests/support/fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct field_setting settings[] = {
    {(char *)"X-Operator", (char *)"set"},
    {(char *)"X-Removed", (char *)""},
};
static const struct field_settings response_headers = {2, settings};

static void check_reading(const struct http_head *head, struct strview data,
                          bool no_body)
{
    struct strict_message *strict = calloc(1, sizeof *strict);
    bool ok = strict_http_answer(data.ptr, data.len, no_body, strict);

    MUST(ok || strict->body_kind == STRICT_CHUNKED);
    MUST(head->status == strict->status);
    MUST((head->minor == 0) == (strict->minor == '0'));
    MUST(head->bytes == strict->head_len);
    fuzz_http_same_fields(head, strict);
    MUST((head->framing == FRAMING_NONE) == (strict->body_kind == STRICT_NONE));
    MUST((head->framing == FRAMING_CHUNKED) ==
         (strict->body_kind == STRICT_CHUNKED));
    MUST((head->framing == FRAMING_LENGTH) ==
         (strict->body_kind == STRICT_LENGTH));
    MUST(head->framing != FRAMING_LENGTH ||
         head->content_length == strict->length);
    strict_http_done(strict);
    free(strict);
}

static size_t count_cookies(const struct http_head *head)
{
    size_t count = 0;

    for (uint32_t i = 0; i < head->field_count; i++)
        count += head->fields[i].id == FIELD_SET_COOKIE;
    return count;
}

static void check_fields(const struct http_head *head,
                         const struct strict_message *sent)
{
    static const char *const never[] = {"keep-alive", "proxy-connection",
                                        "trailer", "te", "x-removed"};

    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        MUST(strict_http_count(sent, never[i], NULL) == 0);
    MUST(strict_http_count(sent, "x-request-id", NULL) == 1);
    MUST(strict_http_count(sent, "x-operator", NULL) == 1);
    MUST(strict_http_count(sent, "set-cookie", NULL) == count_cookies(head));
    for (size_t i = 0; i < sent->field_count; i++) {
        struct strview name = fuzz_http_view(sent->fields[i].name);

        MUST(name.len < 8 ||
             !sv_eq_nocase(sv_make(name.ptr, 8), SV("x-berth-")));
    }
}

/* All that the client gets. Returns whether it is whole. */
static bool write_answer(const struct forward_answer *answer,
                         struct strview rest, size_t step, struct strbuf *out,
                         struct strbuf *body)
{
    const struct http_head *head = answer->head;
    struct forward_framing choice = forward_headers_answer(answer, out);
    struct http_body decoder;
    struct arena arena;
    AUTO(strbuf_done) struct strbuf chunks = STRBUF_INIT;
    size_t used;
    enum fuzz_body state;

    MUST(choice.framing != FRAMING_CLOSE || answer->request->minor == 0);
    MUST(choice.framing != FRAMING_CLOSE || !choice.keep_alive);
    MUST(choice.framing != FRAMING_CHUNKED || answer->request->minor > 0);
    MUST((choice.framing == FRAMING_NONE) == (head->framing == FRAMING_NONE));
    arena_init(&arena);
    http_body_init(&decoder, head, &fuzz_http_limits);
    state =
        fuzz_http_decode(&decoder, rest, step, &arena, body, &chunks, &used);
    if (choice.framing == FRAMING_CHUNKED) {
        strbuf_add_sv(out, strbuf_view(&chunks));
        if (state == FUZZ_BODY_WHOLE) {
            strbuf_add_sv(out, HTTP_CHUNK_LAST);
            forward_headers_trailers(decoder.trailers, answer->request, out);
            strbuf_add_sv(out, HTTP_CHUNK_END);
        }
    } else {
        strbuf_add_sv(out, strbuf_view(body));
    }
    arena_done(&arena);
    /* A client of HTTP/1.0 sees where it ends, not whether it is whole. */
    return state == FUZZ_BODY_WHOLE || choice.framing == FRAMING_CLOSE;
}

static void check_writing(const struct http_head *head, struct strview rest,
                          const struct http_head *request, size_t step)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;
    struct forward_answer answer = {.head = head,
                                    .request = request,
                                    .keep_alive = true,
                                    .request_id = SV("id-1"),
                                    .server_timing = SV("app;dur=1"),
                                    .settings = &response_headers};
    struct strict_message *sent = calloc(1, sizeof *sent);
    bool is_whole;
    bool ok;

    if (head->status < 200 && head->status != 101) {
        forward_headers_interim(&answer, &out);
        MUST((out.len == 0) == (request->minor == 0));
        is_whole = true;
    } else {
        is_whole = write_answer(&answer, rest, step, &out, &body);
    }
    if (out.len > 0) {
        ok = strict_http_answer(out.data, out.len,
                                request->method == METHOD_HEAD, sent);
        MUST(ok || (!is_whole && sent->body_kind == STRICT_CHUNKED));
        MUST(sent->status == head->status && sent->minor == '1');
        check_fields(head, sent);
        MUST(sent->is_whole == is_whole);
        MUST(!is_whole || sent->total == out.len);
        MUST(sent->body_len == body.len);
        MUST(body.len == 0 || memcmp(sent->body, body.data, body.len) == 0);
    }
    strict_http_done(sent);
    free(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head request = {.kind = HTTP_KIND_REQUEST};
    struct http_parser parser;
    struct http_head head;
    struct rejection why = {REJECT_NONE, NULL};
    struct arena arena;
    struct strview raw;
    enum http_result result;
    size_t step;

    if (size < 1)
        return 0;
    request.method = data[0] & 1 ? METHOD_HEAD : METHOD_GET;
    request.minor = data[0] & 2 ? 0 : 1;
    request.keep_alive = true;
    request.te_trailers = data[0] & 4;
    step = (data[0] >> 3) + 1U;
    raw = sv_make((const char *)data + 1, size - 1);
    arena_init(&arena);
    http_parser_init(&parser, HTTP_KIND_RESPONSE, &fuzz_http_limits);
    http_parser_expect(&parser, request.method, data[0] & 8);
    result = http_parser_head(&parser, raw, &arena, &head, &why);
    http_parser_init(&parser, HTTP_KIND_RESPONSE, &fuzz_http_limits);
    http_parser_expect(&parser, request.method, data[0] & 8);
    fuzz_http_pieces(&parser, raw, step, result, &head, &why);
    if (result == HTTP_REFUSED) {
        MUST(why.code == REJECT_UPSTREAM_INVALID);
        MUST(!why.text || strcmp(why.text, "llhttp disagrees.") != 0);
    }
    if (result == HTTP_DONE) {
        check_reading(&head, raw, request.method == METHOD_HEAD);
        check_writing(&head, sv_skip(raw, head.bytes), &request, step);
    }
    arena_done(&arena);
    return 0;
}
