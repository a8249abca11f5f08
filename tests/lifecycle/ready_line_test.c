/* ready_line_test.c - the line of a log that an app is ready by. */
#include "lifecycle/ready_line.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "router/base/alloc.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench; /* for its loop, timers and engine */
static struct ready_line *line;
static unsigned found;
static char status[256];

static void on_line(void *arg)
{
    (void)arg;
    found++;
    ready_line_free(&line);
}

static void on_status(void *arg, const char *text)
{
    (void)arg;
    snprintf(status, sizeof status, "%s", text);
}

static void init(void)
{
    const struct ready_line_events events = {on_line, on_status, NULL};

    bench_init(&bench, 1);
    fake_engine_add(bench.engine, "a", 1, "r", true);
    bench.engine->hold[FAKE_FOLLOW] = true;
    line = ready_line_new(&bench.engine->base, bench.timers, "c0",
                          "^it is (up|ready)$", &events);
}

static void done(void)
{
    ready_line_free(&line);
    bench_done(&bench);
}

TestSuite(ready_line, .init = init, .fini = done);

static bool is_found(void *arg)
{
    (void)arg;
    return found > 0;
}

static void say(bool is_stderr, const char *text)
{
    cr_assert_eq(fake_engine_say(bench.engine, "c0", is_stderr, text), 1U);
}

static void expect_found(bool is_expected, const char *label)
{
    cr_expect_eq(
        bench_run_until(&bench, is_found, NULL, is_expected ? 5000 : 50),
        is_expected, "%s", label);
    cr_expect_eq(found, is_expected ? 1U : 0U, "%s", label);
}

Test(ready_line, reads_the_log_from_its_start)
{
    bench_run_ms(&bench, 20);
    cr_expect_not_null(strstr(bench.engine->log.data, "follow tail=-1 on c0"));
}

Test(ready_line, however_the_line_is_cut)
{
    say(false, "it is\nit is u");
    say(true, "it is not\nit ");
    expect_found(false, "two halves of two streams");
    say(false, "p");
    expect_found(false, "not whole yet");
    say(false, "\r\nit is up\n");
    expect_found(true, "whole");
}

Test(ready_line, on_the_other_stream_and_in_the_midst_of_much)
{
    say(true, "a\nb\nit is ready\nc\nd\n");
    expect_found(true, "on stderr");
}

Test(ready_line, of_a_long_line_the_first_bytes_count)
{
    char text[1001];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 100; i++)
        say(false, text);
    say(false, "\nit is up");
    say(false, "\n");
    expect_found(true, "the line after it");
}

Test(ready_line, a_log_that_breaks_off_is_read_anew)
{
    struct err err;

    say(false, "it is");
    (void)!err_set(&err, ERR_UNAVAILABLE, "Podman is away");
    fake_engine_end_logs(bench.engine, "c0", &err);
    cr_expect_str_eq(status, "its log cannot be read: Podman is away");
    cr_assert(bench_engine_hears(&bench, "follow tail=-1 on c0", 2));
    say(false, " up\n");
    expect_found(false, "the half before is read again, too");
    say(false, "it is up\n");
    expect_found(true, "whole");
}
