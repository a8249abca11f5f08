/* wire.c - numbers and byte strings into a flat message and out again.
 *
 * Numbers are little-endian; a byte string is its length (u32) and its bytes.
 */
#include "router/base/wire.h"

#include <assert.h>

#include "router/base/alloc.h"

#define LENGTH_OF_NULL UINT32_MAX

static void put_le(struct strbuf *buf, uint64_t value, size_t size)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    strbuf_add(buf, bytes, size);
}

void wire_put_u32(struct strbuf *buf, uint32_t value)
{
    put_le(buf, value, 4);
}

void wire_put_u64(struct strbuf *buf, uint64_t value)
{
    put_le(buf, value, 8);
}

void wire_put_sv(struct strbuf *buf, struct strview value)
{
    if (!value.ptr) {
        wire_put_u32(buf, LENGTH_OF_NULL);
        return;
    }
    assert(value.len < LENGTH_OF_NULL);
    wire_put_u32(buf, (uint32_t)value.len);
    strbuf_add_sv(buf, value);
}

void wire_put_str(struct strbuf *buf, const char *value)
{
    wire_put_sv(buf, sv_of(value));
}

struct wire_reader wire_reader_of(struct strview payload)
{
    static const char nothing[1];

    if (!payload.ptr)
        payload.ptr = nothing; /* so that `at` and `end` may be subtracted */
    return (struct wire_reader){payload.ptr, payload.ptr + payload.len, false};
}

/* The next `size` bytes, or NULL and failed. */
static const char *take(struct wire_reader *reader, size_t size)
{
    const char *at = reader->at;

    if (reader->failed || size > (size_t)(reader->end - at)) {
        reader->failed = true;
        return NULL;
    }
    reader->at += size;
    return at;
}

static uint64_t get_le(struct wire_reader *reader, size_t size)
{
    const unsigned char *p = (const unsigned char *)take(reader, size);
    uint64_t value = 0;

    if (!p)
        return 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
    return (uint32_t)get_le(reader, 4);
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
    return get_le(reader, 8);
}

struct strview wire_get_sv(struct wire_reader *reader)
{
    uint32_t len = wire_get_u32(reader);
    const char *ptr;

    if (reader->failed || len == LENGTH_OF_NULL)
        return (struct strview){NULL, 0};
    ptr = take(reader, len);
    return (struct strview){ptr, ptr ? len : 0};
}

char *wire_get_str(struct wire_reader *reader)
{
    struct strview value = wire_get_sv(reader);

    if (!value.ptr)
        return NULL;
    /* A C string would end at the NUL: not what was put. */
    if (memchr(value.ptr, '\0', value.len)) {
        reader->failed = true;
        return NULL;
    }
    return xstrndup(value.ptr, value.len);
}

uint32_t wire_get_count(struct wire_reader *reader, size_t min_size)
{
    uint32_t count = wire_get_u32(reader);

    assert(min_size > 0);
    if (reader->failed)
        return 0;
    if (count > (size_t)(reader->end - reader->at) / min_size) {
        reader->failed = true;
        return 0;
    }
    return count;
}

bool wire_reader_is_done(const struct wire_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}
