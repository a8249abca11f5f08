/* strbuf.h - a growing byte buffer that owns its memory.
 *
 * Always NUL-terminated behind its last byte once something was added, so
 * that `data` can be given to what wants a C string. Thread: any, one at a
 * time.
 */
#ifndef ROUTER_BASE_STRBUF_H
#define ROUTER_BASE_STRBUF_H

#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct strbuf {
    char *data; /* NULL until something was added */
    size_t len;
    size_t capacity;
};

#define STRBUF_INIT ((struct strbuf){NULL, 0, 0})

void strbuf_done(struct strbuf *buf);
void strbuf_clear(struct strbuf *buf); /* keeps the memory */

/* Make room for `more` bytes; returns where they go. Commit by len += n. */
char *strbuf_reserve(struct strbuf *buf, size_t more);

void strbuf_add(struct strbuf *buf, const void *data, size_t len);
void strbuf_add_sv(struct strbuf *buf, struct strview sv);
void strbuf_add_str(struct strbuf *buf, const char *text);
void strbuf_add_char(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* Text as a JSON string, quotes included; invalid UTF-8 and controls escaped
 * (RFC 8259, 7), so that hostile bytes cannot break a log line or an answer. */
void strbuf_add_json(struct strbuf *buf, struct strview text);

/* Drop the first n bytes. Cost: O(len). */
void strbuf_consume(struct strbuf *buf, size_t n);

static inline struct strview strbuf_view(const struct strbuf *buf)
{
    return (struct strview){buf->data, buf->len};
}

#endif
