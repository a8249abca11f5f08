/* fuzz_http.c - what the fuzz targets of HTTP share. */
#include "tests/support/fuzz_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

const struct http_limits fuzz_http_limits = {2048, 512, 24};

void fuzz_http_stop(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

/* Exactly as large, so that ASan sees a read past its end. */
static char *copy_of(struct strview data)
{
    char *copy = xrealloc(NULL, data.len + (data.len == 0));

    if (data.len > 0)
        memcpy(copy, data.ptr, data.len);
    return copy;
}

void fuzz_http_pieces(struct http_parser *parser, struct strview data,
                      size_t step, enum http_result whole,
                      const struct http_head *head,
                      const struct rejection *rejection)
{
    enum http_result result = HTTP_MORE;
    size_t len = 0;

    while (result == HTTP_MORE && len < data.len) {
        struct http_head again;
        struct rejection why = {REJECT_NONE, NULL};
        struct arena arena;
        char *copy;

        len = data.len - len > step ? len + step : data.len;
        copy = copy_of(sv_make(data.ptr, len));
        arena_init(&arena);
        result =
            http_parser_head(parser, sv_make(copy, len), &arena, &again, &why);
        if (result == HTTP_DONE) {
            MUST(whole == HTTP_DONE);
            MUST(again.bytes == head->bytes);
            MUST(again.field_count == head->field_count);
            MUST(again.framing == head->framing);
            MUST(again.content_length == head->content_length);
            MUST(sv_eq(again.path, head->path));
        }
        if (result == HTTP_REFUSED) {
            MUST(whole == HTTP_REFUSED);
            MUST(why.code == rejection->code);
        }
        arena_done(&arena);
        free(copy);
    }
    MUST(result == whole);
}

void fuzz_http_same_fields(const struct http_head *head,
                           const struct strict_message *strict)
{
    MUST(head->field_count == strict->field_count);
    for (uint32_t i = 0; i < head->field_count; i++) {
        MUST(sv_eq(head->fields[i].name,
                   fuzz_http_view(strict->fields[i].name)));
        MUST(sv_eq(head->fields[i].value,
                   fuzz_http_view(strict->fields[i].value)));
    }
}

static void add_chunk(struct strbuf *chunks, struct strview span)
{
    char head[HTTP_CHUNK_HEAD_SIZE];

    strbuf_add(chunks, head, http_body_chunk_head(span.len, head));
    strbuf_add_sv(chunks, span);
    strbuf_add_sv(chunks, HTTP_CHUNK_END);
}

enum fuzz_body fuzz_http_decode(struct http_body *decoder, struct strview data,
                                size_t step, struct arena *arena,
                                struct strbuf *body, struct strbuf *chunks,
                                size_t *ret_used)
{
    struct strview rest = data;
    enum http_body_result result = BODY_MORE;

    do {
        size_t len = rest.len > step ? step : rest.len;
        char *copy = copy_of(sv_make(rest.ptr, len));
        struct strview piece = sv_make(copy, len);

        do {
            struct strview span;
            struct rejection why = {REJECT_NONE, NULL};

            result = http_body_next(decoder, &piece, arena, &span, &why);
            if (result == BODY_DATA) {
                MUST(span.len > 0);
                strbuf_add_sv(body, span);
                add_chunk(chunks, span);
            }
            MUST(result != BODY_REFUSED || why.code != REJECT_NONE);
            /* llhttp refuses nothing that the strict rules let pass. */
            MUST(result != BODY_REFUSED ||
                 strcmp(why.text, "llhttp disagrees.") != 0);
        } while (result == BODY_DATA);
        rest = sv_skip(rest, len - piece.len);
        free(copy);
    } while (result == BODY_MORE && rest.len > 0);
    *ret_used = data.len - rest.len;
    MUST(decoder->total == body->len);
    if (result == BODY_REFUSED)
        return FUZZ_BODY_REFUSED;
    if (result == BODY_DONE || http_body_end(decoder))
        return FUZZ_BODY_WHOLE;
    return FUZZ_BODY_PART;
}
