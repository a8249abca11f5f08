/* The simulator's pieces: what it compares berth with, and its clockwork. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/autoscale_sim/sim_cases.h"
#include "tests/bench/autoscale_sim/sim_policies.h"
#include "tests/bench/autoscale_sim/sim_report.h"

#define SECOND UINT64_C(1000000)

/* --- Knative --- */

struct kpa_case {
    const char *label;
    double stable;
    double panic;
    uint32_t ready;
    uint32_t wanted;
    bool is_panicking;
};

/* Of 10 slots a pod at 70 %: 7. */
static const struct kpa_case kpa_cases[] = {
    {"ceil(20 / 7)", 20, 20, 3, 3, false},
    {"nothing", 0, 0, 1, 0, false},
    {"panic at twice what is ready", 20, 42, 3, 6, true},
    {"just below twice", 20, 35, 3, 3, false},
    {"starting ones do not count: none ready is one", 7, 14, 0, 2, true},
    {"down by half at most", 7, 7, 20, 10, false},
    {"up a thousandfold at most", 14000, 14000, 1, 1000, true},
};

Test(autoscale_sim, knative_decides_as_published)
{
    for (size_t i = 0; i < sizeof kpa_cases / sizeof kpa_cases[0]; i++) {
        const struct kpa_case *c = &kpa_cases[i];
        struct sim_kpa kpa = {.target = 7};

        cr_expect_eq(
            sim_kpa_decide(&kpa, c->stable, c->panic, c->ready, SECOND),
            c->wanted, "%s", c->label);
        cr_expect_eq(kpa.is_panicking, c->is_panicking, "%s", c->label);
    }
}

Test(autoscale_sim, knative_goes_not_down_within_a_minute_of_panic)
{
    struct sim_kpa kpa = {.target = 7};

    cr_assert_eq(sim_kpa_decide(&kpa, 20, 70, 3, 10 * SECOND), 10);
    cr_assert_eq(sim_kpa_decide(&kpa, 20, 0, 10, 70 * SECOND), 10);
    cr_assert_eq(sim_kpa_decide(&kpa, 20, 0, 10, 72 * SECOND), 5);
}

/* --- Ray Serve --- */

static uint32_t decide_for(struct sim_ray_decider *decider, double ongoing,
                           uint32_t running, uint32_t target, double seconds)
{
    for (int i = 0; i < (int)(seconds * 10) && target == running; i++)
        target = sim_ray_decide(decider, ongoing, running, target, 100);
    return target;
}

Test(autoscale_sim, ray_scales_up_after_30_seconds_and_down_after_600)
{
    struct sim_ray_decider decider = {.target_ongoing = 2, .period_s = 0.1};

    cr_assert_eq(decide_for(&decider, 9, 2, 2, 30), 2);
    cr_assert_eq(decide_for(&decider, 9, 2, 2, 0.1), 5);
    cr_assert_eq(decide_for(&decider, 0, 5, 5, 600), 5);
    cr_assert_eq(decide_for(&decider, 0, 5, 5, 0.1), 1, "not from 5 to 0");
    cr_assert_eq(decide_for(&decider, 0, 1, 1, 600.1), 0);
}

Test(autoscale_sim, ray_starts_one_from_zero_at_once)
{
    struct sim_ray_decider decider = {.target_ongoing = 2, .period_s = 0.1};

    cr_assert_eq(sim_ray_decide(&decider, 50, 0, 0, 100), 1);
    cr_assert_eq(sim_ray_decide(&decider, 500, 0, 1, 100), 1);
    cr_assert_eq(sim_ray_decide(&decider, 0, 0, 0, 100), 0);
}

/* --- the clockwork --- */

Test(autoscale_sim, events_come_by_time_then_in_order)
{
    struct sim_heap heap = {0};
    struct sim_event last = {0};
    struct sim_event event;
    unsigned count = 0;

    srand(1);
    for (uint32_t i = 0; i < 5000; i++)
        sim_heap_add(&heap, (struct sim_event){.at_us = (uint64_t)rand() % 100,
                                               .subject = i});
    while (sim_heap_take(&heap, &event)) {
        if (count++ > 0)
            cr_assert(
                event.at_us > last.at_us ||
                (event.at_us == last.at_us && event.subject > last.subject));
        last = event;
    }
    cr_assert_eq(count, 5000);
    sim_heap_done(&heap);
}

static bool read_text(const char *text, struct sim_workload *ret)
{
    static const struct sim_service_model model = {1, 0.5, 20};
    char path[] = "/tmp/berth-trace-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    struct err err;
    bool ok;

    fputs(text, file);
    fclose(file);
    *ret = (struct sim_workload){0};
    ok = sim_workload_read_trace(ret, path, &model, 0, 2, &err);
    unlink(path);
    return ok;
}

Test(autoscale_sim, a_trace_is_read_with_its_service_times)
{
    struct sim_workload workload;

    cr_assert(read_text("TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
                        "2023-12-31 23:59:59.5000000,100,10\r\n"
                        "2024-01-01 00:00:01.0000000,0,1\r\n",
                        &workload));
    cr_assert_eq(workload.count, 2);
    cr_assert_eq(workload.arrivals[0].at_us, 0);
    cr_assert_eq(workload.arrivals[0].service_us, 251001);
    cr_assert_eq(workload.arrivals[1].at_us, 750000, "twice as fast");
    cr_assert_eq(workload.arrivals[1].service_us, 21001);
    sim_workload_done(&workload);
}

Test(autoscale_sim, what_is_no_trace_is_refused)
{
    static const char *const texts[] = {"", "TIMESTAMP,a,b\n", "1,2,3\n",
                                        "2023-12-31 23:59:59.5,100\n",
                                        "2023-12-31 23:59:59.5,100,-1\n"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sim_workload workload;

        cr_expect_not(read_text(texts[i], &workload), "%s", texts[i]);
        sim_workload_done(&workload);
    }
}

static const struct sim_policy *const policies[] = {
    &sim_policy_berth, &sim_policy_knative, &sim_policy_ray};

static struct sim_result run(const struct sim_policy *policy,
                             const struct sim_setup *setup, uint64_t seed)
{
    struct sim_workload workload;
    struct sim_result result;
    struct sim_world world;

    sim_case_make(&sim_cases[2], seed, &workload);
    sim_world_run(&world, setup, &workload, policy);
    cr_assert_eq(world.counts.arrivals, workload.count);
    cr_assert_eq(world.counts.completions + world.counts.unserved,
                 workload.count);
    cr_assert_eq(world.queue.count + world.counts.in_flight, 0);
    sim_result_of(&world, &result);
    sim_world_done(&world);
    sim_workload_done(&workload);
    return result;
}

Test(autoscale_sim, every_request_is_served_and_a_run_can_be_repeated)
{
    static const struct sim_setup setup = {.concurrency = 2,
                                           .cap = 20,
                                           .start_s = 3,
                                           .queue_size = 10000,
                                           .queue_timeout_s = 300,
                                           .idle_timeout_s = 60,
                                           .tail_s = 700};

    for (unsigned i = 0; i < 3; i++) {
        struct sim_result a = run(policies[i], &setup, 1);
        struct sim_result b = run(policies[i], &setup, 1);

        cr_expect_eq(a.refused, 0, "%s", policies[i]->name);
        cr_expect_leq(a.replicas_most, 20, "%s", policies[i]->name);
        cr_expect_gt(a.max_s, 2.9, "%s", policies[i]->name);
        cr_expect_eq(a.replica_s, b.replica_s, "%s", policies[i]->name);
        cr_expect_eq(a.p95_s, b.p95_s, "%s", policies[i]->name);
    }
}

Test(autoscale_sim, a_short_queue_refuses_and_a_short_patience_gives_up)
{
    struct sim_setup setup = {.concurrency = 1,
                              .cap = 2,
                              .start_s = 3,
                              .queue_size = 5,
                              .queue_timeout_s = 300,
                              .idle_timeout_s = 60,
                              .tail_s = 700};

    for (unsigned i = 0; i < 3; i++)
        cr_expect_gt(run(policies[i], &setup, 1).refused, 10, "%s",
                     policies[i]->name);
    setup.queue_size = 10000;
    setup.queue_timeout_s = 2;
    for (unsigned i = 0; i < 3; i++) {
        struct sim_result result = run(policies[i], &setup, 1);

        cr_expect_gt(result.refused, 10, "%s", policies[i]->name);
        cr_expect_leq(result.max_s, 2, "%s", policies[i]->name);
    }
}
