/* Limits of containers that run, between a fake engine and a fake front. */
#include "lifecycle/fleet_limits.h"

#include <criterion/criterion.h>
#include <string.h>

#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

#define ENGINE bench.engine->log.data

static struct fleet_bench bench;

static void init(void)
{
    bench_init(&bench, 2);
}

static void done(void)
{
    bench_run_ms(&bench, 5); /* what a reload has deferred */
    bench_done(&bench);
}

static struct fake_container *found_with(uint64_t memory_bytes, bool is_running)
{
    struct fake_container *at =
        fake_engine_add(bench.engine, "a", 7, "0ld", is_running);

    at->container.limits = (struct engine_limits){0, memory_bytes, 0};
    return at;
}

static bool says(const char *text)
{
    AUTO(auto_free) char *status = bench_status(&bench, 0);

    return strstr(status, text) != NULL;
}

static bool is_rolling(void *arg)
{
    (void)arg;
    return says("\"result\":\"rolling\"");
}

Test(fleet_limits, a_container_that_is_found_gets_those_of_the_file,
     .init = init, .fini = done)
{
    bench.keeper_apps[0].container.memory_bytes = 8192;
    found_with(4096, true);
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "update memory=8192 pids=0 c0\n", 1),
              "%s", ENGINE);
}

Test(fleet_limits, one_that_has_them_is_left_alone, .init = init, .fini = done)
{
    bench.keeper_apps[0].container.memory_bytes = 4096;
    found_with(4096, true);
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=7", 1));
    bench_run_ms(&bench, 50);
    cr_expect_null(strstr(ENGINE, "update"), "%s", ENGINE);
}

Test(fleet_limits, where_they_cannot_be_changed_replicas_are_replaced,
     .init = init, .fini = done, .timeout = 20)
{
    struct bench_generation *next;
    AUTO(auto_free) char *told = NULL;

    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_engine_fail(bench.engine, FAKE_UPDATE, 1, ERR_FAILED, "busy");
    next = bench_generation(&bench);
    next->keeper_apps[0].container.memory_bytes = 4096;
    told = bench_reload(&bench, next);
    cr_assert(bench_run_until(&bench, is_rolling, NULL, 3000), "%s", told);
    cr_expect(bench_engine_hears(&bench, "create berth-t-a-2\n", 1), "%s",
              ENGINE);
}

Test(fleet_limits, one_that_is_gone_meanwhile_is_no_failure, .init = init,
     .fini = done)
{
    struct bench_generation *next;
    AUTO(auto_free) char *told = NULL;

    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_engine_fail(bench.engine, FAKE_UPDATE, 1, ERR_NOT_FOUND, "gone");
    next = bench_generation(&bench);
    next->keeper_apps[0].container.memory_bytes = 4096;
    told = bench_reload(&bench, next);
    bench_run_ms(&bench, 100);
    cr_expect_not(says("\"result\":\"rolling\""), "%s", told);
}

static unsigned count_updates(void)
{
    unsigned count = 0;

    for (const char *at = ENGINE; (at = strstr(at, "update ")); at++)
        count++;
    return count;
}

/* An engine with two changes under way may carry out the older one last. */
Test(fleet_limits, those_that_change_during_a_change_wait_for_its_end,
     .init = init, .fini = done)
{
    struct bench_generation *next;

    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench.engine->hold[FAKE_UPDATE] = true;
    for (uint64_t memory = 8192; memory >= 2048; memory /= 2) {
        AUTO(auto_free) char *told = NULL;

        next = bench_generation(&bench);
        next->keeper_apps[0].container.memory_bytes = memory;
        told = bench_reload(&bench, next);
    }
    bench_run_ms(&bench, 50);
    cr_assert_eq(count_updates(), 1, "%s", ENGINE);
    cr_assert(strstr(ENGINE, "update memory=8192"), "%s", ENGINE);
    bench.engine->hold[FAKE_UPDATE] = false;
    fake_engine_release(bench.engine, FAKE_UPDATE);
    cr_assert(bench_engine_hears(&bench, "update memory=2048", 1), "%s",
              ENGINE);
    bench_run_ms(&bench, 50);
    cr_expect_eq(count_updates(), 2, "what came in between is skipped: %s",
                 ENGINE);
}
