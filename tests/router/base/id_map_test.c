/* id_map_test.c */
#include "router/base/id_map.h"

#include <criterion/criterion.h>

TestSuite(id_map);

Test(id_map, an_empty_one_knows_nothing)
{
    struct id_map map = {0};

    cr_expect_null(id_map_get(&map, 0));
    cr_expect_null(id_map_remove(&map, 7));
    id_map_done(&map);
}

Test(id_map, what_is_put_again_has_the_new_value)
{
    struct id_map map = {0};
    int first, second;

    id_map_put(&map, 7, &first);
    id_map_put(&map, 7, &second);
    cr_expect_eq(map.count, 1U);
    cr_expect_eq(id_map_get(&map, 7), (void *)&second);
    cr_expect_eq(id_map_remove(&map, 7), (void *)&second);
    cr_expect_null(id_map_get(&map, 7));
    id_map_done(&map);
}

/* Against an array that knows the truth. */
Test(id_map, finds_exactly_what_is_in_it_whatever_came_and_went)
{
    enum { IDS = 500, STEPS = 20000 };
    static int things[IDS];
    bool is_in[IDS] = {false};
    struct id_map map = {0};
    uint64_t random = 1;
    size_t count = 0;

    for (int step = 0; step < STEPS; step++) {
        size_t i;
        void *expected;

        random = random * 6364136223846793005U + 1442695040888963407U;
        i = (size_t)(random >> 33) % IDS;
        expected = is_in[i] ? &things[i] : NULL;
        /* Distances of a power of two collide most. */
        if (random >> 63) {
            id_map_put(&map, i << 20, &things[i]);
            count += !is_in[i];
            is_in[i] = true;
        } else {
            cr_assert_eq(id_map_remove(&map, i << 20), expected, "%d", step);
            count -= is_in[i];
            is_in[i] = false;
        }
        cr_assert_eq(map.count, count, "%d", step);
    }
    for (size_t i = 0; i < IDS; i++)
        cr_expect_eq(id_map_get(&map, i << 20),
                     is_in[i] ? (void *)&things[i] : NULL, "%zu", i);
    id_map_done(&map);
}
