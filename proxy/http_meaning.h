/* http_meaning.h - what the fields of a head say together: whose host, how
 * the body is framed, whether the connection stays. For http_parser only.
 * Thread: owner only. */
#ifndef PROXY_HTTP_MEANING_H
#define PROXY_HTTP_MEANING_H

#include <stdbool.h>

#include "proxy/http_head.h"
#include "proxy/http_parser.h"
#include "proxy/rejection.h"
#include "router/base/arena.h"
#include "router/base/attr.h"

/* Fill what follows from the fields of a request, whose start line and fields
 * are there. False: *ret_rejection. */
MUST_USE bool http_meaning_of_request(struct http_head *head,
                                      struct arena *arena,
                                      struct rejection *ret_rejection);

/* The same of an answer to parser's request. */
MUST_USE bool http_meaning_of_answer(struct http_head *head,
                                     const struct http_parser *parser,
                                     struct arena *arena,
                                     struct rejection *ret_rejection);

/* *ret_rejection = {code, text}; returns false. */
bool http_reject(struct rejection *ret_rejection, enum reject_code code,
                 const char *text);

#endif
