#include "router/base/arena.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>

Test(arena, memory_is_aligned_and_apart)
{
    struct arena arena;
    char *blocks[200];

    arena_init(&arena);
    for (unsigned i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(&arena, i);
        cr_assert_eq((uintptr_t)blocks[i] % alignof(max_align_t), 0);
        memset(blocks[i], (int)i, i);
    }
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned k = 0; k < i; k++)
            cr_assert_eq((unsigned char)blocks[i][k], i);
    }
    arena_done(&arena);
    cr_assert_eq(arena_bytes(&arena), 0);
}

Test(arena, larger_than_a_chunk_is_no_problem)
{
    struct arena arena;
    char *large;
    char *small;

    arena_init(&arena);
    small = arena_alloc(&arena, 8);
    large = arena_alloc(&arena, 100000);
    memset(large, 1, 100000);
    memset(small, 2, 8);
    cr_assert_eq(large[0], 1);
    cr_assert_geq(arena_bytes(&arena), 100008);
    arena_done(&arena);
}

Test(arena, a_reset_keeps_one_chunk_and_the_steady_state_allocates_nothing)
{
    struct arena arena;
    size_t bytes;

    arena_init(&arena);
    arena_reset(&arena); /* of an empty one */
    for (unsigned i = 0; i < 10; i++)
        (void)!arena_alloc(&arena, 3000);
    (void)!arena_alloc(&arena, 100000);
    arena_reset(&arena);
    bytes = arena_bytes(&arena);
    cr_assert_gt(bytes, 0);
    cr_assert_lt(bytes, 8192);
    for (unsigned round = 0; round < 100; round++) {
        (void)!arena_alloc(&arena, 2000);
        (void)!arena_alloc(&arena, 1000);
        arena_reset(&arena);
        cr_assert_eq(arena_bytes(&arena), bytes);
    }
    arena_done(&arena);
}

Test(arena, copies_and_formats_are_terminated)
{
    struct arena arena;
    char *copy;

    arena_init(&arena);
    copy = arena_copy(&arena, sv_make("hello", 4));
    cr_assert_str_eq(copy, "hell");
    cr_assert_str_eq(arena_copy(&arena, (struct strview){NULL, 0}), "");
    cr_assert_str_eq(arena_printf(&arena, "%s-%d", "a", 7), "a-7");
    cr_assert_str_eq(arena_printf(&arena, "%s", ""), "");
    cr_assert_eq(strlen(arena_printf(&arena, "%6000d", 1)), 6000);
    arena_done(&arena);
}
