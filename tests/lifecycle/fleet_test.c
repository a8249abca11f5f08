/* fleet_test.c - the fleet between a fake engine and a fake front. */
#include "lifecycle/fleet.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lifecycle/event_log.h"
#include "lifecycle/fleet_app.h"
#include "lifecycle/learned.h"
#include "lifecycle/revision.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench;

static void init(void)
{
    bench_init(&bench, 2);
}

static void done(void)
{
    bench_done(&bench);
}

TestSuite(fleet, .init = init, .fini = done);

#define FRONT  bench.front->log.data
#define ENGINE bench.engine->log.data

static void expect_status(unsigned app, const char *text)
{
    AUTO(auto_free) char *status = bench_status(&bench, app);

    cr_expect_not_null(strstr(status, text), "\"%s\" is missing in %s", text,
                       status);
}

/* --- starting --- */

Test(fleet, nothing_runs_before_a_request_comes)
{
    bench_start(&bench);
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_IMAGE], 2U, "images are looked up");
    expect_status(0, "\"state\":\"asleep\"");
}

Test(fleet, the_first_request_starts_one_container_and_publishes_it)
{
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "state app=0 starting", 1));
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    cr_expect_not_null(strstr(FRONT, "name=a-1 connect=2 address= port=8000 "
                                     "probe=1 fds=4"),
                       "%s", FRONT);
    cr_expect_not_null(strstr(ENGINE, "create berth-t-a-1\nstart c0\n"), "%s",
                       ENGINE);
    expect_status(0, "\"state\":\"probing\"");
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
    expect_status(0, "\"state\":\"ready\"");
    expect_status(0, "{\"name\":\"boot\",\"us\":1000}");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_STARTS_PULLED, "a"), 1U);
}

/* The newest start's. */
static bool last_start_has(const char *phase)
{
    AUTO(auto_free) char *status = bench_status(&bench, 0);
    const char *start = strstr(status, "\"last_start\":");

    return start && strstr(start, phase);
}

static bool first_byte_is_told(void *arg)
{
    (void)arg;
    return last_start_has("{\"name\":\"first_byte\",\"us\":");
}

Test(fleet, the_first_byte_of_the_answer_ends_a_start)
{
    const struct event *event;
    uint64_t at = 0;

    bench.events = event_log_new();
    bench_start(&bench);
    fake_front_first_byte(bench.front, 4711, 0); /* it is gone: no harm */
    bench_make_ready(&bench, 0);
    cr_expect_not(first_byte_is_told(NULL), "nobody has an answer yet");
    fake_front_first_byte(bench.front, bench.front->last_replica, 700000);
    cr_assert(bench_run_until(&bench, first_byte_is_told, NULL, 2000));
    cr_expect(last_start_has("{\"name\":\"boot\",\"us\":1000}"));
    cr_expect_geq(
        metrics_quantile(bench.metrics, HISTOGRAM_PHASE_FIRST_BYTE, "a", 0.5),
        500000U);
    while ((event = event_log_after(bench.events, at)) &&
           event->kind != EVENT_FIRST_BYTE)
        at = event->id;
    cr_assert_not_null(event);
    cr_expect_not_null(strstr(event->reason, ", first_byte "), "%s",
                       event->reason);
    cr_expect_str_eq(event->from, "pulled");
    cr_expect_geq(event->took_ms, 600U);
    event_log_free(&bench.events);
}

Test(fleet, however_many_ask_one_container_is_started)
{
    bench_start(&bench);
    for (unsigned i = 1; i <= 20; i++)
        fake_front_demand(bench.front, 0, i, 0, i);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
    cr_expect_eq(fake_front_count(bench.front, "add app="), 1U);
}

Test(fleet, nothing_is_started_before_what_runs_is_known)
{
    bench.engine->hold[FAKE_LIST] = true;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U);
    fake_engine_release(bench.engine, FAKE_LIST);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-1", 1));
}

Test(fleet, a_missing_image_is_pulled_once)
{
    bench.engine->image_is_there = false;
    bench.engine->hold[FAKE_PULL] = true;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "pull localhost/a:1", 1));
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "state app=0 starting", 1));
    expect_status(0, "\"state\":\"pulling\"");
    expect_status(0, "\"image_activity\":\"pulling");
    fake_engine_release(bench.engine, FAKE_PULL);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    cr_expect_eq(bench.engine->counts[FAKE_PULL], 2U, "one an image:\n%s",
                 ENGINE);
}

Test(fleet, starts_are_bounded_across_apps)
{
    bench.settings.podman.max_parallel_starts = 1;
    bench.engine->hold[FAKE_CREATE] = true;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-1", 1));
    bench_run_ms(&bench, 100);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
    expect_status(1, "\"state\":\"creating\"");
    fake_engine_release(bench.engine, FAKE_CREATE);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    cr_assert(bench_front_hears(&bench, "add app=1", 1));
}

Test(fleet, an_app_with_min_1_is_started_without_a_request)
{
    bench.apps[1].replicas_min = 1;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=1", 1));
    cr_expect_eq(fake_front_count(bench.front, "add app=0"), 0U);
}

Test(fleet, a_request_that_was_refused_counts_as_demand)
{
    bench_start(&bench);
    /* on_cold_start reject: nobody waits, but somebody came. */
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
}

/* --- leaving --- */

Test(fleet, an_idle_app_is_drained_stopped_and_removed)
{
    bench.apps[0].idle_timeout_ms = 300;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U, "not before it drained");
    channel_send_replica_drained(bench.front->channel,
                                 &(struct channel_replica_drained){1}, NULL, 0);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    bench_run_ms(&bench, 600);
    cr_expect_eq(fake_engine_count(bench.engine), 0U);
    cr_expect_not_null(strstr(ENGINE, "stop c0\nremove c0\n"), "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "it stays away");
    expect_status(0, "\"state\":\"asleep\"");
    fake_front_demand(bench.front, 0, 1, 0, 2);
    cr_assert(bench_front_hears(&bench, "add app=0", 2), "and comes back");
}

Test(fleet, an_app_that_asked_for_it_is_kept_beyond_idle_timeout)
{
    struct channel_demand demand = {
        .app = 0,
        .arrivals = 1,
        .at_us = clock_now_us(),
        .keep_until_us = clock_now_us() + 900000,
    };

    bench.apps[0].idle_timeout_ms = 100;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    channel_send_demand(bench.front->channel, &demand, NULL, 0);
    bench_run_ms(&bench, 500);
    cr_expect_eq(fake_front_count(bench.front, "drain"), 0U, "%s", FRONT);
    expect_status(0, "asked to be kept");
    demand.keep_until_us = 0; /* a later one does not take it back */
    channel_send_demand(bench.front->channel, &demand, NULL, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    cr_expect_geq(clock_now_us(), demand.at_us + 900000);
}

/* As the file that the fleet keeps; false: it says nothing of "a". */
static bool kept_until_is(uint64_t *ret_unix_s)
{
    char path[128];
    FILE *file;
    char line[256] = "";
    bool is_there;

    snprintf(path, sizeof path, "%s/learned", bench.state_dir);
    file = fopen(path, "re");
    if (!file)
        return false;
    is_there = fgets(line, sizeof line, file) &&
               sscanf(line, "a %*u %*u %*u %*u %*u %*u %lu", ret_unix_s) == 1;
    fclose(file);
    return is_there;
}

static bool keep_is_written(void *arg)
{
    return kept_until_is(arg);
}

Test(fleet, what_was_asked_to_be_kept_is_kept_over_a_restart)
{
    uint64_t now_s = clock_unix_ms() / 1000;
    uint64_t until_s = 0;

    bench_start(&bench);
    fleet_app_keep_until(fleet_find_app(bench.fleet, 0),
                         clock_now_us() + UINT64_C(600000000));
    cr_assert(bench_run_until(&bench, keep_is_written, &until_s, 3000));
    cr_expect_geq(until_s, now_s + 600);
    cr_expect_leq(until_s, now_s + 620);
}

Test(fleet, one_that_was_to_be_kept_is_found_to_be_kept)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct err err;

    strbuf_printf(&text, "a 0 0 0 0 0 0 %lu\n",
                  (unsigned long)clock_unix_ms() / 1000 + 600);
    cr_assert(learned_write(bench.state_dir, &text, &err), "%s", err.text);
    bench.apps[0].idle_timeout_ms = 100;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_run_ms(&bench, 900);
    cr_expect_eq(fake_front_count(bench.front, "drain replica=1"), 0U);
    expect_status(0, "\"state\":\"ready\"");
}

Test(fleet, a_busy_app_is_not_idle_however_long_it_takes)
{
    bench.apps[0].idle_timeout_ms = 100;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 0, 0, 1, 1);
    bench_run_ms(&bench, 700);
    cr_expect_eq(fake_front_count(bench.front, "drain"), 0U, "%s", FRONT);
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
}

Test(fleet, a_request_that_comes_during_the_drain_calls_it_off)
{
    bench.apps[0].idle_timeout_ms = 300;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    fake_front_demand(bench.front, 0, 1, 0, 2);
    cr_assert(bench_front_hears(&bench, "resume replica=1", 1));
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U);
}

Test(fleet, a_drain_that_takes_too_long_ends)
{
    bench.apps[0].idle_timeout_ms = 200;
    bench.apps[0].drain_timeout_ms = 200;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    cr_expect_not_null(strstr(FRONT, "drain_timeout"), "%s", FRONT);
}

/* --- crashes --- */

Test(fleet, a_crash_is_told_at_once_with_its_reason)
{
    bench.engine->container_log = "line 1\nSegmentation fault\n";
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_engine_exit(bench.engine, "c0", 139);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    expect_status(0, "\"code\":\"crashed\",\"message\":\"killed by signal 11 "
                     "(Segmentation fault)\",\"log\":[\"line 1\","
                     "\"Segmentation fault\"]");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_REPLICA_CRASHES, "a"), 1U);
    bench_run_ms(&bench, 500);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U,
                 "nobody asked for another: %s", ENGINE);
}

Test(fleet, the_request_that_a_crash_cost_its_answer_starts_nothing)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_engine_exit(bench.engine, "c0", 1);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    /* What the front counted just before is told only now. */
    channel_send_demand(bench.front->channel,
                        &(struct channel_demand){.arrivals = 9, .unserved = 1},
                        NULL, 0);
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U, "%s", ENGINE);
    expect_status(0, "\"state\":\"asleep\"");
}

Test(fleet, a_crashed_app_comes_back_for_the_next_request)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_engine_exit(bench.engine, "c0", 1);
    fake_front_demand(bench.front, 0, 1, 0, 2);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 2));
}

Test(fleet, a_crashed_app_with_min_1_comes_back_by_itself)
{
    bench.apps[0].replicas_min = 1;
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
    fake_engine_exit(bench.engine, "c0", 1);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
}

Test(fleet, an_end_that_only_the_engines_events_tell_counts_as_well)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fleet_on_engine_died(bench.fleet, "c0", 5);
    fleet_on_engine_died(bench.fleet, "c0", 5);
    fleet_on_engine_died(bench.fleet, "unknown", 5);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    expect_status(0, "\"message\":\"exited with code 5\"");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_REPLICA_CRASHES, "a"), 1U);
}

/* --- failed starts --- */

Test(fleet, one_that_exits_at_once_is_tried_again_then_refused)
{
    bench.engine->exit_at_start = 3;
    bench.engine->container_log = "no such file: model.bin\n";
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-1", 1));
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-2", 1));
    cr_expect_eq(fake_front_count(bench.front, "failed"), 0U,
                 "who waits goes on waiting: %s", FRONT);
    cr_assert(bench_engine_hears(&bench, "create berth-t-a-3", 1));
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    cr_expect_not_null(strstr(FRONT, "code=start_failed"), "%s", FRONT);
    cr_expect_not_null(
        strstr(FRONT, "reason=exited with code 3 before it was ready"), "%s",
        FRONT);
    expect_status(0, "\"log\":[\"no such file: model.bin\"]");
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_START_FAILURES, "a"), 3U);
    bench_run_ms(&bench, 100);
    cr_expect_eq(fake_engine_count(bench.engine), 0U, "nothing is left");
}

Test(fleet, a_failed_app_mends_itself_by_one_trial_a_back_off)
{
    bench.engine->exit_at_start = 3;
    bench.apps[0].start_retries = 1;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    fake_front_demand(bench.front, 0, 0, 0, 1); /* it was refused */
    bench_run_ms(&bench, 700);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 1U,
                 "no trial while nobody comes: %s", ENGINE);
    bench.engine->exit_at_start = -1;
    fake_front_demand(bench.front, 0, 0, 0, 2);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
}

Test(fleet, while_requests_come_trials_go_on_with_growing_pauses)
{
    bench.engine->exit_at_start = 3;
    bench.apps[0].start_retries = 1;
    bench_start(&bench);
    for (unsigned i = 1; i <= 20; i++) {
        fake_front_demand(bench.front, 0, 0, 0, i);
        bench_run_ms(&bench, 100);
    }
    /* At 0, 0.25, 0.75 and 1.75 s of 2 s. */
    cr_expect_geq(bench.engine->counts[FAKE_CREATE], 3U, "%s", ENGINE);
    cr_expect_leq(bench.engine->counts[FAKE_CREATE], 4U, "%s", ENGINE);
    cr_expect_eq(fake_front_count(bench.front, "state app=0 failed"),
                 bench.engine->counts[FAKE_CREATE],
                 "each failure is told with its new time: %s", FRONT);
}

Test(fleet, an_image_that_is_not_to_be_had_fails_at_once)
{
    bench.engine->image_is_there = false;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "prune", 1));
    fake_engine_fail(bench.engine, FAKE_PULL, 100, ERR_NOT_FOUND,
                     "manifest unknown");
    bench.engine->image_is_there = false;
    bench_run_ms(&bench, 50);
    bench.engine->image_is_there = false;
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_START_FAILURES, "a"), 1U);
    cr_expect_not_null(
        strstr(FRONT, "reason=image localhost/a:1: manifest unknown"), "%s",
        FRONT);
}

Test(fleet, a_registry_that_is_down_is_told_while_the_pull_is_tried_again)
{
    bench.settings.podman.pull_retries = 1;
    bench.engine->image_is_there = false;
    fake_engine_fail(bench.engine, FAKE_PULL, 2, ERR_FAILED,
                     "connection refused");
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 0);
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    cr_expect_not_null(strstr(FRONT, "reason=image localhost/a:1: connection "
                                     "refused (it is tried again)"),
                       "%s", FRONT);
    expect_status(0, "\"state\":\"pulling\"");
    fake_front_demand(bench.front, 0, 0, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1),
              "the same start went on");
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
}

Test(fleet, a_create_that_is_refused_fails_at_once)
{
    fake_engine_fail(bench.engine, FAKE_CREATE, 1, ERR_FAILED,
                     "no such network");
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    cr_expect_not_null(strstr(FRONT, "no such network"), "%s", FRONT);
}

Test(fleet, an_engine_that_is_away_for_a_moment_costs_no_request)
{
    fake_engine_fail(bench.engine, FAKE_CREATE, 1, ERR_UNAVAILABLE, "away");
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=2", 1));
    cr_expect_eq(fake_front_count(bench.front, "failed"), 0U, "%s", FRONT);
}

Test(fleet, one_that_never_listens_says_what_the_probe_saw)
{
    bench.apps[0].start_timeout_ms = 300;
    bench.apps[0].start_retries = 1;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    channel_send_probe_status(
        bench.front->channel,
        &(struct channel_probe_status){1, SV("port 8000 refused")}, NULL, 0);
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    cr_expect_not_null(strstr(FRONT, "code=start_timeout"), "%s", FRONT);
    cr_expect_not_null(strstr(FRONT, "within 300ms (start_timeout): "
                                     "port 8000 refused"),
                       "%s", FRONT);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
}

Test(fleet, one_that_ends_while_it_is_probed_does_not_wait_for_the_time_out)
{
    bench.apps[0].start_retries = 1;
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
    fake_engine_exit(bench.engine, "c0", 7);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    cr_assert(bench_front_hears(&bench, "state app=0 failed", 1));
    cr_expect_not_null(strstr(FRONT, "exited with code 7 before it was ready"),
                       "%s", FRONT);
}

/* --- adoption --- */

static void revision_of_app(unsigned index, char *ret_hex)
{
    revision_compute(&bench.keeper_apps[index].container,
                     bench.engine->image_id, ret_hex);
}

Test(fleet, a_running_container_of_the_current_revision_is_adopted)
{
    char revision[DIGEST_HEX_SIZE];

    revision_of_app(0, revision);
    fake_engine_add(bench.engine, "a", 7, revision, true);
    bench_start(&bench);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=7", 1));
    cr_expect_not_null(strstr(FRONT, "name=a-7 connect=2 address= port=8000 "
                                     "probe=1"),
                       "%s", FRONT);
    bench_say_ready(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
    expect_status(0, "\"container\":\"c0\"");
    expect_status(0, "\"adopted\":true");
    /* New ones get numbers beyond. */
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_engine_hears(&bench, "create berth-t-b-8", 1));
}

Test(fleet, what_cannot_be_used_any_more_is_removed)
{
    static const struct {
        const char *label;
        const char *app;
        uint64_t replica;
        bool is_running;
    } cases[] = {
        {"unknown app", "z", 3, true},
        {"stopped", "a", 3, false},
        {"no replica", "a", 0, true},
    };

    done();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char revision[DIGEST_HEX_SIZE];

        init();
        revision_of_app(0, revision);
        fake_engine_add(bench.engine, cases[i].app, cases[i].replica, revision,
                        cases[i].is_running);
        bench_start(&bench);
        cr_expect(bench_engine_hears(&bench, "remove c0\n", 1), "%s: %s",
                  cases[i].label, ENGINE);
        cr_expect_eq(strstr(ENGINE, "stop c0\n") != NULL, cases[i].is_running,
                     "%s", cases[i].label);
        cr_expect_eq(fake_front_count(bench.front, "add app="), 0U, "%s",
                     cases[i].label);
        cr_expect(bench_engine_hears(&bench, "prune", 1), "%s", cases[i].label);
        done();
    }
    init();
}

Test(fleet, of_two_running_containers_of_one_app_one_is_kept)
{
    char revision[DIGEST_HEX_SIZE];

    revision_of_app(0, revision);
    fake_engine_add(bench.engine, "a", 7, revision, true);
    fake_engine_add(bench.engine, "a", 8, revision, true);
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "remove c1", 1));
    cr_assert(bench_front_hears(&bench, "add app=0 replica=7", 1));
    cr_expect_eq(fake_engine_count(bench.engine), 1U);
}

Test(fleet, after_the_engine_was_away_what_is_lost_and_what_is_left_is_found)
{
    bench.engine->no_handles = true;
    bench.engine->base.capabilities.sockets_inside = false;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_make_ready(&bench, 1);
    bench_run_ms(&bench, 5);
    /* Meanwhile: c0 went away unseen, and a stray came. */
    fake_engine_find(bench.engine, "c0")->container.id[0] = '\0';
    fake_engine_add(bench.engine, "a", 99, "0ld", true);
    fleet_on_engine_up(bench.fleet);
    cr_assert(bench_front_hears(&bench, "remove replica=1", 1));
    cr_assert(bench_engine_hears(&bench, "remove c2", 1));
    expect_status(1, "\"state\":\"ready\"");
    cr_expect_eq(fake_front_count(bench.front, "remove replica=2"), 0U);
}

Test(fleet, what_is_seen_to_run_is_kept_whatever_the_engine_lists)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_run_ms(&bench, 5);
    strcpy(fake_engine_find(bench.engine, "c0")->container.id, "other");
    fleet_on_engine_up(bench.fleet);
    cr_assert(bench_engine_hears(&bench, "list", 2));
    bench_run_ms(&bench, 50);
    cr_expect_eq(fake_front_count(bench.front, "remove replica=1"), 0U);
    strcpy(fake_engine_find(bench.engine, "other")->container.id, "c0");
}

Test(fleet, starts_may_be_held_until_the_engine_is_back)
{
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "prune", 1));
    fleet_hold_starts(bench.fleet);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U);
    fleet_on_engine_up(bench.fleet);
    cr_assert(bench_front_hears(&bench, "add app=0", 1));
}

/* --- the front --- */

Test(fleet, a_new_front_is_told_of_what_is_ready)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_front_hears(&bench, "add app=1", 1));
    bench_front_down(&bench);
    bench_run_ms(&bench, 50);
    bench_front_up(&bench);
    cr_assert(bench_front_hears(&bench, "add app=0 replica=1", 1));
    cr_expect_not_null(strstr(FRONT, "add app=0 replica=1 name=a-1 connect=2 "
                                     "address= port=8000 probe=0"),
                       "%s", FRONT);
    cr_expect_not_null(strstr(FRONT, "add app=1 replica=2 name=b-2 connect=2 "
                                     "address= port=8000 probe=1"),
                       "%s", FRONT);
    cr_expect_not_null(strstr(FRONT, "state app=0 ready"), "%s", FRONT);
    cr_expect_not_null(strstr(FRONT, "state app=1 starting"), "%s", FRONT);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 2U);
    cr_expect_eq(bench.engine->counts[FAKE_STOP], 0U, "none is touched");
}

Test(fleet, without_a_front_what_drains_is_drained)
{
    bench.apps[0].idle_timeout_ms = 200;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    cr_assert(bench_front_hears(&bench, "drain replica=1", 1));
    bench_front_down(&bench);
    cr_assert(bench_engine_hears(&bench, "remove c0", 1));
    bench_front_up(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 asleep", 1));
    cr_expect_eq(fake_front_count(bench.front, "add app=0"), 0U);
}

Test(fleet, sockets_are_made_for_those_that_are_there)
{
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    channel_send_sockets_wanted(bench.front->channel,
                                &(struct channel_sockets_wanted){1, AF_INET, 3},
                                NULL, 0);
    cr_assert(bench_front_hears(&bench, "sockets replica=1 fds=3", 1));
    channel_send_sockets_wanted(
        bench.front->channel, &(struct channel_sockets_wanted){77, AF_INET, 3},
        NULL, 0);
    cr_assert(bench_front_hears(&bench,
                                "sockets replica=77 fds=0 error=the "
                                "replica is gone",
                                1));
}

Test(fleet, upstream_apps_are_ready_from_the_start)
{
    bench_make_external(&bench, 0, "127.0.0.1:3000");
    bench_make_external(&bench, 0, "unix:/run/x.sock");
    bench_start(&bench);
    cr_assert(bench_front_hears(&bench, "state app=0 ready", 1));
    cr_expect_not_null(
        strstr(FRONT, "connect=1 address=127.0.0.1:3000 port=0 probe=0"), "%s",
        FRONT);
    cr_expect_not_null(strstr(FRONT, "connect=3 address= port=0 probe=0"), "%s",
                       FRONT);
    fake_front_demand(bench.front, 0, 1, 0, 1);
    bench_run_ms(&bench, 300);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U);
}

Test(fleet, messages_that_make_no_sense_are_refused)
{
    AUTO(strbuf_done) struct strbuf payload = STRBUF_INIT;

    bench_start(&bench);
    cr_expect_not(fleet_on_message(bench.fleet, CHANNEL_DEMAND, SV("x")));
    cr_expect_not(fleet_on_message(bench.fleet, CHANNEL_GO, SV("")));
    wire_put_u32(&payload, 2); /* there are apps 0 and 1 */
    for (int i = 0; i < 3; i++)
        wire_put_u32(&payload, 0);
    wire_put_u64(&payload, 0);
    wire_put_u64(&payload, 0);
    cr_expect_not(
        fleet_on_message(bench.fleet, CHANNEL_DEMAND, strbuf_view(&payload)));
}

/* --- an engine that goes away --- */

Test(fleet, nothing_is_primed_while_the_engine_is_away)
{
    bench.apps[1].warmth.keep_primed = 1;
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "prune", 1), "it has listed");
    fleet_on_engine_down(bench.fleet, "nobody listens on Podman's socket");
    bench_run_ms(&bench, 600);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
    fleet_on_engine_up(bench.fleet);
    cr_expect(bench_engine_hears(&bench, "init c0", 1), "%s", ENGINE);
}

Test(fleet, what_waits_is_started_when_the_engine_is_back)
{
    bench_start(&bench);
    cr_assert(bench_engine_hears(&bench, "prune", 1), "it has listed");
    fleet_on_engine_down(bench.fleet, "nobody listens on Podman's socket");
    fake_front_demand(bench.front, 0, 1, 0, 1);
    bench_run_ms(&bench, 400);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U, "%s", ENGINE);
    cr_expect_eq(metrics_sum(bench.metrics, METRIC_START_FAILURES, "a"), 0U,
                 "the app did not fail");
    cr_expect(bench_front_hears(&bench, "start_failed", 1), "%s", FRONT);
    fleet_on_engine_up(bench.fleet);
    cr_expect(bench_engine_hears(&bench, "create", 1), "%s", ENGINE);
}

/* --- the end --- */

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static bool is_set(void *arg)
{
    return *(const bool *)arg;
}

Test(fleet, stopping_removes_what_runs_and_starts_nothing)
{
    bool stopped = false;

    bench_start(&bench);
    bench_make_ready(&bench, 0);
    fake_front_demand(bench.front, 1, 1, 0, 1);
    cr_assert(bench_engine_hears(&bench, "start c1", 1));
    bench_front_down(&bench);
    fleet_stop(bench.fleet, set_flag, &stopped);
    cr_expect_not(stopped, "not within the call");
    cr_assert(bench_run_until(&bench, is_set, &stopped, 5000), "%s", ENGINE);
    cr_expect_eq(fake_engine_count(bench.engine), 0U, "%s", ENGINE);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 2U);
}

Test(fleet, a_clean_up_under_way_does_not_end_a_stop_before_its_containers)
{
    bool stopped = false;

    bench.engine->hold[FAKE_PRUNE] = true;
    bench_start(&bench);
    bench_make_ready(&bench, 0);
    bench_front_down(&bench);
    bench.engine->hold[FAKE_STOP] = true;
    fleet_stop(bench.fleet, set_flag, &stopped);
    bench_run_ms(&bench, 50);
    cr_expect_not(stopped, "its container is there: %s", ENGINE);
    bench.engine->hold[FAKE_PRUNE] = false;
    fake_engine_release(bench.engine, FAKE_STOP);
    cr_assert(bench_run_until(&bench, is_set, &stopped, 5000), "%s", ENGINE);
    cr_expect_eq(fake_engine_count(bench.engine), 0U, "%s", ENGINE);
}

Test(fleet, one_with_nothing_to_stop_stops_at_once)
{
    bool stopped = false;

    bench_start(&bench);
    bench_front_down(&bench);
    fleet_stop(bench.fleet, set_flag, &stopped);
    cr_assert(bench_run_until(&bench, is_set, &stopped, 1000));
}

static bool was_asked(void *arg)
{
    return bench.engine->counts[*(const enum fake_kind *)arg] > 0;
}

Test(fleet, what_is_under_way_may_be_dropped_at_any_time)
{
    static const enum fake_kind kinds[] = {FAKE_LIST,   FAKE_IMAGE, FAKE_PULL,
                                           FAKE_CREATE, FAKE_START, FAKE_LOGS,
                                           FAKE_REMOVE, FAKE_PRUNE};
    enum fake_kind kind;

    done();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        init();
        bench.engine->image_is_there = kinds[i] != FAKE_PULL;
        bench.engine->hold[kinds[i]] = true;
        bench.engine->exit_at_start =
            kinds[i] == FAKE_LOGS || kinds[i] == FAKE_REMOVE ? 1 : -1;
        bench_start(&bench);
        fake_front_demand(bench.front, 0, 1, 0, 1);
        kind = kinds[i];
        cr_expect(bench_run_until(&bench, was_asked, &kind, 5000), "kind %d",
                  kind);
        done();
    }
    init();
}
