/* http_syntax.h - the character rules of RFC 9110 and RFC 9112.
 * Thread: any. */
#ifndef PROXY_HTTP_SYNTAX_H
#define PROXY_HTTP_SYNTAX_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

enum http_char {
    CHAR_TOKEN = 1,   /* tchar (RFC 9110, 5.6.2) */
    CHAR_ALNUM = 2,   /* a letter or a digit */
    CHAR_MARK = 4,    /* a tchar that is neither that nor '-' */
    CHAR_TARGET = 8,  /* may stand in a request target here */
    CHAR_HOST = 16,   /* unreserved and sub-delims but ',' */
    CHAR_QDTEXT = 32, /* in a quoted string, unescaped */
};
extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, unsigned classes)
{
    return (http_chars[(unsigned char)c] & classes) != 0;
}

static inline char http_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* One or more tchars. */
bool http_is_token(struct strview text);

/* The first control character but HTAB in [at, end), or end. */
const char *http_find_control(const char *at, const char *end);

/* Split the authority of an http URI, uri-host [":" port] and nothing else
 * (RFC 9110, 4.2), into host and port (0: none was given). A ',' in the host,
 * which RFC 3986 allows, is refused: in X-Forwarded-Host it would read as a
 * list. */
MUST_USE bool http_split_authority(struct strview authority,
                                   struct strview *ret_host,
                                   uint16_t *ret_port);

/* The next element of a comma-separated list, trimmed; empty ones are
 * skipped (RFC 9110, 5.6.1.2). False at its end. */
bool http_next_element(struct strview *rest, struct strview *ret_element);

#endif
