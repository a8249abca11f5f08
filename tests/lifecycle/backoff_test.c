/* backoff_test.c */
#include "lifecycle/backoff.h"

#include <criterion/criterion.h>

Test(backoff, doubles_up_to_the_longest_delay)
{
    struct backoff backoff = {.first_ms = 250, .max_ms = 30000};
    const uint64_t expected[] = {250,  500,   1000,  2000,  4000,
                                 8000, 16000, 30000, 30000, 30000};

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        cr_expect_eq(backoff_fail(&backoff), expected[i], "failure %zu", i);
    cr_expect_eq(backoff.failure_count, 10U);
}

Test(backoff, starts_over_after_a_success)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 5000};

    backoff_fail(&backoff);
    backoff_fail(&backoff);
    backoff_reset(&backoff);
    cr_expect_eq(backoff.failure_count, 0U);
    cr_expect_eq(backoff_fail(&backoff), 100U);
}

Test(backoff, jitter_only_shortens_and_differs)
{
    uint64_t lowest = UINT64_MAX;
    uint64_t highest = 0;

    for (int i = 0; i < 1000; i++) {
        struct backoff backoff = {
            .first_ms = 1000, .max_ms = 1000, .jitter_percent = 25};
        uint64_t delay = backoff_fail(&backoff);

        cr_assert_leq(delay, 1000U);
        cr_assert_geq(delay, 750U);
        lowest = delay < lowest ? delay : lowest;
        highest = delay > highest ? delay : highest;
    }
    /* 1000 draws of 251 values: all within the middle half has a chance of
     * 2 to the power of -1000. */
    cr_expect_lt(lowest, 812U);
    cr_expect_gt(highest, 937U);
}

Test(backoff, many_failures_do_not_overflow)
{
    struct backoff backoff = {.first_ms = 1, .max_ms = UINT64_MAX};

    for (int i = 0; i < 200; i++)
        cr_assert_gt(backoff_fail(&backoff), 0U);
    cr_expect_eq(backoff_fail(&backoff), UINT64_MAX);
}
