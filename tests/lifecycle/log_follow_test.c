/* log_follow_test.c - container output on its way to who asked for it. */
#include "lifecycle/log_follow.h"

#include <criterion/criterion.h>
#include <string.h>

#include "router/base/wire.h"
#include "router/log_record.h"
#include "tests/support/desk_bench.h"

static struct desk_bench desk;

static void init(void)
{
    desk_bench_init(&desk, 2);
    desk.bench.apps[0].replicas_max = 2;
    desk_bench_start(&desk);
}

static void done(void)
{
    desk_bench_done(&desk);
}

TestSuite(log_follow, .init = init, .fini = done);

#define REPLIES desk.replies.data
#define ENGINE  desk.bench.engine->log.data

/* The records of all parts, "KIND REPLICA LINE\n" each. */
static const char *records(void)
{
    static struct strbuf text;
    struct wire_reader reader = wire_reader_of(strbuf_view(&desk.parts));

    bench_run_ms(&desk.bench, 5);
    reader = wire_reader_of(strbuf_view(&desk.parts));
    strbuf_clear(&text);
    strbuf_add_str(&text, "");
    while (!reader.failed && !wire_reader_is_done(&reader)) {
        uint32_t kind = wire_get_u32(&reader);
        struct strview replica = wire_get_sv(&reader);
        struct strview sidecar = wire_get_sv(&reader);
        struct strview line = wire_get_sv(&reader);

        cr_assert_not(reader.failed);
        cr_assert_eq(sidecar.len, 0);
        strbuf_printf(&text, "%u %.*s %.*s\n", kind, SV_ARG(replica),
                      SV_ARG(line));
    }
    return text.data;
}

static void say(const char *container, bool is_stderr, const char *text)
{
    fake_engine_say(desk.bench.engine, container, is_stderr, text);
}

Test(log_follow, lines_are_made_whole_however_they_are_cut)
{
    bench_make_ready(&desk.bench, 0);
    desk_query(&desk, "logs", 0, "{\"follow\":true,\"tail\":7}");
    cr_assert(strstr(ENGINE, "follow tail=7 on c0\n"), "%s", ENGINE);
    say("c0", false, "one\ntw");
    say("c0", true, "error\n");
    say("c0", false, "o\n\nth");
    say("c0", false, "ree");
    cr_assert_str_eq(records(), "1 a-1 one\n2 a-1 error\n1 a-1 two\n1 a-1 \n");
    fake_engine_end_logs(desk.bench.engine, "c0", NULL);
    cr_assert(strstr(records(), "1 a-1 three\n"), "%s", records());
}

Test(log_follow, a_line_without_end_comes_in_pieces)
{
    char text[LOG_LINE_MAX + 11];
    struct strbuf expected = STRBUF_INIT;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    strbuf_printf(&expected, "1 a-1 %.*s\n1 a-1 %s!\n", (int)LOG_LINE_MAX, text,
                  text + LOG_LINE_MAX);
    bench_make_ready(&desk.bench, 0);
    desk_query(&desk, "logs", 0, "{\"follow\":true}");
    say("c0", false, text);
    say("c0", false, "!\n");
    cr_assert_str_eq(records(), expected.data);
    strbuf_done(&expected);
}

Test(log_follow, who_does_not_follow_has_an_end)
{
    bench_make_ready(&desk.bench, 0);
    desk_query(&desk, "logs", 0, "{}");
    cr_assert(strstr(ENGINE, "follow tail=-1 c0\n"), "%s", ENGINE);
    say("c0", false, "all\n");
    cr_assert_str_eq(REPLIES, "");
    fake_engine_end_logs(desk.bench.engine, "c0", NULL);
    cr_assert(desk_replies(&desk, "1 ok \n"), "%s", REPLIES);
    cr_assert_str_eq(records(), "1 a-1 all\n");
}

Test(log_follow, the_engine_is_not_read_faster_than_lines_leave)
{
    char text[8192];
    unsigned count = 0;
    uint64_t id;

    memset(text, 'x', sizeof text - 2);
    strcpy(text + sizeof text - 2, "\n");
    bench_make_ready(&desk.bench, 0);
    id = desk_query(&desk, "logs", 0, "{\"follow\":true}");
    while (fake_engine_say(desk.bench.engine, "c0", false, text) > 0) {
        count++;
        cr_assert_lt(count, 100, "it is held");
    }
    bench_run_ms(&desk.bench, 5);
    cr_expect_leq(desk.parts.len, ANSWER_WINDOW + sizeof text);
    desk_credit(&desk, id, 1000);
    cr_expect_eq(fake_engine_say(desk.bench.engine, "c0", false, text), 0,
                 "little room is none");
    desk_credit(&desk, id, desk.parts.len - 1000);
    cr_expect_eq(fake_engine_say(desk.bench.engine, "c0", false, text), 1);
}

Test(log_follow, replicas_to_come_are_followed_from_their_beginning)
{
    desk_query(&desk, "logs", 0, "{\"follow\":true,\"tail\":0}");
    bench_make_ready(&desk.bench, 0);
    bench_run_ms(&desk.bench, 5);
    cr_assert(strstr(ENGINE, "follow tail=-1 on c0\n"), "%s", ENGINE);
    say("c0", false, "born\n");
    cr_assert_str_eq(records(), "1 a-1 born\n");
    cr_expect_eq(desk.bench.engine->counts[FAKE_FOLLOW], 1U);
}

Test(log_follow, after_the_engine_was_away_it_goes_on_and_says_so)
{
    const struct err err = {.code = ERR_UNAVAILABLE, .text = "it went"};

    bench_make_ready(&desk.bench, 0);
    desk.bench.engine->base.is_up = false;
    desk_query(&desk, "logs", 0, "{\"follow\":true}");
    fake_engine_end_logs(desk.bench.engine, "c0", &err);
    cr_assert_str_eq(records(), "0 a-1 lines may be missing: it went\n");
    cr_assert_eq(desk.bench.engine->counts[FAKE_FOLLOW], 1U);
    desk.bench.engine->base.is_up = true;
    event_log_add(desk.bench.events,
                  &(struct event){.kind = EVENT_ENGINE, .to = "up"});
    bench_run_ms(&desk.bench, 5);
    cr_assert(strstr(ENGINE, "follow tail=0 on c0\n"), "%s", ENGINE);
}

Test(log_follow, nothing_is_left_of_a_follower_that_went)
{
    uint64_t id;

    bench_make_ready(&desk.bench, 0);
    id = desk_query(&desk, "logs", 0, "{\"follow\":true}");
    desk_forget(&desk, id);
    cr_assert_eq(fake_engine_say(desk.bench.engine, "c0", false, "x\n"), 0);
    cr_expect_eq(desk.parts.len, 0);
}

Test(log_follow, what_cannot_be_followed_is_said)
{
    desk_query(&desk, "logs", 0, "{}");
    bench_make_ready(&desk.bench, 0);
    desk_query(&desk, "logs", 0, "{\"replica\":\"a-9\"}");
    desk_query(&desk, "logs", 0, "{\"sidecar\":\"redis\"}");
    cr_expect_str_eq(
        REPLIES,
        "1 failed not_possible no replica of a runs; \"berth why a\" has the "
        "last lines of those that failed\n"
        "2 failed unknown_replica a has no replica a-9 that runs\n"
        "3 failed unknown_sidecar a has no sidecar \"redis\"\n");
}
