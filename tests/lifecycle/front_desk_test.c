/* front_desk_test.c - what the front asks, and what it is answered. */
#include "lifecycle/front_desk.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/desk_bench.h"

static struct desk_bench desk;

static void init(void)
{
    desk_bench_init(&desk, 2);
    desk_bench_start(&desk);
}

static void done(void)
{
    desk_bench_done(&desk);
}

TestSuite(front_desk, .init = init, .fini = done);

#define PARTS   desk.parts.data
#define REPLIES desk.replies.data

static void add_events(const char *app, unsigned count, size_t reason_size)
{
    char reason[512];

    memset(reason, 'x', sizeof reason);
    reason[reason_size] = '\0';
    for (unsigned i = 0; i < count; i++)
        event_log_add(desk.bench.events,
                      &(struct event){.app = app, .reason = reason});
    bench_run_ms(&desk.bench, 5);
}

static unsigned count_parts(const char *text)
{
    unsigned count = 0;

    for (const char *at = PARTS; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

Test(front_desk, what_it_does_not_know_is_refused)
{
    desk_query(&desk, "weather", UINT32_MAX, "");
    desk_action(&desk, "explode", 0, "");
    desk_query(&desk, "starts", 7, "");
    desk_query(&desk, "starts", UINT32_MAX, "");
    desk_query(&desk, "events", 7, "");
    cr_assert_str_eq(REPLIES,
                     "1 failed bad_request the keeper knows of no such thing\n"
                     "2 failed bad_request the keeper knows of no such thing\n"
                     "3 failed unknown_app there is no such app any more\n"
                     "4 failed unknown_app there is no such app any more\n"
                     "5 failed unknown_app there is no such app any more\n");
}

Test(front_desk, starts_of_an_app_are_told_with_phases)
{
    cJSON *json;
    const cJSON *start;

    bench_make_ready(&desk.bench, 0);
    desk_query(&desk, "starts", 0, "");
    cr_assert(desk_replies(&desk, "1 ok "), "%s", REPLIES);
    json = cJSON_Parse(REPLIES + strlen("1 ok "));
    start = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "starts"), 0);
    cr_assert_not_null(start, "%s", REPLIES);
    cr_expect(cJSON_IsTrue(cJSON_GetObjectItem(start, "ok")));
    cr_expect_str_eq(cJSON_GetObjectItem(start, "replica")->valuestring, "a-1");
    cr_expect_gt(cJSON_GetArraySize(cJSON_GetObjectItem(start, "phases")), 0);
    cJSON_Delete(json);
}

Test(front_desk, known_events_end_where_they_are_not_followed)
{
    add_events("a", 3, 1);
    add_events("b", 2, 1);
    desk_query(&desk, "events", 0, "{\"tail\":2}");
    cr_assert(desk_replies(&desk, "1 ok \n"), "%s", REPLIES);
    cr_expect_eq(count_parts("\"app\":\"a\""), 2, "%s", PARTS);
    cr_expect_eq(count_parts("\"app\":\"b\""), 0, "%s", PARTS);
}

Test(front_desk, what_was_seen_is_not_told_again)
{
    char argument[64];

    add_events("a", 5, 1);
    snprintf(argument, sizeof argument, "{\"after\":%lu}",
             (unsigned long)event_log_last_id(desk.bench.events) - 2);
    desk_query(&desk, "events", UINT32_MAX, argument);
    cr_assert(desk_replies(&desk, "1 ok \n"), "%s", REPLIES);
    cr_expect_eq(count_parts("\"app\":\"a\""), 2, "%s", PARTS);
}

Test(front_desk, events_are_followed_until_nobody_listens)
{
    uint64_t id =
        desk_query(&desk, "events", 0, "{\"follow\":true,\"tail\":0}");

    add_events("a", 1, 1);
    cr_assert_eq(count_parts("\"app\":\"a\""), 1, "%s", PARTS);
    desk_forget(&desk, id);
    add_events("a", 3, 1);
    cr_expect_eq(count_parts("\"app\":\"a\""), 1, "%s", PARTS);
    cr_expect_str_eq(REPLIES, "");
}

Test(front_desk, a_slow_reader_has_no_more_than_its_window_and_is_told_of_loss)
{
    uint64_t id =
        desk_query(&desk, "events", 0, "{\"follow\":true,\"tail\":0}");
    size_t had;

    add_events("a", 400, 500);
    cr_assert_leq(desk.parts.len, ANSWER_WINDOW);
    cr_assert_gt(desk.parts.len, ANSWER_WINDOW / 2);
    had = desk.parts.len;
    add_events("a", 2 * EVENT_LOG_MAX, 500);
    cr_assert_eq(desk.parts.len, had, "it has passed on nothing");
    desk_credit(&desk, id, had);
    cr_assert_gt(desk.parts.len, had);
    cr_assert_eq(count_parts(" lost {\"lost\":"), 1, "%.300s", PARTS + had);
    cr_expect_lt((size_t)(strstr(PARTS, " lost {") - PARTS), had + 64);
}

Test(front_desk, a_front_that_goes_takes_its_questions_along)
{
    desk_query(&desk, "events", 0, "{\"follow\":true,\"tail\":0}");
    front_desk_set_channel(desk.desk, NULL);
    add_events("a", 3, 1);
    front_desk_set_channel(desk.desk, desk.keeper);
    add_events("a", 3, 1);
    cr_expect_eq(count_parts("\"app\":\"a\""), 0, "%s", PARTS);
}

/* The fleet's first app with an image came by a reload, and Podman with it. */
Test(front_desk, logs_are_had_from_an_engine_that_came_later)
{
    done();
    desk_bench_init(&desk, 2);
    desk.bench.has_no_engine = true;
    desk.bench.settings.app_count = 1;
    bench_make_external(&desk.bench, 0, "127.0.0.1:1");
    desk_bench_start(&desk);
    desk.bench.settings.app_count = 2;
    fleet_set_engine(desk.bench.fleet, &desk.bench.engine->base);
    free(bench_reload(&desk.bench, bench_generation(&desk.bench)));
    fleet_on_engine_up(desk.bench.fleet);
    bench_make_ready(&desk.bench, 1);
    desk_query(&desk, "logs", 1, "{\"follow\":true,\"tail\":7}");
    cr_assert_str_eq(REPLIES, "");
    cr_expect(strstr(desk.bench.engine->log.data, "follow tail=7 on c0\n"),
              "%s", desk.bench.engine->log.data);
}
