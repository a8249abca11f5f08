/* replica_test.c - one replica, with a fake engine and an owner that writes
 * down what it hears.
 */
#include "lifecycle/replica.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"
#include "tests/support/fleet_bench.h"

static struct fleet_bench bench; /* for its loop, engine and settings */
static struct image_store *images;
static struct start_queue starts;
static struct replica_host host;
static struct replica *replica;
static struct strbuf heard;

static void on_state(void *arg, struct replica *it, enum replica_state before)
{
    const struct replica_view *view = replica_view(it);

    (void)arg;
    strbuf_printf(&heard, "%s>%s ", replica_state_name(before),
                  replica_state_name(view->state));
}

static void on_failed(void *arg, struct replica *it,
                      const struct replica_failure *failure)
{
    (void)arg;
    (void)it;
    strbuf_printf(&heard, "[%s: %s%s] ", failure->code, failure->reason,
                  failure->is_permanent ? " (permanent)" : "");
}

static void on_delayed(void *arg, struct replica *it,
                       const struct replica_failure *failure, uint64_t delay_ms)
{
    (void)arg;
    (void)it;
    (void)delay_ms;
    strbuf_printf(&heard, "[delayed: %s] ", failure->reason);
}

static const struct replica_owner owner = {
    .on_state = on_state, .on_failed = on_failed, .on_delayed = on_delayed};

static void init(void)
{
    bench_init(&bench, 1);
    images = image_store_new(bench.loop, bench.timers, &bench.engine->base,
                             &bench.settings.podman, NULL);
    start_queue_init(&starts, 1);
    host = (struct replica_host){.loop = bench.loop,
                                 .timers = bench.timers,
                                 .engine = &bench.engine->base,
                                 .images = images,
                                 .starts = &starts,
                                 .namespace_name = "t",
                                 .state_dir = bench.state_dir};
    strbuf_add_str(&heard, "");
}

static void done(void)
{
    replica_free(&replica);
    cr_expect_eq(starts.active, 0U, "its turn was given back");
    image_store_free(&images);
    bench_done(&bench);
    strbuf_done(&heard);
}

TestSuite(replica, .init = init, .fini = done);

static void start(void)
{
    replica = replica_start(&host, &bench.keeper_apps[0], 1, true, &owner);
}

static bool has_state(void *arg)
{
    return replica_view(replica)->state == *(const enum replica_state *)arg;
}

static void await(enum replica_state state)
{
    cr_assert(bench_run_until(&bench, has_state, &state, 5000),
              "not %s: %s\n%s", replica_state_name(state), heard.data,
              bench.engine->log.data);
}

static void expect_heard(const char *text)
{
    cr_expect_str_eq(heard.data, text);
}

Test(replica, climbs_from_nothing_to_ready)
{
    const struct replica_view *view;

    start();
    await(REPLICA_PROBING);
    replica_on_ready(replica, 5000, 7000, 0);
    expect_heard("pulling>creating creating>starting starting>probing "
                 "probing>ready ");
    view = replica_view(replica);
    cr_expect_str_eq(view->name, "a-1");
    cr_expect_str_eq(replica_container_name(replica), "berth-t-a-1");
    cr_expect_str_eq(view->container_id, "c0");
    cr_expect_eq(strlen(view->revision), 64U);
    cr_expect_eq(view->phases.boot_us, 5000U);
    cr_expect_eq(view->phases.ready_us, 7000U);
    cr_expect_geq(view->phases.total_us, view->phases.create_us +
                                             view->phases.start_us +
                                             view->phases.pull_us);
    cr_expect_eq(starts.active, 0U, "its start is over");
}

static void on_line(void *arg, struct replica *it)
{
    (void)arg;
    cr_expect_not(replica_awaits_line(it));
    strbuf_add_str(&heard, "[line] ");
}

static bool has_line(void *arg)
{
    (void)arg;
    return !replica_awaits_line(replica);
}

static void start_with_log_check(void)
{
    struct replica_owner hears = owner;

    hears.on_line = on_line;
    bench.apps[0].ready_check =
        (struct ready_check){.kind = CHECK_LOG, .pattern = xstrdup("up$")};
    bench.apps[0].start_timeout_ms = 300;
    bench.engine->hold[FAKE_FOLLOW] = true;
    replica = replica_start(&host, &bench.keeper_apps[0], 1, true, &hears);
    await(REPLICA_PROBING);
}

Test(replica, is_shown_to_the_front_when_its_log_has_the_line)
{
    start_with_log_check();
    cr_expect(replica_awaits_line(replica));
    bench_run_ms(&bench, 20);
    fake_engine_say(bench.engine, "c0", true, "not up yet\n");
    bench_run_ms(&bench, 20);
    cr_expect(replica_awaits_line(replica));
    fake_engine_say(bench.engine, "c0", false, "it is up\n");
    cr_assert(bench_run_until(&bench, has_line, NULL, 5000));
    cr_expect_str_eq(replica_view(replica)->probe_text, "");
    replica_on_ready(replica, 5000, 7000, 0);
    expect_heard("pulling>creating creating>starting starting>probing [line] "
                 "probing>ready ");
    cr_expect_geq(replica_view(replica)->phases.boot_us, 5000U + 40000U,
                  "what it waited for the line is a part of it");
}

Test(replica, whose_log_never_has_the_line_says_so)
{
    start_with_log_check();
    await(REPLICA_GONE);
    cr_expect_not_null(
        strstr(heard.data, "[start_timeout: did not become ready within 300ms "
                           "(start_timeout): no line of its log matches up$]"),
        "%s", heard.data);
}

Test(replica, that_ends_while_its_line_is_awaited_is_followed_no_more)
{
    start_with_log_check();
    bench_run_ms(&bench, 20);
    fake_engine_exit(bench.engine, "c0", 3);
    await(REPLICA_GONE);
    cr_expect_eq(fake_engine_say(bench.engine, "c0", false, "up\n"), 0U);
}

Test(replica, found_running_needs_no_line)
{
    struct fake_container *found =
        fake_engine_add(bench.engine, "a", 1, "r", true);
    struct err err;

    bench.apps[0].ready_check =
        (struct ready_check){.kind = CHECK_LOG, .pattern = xstrdup("up$")};
    replica = replica_adopt(&host, &bench.keeper_apps[0], &found->container,
                            &owner, &err);
    cr_assert_not_null(replica);
    cr_expect_not(replica_awaits_line(replica), "it may be long gone");
}

Test(replica, may_leave_at_any_step_and_leaves_nothing)
{
    static const struct {
        const char *label;
        enum fake_kind hold;
        const char *heard;
    } cases[] = {
        {"while its image is looked up", FAKE_IMAGE, "pulling>gone "},
        {"while it is created", FAKE_CREATE,
         "pulling>creating creating>stopping stopping>gone "},
        {"while it is started", FAKE_START,
         "pulling>creating creating>starting starting>stopping "
         "stopping>gone "},
        {"while it is probed", FAKE_KIND_COUNT,
         "pulling>creating creating>starting starting>probing "
         "probing>stopping stopping>gone "},
    };

    done();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        init();
        if (cases[i].hold < FAKE_KIND_COUNT)
            bench.engine->hold[cases[i].hold] = true;
        start();
        bench_run_ms(&bench, 20);
        replica_leave(replica, "not wanted");
        replica_leave(replica, "not wanted"); /* twice is as good as once */
        if (cases[i].hold < FAKE_KIND_COUNT)
            fake_engine_release(bench.engine, cases[i].hold);
        await(REPLICA_GONE);
        cr_expect_str_eq(heard.data, cases[i].heard, "%s: %s", cases[i].label,
                         heard.data);
        cr_expect_eq(fake_engine_count(bench.engine), 0U, "%s", cases[i].label);
        done();
    }
    init();
}

Test(replica, one_that_waits_for_its_turn_leaves_without_a_container)
{
    struct start_ticket other = {0};

    cr_assert(start_queue_enter(&starts, &other, true));
    start();
    await(REPLICA_CREATING);
    bench_run_ms(&bench, 20);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U);
    replica_leave(replica, "not wanted");
    expect_heard("pulling>creating creating>gone ");
    start_ticket_return(&other);
    bench_run_ms(&bench, 20);
    cr_expect_eq(bench.engine->counts[FAKE_CREATE], 0U);
}

Test(replica, drains_resumes_and_leaves)
{
    start();
    await(REPLICA_PROBING);
    replica_on_ready(replica, 0, 0, 0);
    strbuf_clear(&heard);
    replica_leave(replica, "idle");
    replica_resume(replica, "wanted");
    replica_on_drained(replica); /* too late: it serves again */
    expect_heard("ready>draining draining>ready ");
    replica_leave(replica, "idle");
    replica_on_drained(replica);
    await(REPLICA_GONE);
    cr_expect_str_eq(heard.data, "ready>draining draining>ready "
                                 "ready>draining draining>stopping "
                                 "stopping>gone ");
}

Test(replica, messages_that_come_at_the_wrong_time_change_nothing)
{
    bench.engine->hold[FAKE_CREATE] = true;
    start();
    await(REPLICA_CREATING);
    strbuf_clear(&heard);
    strbuf_add_str(&heard, "");
    replica_on_ready(replica, 0, 0, 0);
    replica_on_drained(replica);
    replica_resume(replica, "x");
    replica_on_died(replica, 0);
    replica_on_broken(replica, SV("x"));
    replica_on_probe_status(replica, SV("x"));
    expect_heard("");
    fake_engine_release(bench.engine, FAKE_CREATE);
    await(REPLICA_PROBING);
}

Test(replica, says_why_it_failed)
{
    static const struct {
        const char *label;
        enum fake_kind kind;
        enum err_code code;
        const char *report;
    } cases[] = {
        {"no image", FAKE_IMAGE, ERR_NOT_FOUND,
         "[start_failed: image localhost/a:1: it says so (permanent)] "},
        {"engine away at the image", FAKE_IMAGE, ERR_UNAVAILABLE,
         "[start_failed: image localhost/a:1: it says so] "},
        {"create refused", FAKE_CREATE, ERR_FAILED,
         "[start_failed: its container could not be created: it says so "
         "(permanent)] "},
        {"name taken", FAKE_CREATE, ERR_EXISTS,
         "[start_failed: its container could not be created: it says so] "},
        {"start failed", FAKE_START, ERR_FAILED,
         "[start_failed: its container could not be started: it says so] "},
    };

    done();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        init();
        bench.keeper_apps[0].container.pull_policy = PULL_NEVER;
        fake_engine_fail(bench.engine, cases[i].kind, 1, cases[i].code,
                         "it says so");
        start();
        await(REPLICA_GONE);
        cr_expect_not_null(strstr(heard.data, cases[i].report), "%s: %s",
                           cases[i].label, heard.data);
        cr_expect_eq(fake_engine_count(bench.engine), 0U, "%s", cases[i].label);
        done();
    }
    init();
}

Test(replica, says_how_its_process_ended)
{
    static const struct {
        int exit_code;
        uint64_t memory_bytes;
        const char *report;
        unsigned oom_kills;
    } cases[] = {
        {137, 64 << 20,
         "[start_failed: out of memory before it was ready: the kernel killed "
         "it at its limit of 64 MiB; raise `memory`, or let it need less] ",
         1},
        {137, 0,
         "[start_failed: out of memory before it was ready: the kernel killed "
         "it, since the machine has no more; give it less to do at a time, or "
         "a `memory` limit] ",
         1},
        {1, 64 << 20,
         "[start_failed: out of memory before it was ready: the kernel killed "
         "it at its limit of 64 MiB; raise `memory`, or let it need less "
         "(exited with code 1)] ",
         2},
        {0, 0, "[start_failed: exited with code 0 before it was ready] ", 0},
        {3, 0, "[start_failed: exited with code 3 before it was ready] ", 0},
        {139, 0,
         "[start_failed: killed by signal 11 (Segmentation fault) before it "
         "was ready] ",
         0},
        {137, 0,
         "[start_failed: killed by signal 9 (Killed) before it was "
         "ready] ",
         0},
        {137, 64 << 20,
         "[start_failed: killed by signal 9 (Killed) before it was ready; it "
         "may have needed more than its memory limit of 64 MiB] ",
         0},
        {255, 0, "[start_failed: exited with code 255 before it was ready] ",
         0},
    };

    done();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        init();
        bench.keeper_apps[0].container.memory_bytes = cases[i].memory_bytes;
        start();
        await(REPLICA_PROBING);
        fake_engine_find(bench.engine, "c0")->oom_kills = cases[i].oom_kills;
        fake_engine_exit(bench.engine, "c0", cases[i].exit_code);
        await(REPLICA_GONE);
        cr_expect_not_null(strstr(heard.data, cases[i].report), "%s",
                           heard.data);
        done();
    }
    init();
}

Test(replica, a_start_call_that_takes_too_long_counts_as_a_time_out)
{
    bench.apps[0].start_timeout_ms = 100;
    bench.engine->hold[FAKE_START] = true;
    start();
    bench_run_ms(&bench, 200);
    fake_engine_release(bench.engine, FAKE_START);
    await(REPLICA_GONE);
    cr_expect_not_null(strstr(heard.data, "[start_timeout: did not become "
                                          "ready within 100ms "
                                          "(start_timeout); does it listen "
                                          "on port 8000"),
                       "%s", heard.data);
}

Test(replica, a_broken_connection_makes_it_look_where_it_holds_no_process)
{
    bench.engine->no_handles = true;
    bench.engine->base.capabilities.sockets_inside = false;
    start();
    await(REPLICA_PROBING);
    replica_on_ready(replica, 0, 0, 0);
    replica_on_broken(replica, SV("reset"));
    bench_run_ms(&bench, 20);
    cr_expect_eq(replica_view(replica)->state, REPLICA_READY, "it runs");
    fake_engine_exit(bench.engine, "c0", 4);
    replica_on_broken(replica, SV("reset"));
    await(REPLICA_GONE);
    cr_expect_not_null(strstr(heard.data, "[crashed: exited with code 4] "),
                       "%s", heard.data);
}

Test(replica, an_engine_that_cannot_stop_it_now_holds_nothing_up)
{
    start();
    await(REPLICA_PROBING);
    fake_engine_fail(bench.engine, FAKE_STOP, 1, ERR_UNAVAILABLE, "away");
    fake_engine_fail(bench.engine, FAKE_REMOVE, 1, ERR_UNAVAILABLE, "away");
    replica_leave(replica, "not wanted");
    await(REPLICA_GONE);
}
