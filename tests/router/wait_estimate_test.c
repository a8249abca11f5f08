/* How long who comes now would wait: by what was seen while somebody waited. */
#include "router/wait_estimate.h"

#include <criterion/criterion.h>

#define START  UINT64_C(1000000500)
#define SECOND UINT64_C(1000000)
#define MS     UINT64_C(1000)

static struct wait_estimate estimate;

static void set_up(void)
{
    estimate = (struct wait_estimate){0};
}

TestSuite(wait_estimate, .init = set_up);

/* `count` slots become free, one every `every_us`, from `at_us` on. */
static uint64_t free_some(unsigned count, uint64_t every_us,
                          uint64_t service_us, uint64_t at_us)
{
    for (unsigned i = 0; i < count; i++) {
        at_us += every_us;
        wait_estimate_freed(&estimate, service_us, at_us);
    }
    return at_us;
}

static void expect_s(double seconds, uint32_t ahead, uint32_t held,
                     uint64_t now_us, const char *label)
{
    uint64_t wait_us = wait_estimate_us(&estimate, ahead, held, now_us);

    cr_expect_neq(wait_us, WAIT_ESTIMATE_UNKNOWN, "%s", label);
    cr_expect_float_eq((double)wait_us / 1e6, seconds, 0.05 * seconds + 0.001,
                       "%s: %f s instead of %f", label, (double)wait_us / 1e6,
                       seconds);
}

Test(wait_estimate, nothing_is_known_before_a_slot_became_free)
{
    cr_expect_eq(wait_estimate_us(&estimate, 5, 1, START),
                 WAIT_ESTIMATE_UNKNOWN);
    wait_estimate_begin(&estimate, START);
    cr_expect_eq(estimate.since_us, START);
    cr_expect_eq(wait_estimate_us(&estimate, 5, 1, START + 60 * SECOND),
                 WAIT_ESTIMATE_UNKNOWN);
}

Test(wait_estimate, the_wait_is_how_many_are_ahead_by_how_often_one_goes)
{
    uint64_t now = START;

    wait_estimate_begin(&estimate, now);
    now = free_some(40, 250 * MS, 500 * MS, now); /* two slots, 4 a second */
    expect_s(0, 0, 2, now, "nobody ahead");
    expect_s(5, 20, 2, now, "twenty ahead");
    expect_s(250, 1000, 2, now, "a thousand ahead");
    /* Twice as many replicas from now on: known before it was seen. */
    expect_s(2.5, 20, 4, now, "of four slots that are taken now");
    expect_s(5, 20, 0, now, "none is taken");
}

Test(wait_estimate, times_without_a_queue_say_nothing)
{
    uint64_t now = START;

    wait_estimate_begin(&estimate, now);
    now = free_some(2, 100 * MS, 100 * MS, now);
    wait_estimate_end(&estimate, now);
    cr_expect_eq(estimate.since_us, 0);
    now += 7 * SECOND; /* idle */
    expect_s(1, 10, 1, now, "by the 0.2 s in which somebody waited");
    wait_estimate_begin(&estimate, now);
    now = free_some(1, 100 * MS, 100 * MS, now);
    expect_s(1, 10, 1, now, "and the next 0.1 s");
}

Test(wait_estimate, what_is_ten_seconds_old_is_forgotten)
{
    uint64_t now = START;

    wait_estimate_begin(&estimate, now);
    now = free_some(100, 100 * MS, 100 * MS, now);
    expect_s(1, 10, 1, now, "ten a second");
    now = free_some(10, SECOND, SECOND, now);
    cr_expect_geq(wait_estimate_us(&estimate, 10, 1, now), 9 * SECOND,
                  "slower since: one a second");
    cr_expect_neq(wait_estimate_us(&estimate, 1, 1, now + 9 * SECOND),
                  WAIT_ESTIMATE_UNKNOWN);
    cr_expect_eq(wait_estimate_us(&estimate, 1, 1, now + 10 * SECOND),
                 WAIT_ESTIMATE_UNKNOWN);
    cr_expect_eq(estimate.total.service_us, 0);
    cr_expect_eq(estimate.total.freed, 0);
    wait_estimate_end(&estimate, now + 10 * SECOND);
    wait_estimate_us(&estimate, 1, 1, now + 30 * SECOND);
    cr_expect_eq(estimate.total.waited_us, 0);
}

Test(wait_estimate, of_many_taken_together_the_first_to_come_back_says_little)
{
    uint64_t now = START;

    wait_estimate_begin(&estimate, now);
    now = free_some(1, 9 * SECOND, 9 * SECOND, now);
    expect_s(45, 40, 8, now, "eight of nine seconds each, not one");
}

Test(wait_estimate, time_that_runs_back_stands_still)
{
    wait_estimate_begin(&estimate, START);
    wait_estimate_freed(&estimate, SECOND, START + SECOND);
    wait_estimate_freed(&estimate, SECOND, START);
    wait_estimate_end(&estimate, 0);
    cr_expect_eq(estimate.total.waited_us, SECOND);
    cr_expect_eq(estimate.total.freed, 2);
    wait_estimate_begin(&estimate, START + SECOND / 2);
    cr_expect_eq(estimate.since_us, START + SECOND);
}
