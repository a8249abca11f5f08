/* The demand record: windows over exact counters. */
#include "router/demand.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define START  (1000 * SECOND)

static void near(double value, double wanted, const char *what)
{
    cr_expect(fabs(value - wanted) < 1e-3 + fabs(wanted) * 1e-3,
              "%s is %f, not %f", what, value, wanted);
}

static struct demand_view view_at(const struct demand *demand, uint64_t now_us)
{
    struct demand_view view;

    demand_read(demand, now_us, &view);
    return view;
}

Test(demand, an_empty_record_says_nothing)
{
    struct demand demand = {0};
    struct demand_view view = view_at(&demand, START);

    cr_assert_eq(view.mean_fast, 0);
    cr_assert_eq(view.rate_slow, 0);
    cr_assert_eq(view.known_us, 0);
    cr_assert_not(view.service_is_known);
}

Test(demand, what_stood_between_two_messages_counts_exactly)
{
    struct demand demand = {0};
    struct demand_view view;

    demand_add(&demand, &(struct demand_sample){.at_us = START});
    demand_add(&demand, &(struct demand_sample){.at_us = START + SECOND,
                                                .in_flight = 4});
    view = view_at(&demand, START + 3 * SECOND);
    near(view.mean_fast, 8.0 / 3, "mean of 0, 4, 4");
    near(view.mean_slow, 8.0 / 3, "mean over what is known");
    cr_assert_eq(view.known_us, 3 * SECOND);
    view = view_at(&demand, START + 60 * SECOND);
    near(view.mean_fast, 4, "mean of the last 5 seconds");
    /* The newest bucket has just begun: 239 full ones. */
    near(view.mean_slow, 59.0 * 4 / 59.75, "mean of a minute");
    view = view_at(&demand, START + 600 * SECOND);
    near(view.mean_slow, 4, "long after");
}

Test(demand, the_message_corrects_what_was_supposed_since_the_last)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START, .in_flight = 10};

    demand_add(&demand, &sample);
    view_at(&demand, START + 5 * SECOND);
    /* All ten ended after one second. */
    sample.at_us += 5 * SECOND;
    sample.in_flight = 0;
    sample.completions = 10;
    sample.slot_time_us = 10 * SECOND;
    demand_add(&demand, &sample);
    near(view_at(&demand, START + 10 * SECOND).mean_slow, 1, "mean");
}

/* A message a bucket, `count` arrivals in each. */
static void add_seconds(struct demand *demand, struct demand_sample *sample,
                        unsigned seconds, uint32_t count)
{
    for (unsigned i = 0; i < seconds * 4; i++) {
        sample->at_us += DEMAND_BUCKET_US;
        sample->arrivals += count;
        demand_add(demand, sample);
    }
}

Test(demand, a_steady_rate_is_found_in_both_windows)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START};

    demand_add(&demand, &sample);
    add_seconds(&demand, &sample, 100, 5);
    near(view_at(&demand, sample.at_us + DEMAND_BUCKET_US - 1).rate_fast, 20,
         "fast rate");
    near(view_at(&demand, sample.at_us + DEMAND_BUCKET_US - 1).rate_slow, 20,
         "slow rate");
}

Test(demand, a_batch_is_no_rate)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START};

    demand_add(&demand, &sample);
    add_seconds(&demand, &sample, 10, 0);
    sample.at_us += 1000;
    sample.arrivals += 300;
    demand_add(&demand, &sample);
    sample.at_us += 200000;
    sample.arrivals += 300;
    demand_add(&demand, &sample);
    cr_assert_eq(view_at(&demand, sample.at_us).rate_fast, 0);
    cr_assert_eq(view_at(&demand, sample.at_us).rate_slow, 0);
}

Test(demand, few_arrivals_or_a_short_record_give_no_rate)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START};

    demand_add(&demand, &sample);
    sample.at_us += 900000;
    sample.arrivals = 100;
    demand_add(&demand, &sample);
    cr_expect_eq(view_at(&demand, sample.at_us).rate_fast, 0, "not 1 s yet");
    demand = (struct demand){0};
    sample = (struct demand_sample){.at_us = START};
    demand_add(&demand, &sample);
    for (unsigned i = 0; i < 9; i++) {
        sample.at_us += SECOND;
        sample.arrivals++;
        demand_add(&demand, &sample);
    }
    cr_expect_eq(view_at(&demand, sample.at_us).rate_slow, 0, "nine");
}

Test(demand, the_fast_rate_looks_three_services_back)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START};

    demand_know_service(&demand, 10e6);
    demand_add(&demand, &sample);
    add_seconds(&demand, &sample, 30, 2);
    add_seconds(&demand, &sample, 20, 0);
    cr_assert_gt(view_at(&demand, sample.at_us).rate_fast, 1,
                 "30 seconds are looked at");
    demand_know_service(&demand, 1e6);
    cr_assert_eq(view_at(&demand, sample.at_us).rate_fast, 0, "5 seconds are");
}

Test(demand, service_time_is_a_running_mean_weighed_by_requests)
{
    struct demand one = {0};
    struct demand many = {0};
    struct demand_sample sample = {.at_us = START};

    demand_add(&one, &sample);
    demand_add(&many, &sample);
    sample.completions = 1;
    sample.service_time_us = SECOND;
    demand_add(&one, &sample);
    demand_add(&many, &sample);
    near(view_at(&one, START).service_us, 1e6, "the first");
    for (unsigned i = 0; i < 7; i++) {
        sample.completions++;
        sample.service_time_us += 2 * SECOND;
        demand_add(&one, &sample);
    }
    demand_add(&many, &sample);
    near(view_at(&one, START).service_us, 1e6 * (2 - pow(0.9, 7)), "after 7");
    near(view_at(&many, START).service_us, view_at(&one, START).service_us,
         "told at once");
}

Test(demand, a_new_front_counts_from_zero)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START,
                                   .arrivals = 500,
                                   .completions = 500,
                                   .service_time_us = 500 * SECOND,
                                   .slot_time_us = 500 * SECOND};

    demand_add(&demand, &sample);
    sample = (struct demand_sample){.at_us = START + 10 * SECOND,
                                    .arrivals = 20,
                                    .completions = 20,
                                    .service_time_us = 20 * SECOND,
                                    .slot_time_us = 20 * SECOND};
    demand_add(&demand, &sample);
    near(view_at(&demand, sample.at_us).service_us, 1e6, "service");
    cr_assert_geq(view_at(&demand, sample.at_us).mean_slow, 2);
}

Test(demand, time_that_runs_back_stands_still)
{
    struct demand demand = {0};
    struct demand_sample sample = {.at_us = START, .in_flight = 2};

    demand_add(&demand, &sample);
    sample.at_us = START - 5 * SECOND;
    sample.arrivals = 3;
    demand_add(&demand, &sample);
    near(view_at(&demand, START + SECOND).mean_fast, 2, "mean");
    near(view_at(&demand, START - SECOND).mean_fast, 2, "asked of the past");
}

/* Whatever the messages' times, the mean is the integral's. */
Test(demand, means_agree_with_the_integral_for_any_messages)
{
    srand(4);
    for (unsigned run = 0; run < 300; run++) {
        struct demand demand = {0};
        struct demand_sample sample = {.at_us = START};
        uint64_t begin_us = START;

        demand_add(&demand, &sample);
        while (sample.at_us < START + 50 * SECOND) {
            uint64_t step = (uint64_t)rand() % 700000;

            sample.slot_time_us += step * sample.in_flight;
            sample.at_us += step;
            sample.in_flight = (uint32_t)rand() % 9;
            demand_add(&demand, &sample);
        }
        near(view_at(&demand, sample.at_us).mean_slow,
             (double)sample.slot_time_us / (double)(sample.at_us - begin_us),
             "mean");
    }
}
