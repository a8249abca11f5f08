/* buffer_pool.c - one worker's buffers for bytes under way. */
#include "proxy/buffer_pool.h"

#include <stdlib.h>

#include "proxy/pipe.h"
#include "router/base/alloc.h"

/* What is kept for the next use; the rest goes back to malloc, so that a burst
 * does not stay in memory. */
#define FREE_MAX 64

#define ORDINARY_CAPACITY                                                      \
    (IO_BUFFER_HEADROOM + IO_BUFFER_BYTES + IO_BUFFER_TAILROOM)

static struct io_buffer *buffer_new(size_t capacity)
{
    struct io_buffer *buffer = xrealloc(NULL, sizeof *buffer + capacity);

    buffer->next = NULL;
    buffer->capacity = (uint32_t)capacity;
    buffer->start = IO_BUFFER_HEADROOM;
    buffer->end = IO_BUFFER_HEADROOM;
    buffer->is_extra = false;
    buffer->is_framed = false;
    return buffer;
}

void buffer_pool_init(struct buffer_pool *pool, size_t extra_limit)
{
    *pool = (struct buffer_pool){.extra_limit = extra_limit};
}

void buffer_pool_set_limit(struct buffer_pool *pool, size_t extra_limit)
{
    pool->extra_limit = extra_limit;
}

void buffer_pool_done(struct buffer_pool *pool)
{
    while (pool->free) {
        struct io_buffer *buffer = pool->free;

        pool->free = buffer->next;
        free(buffer);
    }
    pool->free_count = 0;
    pipe_free_unused(pool);
}

struct io_buffer *buffer_take(struct buffer_pool *pool)
{
    struct io_buffer *buffer = pool->free;

    if (!buffer)
        return buffer_new(ORDINARY_CAPACITY);
    pool->free = buffer->next;
    pool->free_count--;
    buffer->next = NULL;
    buffer->start = IO_BUFFER_HEADROOM;
    buffer->end = IO_BUFFER_HEADROOM;
    buffer->is_extra = false;
    buffer->is_framed = false;
    return buffer;
}

struct io_buffer *buffer_take_extra(struct buffer_pool *pool)
{
    struct io_buffer *buffer;

    if (pool->extra_bytes + IO_BUFFER_BYTES > pool->extra_limit)
        return NULL;
    buffer = buffer_take(pool);
    buffer->is_extra = true;
    pool->extra_bytes += IO_BUFFER_BYTES;
    return buffer;
}

struct io_buffer *buffer_take_large(size_t size)
{
    return buffer_new(IO_BUFFER_HEADROOM + size + IO_BUFFER_TAILROOM);
}

void buffer_give(struct buffer_pool *pool, struct io_buffer **buffer_ptr)
{
    struct io_buffer *buffer = TAKE(*buffer_ptr);

    if (!buffer)
        return;
    if (buffer->is_extra)
        pool->extra_bytes -= IO_BUFFER_BYTES;
    if (buffer->capacity != ORDINARY_CAPACITY || pool->free_count >= FREE_MAX) {
        free(buffer);
        return;
    }
    buffer->next = pool->free;
    pool->free = buffer;
    pool->free_count++;
}
