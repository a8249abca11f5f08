/* fleet_action_test.c - what operators have done to apps. */
#include "lifecycle/fleet_action.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lifecycle/machine.h"
#include "tests/support/desk_bench.h"

static struct desk_bench desk;

static void init(void)
{
    desk_bench_init(&desk, 2);
    desk.bench.apps[0].replicas_max = 3;
    desk.bench.apps[0].idle_timeout_ms = 300;
    desk.bench.apps[1].start_retries = 1;
}

static void done(void)
{
    desk_bench_done(&desk);
}

TestSuite(fleet_action, .init = init, .fini = done);

#define PARTS   desk.parts.data
#define REPLIES desk.replies.data

static bool is_serving(unsigned app, unsigned count)
{
    char *status = bench_status(&desk.bench, app);
    unsigned ready = 0;

    for (const char *at = status;
         (at = strstr(at, "\"state\":\"ready\",\"reas")); at++)
        ready++;
    free(status);
    return ready == count;
}

Test(fleet_action, a_wake_is_done_when_one_is_ready)
{
    desk_bench_start(&desk);
    desk_action(&desk, "wake", 0, "{}");
    cr_assert(desk_says(&desk, "{\"text\":\"a-1: probing\"}\n"), "%s", PARTS);
    cr_assert_str_eq(REPLIES, "");
    bench_say_ready(&desk.bench);
    cr_assert(
        desk_replies(&desk, "1 ok {\"done\":true,\"text\":\"a-1 is ready"),
        "%s", REPLIES);
    desk_action(&desk, "wake", 0, "{}");
    cr_assert(desk_replies(&desk, "2 ok "), "%s", REPLIES);
}

Test(fleet_action, a_wake_of_a_hibernated_one_waits_for_its_room)
{
    struct machine machine = {
        .totals = {.cpu_millis = 4000, .memory_bytes = 1000}};
    struct warmth_settings *warmth = &desk.bench.apps[0].warmth;

    desk.bench.machine = &machine;
    for (unsigned i = 0; i < 2; i++)
        desk.bench.keeper_apps[i].container.memory_bytes = 600;
    desk.bench.apps[0].idle_timeout_ms = 60000;
    warmth->freeze_after_ms = 1;
    warmth->hibernate_when = HIBERNATE_AFTER;
    warmth->hibernate_after_ms = 1;
    desk_bench_start(&desk);
    bench_make_ready(&desk.bench, 0);
    fake_front_asleep(desk.bench.front, 1, true, false);
    cr_assert(bench_front_hears(&desk.bench, "sleep replica=1 published=0", 1));
    fake_front_asleep(desk.bench.front, 1, true, true);
    cr_assert(bench_engine_hears(&desk.bench, "hibernate c0", 1));
    bench_run_ms(&desk.bench, 30);
    bench_make_ready(&desk.bench, 1);
    fake_front_demand(desk.bench.front, 1, 0, 1, 1); /* busy */
    desk_action(&desk, "wake", 0, "{}");
    bench_run_ms(&desk.bench, 300);
    cr_expect_eq(desk.bench.engine->counts[FAKE_THAW], 0U,
                 "what it gave back is reserved by another");
    fake_front_demand(desk.bench.front, 1, 0, 0, 1);
    cr_assert(bench_front_hears(&desk.bench, "evict replica=2", 1));
    channel_send_replica_drained(desk.bench.front->channel,
                                 &(struct channel_replica_drained){2}, NULL, 0);
    cr_assert(
        desk_replies(&desk, "1 ok {\"done\":true,\"text\":\"a-1 is ready"),
        "%s", REPLIES);
    cr_expect_eq(desk.bench.engine->counts[FAKE_THAW], 1U);
}

Test(fleet_action, a_wake_holds_no_longer_than_it_was_told)
{
    desk_bench_start(&desk);
    desk_action(&desk, "wake", 0, "{\"for_ms\":1200}");
    cr_assert(bench_front_hears(&desk.bench, "add app=0", 1));
    bench_say_ready(&desk.bench);
    cr_assert(desk_replies(&desk, "kept for 1.2s"), "%s", REPLIES);
    bench_run_ms(&desk.bench, 800); /* idle_timeout is 300 ms */
    cr_assert(is_serving(0, 1));
    cr_assert(bench_front_hears(&desk.bench, "drain replica=1", 1));
}

Test(fleet_action, a_start_that_fails_fails_the_action_with_its_reason)
{
    desk_bench_start(&desk);
    desk.bench.engine->exit_at_start = 3;
    desk_action(&desk, "wake", 1, "{}");
    cr_assert(desk_replies(&desk, "1 failed start_failed exited with code 3"),
              "%s", REPLIES);
}

Test(fleet_action, what_failed_before_is_tried_again_at_once)
{
    desk_bench_start(&desk);
    desk.bench.engine->exit_at_start = 3;
    desk_action(&desk, "wake", 1, "{}");
    cr_assert(desk_replies(&desk, "1 failed "), "%s", REPLIES);
    desk.bench.engine->exit_at_start = -1;
    desk_action(&desk, "wake", 1, "{}");
    cr_assert(bench_front_hears(&desk.bench, "add app=1", 1));
    bench_say_ready(&desk.bench);
    cr_assert(desk_replies(&desk, "2 ok "), "%s", REPLIES);
}

Test(fleet_action, who_asked_may_go)
{
    uint64_t id;

    desk_bench_start(&desk);
    id = desk_action(&desk, "wake", 0, "{}");
    desk_forget(&desk, id);
    cr_assert(bench_front_hears(&desk.bench, "add app=0", 1));
    bench_say_ready(&desk.bench);
    bench_run_ms(&desk.bench, 50);
    cr_expect(is_serving(0, 1));
    cr_expect_str_eq(REPLIES, "");
}

Test(fleet_action, scale_starts_up_to_its_number_and_keeps_it)
{
    desk_bench_start(&desk);
    desk_action(&desk, "scale", 0, "{\"replicas\":2}");
    cr_assert(bench_front_hears(&desk.bench, "add app=0", 1));
    bench_say_ready(&desk.bench);
    cr_assert(bench_front_hears(&desk.bench, "add app=0", 2));
    bench_run_ms(&desk.bench, 20);
    cr_assert_str_eq(REPLIES, "", "one of two is not all");
    bench_say_ready(&desk.bench);
    desk.bench.front->last_replica = 1;
    bench_say_ready(&desk.bench);
    cr_assert(desk_replies(&desk, "1 ok {\"done\":true,\"text\":\"2 ready\""),
              "%s", REPLIES);
    bench_run_ms(&desk.bench, 600);
    cr_expect(is_serving(0, 2), "idle_timeout is over");
}

Test(fleet_action, scale_to_none_lets_go_at_once)
{
    desk.bench.apps[0].idle_timeout_ms = 60000;
    desk_bench_start(&desk);
    bench_make_ready(&desk.bench, 0);
    fake_front_demand(desk.bench.front, 0, 0, 0, 0);
    desk_action(&desk, "scale", 0, "{\"replicas\":0}");
    cr_assert(bench_front_hears(&desk.bench, "drain replica=1", 1));
    cr_assert(desk_replies(&desk, "1 ok {\"done\":true,\"text\":\"0 ready\""),
              "%s", REPLIES);
}

Test(fleet_action, more_than_is_configured_is_refused)
{
    desk_bench_start(&desk);
    desk_action(&desk, "scale", 0, "{\"replicas\":4}");
    cr_expect_str_eq(REPLIES,
                     "1 failed not_possible replicas allows a 3 at most\n");
}

Test(fleet_action, an_upstream_is_not_ours)
{
    bench_make_external(&desk.bench, 0, "127.0.0.1:9");
    desk_bench_start(&desk);
    desk_action(&desk, "wake", 0, "{}");
    cr_expect_str_eq(REPLIES, "1 failed not_possible a is an upstream: berth "
                              "does not run it\n");
}

Test(fleet_action, a_pull_says_what_came_of_it)
{
    static char image[] = "registry.example/b:1";

    desk.bench.keeper_apps[1].container.image = image;
    desk_bench_start(&desk);
    bench_run_ms(&desk.bench, 20);
    desk_action(&desk, "pull", 1, "{}");
    cr_assert(desk_replies(&desk, "1 ok {\"done\":true,\"text\":\"the image of "
                                  "b was here already after "),
              "%s", REPLIES);
    fake_engine_fail(desk.bench.engine, FAKE_PULL, 1, ERR_NOT_FOUND,
                     "no such image");
    desk_action(&desk, "pull", 1, "{}");
    cr_assert(desk_replies(&desk, "2 failed pull_failed "), "%s", REPLIES);
    cr_expect(strstr(REPLIES, "no such image"), "%s", REPLIES);
}

Test(fleet_action, what_is_done_is_an_event)
{
    const struct event *event;
    unsigned asked = 0;
    unsigned ended = 0;
    uint64_t at = 0;

    desk_bench_start(&desk);
    desk_action(&desk, "scale", 0, "{\"replicas\":4}");
    while ((event = event_log_after(desk.bench.events, at))) {
        at = event->id;
        if (event->kind != EVENT_ACTION)
            continue;
        cr_expect_str_eq(event->app, "a");
        asked += strcmp(event->to, "asked") == 0 &&
                 strcmp(event->reason, "scale") == 0;
        ended += strcmp(event->to, "failed") == 0;
    }
    cr_expect_eq(asked, 1);
    cr_expect_eq(ended, 1);
}
