/* start_log_test.c - the last starts of an app. */
#include "lifecycle/start_log.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/event_log.h"

static void add(struct start_log *log, unsigned number, uint64_t thaw_us,
                const struct replica_failure *failure,
                const struct event_log *events)
{
    char name[16];
    struct replica_view view = {
        .name = name,
        .began_unix_ms = 1000,
        .phases = {.create_us = 5, .thaw_us = thaw_us, .total_us = 9}};

    snprintf(name, sizeof name, "a-%u", number);
    start_log_add(log, &(struct start_end){.app = "a",
                                           .view = &view,
                                           .from = "pulled",
                                           .was_urgent = true,
                                           .failure = failure,
                                           .events = events});
}

static const char *text_at(const cJSON *list, int index, const char *name)
{
    return cJSON_GetStringValue(
        cJSON_GetObjectItem(cJSON_GetArrayItem(list, index), name));
}

Test(start_log, the_newest_comes_first_and_the_oldest_goes)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    cJSON *json;

    for (unsigned i = 0; i < START_LOG_MAX + 3; i++)
        add(log, i, 0, NULL, NULL);
    json = start_log_json(log);
    cr_expect_eq(cJSON_GetArraySize(json), START_LOG_MAX);
    cr_expect_str_eq(text_at(json, 0, "replica"), "a-18");
    cr_expect_str_eq(text_at(json, START_LOG_MAX - 1, "replica"), "a-3");
    cJSON_Delete(json);
}

Test(start_log, thaws_push_out_no_more_than_their_share)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    cJSON *json;

    add(log, 1, 0, NULL, NULL);
    for (unsigned i = 0; i < 100; i++)
        add(log, 100 + i, 800, NULL, NULL);
    json = start_log_json(log);
    cr_expect_eq(cJSON_GetArraySize(json), START_LOG_THAWS + 1);
    cr_expect_str_eq(text_at(json, 0, "replica"), "a-199");
    cr_expect_str_eq(text_at(json, START_LOG_THAWS, "replica"), "a-1");
    cJSON_Delete(json);
}

Test(start_log, only_phases_that_were_gone_through_are_told)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    cJSON *json;
    char *text;

    cr_assert(cJSON_IsNull(json = start_log_last_json(log)));
    cJSON_Delete(json);
    add(log, 1, 0, NULL, NULL);
    json = start_log_last_json(log);
    text = cJSON_PrintUnformatted(cJSON_GetObjectItem(json, "phases"));
    cr_expect_str_eq(text, "[{\"name\":\"create\",\"us\":5}]");
    cJSON_free(text);
    cJSON_Delete(json);
}

Test(start_log, the_first_byte_comes_later_and_counts_once)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    AUTO(strbuf_done) struct strbuf written = STRBUF_INIT;
    const struct replica_phases phases = {.create_us = 1260,
                                          .first_byte_us = 40};
    cJSON *json;
    char *text;

    add(log, 1, 0, NULL, NULL);
    add(log, 2, 0, NULL, NULL);
    start_log_first_byte(log, "a-7", 4); /* it is not known any more */
    start_log_first_byte(log, "a-1", 4);
    start_log_first_byte(log, "a-1", 100);
    json = start_log_json(log);
    text = cJSON_PrintUnformatted(cJSON_GetArrayItem(json, 1));
    cr_expect_not_null(
        strstr(text, "\"total_us\":13,\"phases\":[{\"name\":\"create\",\"us\":"
                     "5},{\"name\":\"first_byte\",\"us\":4}]"),
        "%s", text);
    cJSON_free(text);
    text = cJSON_PrintUnformatted(cJSON_GetArrayItem(json, 0));
    cr_expect_null(strstr(text, "first_byte"), "%s", text);
    cJSON_free(text);
    cJSON_Delete(json);
    start_phases_write(&phases, &written);
    cr_expect_str_eq(written.data, "create 1.3 ms, first_byte 0.0 ms");
}

Test(start_log, a_failure_has_the_newest_of_its_lines)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    struct replica_failure failure = {.code = "start_failed",
                                      .reason = "exited"};
    static char lines[2 * START_LOG_BYTES];
    cJSON *json;
    const cJSON *error;
    const cJSON *log_lines;

    memset(lines, 'x', sizeof lines);
    memcpy(lines + sizeof lines - 10, "\nlast\xff\nend", 10);
    failure.log = sv_make(lines, sizeof lines);
    add(log, 1, 0, &failure, NULL);
    json = start_log_last_json(log);
    cr_expect(cJSON_IsFalse(cJSON_GetObjectItem(json, "ok")));
    error = cJSON_GetObjectItem(json, "error");
    log_lines = cJSON_GetObjectItem(error, "log");
    cr_expect_eq(cJSON_GetArraySize(log_lines), 3);
    cr_expect_eq(strlen(cJSON_GetStringValue(cJSON_GetArrayItem(log_lines, 0))),
                 START_LOG_BYTES - 10);
    cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetArrayItem(log_lines, 2)),
                     "end");
    cJSON_Delete(json);
}

Test(start_log, a_crash_is_told_with_the_start_that_led_to_it)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    const struct replica_failure crash = {.code = "crashed",
                                          .reason = "killed",
                                          .was_ready = true,
                                          .log = SV("x")};
    cJSON *json;

    add(log, 1, 0, NULL, NULL);
    add(log, 2, 0, NULL, NULL);
    add(log, 1, 0, &crash, NULL);
    add(log, 7, 0, &crash, NULL); /* adopted: its start was never seen */
    json = start_log_json(log);
    cr_expect_eq(cJSON_GetArraySize(json), 2);
    cr_expect_null(cJSON_GetObjectItem(cJSON_GetArrayItem(json, 0), "ended"));
    cr_expect_str_eq(
        cJSON_GetStringValue(cJSON_GetObjectItem(
            cJSON_GetObjectItem(cJSON_GetArrayItem(json, 1), "ended"),
            "message")),
        "killed");
    cJSON_Delete(json);
}

Test(start_log, who_made_room_since_it_began_is_told)
{
    AUTO(start_log_free) struct start_log *log = start_log_new();
    AUTO(event_log_free) struct event_log *events = event_log_new();
    cJSON *json;
    char *text;

    event_log_add(events, &(struct event){.kind = EVENT_EVICTION,
                                          .at_unix_ms = 999,
                                          .app = "old",
                                          .replica = "old-1",
                                          .by = "a"});
    event_log_add(events, &(struct event){.kind = EVENT_EVICTION,
                                          .app = "b",
                                          .replica = "b-1",
                                          .by = "a"});
    event_log_add(events, &(struct event){.kind = EVENT_EVICTION,
                                          .app = "c",
                                          .replica = "c-1",
                                          .by = "another"});
    add(log, 1, 0, NULL, events);
    json = start_log_last_json(log);
    text = cJSON_PrintUnformatted(cJSON_GetObjectItem(json, "evicted"));
    cr_expect_str_eq(text, "[{\"app\":\"b\",\"replica\":\"b-1\"}]");
    cJSON_free(text);
    cJSON_Delete(json);
}
