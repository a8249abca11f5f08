/* why_view_test.c - the last starts of an app, as people read them. */
#include "proxy/cli/why_view.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "proxy/cli/view.h"

static const struct view plain = {false, 0};

static void check(const char *json_text, const char *expected)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    cJSON *json = cJSON_Parse(json_text);

    cr_assert_not_null(json, "the case is no JSON");
    why_view(json, &plain, &out);
    cJSON_Delete(json);
    cr_assert_str_eq(out.data, expected, "\n%s", out.data);
}

Test(why_view, an_app_that_was_never_started_says_so)
{
    check("{\"app\":\"a\",\"current\":[],\"starts\":[]}",
          "a was not started since berth runs\n");
}

Test(why_view, a_column_for_each_phase_that_occurs)
{
    check("{\"app\":\"a\",\"current\":[{\"replica\":\"a-3\",\"state\":"
          "\"pulling\",\"in_state_us\":2000000,\"reason\":\"r\"}],"
          "\"image_activity\":\"pulling: 3 of 7 layers\",\"starts\":["
          "{\"replica\":\"a-2\",\"at_unix_ms\":1764000000000,\"from\":"
          "\"frozen\",\"why\":\"a request waited for it\",\"ok\":true,"
          "\"total_us\":900,\"phases\":[{\"name\":\"thaw\",\"us\":900}]},"
          "{\"replica\":\"a-1\",\"at_unix_ms\":1764000000000,\"from\":"
          "\"pulled\",\"ok\":false,\"total_us\":812000,\"phases\":[{\"name\":"
          "\"boot\",\"us\":1500},{\"name\":\"create\",\"us\":90000}],"
          "\"evicted\":[{\"replica\":\"b-1\",\"app\":\"b\"},{\"replica\":"
          "\"c-4\"}],\"error\":{\"code\":\"start_failed\",\"message\":"
          "\"exited\",\"log\":[\"Traceback\",\"\\u001b[31mboom\"]}}]}",
          "a-3 is pulling for 2.0s: pulling: 3 of 7 layers\n"
          "REPLICA  BEGAN                     FROM    TOTAL  CREATE   BOOT   "
          "THAW  RESULT\n"
          "a-2      2025-11-24T16:00:00.000Z  frozen  0.9ms       -      -  "
          "0.9ms  ready; a request waited for it\n"
          "a-1      2025-11-24T16:00:00.000Z  pulled  812ms    90ms  1.5ms    "
          "  -  failed: exited\n"
          "\n"
          "a-1 got its room from b-1, c-4\n"
          "\n"
          "a-1, start_failed, its last lines:\n"
          "  | Traceback\n"
          "  | ?[31mboom\n");
}

Test(why_view, a_crash_stands_with_its_start)
{
    check("{\"starts\":[{\"replica\":\"a-1\",\"at_unix_ms\":1764000000000,"
          "\"from\":\"pulled\",\"ok\":true,\"total_us\":1000,\"phases\":[],"
          "\"ended\":{\"code\":\"crashed\",\"message\":\"killed by signal 9\","
          "\"log\":[\"x\"]}}]}",
          "REPLICA  BEGAN                     FROM    TOTAL  RESULT\n"
          "a-1      2025-11-24T16:00:00.000Z  pulled  1.0ms  ready, later: "
          "killed by signal 9\n"
          "\n"
          "a-1, crashed, its last lines:\n"
          "  | x\n");
}
