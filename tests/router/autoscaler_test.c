/* What the autoscaler wants: tables, and what always holds. */
#include "router/autoscaler.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/attr.h"

#define NOW     UINT64_C(1000000000)
#define SECOND  UINT64_C(1000000)
#define TIMEOUT 300

#define LIMITS(least, most)                                                    \
    {                                                                          \
        .min = least, .max = most, .idle_timeout_ms = TIMEOUT * 1000           \
    }
#define REPLICAS(have, coming)                                                 \
    {                                                                          \
        .ready = have, .starting = coming                                      \
    }
#define AGO(seconds) (NOW - (seconds)*SECOND)

struct decide_case {
    const char *label;
    struct autoscaler_limits limits;
    struct autoscaler_demand demand; /* queued, in_flight, tunnels, … */
    struct autoscaler_replicas replicas;
    uint32_t wanted;
    enum autoscaler_reason reason;
    uint64_t again_at_us;
};

static const struct decide_case cases[] = {
    {"never asked for",
     LIMITS(0, 1),
     {0},
     REPLICAS(0, 0),
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"one waits",
     LIMITS(0, 1),
     {.queued = 1},
     REPLICAS(0, 0),
     1,
     AUTOSCALER_DEMAND,
     0},
    {"many wait: no more than max",
     LIMITS(0, 1),
     {.queued = 500},
     REPLICAS(0, 0),
     1,
     AUTOSCALER_DEMAND,
     0},
    {"one was turned away",
     LIMITS(0, 1),
     {.unserved = 1},
     REPLICAS(0, 0),
     1,
     AUTOSCALER_DEMAND,
     0},
    {"the one who waited has hung up, the start goes on",
     LIMITS(0, 1),
     {0},
     REPLICAS(0, 1),
     1,
     AUTOSCALER_STARTING,
     0},
    {"one in flight, ended long ago before",
     LIMITS(0, 1),
     {.in_flight = 1, .idle_since_us = AGO(900)},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_DEMAND,
     0},
    {"a tunnel, nothing else for long",
     LIMITS(0, 1),
     {.tunnels = 1, .idle_since_us = AGO(900)},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_DEMAND,
     0},
    {"idle for a moment",
     LIMITS(0, 1),
     {.idle_since_us = AGO(1)},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_RECENT,
     NOW + 299 * SECOND},
    {"idle for just under idle_timeout",
     LIMITS(0, 1),
     {.idle_since_us = NOW - 300 * SECOND + 1},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_RECENT,
     NOW + 1},
    {"idle for idle_timeout",
     LIMITS(0, 1),
     {.idle_since_us = AGO(300)},
     REPLICAS(1, 0),
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"idle, but min is one",
     LIMITS(1, 1),
     {.idle_since_us = AGO(900)},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_MIN,
     0},
    {"never asked for, but min is two",
     LIMITS(2, 4),
     {0},
     REPLICAS(0, 0),
     2,
     AUTOSCALER_MIN,
     0},
    {"idle for idle_timeout, but asked to be kept",
     LIMITS(0, 1),
     {.idle_since_us = AGO(300), .keep_until_us = NOW + 7 * SECOND},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_KEPT,
     NOW + 7 * SECOND},
    {"kept for as long as was asked, no longer",
     LIMITS(0, 1),
     {.idle_since_us = AGO(300), .keep_until_us = NOW},
     REPLICAS(1, 0),
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"asked to be kept for less than idle_timeout",
     LIMITS(0, 1),
     {.idle_since_us = AGO(1), .keep_until_us = NOW + 7 * SECOND},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_RECENT,
     NOW + 299 * SECOND},
    {"what is to be kept is not made",
     LIMITS(0, 1),
     {.idle_since_us = AGO(300), .keep_until_us = NOW + 7 * SECOND},
     REPLICAS(0, 0),
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"idle_timeout off",
     {.max = 1},
     {.idle_since_us = AGO(900)},
     REPLICAS(1, 0),
     1,
     AUTOSCALER_RECENT,
     0},
    {"idle_timeout off makes no replica",
     {.max = 1},
     {.idle_since_us = AGO(900)},
     REPLICAS(0, 0),
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"recently used, but it is gone (crashed): none without demand",
     LIMITS(0, 1),
     {.idle_since_us = AGO(1)},
     REPLICAS(0, 0),
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"max is none",
     LIMITS(0, 0),
     {.queued = 3},
     REPLICAS(0, 0),
     0,
     AUTOSCALER_DEMAND,
     0},
};

Test(autoscaler, it_wants_what_the_demand_needs_within_the_limits)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct decide_case *c = &cases[i];
        struct autoscaler_input input = {.limits = c->limits,
                                         .demand = c->demand,
                                         .replicas = c->replicas,
                                         .now_us = NOW};
        struct autoscaler_output out = autoscaler_decide(&input);

        cr_expect_eq(out.wanted, c->wanted, "%s: wants %u", c->label,
                     out.wanted);
        cr_expect_eq(out.reason, c->reason, "%s: because of %s", c->label,
                     autoscaler_reason_text(out.reason));
        cr_expect_eq(out.again_at_us, c->again_at_us, "%s", c->label);
    }
}

/* --- load and backlog --- */

#define KNOWN_S(seconds) .service_is_known = true, .service_us = (seconds)*1e6
#define START_S(seconds) ((uint64_t)((seconds)*1000000.0))

struct load_case {
    const char *label;
    uint32_t concurrency;
    uint32_t utilization;
    uint32_t queued;
    uint32_t in_flight;
    struct demand_view load;
    uint32_t ready;
    uint32_t starting;
    double start_s;
    uint32_t wanted;
    enum autoscaler_reason reason;
};

static const struct load_case load_cases[] = {
    {"one steady request, one slot: no second replica",
     1,
     0,
     0,
     1,
     {.mean_fast = 1, .mean_slow = 1},
     1,
     0,
     3,
     1,
     AUTOSCALER_DEMAND},
    {"one steady request, four slots",
     4,
     0,
     0,
     1,
     {.mean_fast = 1, .mean_slow = 1},
     1,
     0,
     3,
     1,
     AUTOSCALER_DEMAND},
    {"three requests, one slot: some headroom above the steady one",
     1,
     0,
     0,
     3,
     {.mean_fast = 3, .mean_slow = 3},
     3,
     0,
     3,
     4,
     AUTOSCALER_LOAD},
    {"small load: headroom of a share, (10 + 4) / 4",
     4,
     0,
     0,
     10,
     {.mean_fast = 10, .mean_slow = 10},
     3,
     0,
     3,
     4,
     AUTOSCALER_LOAD},
    {"large load: headroom of its root, (100 + 20) / 4",
     4,
     0,
     0,
     100,
     {.mean_fast = 100, .mean_slow = 100},
     30,
     0,
     3,
     30,
     AUTOSCALER_LOAD},
    {"lately more, within noise: room for it, no headroom (120 / 4)",
     4,
     0,
     0,
     100,
     {.mean_fast = 120, .mean_slow = 90},
     28,
     0,
     3,
     30,
     AUTOSCALER_LOAD},
    {"a surge: headroom too, (100 + 20) / 4",
     4,
     0,
     0,
     100,
     {.mean_fast = 100, .mean_slow = 20},
     10,
     0,
     3,
     30,
     AUTOSCALER_LOAD},
    {"no limit of slots: a hundred are taken for one replica's",
     0,
     0,
     0,
     250,
     {.mean_fast = 250, .mean_slow = 250},
     3,
     0,
     3,
     3,
     AUTOSCALER_LOAD},
    {"a target utilization in percent: 10 / (0.5 * 4)",
     4,
     50,
     0,
     10,
     {.mean_fast = 10, .mean_slow = 10},
     3,
     0,
     3,
     5,
     AUTOSCALER_LOAD},
    {"without a queue, rates are no load",
     4,
     0,
     0,
     4,
     {KNOWN_S(1), .mean_fast = 4, .mean_slow = 4, .rate_fast = 50,
      .rate_slow = 50},
     2,
     0,
     3,
     2,
     AUTOSCALER_LOAD},
    {"saturated: rate and service time are, 40 slots and headroom",
     4,
     0,
     1,
     8,
     {KNOWN_S(1), .mean_fast = 8, .mean_slow = 8, .rate_fast = 40,
      .rate_slow = 40},
     2,
     0,
     3,
     14,
     AUTOSCALER_LOAD},
    {"backlog from zero: a slot for each that a slow start keeps waiting",
     4,
     0,
     20,
     0,
     {KNOWN_S(1)},
     0,
     0,
     3,
     5,
     AUTOSCALER_BACKLOG},
    {"backlog of short ones from zero: what drains it in L / 8",
     4,
     0,
     100,
     0,
     {KNOWN_S(0.03)},
     0,
     0,
     16,
     1,
     AUTOSCALER_DEMAND},
    {"backlog of short ones: 400 * 0.03 / 2 slots",
     4,
     0,
     400,
     0,
     {KNOWN_S(0.03)},
     0,
     0,
     16,
     2,
     AUTOSCALER_BACKLOG},
    {"a backlog that drains before a start ends asks for none",
     4,
     0,
     3,
     4,
     {KNOWN_S(0.1), .mean_fast = 2, .mean_slow = 2},
     1,
     0,
     3,
     1,
     AUTOSCALER_DEMAND},
    {"a small backlog, but more load than slots",
     4,
     0,
     1,
     4,
     {KNOWN_S(0.1), .mean_fast = 4.5, .mean_slow = 1},
     1,
     0,
     3,
     2,
     AUTOSCALER_LOAD},
    {"nobody knows how long one takes: a slot each",
     4,
     0,
     9,
     0,
     {0},
     0,
     1,
     0,
     3,
     AUTOSCALER_BACKLOG},
};

static struct autoscaler_input input_of(const struct load_case *c)
{
    return (struct autoscaler_input){
        .limits = {.max = 1000,
                   .idle_timeout_ms = TIMEOUT * 1000,
                   .concurrency = c->concurrency,
                   .target_utilization_percent = c->utilization},
        .demand = {.queued = c->queued,
                   .in_flight = c->in_flight,
                   .load = c->load},
        .replicas = {.ready = c->ready,
                     .starting = c->starting,
                     .start_us = START_S(c->start_s)},
        .now_us = NOW,
    };
}

Test(autoscaler, load_and_backlog_ask_for_more_than_one)
{
    for (size_t i = 0; i < sizeof load_cases / sizeof load_cases[0]; i++) {
        const struct load_case *c = &load_cases[i];
        struct autoscaler_input input = input_of(c);
        struct autoscaler_output out = autoscaler_decide(&input);

        cr_expect_eq(out.wanted, c->wanted, "%s: wants %u", c->label,
                     out.wanted);
        cr_expect_eq(out.reason, c->reason, "%s: because of %s", c->label,
                     autoscaler_reason_text(out.reason));
    }
}

/* Ten a second of a second each, one slot, starts of 20 s (a backlog is to be
 * gone in 20 / 8). */
static const struct {
    const char *label;
    uint32_t queued;
    uint32_t ready;
    uint32_t starting;
    uint64_t age_s; /* of the oldest that waits */
    uint32_t wanted;
} anticipated[] = {
    {"a start that has just begun: half of 18 s more, (20 + 90) / 2.5, and 10",
     20, 0, 1, 2, 54},
    {"half of it is over: half of 10 s more, (100 + 50) / 2.5, and 10", 100, 0,
     54, 10, 70},
    {"all but over: nothing more will come before, 200 / 2.5, and 10", 200, 0,
     70, 20, 90},
    {"it takes longer than it should: the same", 200, 0, 70, 25, 90},
    {"one serves: what waits is what there is, 20 / 2.5, and 10", 20, 1, 0, 2,
     18},
    {"at the first of them: (2 + 90) / 2.5, and 10", 2, 0, 0, 2, 47},
};

Test(autoscaler, a_first_start_counts_half_of_what_will_come_before_it_ends)
{
    for (size_t i = 0; i < ARRAY_LEN(anticipated); i++) {
        struct autoscaler_input input = {
            .limits = {.max = 1000, .concurrency = 1},
            .demand = {.queued = anticipated[i].queued,
                       .oldest_us = NOW - anticipated[i].age_s * SECOND,
                       .in_flight = anticipated[i].ready,
                       .load = {.service_is_known = true,
                                .service_us = SECOND,
                                .rate_fast = 10}},
            .replicas = {.ready = anticipated[i].ready,
                         .starting = anticipated[i].starting,
                         .start_us = 20 * SECOND},
            .now_us = NOW,
        };

        cr_expect_eq(autoscaler_decide(&input).wanted, anticipated[i].wanted,
                     "%s: %u", anticipated[i].label,
                     autoscaler_decide(&input).wanted);
    }
}

Test(autoscaler, a_backlog_asks_for_no_more_while_starts_fail)
{
    struct autoscaler_input input = {
        .limits = {.max = 9, .concurrency = 1},
        .demand = {.queued = 5},
        .replicas = {.starting = 1, .is_backing_off = true},
        .now_us = NOW,
    };

    cr_assert_eq(autoscaler_decide(&input).wanted, 1);
    input.replicas.is_backing_off = false;
    cr_assert_eq(autoscaler_decide(&input).wanted, 5);
}

/* --- letting go --- */

/* Ask every 250 ms for `seconds`, acting on each answer. */
static uint32_t run_for(struct autoscaler_input *input, double seconds)
{
    uint32_t wanted = 0;

    for (unsigned i = 0; i < (unsigned)(seconds * 4); i++) {
        input->now_us += 250000;
        wanted = autoscaler_decide(input).wanted;
        input->replicas.ready = wanted;
    }
    return wanted;
}

static struct autoscaler_input busy(struct autoscaler_history *history)
{
    return (struct autoscaler_input){
        .limits = {.max = 100,
                   .idle_timeout_ms = TIMEOUT * 1000,
                   .concurrency = 4},
        .demand = {.in_flight = 100,
                   .load = {.mean_fast = 100, .mean_slow = 100}},
        .replicas = {.ready = 30, .start_us = 2 * SECOND},
        .now_us = NOW,
        .history = history,
    };
}

static void calm_down(struct autoscaler_input *input)
{
    input->demand.in_flight = 1;
    input->demand.load.mean_fast = 1;
    input->demand.load.mean_slow = 1;
}

Test(autoscaler, fewer_are_wanted_only_after_the_delay_and_by_halves)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = busy(&history);

    cr_assert_eq(run_for(&input, 10), 30);
    calm_down(&input);
    cr_assert_eq(run_for(&input, 7.75), 30, "four times its start");
    cr_assert_eq(run_for(&input, 0.5), 15, "half of it");
    cr_assert_eq(run_for(&input, 1.5), 15, "not again for two seconds");
    cr_assert_eq(run_for(&input, 2), 8);
    cr_assert_eq(run_for(&input, 20), 1);
}

Test(autoscaler, a_delay_that_is_set_is_kept_to)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = busy(&history);

    input.limits.has_scale_down_delay = true;
    input.limits.scale_down_delay_ms = 1000;
    cr_assert_eq(run_for(&input, 10), 30);
    calm_down(&input);
    cr_assert_eq(run_for(&input, 0.75), 30);
    cr_assert_eq(run_for(&input, 0.5), 15);
}

Test(autoscaler, what_is_held_starts_none_in_place_of_one_that_is_gone)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = busy(&history);
    struct autoscaler_output out;

    run_for(&input, 10);
    calm_down(&input);
    input.replicas.ready = 12; /* the others crashed */
    out = autoscaler_decide(&input);
    cr_assert_eq(out.wanted, 12);
    cr_assert_eq(out.reason, AUTOSCALER_HELD);
}

Test(autoscaler, adopted_replicas_are_kept_for_one_delay)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = busy(&history);

    calm_down(&input);
    input.replicas.ready = 7;
    autoscaler_hold(&history, 7, NOW);
    cr_assert_eq(run_for(&input, 7.5), 7);
    cr_assert_eq(run_for(&input, 20), 1);
}

Test(autoscaler, more_levels_than_there_is_room_for_err_on_the_safe_side)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = busy(&history);

    input.limits.max = 1000;
    for (unsigned i = 0; i < 3 * AUTOSCALER_LEVELS; i++)
        autoscaler_hold(&history, 500 - i, NOW + i * 1000);
    calm_down(&input);
    input.replicas.ready = 500;
    input.now_us = NOW + 8 * SECOND - 1;
    cr_assert_eq(autoscaler_decide(&input).wanted, 500);
    input.now_us = NOW + 8 * SECOND + 500;
    cr_assert_geq(autoscaler_decide(&input).wanted, 499);
}

Test(autoscaler, all_go_when_idle_for_idle_timeout)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = busy(&history);

    run_for(&input, 10);
    input.demand = (struct autoscaler_demand){.idle_since_us = input.now_us};
    cr_assert_eq(run_for(&input, 60), 1);
    cr_assert_eq(run_for(&input, 239.75), 1);
    cr_assert_eq(run_for(&input, 1), 0);
}

static struct autoscaler_input backlog(struct autoscaler_history *history)
{
    return (struct autoscaler_input){
        .limits = {.max = 100, .concurrency = 1},
        .demand = {.queued = 10, .in_flight = 1},
        .replicas = {.ready = 1, .start_us = 10 * SECOND},
        .now_us = NOW,
        .history = history,
    };
}

static void end_backlog(struct autoscaler_input *input)
{
    input->demand.queued = 0;
    input->demand.load.mean_fast = 1;
    input->demand.load.mean_slow = 1;
}

Test(autoscaler, a_start_for_a_backlog_outlives_it_and_stays_as_long_again)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = backlog(&history);

    input.demand.load = (struct demand_view){KNOWN_S(9)};
    cr_assert_eq(run_for(&input, 0.25), 11);
    end_backlog(&input);
    cr_assert_eq(run_for(&input, 19.75), 11, "a start and as long again");
    cr_assert_eq(run_for(&input, 60), 1);
}

Test(autoscaler, a_guess_is_called_off_by_the_first_answer)
{
    struct autoscaler_history history = {0};
    struct autoscaler_input input = backlog(&history);

    cr_assert_eq(run_for(&input, 5), 11);
    input.demand.load = (struct demand_view){KNOWN_S(0.01)};
    end_backlog(&input);
    cr_assert_eq(run_for(&input, 0.25), 6, "by halves");
    cr_assert_eq(run_for(&input, 40), 1);
}

/* --- what always holds --- */

static uint32_t pick(uint32_t bound)
{
    return (uint32_t)rand() % bound;
}

static struct autoscaler_input any_input(struct autoscaler_history *history)
{
    struct autoscaler_input input = {
        .limits = {.min = pick(5),
                   .max = 5 + pick(60),
                   .idle_timeout_ms = pick(3) * 10000,
                   .concurrency = pick(9),
                   .target_utilization_percent = pick(2) * 70,
                   .has_scale_down_delay = pick(2),
                   .scale_down_delay_ms = pick(20000)},
        .demand = {.queued = pick(2) * pick(300),
                   .in_flight = pick(100),
                   .unserved = pick(3) / 2,
                   .idle_since_us = NOW - pick(60) * SECOND,
                   .load = {.service_is_known = pick(4) > 0,
                            .service_us = pick(5000000),
                            .mean_fast = pick(1000) / 10.0,
                            .mean_slow = pick(1000) / 10.0,
                            .rate_fast = pick(100),
                            .rate_slow = pick(100)}},
        .replicas = {.ready = pick(40),
                     .starting = pick(10),
                     .start_us = pick(30) * SECOND,
                     .is_backing_off = pick(8) == 0},
        .now_us = NOW,
        .history = history,
    };

    return input;
}

Test(autoscaler, wanted_is_never_above_max_nor_below_min)
{
    struct autoscaler_history history = {0};
    uint64_t now_us = NOW;

    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        struct autoscaler_input input = any_input(&history);
        struct autoscaler_output out;

        now_us += pick(1000000);
        input.now_us = now_us;
        out = autoscaler_decide(&input);
        cr_assert_geq(out.wanted, input.limits.min);
        cr_assert_leq(out.wanted, input.limits.max);
    }
}

static void add_demand(struct autoscaler_input *input)
{
    struct demand_view *load = &input->demand.load;

    switch (pick(6)) {
    case 0:
        input->demand.queued += pick(20);
        break;
    case 1:
        input->demand.in_flight += pick(20);
        break;
    case 2:
        load->mean_fast += pick(20);
        break;
    case 3:
        load->mean_slow += pick(20);
        break;
    case 4:
        load->rate_fast += pick(20);
        break;
    default:
        load->rate_slow += pick(20);
        break;
    }
}

Test(autoscaler, more_demand_never_wants_fewer)
{
    srand(2);
    for (unsigned i = 0; i < 200000; i++) {
        struct autoscaler_input input = any_input(NULL);
        struct autoscaler_input more = input;
        uint32_t wanted = autoscaler_decide(&input).wanted;

        add_demand(&more);
        cr_assert_geq(autoscaler_decide(&more).wanted, wanted,
                      "case %u: queued %u to %u", i, input.demand.queued,
                      more.demand.queued);
    }
}

Test(autoscaler, a_steady_load_makes_it_rise_once_and_stay)
{
    srand(3);
    for (unsigned i = 0; i < 2000; i++) {
        struct autoscaler_history history = {0};
        struct autoscaler_input input = any_input(&history);
        uint32_t wanted;

        input.demand.queued = 0;
        input.demand.in_flight = 1 + pick(50);
        input.demand.load.mean_fast = input.demand.in_flight;
        input.demand.load.mean_slow = input.demand.in_flight;
        input.replicas = (struct autoscaler_replicas){
            .ready = 1 + pick(3), .start_us = pick(30) * SECOND};
        run_for(&input, 90);
        wanted = input.replicas.ready;
        for (unsigned k = 0; k < 200; k++)
            cr_assert_eq(run_for(&input, 0.25), wanted);
    }
}
