/* A worker's buffers: reused, bounded, given back. */
#include <criterion/criterion.h>

#include "proxy/buffer_pool.h"

Test(buffer_pool, gives_the_same_buffer_again_empty)
{
    struct buffer_pool pool;
    struct io_buffer *buffer;
    struct io_buffer *again;
    size_t size;

    buffer_pool_init(&pool, 0);
    buffer = buffer_take(&pool);
    buffer_space(buffer, &size);
    cr_assert_eq(size, IO_BUFFER_BYTES);
    buffer->end += 100;
    buffer->start += 10;
    buffer->is_framed = true;
    again = buffer;
    buffer_give(&pool, &buffer);
    cr_assert_null(buffer);
    buffer = buffer_take(&pool);
    cr_assert_eq(buffer, again);
    cr_assert_eq(buffer_len(buffer), 0);
    cr_assert_eq(buffer->start, IO_BUFFER_HEADROOM);
    cr_assert(!buffer->is_framed);
    buffer_give(&pool, &buffer);
    buffer_pool_done(&pool);
}

Test(buffer_pool, gives_extra_buffers_up_to_its_share)
{
    struct buffer_pool pool;
    struct io_buffer *extra[2];
    struct io_buffer *first;

    buffer_pool_init(&pool, 2 * IO_BUFFER_BYTES);
    extra[0] = buffer_take_extra(&pool);
    extra[1] = buffer_take_extra(&pool);
    cr_assert(extra[0] && extra[1]);
    cr_assert_null(buffer_take_extra(&pool));
    first = buffer_take(&pool); /* that one is always there */
    cr_assert_not_null(first);
    buffer_give(&pool, &extra[1]);
    extra[1] = buffer_take_extra(&pool);
    cr_assert_not_null(extra[1]);
    buffer_give(&pool, &first);
    buffer_give(&pool, &extra[0]);
    buffer_give(&pool, &extra[1]);
    cr_assert_eq(pool.extra_bytes, 0);
    buffer_pool_done(&pool);
}

Test(buffer_pool, keeps_no_more_than_some_and_no_large_ones)
{
    struct buffer_pool pool;
    struct io_buffer *many[200];
    struct io_buffer *large = buffer_take_large(100000);
    size_t size;

    buffer_pool_init(&pool, 0);
    buffer_space(large, &size);
    cr_assert_eq(size, 100000);
    buffer_give(&pool, &large);
    cr_assert_eq(pool.free_count, 0);
    for (int i = 0; i < 200; i++)
        many[i] = buffer_take(&pool);
    for (int i = 0; i < 200; i++)
        buffer_give(&pool, &many[i]);
    cr_assert_leq(pool.free_count, 64);
    buffer_pool_done(&pool);
}
