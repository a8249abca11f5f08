/* event_log_test.c - what happened lately, and who missed some of it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/event_log.h"

static void add_many(struct event_log *log, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char reason[16];

        snprintf(reason, sizeof reason, "%u", i);
        event_log_add(log, &(struct event){.app = "a", .reason = reason});
    }
}

Test(event_log, an_empty_log_has_nothing_after_anything)
{
    AUTO(event_log_free) struct event_log *log = event_log_new();

    cr_assert_eq(event_log_last_id(log), 0);
    cr_assert_null(event_log_after(log, 0));
    cr_assert_null(event_log_after(log, UINT64_MAX));
    cr_assert_eq(event_log_lost_after(log, 0), 0);
}

Test(event_log, a_reader_sees_each_event_once_and_in_order)
{
    AUTO(event_log_free) struct event_log *log = event_log_new();
    const struct event *event;
    uint64_t at = 0;
    unsigned seen = 0;

    add_many(log, 5);
    while ((event = event_log_after(log, at))) {
        cr_assert_eq(strtoul(event->reason, NULL, 10), seen);
        cr_assert_gt(event->id, at);
        at = event->id;
        seen++;
    }
    cr_assert_eq(seen, 5);
    cr_assert_eq(at, event_log_last_id(log));
    cr_assert_null(event_log_after(log, at + 100), "an id of the future");
}

Test(event_log, texts_are_copied_and_cut)
{
    AUTO(event_log_free) struct event_log *log = event_log_new();
    char reason[2 * EVENT_TEXT_MAX];
    const struct event *event;

    memset(reason, 'x', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    event_log_add(log, &(struct event){.app = "a", .reason = reason});
    memset(reason, 'y', sizeof reason - 1);
    event = event_log_after(log, 0);
    cr_assert_eq(strlen(event->reason), EVENT_TEXT_MAX);
    cr_assert_eq(event->reason[0], 'x');
    cr_assert_str_eq(event->replica, "");
}

Test(event_log, who_is_overtaken_is_told_how_many_are_lost)
{
    AUTO(event_log_free) struct event_log *log = event_log_new();
    uint64_t first;

    add_many(log, 1);
    first = event_log_last_id(log);
    cr_assert_eq(event_log_lost_after(log, first), 0);
    add_many(log, EVENT_LOG_MAX);
    cr_assert_eq(event_log_lost_after(log, first), 0, "all but the first");
    add_many(log, 10);
    cr_assert_eq(event_log_lost_after(log, first), 10);
    cr_assert_eq(event_log_lost_after(log, 0), 11, "with the first");
    cr_assert_eq(event_log_after(log, first)->id, first + 11);
    cr_assert_eq(event_log_lost_after(log, event_log_last_id(log)), 0);
}

struct counter {
    struct event_watcher watcher;
    unsigned count;
};

static void count(struct event_watcher *watcher)
{
    container_of(watcher, struct counter, watcher)->count++;
}

Test(event_log, watchers_hear_of_each_event_until_they_stop)
{
    AUTO(event_log_free) struct event_log *log = event_log_new();
    struct counter counter = {.watcher.on_event = count};

    event_log_watch(log, &counter.watcher);
    add_many(log, 3);
    event_watcher_stop(&counter.watcher);
    add_many(log, 3);
    event_watcher_stop(&counter.watcher);
    cr_assert_eq(counter.count, 3);
    event_log_add(NULL, &(struct event){.app = "a"}); /* nobody keeps it */
}

Test(event_log, json_has_what_says_something)
{
    static const struct {
        const char *label;
        struct event event;
        const char *json;
    } cases[] = {
        {"a change of state",
         {.id = 7,
          .at_unix_ms = 9,
          .kind = EVENT_REPLICA,
          .app = "a",
          .replica = "a-1",
          .from = "pulling",
          .to = "creating",
          .reason = "it \"is\"\nhere",
          .before_ms = 0},
         "{\"id\":7,\"at_unix_ms\":9,\"kind\":\"replica\",\"app\":\"a\","
         "\"replica\":\"a-1\",\"from\":\"pulling\",\"to\":\"creating\","
         "\"reason\":\"it \\\"is\\\"\\nhere\",\"before_ms\":0}"},
        {"a roll-out, whose `from` is no state that ended",
         {.id = 8,
          .at_unix_ms = 9,
          .kind = EVENT_ROLLOUT,
          .app = "a",
          .from = "0ld",
          .to = "done",
          .took_ms = 12},
         "{\"id\":8,\"at_unix_ms\":9,\"kind\":\"rollout\",\"app\":\"a\","
         "\"from\":\"0ld\",\"to\":\"done\",\"took_ms\":12}"},
        {"a pull",
         {.id = 8,
          .at_unix_ms = 9,
          .kind = EVENT_PULL,
          .image = "i",
          .to = "pulled",
          .took_ms = 12},
         "{\"id\":8,\"at_unix_ms\":9,\"kind\":\"pull\",\"image\":\"i\","
         "\"to\":\"pulled\",\"took_ms\":12}"},
        {"an eviction",
         {.id = 8, .at_unix_ms = 9, .kind = EVENT_EVICTION, .by = "b"},
         "{\"id\":8,\"at_unix_ms\":9,\"kind\":\"eviction\",\"by\":\"b\"}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;

        event_write_json(&cases[i].event, &buf);
        cr_expect_str_eq(buf.data, cases[i].json, "%s: %s", cases[i].label,
                         buf.data);
    }
}
