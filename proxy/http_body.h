/* http_body.h - where a body ends: counted, chunked, or until close.
 *
 * Decoding yields spans of the input in place; nothing is copied but a
 * trailer section. Thread: owner only. */
#ifndef PROXY_HTTP_BODY_H
#define PROXY_HTTP_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http_head.h"
#include "proxy/http_parser.h"
#include "proxy/rejection.h"
#include "router/base/arena.h"
#include "router/base/attr.h"

enum http_body_result {
    BODY_DATA,    /* a span of the body */
    BODY_MORE,    /* all input is used; the body goes on */
    BODY_DONE,    /* the body is complete; the rest of the input is not its */
    BODY_REFUSED, /* its framing is broken */
};

/* Chunk extensions of one message (and excess zeroes of its sizes). */
#define HTTP_BODY_MAX_EXTENSION_BYTES 4096

struct http_body {
    const struct http_limits *limits; /* of the trailer section */
    enum http_kind kind;
    enum http_framing framing;
    uint8_t state; /* private */
    bool done;
    uint16_t extension_bytes;
    uint64_t remaining; /* of the length, or of the chunk */
    uint64_t total;     /* body bytes yielded so far */
    char *trailer;      /* the arena's; private */
    uint32_t trailer_len;
    uint32_t trailer_capacity;
    uint32_t trailer_lines;
    uint32_t trailer_line_at;   /* where its last line begins */
    struct http_head *trailers; /* NULL: none; only its fields are filled */
};

/* For the body that `head` announces. Borrows limits. */
void http_body_init(struct http_body *body, const struct http_head *head,
                    const struct http_limits *limits);

/* Decode the next piece; *input moves behind what was used. BODY_DATA:
 * *ret_span is part of the body, not empty, and borrowed from input. Call
 * until BODY_MORE or BODY_DONE. Trailers, if any, are in body->trailers after
 * BODY_DONE; they live in the arena. FRAMING_NONE and a length of 0 are done
 * at once, without input. */
MUST_USE enum http_body_result http_body_next(struct http_body *body,
                                              struct strview *input,
                                              struct arena *arena,
                                              struct strview *ret_span,
                                              struct rejection *ret_rejection);

/* The peer closed. Returns whether the body is whole. */
MUST_USE bool http_body_end(struct http_body *body);

static inline bool http_body_is_done(const struct http_body *body)
{
    return body->done;
}

/* `n` body bytes went another way (splice). FRAMING_LENGTH (n at most
 * body->remaining) and FRAMING_CLOSE only. */
void http_body_skip(struct http_body *body, uint64_t n);

/* --- encoding ------------------------------------------------------------ */

#define HTTP_CHUNK_HEAD_SIZE 20
#define HTTP_CHUNK_END       SV("\r\n")
/* Without trailers; with them: HTTP_CHUNK_LAST, then
 * forward_headers_trailers(), then HTTP_CHUNK_END. */
#define HTTP_CHUNK_LAST_ALL SV("0\r\n\r\n")
#define HTTP_CHUNK_LAST     SV("0\r\n")

/* Write "1f4\r\n" into ret_text[HTTP_CHUNK_HEAD_SIZE]; len is at least 1.
 * Returns the bytes written. The data and HTTP_CHUNK_END follow. */
size_t http_body_chunk_head(size_t len, char *ret_text);

#endif
