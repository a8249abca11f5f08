/* fleet_scale_test.c - several replicas of an app, between a fake engine and a
 * fake front. */
#include "lifecycle/fleet_scale.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/revision.h"
#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench;

static void init(void)
{
    bench_init(&bench, 2);
    bench.apps[0].replicas_max = 4;
    bench.settings.podman.max_parallel_starts = 8;
}

static void done(void)
{
    bench_done(&bench);
}

TestSuite(fleet_scale, .init = init, .fini = done);

#define FRONT  bench.front->log.data
#define ENGINE bench.engine->log.data

static void say_ready(uint64_t replica)
{
    bench.front->last_replica = replica;
    bench_say_ready(&bench);
}

static void say_drained(uint64_t replica)
{
    const struct channel_replica_drained message = {replica};

    channel_send_replica_drained(bench.front->channel, &message, NULL, 0);
}

static unsigned count_state(unsigned app, const char *state)
{
    AUTO(auto_free) char *status = bench_status(&bench, app);
    unsigned count = 0;

    for (const char *at = strstr(status, "\"replicas\":");
         at && (at = strstr(at, "\"state\":\"")); at++)
        count += strncmp(at + 9, state, strlen(state)) == 0;
    return count;
}

static void make_three_ready(void)
{
    bench.apps[0].replicas_min = 3;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0", 3));
    for (uint64_t id = 1; id <= 3; id++)
        say_ready(id);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
    bench_run_ms(&bench, 20);
    cr_assert_eq(count_state(0, "ready"), 3U);
}

/* --- up --- */

Test(fleet_scale, several_are_started_at_once)
{
    bench.apps[0].replicas_min = 3;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0", 3));
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 3U, "%s", ENGINE);
}

Test(fleet_scale, many_who_wait_start_more_than_one_and_no_more_than_max)
{
    bench.apps[0].concurrency = 1;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 40, 0, 0);
    cr_assert(bench_front_hears(&bench, "add app=0", 2));
    bench_run_ms(&bench, 600);
    cr_expect_leq(bench.engine->counts[FAKE_CREATE], 4U, "%s", ENGINE);
    cr_expect_eq(fake_front_count(bench.front, "add app=1"), 0U);
}

/* Two of what may be there once would share its volume. */
Test(fleet_scale, one_that_stops_counts_until_it_is_gone)
{
    bench.apps[0].replicas_max = 1;
    bench.apps[0].idle_timeout_ms = 100;
    bench.engine->hold[FAKE_STOP] = true;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    say_drained(1);
    cr_assert(bench_engine_hears(&bench, "stop c0", 1));
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "state app=0 starting", 2));
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
    fake_engine_release(bench.engine, FAKE_STOP);
    cr_assert(bench_front_hears(&bench, "add app=0", 2));
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 2U, "%s", ENGINE);
}

Test(fleet_scale, where_more_may_be_there_nobody_waits_for_one_that_stops)
{
    bench.apps[0].replicas_max = 2;
    bench.apps[0].idle_timeout_ms = 100;
    bench.engine->hold[FAKE_STOP] = true;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    say_drained(1);
    cr_assert(bench_engine_hears(&bench, "stop c0", 1));
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0", 2));
    fake_engine_release(bench.engine, FAKE_STOP);
}

/* One start at a time: app 1 has no replica, app 0 wants more of them. */
Test(fleet_scale, an_app_without_a_replica_is_started_before_another_gets_more)
{
    bench.settings.podman.max_parallel_starts = 1;
    bench.engine->hold[FAKE_CREATE] = true;
    bench.apps[0].concurrency = 1;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 4, 0, 4);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-1", 1));
    fake_front_demand(bench.front, 1, 1, 0, 1);
    bench_run_ms(&bench, 50);
    fake_engine_release(bench.engine, FAKE_CREATE);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-2", 1) ||
              bench_engine_hears(&bench, "create berth-t-b", 1));
    bench_run_ms(&bench, 300);
    cr_expect(strstr(ENGINE, "create berth-t-b") <
                  strstr(ENGINE, "create berth-t-a-2"),
              "%s", ENGINE);
}

Test(fleet_scale, starts_of_one_app_are_bounded_as_well)
{
    bench.apps[0].replicas_min = 4;
    bench.settings.podman.max_parallel_starts = 2;
    bench.engine->hold[FAKE_CREATE] = true;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-2", 1));
    bench_run_ms(&bench, 100);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 2U, "%s", ENGINE);
    fake_engine_release(bench.engine, FAKE_CREATE);
    cr_assert(bench_front_hears(&bench, "add app=0", 4));
}

Test(fleet_scale, the_front_knows_how_long_starts_will_take)
{
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "starts app=0 none", 1));
    fake_front_demand(bench.front, 0, 1, 0, 0);
    /* Of a first one, no more than start_timeout is known. */
    cr_assert(bench_front_hears(&bench, "starts app=0 seconds=5.0", 1));
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    say_ready(1);
    cr_assert(bench_front_hears(&bench, "starts app=0 none", 2));
    fake_front_demand(bench.front, 0, 40, 8, 0);
    cr_assert(bench_front_hears(&bench, "starts app=0 seconds=0.", 1),
              "as long as the last one took:\n%s", FRONT);
    bench_front_down(&bench);
    bench_front_up(&bench);
    cr_assert(bench_front_hears(&bench, "starts app=0", 1), "a new one, too");
}

Test(fleet_scale, of_starts_that_fail_together_one_failure_counts)
{
    bench.apps[0].replicas_min = 3;
    bench.apps[0].start_retries = 3;
    bench.engine->exit_at_start = 3;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "remove c2", 1));
    bench_run_ms(&bench, 100);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 3U, "%s", ENGINE);
    cr_expect_eq(fake_front_count(bench.front, "failed"), 0U, "%s", FRONT);
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_START_FAILURES, "a"), 3U);
    /* From then on one at a time tries, until it goes again. */
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 4U, "%s", ENGINE);
    bench.engine->exit_at_start = -1;
    cr_assert(bench_front_hears(&bench, "add app=0 replica=5", 1));
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 5U, "%s", ENGINE);
    say_ready(5);
    cr_assert(bench_front_hears(&bench, "add app=0", 3));
}

/* --- down --- */

Test(fleet_scale, the_front_chooses_which_of_several_go)
{
    make_three_ready();
    bench.apps[0].replicas_min = 1;
    bench.apps[0].has_scale_down_delay = true;
    cr_assert(bench_front_hears(&bench, "shrink app=0 keep=", 1));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U, "%s", ENGINE);
    say_drained(2);
    cr_assert(bench_engine_hears(&bench, "stop c1\nremove c1", 1));
    cr_assert(bench_front_hears(&bench, "remove replica=2", 1));
    cr_expect_eq(fake_front_count(bench.front, "resume"), 0U, "%s", FRONT);
    cr_expect_eq(fake_front_count(bench.front, "drain"), 0U, "%s", FRONT);
}

Test(fleet_scale, one_that_was_drained_too_late_serves_again)
{
    make_three_ready();
    say_drained(2); /* three are wanted */
    cr_assert(bench_front_hears(&bench, "resume replica=2", 1));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U, "%s", ENGINE);
    cr_expect_eq(count_state(0, "ready"), 3U);
}

Test(fleet_scale, a_start_that_no_request_waits_for_is_called_off_first)
{
    bench.apps[0].replicas_min = 2;
    bench.engine->hold[FAKE_CREATE] = true;
    bench.settings.podman.max_parallel_starts = 1;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-1", 1));
    bench.apps[0].replicas_min = 1;
    bench_run_ms(&bench, 600);
    cr_expect_eq(count_state(0, "creating"), 1U, "the younger one is gone");
    fake_engine_release(bench.engine, FAKE_CREATE);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
}

/* --- crashes --- */

Test(fleet_scale, a_crash_of_one_of_several_leaves_the_app_ready)
{
    make_three_ready();
    fake_engine_exit(bench.engine, "c1", 139);
    cr_assert(bench_front_hears(&bench, "remove replica=2", 1));
    cr_assert(bench_front_hears(&bench, "add app=0 replica=4", 1));
    cr_expect_eq(fake_front_count(bench.front, "state app=0 ready"), 1U, "%s",
                 FRONT);
    cr_expect_eq(fake_front_count(bench.front, "state app=0 failed"), 0U, "%s",
                 FRONT);
}

/* --- adoption --- */

static void add_running(unsigned count)
{
    char revision[DIGEST_HEX_SIZE];

    revision_compute(&bench.keeper_apps[0].container, bench.engine->image_id,
                     revision);
    for (unsigned i = 0; i < count; i++)
        fake_engine_add(bench.engine, "a", 5 + i, revision, true);
}

Test(fleet_scale, all_that_run_are_adopted_up_to_max)
{
    add_running(5);
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "remove c4", 1));
    cr_assert(bench_front_hears(&bench, "add app=0", 4));
    for (uint64_t id = 5; id <= 8; id++)
        say_ready(id);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
    bench_run_ms(&bench, 300);
    cr_expect_eq(count_state(0, "ready"), 4U);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
}
