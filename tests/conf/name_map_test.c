#include "conf/name_map.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(name_map, an_empty_map_finds_nothing)
{
    struct name_map map = {NULL, 0, 0};

    cr_expect_null(name_map_find(&map, "a"));
    name_map_done(&map);
}

Test(name_map, every_name_keeps_its_first_value)
{
    enum { COUNT = 5000 };
    static char names[COUNT][16];
    struct name_map map = {NULL, 0, 0};
    int other = 0;

    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "name-%d", i);
        cr_assert_null(name_map_add(&map, names[i], names[i]));
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(name_map_find(&map, names[i]), names[i]);
        cr_assert_eq(name_map_add(&map, names[i], &other), names[i]);
    }
    cr_expect_eq(map.count, COUNT);
    cr_expect_null(name_map_find(&map, "name-5000"));
    cr_expect_null(name_map_find(&map, ""));
    name_map_done(&map);
    cr_expect_null(map.entries);
}
