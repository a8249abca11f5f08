/* strbuf.c - a growing byte buffer. */
#include "router/base/strbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

void strbuf_done(struct strbuf *buf)
{
    free(buf->data);
    *buf = STRBUF_INIT;
}

void strbuf_clear(struct strbuf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

char *strbuf_reserve(struct strbuf *buf, size_t more)
{
    size_t need = buf->len + more + 1;

    if (need > buf->capacity) {
        size_t capacity = buf->capacity ? buf->capacity * 2 : 64;

        while (capacity < need)
            capacity *= 2;
        buf->data = xrealloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

void strbuf_add(struct strbuf *buf, const void *data, size_t len)
{
    char *at = strbuf_reserve(buf, len);

    if (len > 0)
        memcpy(at, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void strbuf_add_sv(struct strbuf *buf, struct strview sv)
{
    strbuf_add(buf, sv.ptr, sv.len);
}

void strbuf_add_str(struct strbuf *buf, const char *text)
{
    strbuf_add(buf, text, strlen(text));
}

void strbuf_add_char(struct strbuf *buf, char c)
{
    strbuf_add(buf, &c, 1);
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    int need;

    va_start(args, format);
    va_copy(again, args);
    need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(need >= 0);
    vsnprintf(strbuf_reserve(buf, (size_t)need), (size_t)need + 1, format,
              again);
    va_end(again);
    buf->len += (size_t)need;
}

/* Length of the valid UTF-8 sequence at ptr (RFC 3629, 4), or 0. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n;
    uint32_t code;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        n = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        n = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        n = 4;
    else
        return 0;
    if (left < n)
        return 0;
    code = p[0] & (0xFFU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3FU);
    }
    if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000) ||
        (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF)
        return 0;
    return n;
}

void strbuf_add_json(struct strbuf *buf, struct strview text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t i = 0;

    strbuf_add_char(buf, '"');
    while (i < text.len) {
        size_t n = utf8_length(p + i, text.len - i);

        if (p[i] == '"' || p[i] == '\\')
            strbuf_printf(buf, "\\%c", p[i]);
        else if (p[i] == '\n')
            strbuf_add_str(buf, "\\n");
        else if (p[i] < 0x20 || p[i] == 0x7F)
            strbuf_printf(buf, "\\u%04x", p[i]);
        else if (n == 0)
            strbuf_add_str(buf, "\\ufffd");
        else
            strbuf_add(buf, p + i, n);
        i += n ? n : 1;
    }
    strbuf_add_char(buf, '"');
}

void strbuf_consume(struct strbuf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n == 0)
        return;
    memmove(buf->data, buf->data + n, buf->len - n);
    buf->len -= n;
    buf->data[buf->len] = '\0';
}
