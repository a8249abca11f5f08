/* buffer_pool.h - one worker's buffers for bytes under way.
 *
 * A connection holds one only while it has bytes in it. Each direction of an
 * exchange may always have one; what goes beyond is counted against the
 * worker's share of `buffer_memory`. Thread: owner loop.
 */
#ifndef PROXY_BUFFER_POOL_H
#define PROXY_BUFFER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"

struct pipe;

#define IO_BUFFER_BYTES 16384
/* Room before and behind the bytes that are read, so that they can be framed
 * as a chunk where they are ("3f00" CR LF … CR LF "0" CR LF CR LF). */
#define IO_BUFFER_HEADROOM 16
#define IO_BUFFER_TAILROOM 16

struct io_buffer {
    struct io_buffer *next;
    uint32_t capacity; /* of data */
    uint32_t start;    /* bytes in use: [start, end) */
    uint32_t end;
    bool is_extra;  /* counted against the share */
    bool is_framed; /* as a chunk: nothing may be added */
    char data[];
};

struct buffer_pool {
    struct io_buffer *free;
    unsigned free_count;
    size_t extra_bytes;
    size_t extra_limit;
    struct pipe *free_pipes; /* pipe.c's */
    unsigned free_pipe_count;
    unsigned pipe_pause; /* how many are not asked for */
};

/* extra_limit: how many bytes may be had by buffer_take_extra() and
 * pipe_take(). */
void buffer_pool_init(struct buffer_pool *pool, size_t extra_limit);
void buffer_pool_set_limit(struct buffer_pool *pool, size_t extra_limit);
void buffer_pool_done(struct buffer_pool *pool);

/* Empty, of ordinary size, start and end at IO_BUFFER_HEADROOM. Never NULL. */
MUST_USE struct io_buffer *buffer_take(struct buffer_pool *pool);
/* One more than the first: NULL when the share is used up. */
MUST_USE struct io_buffer *buffer_take_extra(struct buffer_pool *pool);
/* With room for `size` bytes, for a head that is longer than an ordinary
 * buffer. */
MUST_USE struct io_buffer *buffer_take_large(size_t size);
/* NULL is skipped; sets NULL. */
void buffer_give(struct buffer_pool *pool, struct io_buffer **buffer);

static inline size_t buffer_len(const struct io_buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* Where the next bytes go, and how many fit (the tailroom stays free). */
static inline char *buffer_space(struct io_buffer *buffer, size_t *ret_size)
{
    *ret_size = buffer->capacity - IO_BUFFER_TAILROOM - buffer->end;
    return buffer->data + buffer->end;
}

#endif
