/* fuzz_http.h - what the fuzz targets of HTTP share. */
#ifndef TESTS_SUPPORT_FUZZ_HTTP_H
#define TESTS_SUPPORT_FUZZ_HTTP_H

#include "proxy/http_body.h"
#include "proxy/http_head.h"
#include "proxy/http_parser.h"
#include "router/base/strbuf.h"
#include "tests/support/strict_http.h"

/* Stop with a message where what must hold does not. */
#define MUST(condition)                                                        \
    do {                                                                       \
        if (!(condition))                                                      \
            fuzz_http_stop(#condition, __FILE__, __LINE__);                    \
    } while (0)
_Noreturn void fuzz_http_stop(const char *condition, const char *file,
                              int line);

extern const struct http_limits fuzz_http_limits;

static inline struct strview fuzz_http_view(struct strict_text text)
{
    return sv_make(text.ptr, text.len);
}

/* Read a head in pieces of `step` bytes, each call from another buffer, and
 * hold the verdict against the one that reading it whole gave. */
void fuzz_http_pieces(struct http_parser *parser, struct strview data,
                      size_t step, enum http_result whole,
                      const struct http_head *head,
                      const struct rejection *rejection);

/* Both read the same names and values, in order. */
void fuzz_http_same_fields(const struct http_head *head,
                           const struct strict_message *strict);

enum fuzz_body { FUZZ_BODY_WHOLE, FUZZ_BODY_PART, FUZZ_BODY_REFUSED };

/* Decode a body in pieces of `step` bytes; append its bytes to body, and,
 * framed anew as chunked without the last chunk, to chunks. *ret_used: the
 * bytes of data that it took. */
enum fuzz_body fuzz_http_decode(struct http_body *decoder, struct strview data,
                                size_t step, struct arena *arena,
                                struct strbuf *body, struct strbuf *chunks,
                                size_t *ret_used);

#endif
