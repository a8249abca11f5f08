/* front_supervisor_test.c - /bin/sh stands in for the front. */
#include "lifecycle/front_supervisor.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "router/base/clock.h"
#include "router/base/timers.h"
#include "tests/support/fleet_bench.h"
#include "tests/support/shell_front.h"

static struct fleet_bench bench; /* for its loop */
static struct front_supervisor *supervisor;
static unsigned starts;
static unsigned readies;
static unsigned downs;
static bool finished;
static uint64_t start_times_us[64];

static void on_start(void *arg, struct channel *channel)
{
    struct channel_go go = {1};

    (void)arg;
    start_times_us[starts++] = clock_now_us();
    channel_send_go(channel, &go, NULL, 0);
}

static void on_ready(void *arg, uint64_t generation)
{
    (void)arg;
    (void)generation;
    readies++;
}

static void on_message(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count)
{
    (void)arg;
    (void)type;
    (void)payload;
    (void)fds;
    (void)fd_count;
}

static void on_down(void *arg)
{
    (void)arg;
    downs++;
    cr_expect_null(front_supervisor_channel(supervisor),
                   "nobody can be sent anything");
}

static void on_finished(void *arg)
{
    (void)arg;
    finished = true;
}

static void init(void)
{
    bench_init(&bench, 0);
}

static void done(void)
{
    front_supervisor_free(&supervisor);
    bench_done(&bench);
}

TestSuite(front_supervisor, .init = init, .fini = done);

/* script: see shell_front.h. */
static void start(const char *script)
{
    struct front_supervisor_options options = {
        .loop = bench.loop,
        .timers = bench.timers,
        .on_start = on_start,
        .on_ready = on_ready,
        .on_message = on_message,
        .on_down = on_down,
        .on_finished = on_finished,
    };
    struct err err;

    shell_front_set(&options, script);
    supervisor = front_supervisor_new(&options, &err);
    cr_assert_not_null(supervisor, "%s", err.text);
}

static bool has_readies(void *arg)
{
    return readies >= *(const unsigned *)arg;
}

static bool has_starts(void *arg)
{
    return starts >= *(const unsigned *)arg;
}

static bool has_finished(void *arg)
{
    (void)arg;
    return finished;
}

static void await_readies(unsigned count)
{
    cr_assert(bench_run_until(&bench, has_readies, &count, 10000));
}

Test(front_supervisor, one_that_was_ready_is_replaced_at_once)
{
    uint64_t began_us;

    start("READY; read x <&3; exec sleep 60");
    await_readies(1);
    began_us = clock_now_us();
    for (unsigned i = 2; i <= 6; i++) {
        pid_t pid = front_supervisor_pid(supervisor);

        cr_assert(front_supervisor_is_ready(supervisor));
        cr_assert_eq(kill(pid, SIGKILL), 0);
        await_readies(i);
        cr_expect_neq(front_supervisor_pid(supervisor), pid);
    }
    /* With pauses that double from 0.1 s it would take 3.1 s. */
    cr_expect_lt(clock_now_us() - began_us, 2500000U);
    cr_expect_eq(downs, 5U);
    cr_expect_eq(front_supervisor_restarts(supervisor), 5U);
}

Test(front_supervisor, one_that_never_gets_ready_waits_longer_and_longer)
{
    unsigned count = 4;

    start("exit 1");
    cr_assert(bench_run_until(&bench, has_starts, &count, 10000));
    for (unsigned i = 1; i < 4; i++) {
        uint64_t pause_us = start_times_us[i] - start_times_us[i - 1];

        cr_expect_geq(pause_us, 100000U << (i - 1), "pause %u", i);
    }
}

Test(front_supervisor, one_that_talks_nonsense_is_killed_and_replaced)
{
    unsigned count = 2;

    start("READY; printf '%s' "
          "'nonsense that is longer than the head of any frame' >&3; "
          "exec sleep 60");
    cr_assert(bench_run_until(&bench, has_starts, &count, 10000));
    cr_expect_geq(downs, 1U); /* the next one may be down already */
}

Test(front_supervisor, one_that_drains_is_not_replaced)
{
    /* The frames of GO and DRAIN, 20 bytes each. */
    start("READY; head -c 40 <&3 >/dev/null; exit 0");
    await_readies(1);
    front_supervisor_drain(supervisor, 5000);
    cr_assert(bench_run_until(&bench, has_finished, NULL, 10000));
    cr_expect_eq(starts, 1U);
    cr_expect_eq(downs, 0U);
    cr_expect_eq(front_supervisor_pid(supervisor), 0);
}

Test(front_supervisor, one_that_does_not_end_is_killed)
{
    uint64_t began_us;

    start("READY; exec sleep 60");
    await_readies(1);
    began_us = clock_now_us();
    front_supervisor_drain(supervisor, 60000);
    front_supervisor_drain(supervisor, 100); /* in a hurry now */
    cr_assert(bench_run_until(&bench, has_finished, NULL, 10000));
    cr_expect_lt(clock_now_us() - began_us, 5000000U);
    cr_expect_geq(clock_now_us() - began_us, 1000000U);
}

Test(front_supervisor, a_drain_between_two_fronts_ends_at_once)
{
    unsigned count = 1;

    start("exit 1");
    cr_assert(bench_run_until(&bench, has_starts, &count, 10000));
    while (front_supervisor_pid(supervisor) != 0)
        bench_run_ms(&bench, 5);
    front_supervisor_drain(supervisor, 5000);
    cr_assert(bench_run_until(&bench, has_finished, NULL, 1000));
    bench_run_ms(&bench, 500);
    cr_expect_eq(starts, 1U, "none is started any more");
}
