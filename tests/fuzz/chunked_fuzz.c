/* chunked_fuzz.c - a chunked body, however it is cut, is decoded as the
 * independent reader decodes it, or refused. The first byte says how it is
 * cut. */
#include <stdint.h>
#include <stdlib.h>

#include "tests/support/fuzz_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum fuzz_body decode(struct strview raw, size_t step,
                             struct strbuf *body, size_t *ret_used,
                             size_t *ret_trailers)
{
    static const struct http_head head = {.kind = HTTP_KIND_REQUEST,
                                          .framing = FRAMING_CHUNKED};
    AUTO(strbuf_done) struct strbuf chunks = STRBUF_INIT;
    struct http_body decoder;
    struct arena arena;
    enum fuzz_body state;

    arena_init(&arena);
    http_body_init(&decoder, &head, &fuzz_http_limits);
    state =
        fuzz_http_decode(&decoder, raw, step, &arena, body, &chunks, ret_used);
    MUST(state != FUZZ_BODY_WHOLE || http_body_is_done(&decoder));
    *ret_trailers = decoder.trailers ? decoder.trailers->field_count : 0;
    arena_done(&arena);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(strbuf_done) struct strbuf body = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf again = STRBUF_INIT;
    struct strict_message *strict;
    struct strview raw;
    enum fuzz_body state;
    size_t used;
    size_t used_again;
    size_t trailers;

    if (size < 1)
        return 0;
    raw = sv_make((const char *)data + 1, size - 1);
    state = decode(raw, SIZE_MAX, &body, &used, &trailers);
    MUST(decode(raw, data[0] + 1U, &again, &used_again, &trailers) == state);
    MUST(sv_eq(strbuf_view(&body), strbuf_view(&again)));
    /* Where it stops reading what it refuses is no matter. */
    MUST(state == FUZZ_BODY_REFUSED || used == used_again);
    strict = calloc(1, sizeof *strict);
    if (strict_http_chunked(raw.ptr, raw.len, strict))
        MUST(state == FUZZ_BODY_WHOLE || state == FUZZ_BODY_REFUSED);
    else
        MUST(state != FUZZ_BODY_WHOLE);
    if (state == FUZZ_BODY_WHOLE) {
        MUST(strict->total == used);
        MUST(strict->trailer_count == trailers);
    }
    if (state != FUZZ_BODY_REFUSED) {
        MUST(strict->body_len == body.len);
        MUST(body.len == 0 || memcmp(strict->body, body.data, body.len) == 0);
    }
    strict_http_done(strict);
    free(strict);
    return 0;
}
