/* fleet_ladder.c: an app's replicas on the rungs below ready, between a fake
 * engine and a fake front.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lifecycle/revision.h"
#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench;
static struct warmth_settings *warmth;

static void init(void)
{
    bench_init(&bench, 1);
    warmth = &bench.apps[0].warmth;
    bench.apps[0].replicas_max = 2;
}

static void done(void)
{
    bench_done(&bench);
}

TestSuite(fleet_ladder, .init = init, .fini = done);

#define FRONT  bench.front->log.data
#define ENGINE bench.engine->log.data

static bool status_has(void *arg)
{
    AUTO(auto_free) char *status = bench_status(&bench, 0);

    return strstr(status, arg) != NULL;
}

static void await_status(const char *text)
{
    AUTO(auto_free) char *wanted = xstrdup(text);

    cr_assert(bench_run_until(&bench, status_has, wanted, 5000),
              "%s is missing in %s\n%s\n%s", text, bench_status(&bench, 0),
              FRONT, ENGINE);
}

static void make_frozen(void)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_asleep(bench.front, 1, true, false);
    cr_assert(bench_engine_hears(&bench, "freeze c0", 1));
    await_status("\"state\":\"frozen\"");
}

static void make_hibernated(void)
{
    warmth->hibernate_when = HIBERNATE_AFTER;
    warmth->hibernate_after_ms = 1;
    make_frozen();
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(bench.front, 1, true, true);
    await_status("\"state\":\"hibernated\"");
}

Test(fleet_ladder, what_the_front_says_sleeps_is_frozen_and_thawed)
{
    make_frozen();
    await_status("\"warmth\":\"frozen\"");
    await_status("\"state\":\"ready\",\"state_age"); /* of the app */
    fake_front_wake(bench.front, 1);
    cr_assert(bench_engine_hears(&bench, "thaw c0", 1));
    cr_assert(bench_front_hears(&bench, "awake replica=1 answer=0", 1));
    await_status("\"warmth\":\"ready\"");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_STARTS_FROZEN, "a"), 1U);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U);
}

Test(fleet_ladder, what_the_front_refuses_is_not_frozen)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_asleep(bench.front, 1, false, false);
    bench_run_ms(&bench, 50);
    cr_expect_eq(bench.engine->counts[FAKE_FREEZE], 0U);
}

Test(fleet_ladder, a_new_front_hears_that_it_sleeps)
{
    make_frozen();
    bench_front_down(&bench);
    bench_front_up(&bench);
    cr_assert(bench_front_hears(&bench, "probe=0 fds=4 sleep=1", 1), "%s",
              FRONT);
}

Test(fleet_ladder, with_on_sleep_a_request_calls_the_freeze_off)
{
    warmth->on_sleep = "/s";
    warmth->on_wake = "/w";
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    fake_front_asleep(bench.front, 1, true, true);
    cr_assert(bench_front_hears(&bench, "awake replica=1 answer=1", 1));
    await_status("\"state\":\"probing\"");
    bench_say_ready(&bench);
    await_status("\"state\":\"ready\",\"reason\"");
    cr_expect_eq(bench.engine->counts[FAKE_FREEZE], 0U);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "none beside it");
}

Test(fleet_ladder, one_that_is_withheld_is_woken_by_demand)
{
    warmth->on_wake = "/w";
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_asleep(bench.front, 1, true, true);
    await_status("\"state\":\"frozen\"");
    await_status("\"state\":\"asleep\"");
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 0U, "nobody asks for it");
    fake_front_demand(bench.front, 0, 1, 0, 2);
    cr_assert(bench_engine_hears(&bench, "thaw c0", 1));
    cr_assert(bench_front_hears(&bench, "awake replica=1 answer=1", 1));
    bench_say_ready(&bench);
    await_status("\"warmth\":\"ready\"");
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "none was started");
}

Test(fleet_ladder, is_hibernated_in_time_and_woken_by_demand)
{
    make_hibernated();
    await_status("\"state\":\"asleep\"");
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 0U, "%s", ENGINE);
    fake_front_demand(bench.front, 0, 1, 0, 2);
    cr_assert(bench_front_hears(&bench, "awake replica=1 answer=0", 1));
    await_status("\"warmth\":\"ready\"");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_STARTS_HIBERNATED, "a"), 1U);
}

Test(fleet_ladder, hibernated_ones_count_for_the_minimum)
{
    bench.apps[0].replicas_min = 1;
    warmth->hibernate_when = HIBERNATE_AFTER;
    warmth->hibernate_after_ms = 1;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    bench_say_ready(&bench);
    await_status("\"state\":\"ready\",\"reason\"");
    fake_front_asleep(bench.front, 1, true, false);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(bench.front, 1, true, true);
    await_status("\"state\":\"hibernated\"");
    bench_run_ms(&bench, 700);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_THAW], 0U, "%s", ENGINE);
}

Test(fleet_ladder, hibernated_ones_leave_after_idle_timeout)
{
    bench.apps[0].idle_timeout_ms = 800;
    make_hibernated();
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    cr_expect_eq(fake_engine_count(bench.engine), 0U);
}

Test(fleet_ladder, one_that_swap_cannot_hold_takes_requests_again)
{
    warmth->hibernate_when = HIBERNATE_AFTER;
    warmth->hibernate_after_ms = 1;
    fake_engine_fail(bench.engine, FAKE_HIBERNATE, 1, ERR_LIMIT, "no room");
    make_frozen();
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(bench.front, 1, true, true);
    cr_assert(bench_front_hears(&bench, "sleep replica=1 published=1", 1));
    fake_front_asleep(bench.front, 1, true, false);
    await_status("\"state\":\"ready\",\"state_age"); /* of the app */
    await_status("not hibernated: no room");
}

Test(fleet_ladder, keep_frozen_outlives_idle_timeout_frozen)
{
    warmth->keep_frozen = 1;
    bench.apps[0].idle_timeout_ms = 300;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "sleep app=0 awake=0", 1),
              "though freeze_after is off");
    fake_front_asleep(bench.front, 1, true, false);
    await_status("\"state\":\"frozen\"");
    bench_run_ms(&bench, 700);
    await_status("\"state\":\"frozen\"");
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U);
}

Test(fleet_ladder, keep_frozen_ends_when_its_time_is_over)
{
    warmth->keep_frozen = 1;
    warmth->keep_frozen_for_ms = 700;
    bench.apps[0].idle_timeout_ms = 300;
    make_frozen();
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    fake_front_demand(bench.front, 0, 0, 0, 1);
    channel_send_replica_drained(bench.front->channel,
                                 &(struct channel_replica_drained){1}, NULL, 0);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1), "%s", FRONT);
    cr_expect_not_null(strstr(ENGINE, "thaw c0\nstop c0"), "%s", ENGINE);
}

Test(fleet_ladder, keep_until_pressure_outlives_idle_timeout)
{
    warmth->keep_until_pressure = true;
    bench.apps[0].idle_timeout_ms = 200;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_run_ms(&bench, 900);
    await_status("\"state\":\"ready\",\"reason\"");
}

Test(fleet_ladder, a_crash_of_a_frozen_one_is_seen_and_told)
{
    make_frozen();
    fake_engine_exit(bench.engine, "c0", 137);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_REPLICA_CRASHES, "a"), 1U);
}

/* --- primed --- */

Test(fleet_ladder, primed_ones_are_kept_and_started_first)
{
    warmth->keep_primed = 1;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "init c0", 1));
    await_status("\"state\":\"primed\"");
    await_status("\"warmth\":\"primed\"");
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_engine_hears(&bench, "start c0", 1));
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U,
                 "none is primed while a request waits for a start");
    bench_say_ready(&bench);
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_engine_hears(&bench, "init c1", 1), "the next one");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_STARTS_PRIMED, "a"), 1U);
}

Test(fleet_ladder, one_that_cannot_be_primed_fails_no_request)
{
    warmth->keep_primed = 1;
    fake_engine_fail(bench.engine, FAKE_INIT, 1, ERR_FAILED, "it says so");
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_INIT], 1U, "not again at once");
    await_status("\"state\":\"asleep\"");
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
}

static const char *revision(void)
{
    static char hex[DIGEST_HEX_SIZE];

    revision_compute(&bench.keeper_apps[0].container, bench.engine->image_id,
                     hex);
    return hex;
}

Test(fleet_ladder, found_frozen_it_is_not_probed)
{
    struct fake_container *at =
        fake_engine_add(bench.engine, "a", 9, revision(), true);

    at->container.is_frozen = true;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "probe=0 fds=4 sleep=1", 1), "%s",
              FRONT);
    fake_front_wake(bench.front, 9);
    cr_assert(bench_engine_hears(&bench, "thaw c0", 1));
}

Test(fleet_ladder, found_primed_it_is_kept_where_one_is_wanted)
{
    struct fake_container *at;

    warmth->keep_primed = 1;
    for (uint64_t id = 8; id <= 9; id++) {
        at = fake_engine_add(bench.engine, "a", id, revision(), false);
        at->container.is_created = true;
        at->container.is_primed = true;
        at->container.pid = 4242;
    }
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "remove c", 1));
    bench_run_ms(&bench, 400);
    cr_expect_eq(fake_engine_count(bench.engine), 1U, "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
}
