/* http_parser.h - one strict reader for requests and answers (http.md).
 *
 * The only user of llhttp. What it refuses does not depend on llhttp's
 * version: lines are checked here first, and llhttp has to agree. A head is
 * parsed in place, and nothing is allocated but from the arena.
 * Thread: owner only. */
#ifndef PROXY_HTTP_PARSER_H
#define PROXY_HTTP_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http_head.h"
#include "proxy/rejection.h"
#include "router/base/arena.h"
#include "router/base/attr.h"

struct http_limits {
    uint32_t max_head_bytes; /* above: 431 (an answer: 502) */
    uint32_t max_line_bytes; /* of the request line; above: 414 */
    uint32_t max_fields;     /* above: 431 (an answer: 502) */
};

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_REFUSED };

struct http_parser {
    const struct http_limits *limits;
    enum http_kind kind;
    enum http_method request_method; /* of an answer's request */
    bool upgrade_asked;              /* by an answer's request */
    bool saw_line;                   /* the start line is whole */
    bool saw_empty;    /* the one empty line that may stand before it */
    uint32_t line_at;  /* where the start line begins */
    uint32_t field_at; /* where the field lines begin */
    uint32_t at;       /* where the line that is not whole yet begins */
    uint32_t clean;    /* no control character is before this */
    uint32_t field_count;
};

/* Ready for a first head. Borrows limits. */
void http_parser_init(struct http_parser *parser, enum http_kind kind,
                      const struct http_limits *limits);

/* Ready for the next head; of answers, the next one to the same request (as
 * after 100). Cost: a few stores. */
void http_parser_reset(struct http_parser *parser);

/* Say which request the next answer is to: one to HEAD has no body, and only
 * a request that asked for an upgrade may get 101. */
void http_parser_expect(struct http_parser *parser, enum http_method method,
                        bool upgrade_asked);

/* Read a head from `data`: everything from its first byte on that has come,
 * in one piece; call again with more after HTTP_MORE. (The buffer may have
 * moved in between.)
 * HTTP_DONE: *ret_head is filled and ret_head->bytes of data are used; what
 * follows is body or the next message.
 * HTTP_REFUSED: *ret_rejection says why, and the connection is to be closed
 * after the answer; *ret_head, for the log, holds method, target and version
 * as far as they were understood, else zeroes.
 * The verdict is the same however the bytes are cut into pieces.
 * Borrows data for as long as the head is used. */
MUST_USE enum http_result http_parser_head(struct http_parser *parser,
                                           struct strview data,
                                           struct arena *arena,
                                           struct http_head *ret_head,
                                           struct rejection *ret_rejection);

/* Read a trailer section (RFC 9112, 7.1.2): whole lines, and the empty line
 * at its end. The rules of field lines, and neither framing nor Host.
 * Fills the fields of *ret_trailers, which borrow `lines`; their array is the
 * arena's. For http_body. */
MUST_USE bool http_parser_trailers(enum http_kind kind, struct strview lines,
                                   struct arena *arena,
                                   struct http_head *ret_trailers,
                                   struct rejection *ret_rejection);

#endif
