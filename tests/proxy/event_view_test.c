/* event_view_test.c - events as people read them. */
#include "proxy/cli/event_view.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "proxy/cli/view.h"

static const struct view plain = {false, 0};

Test(event_view, each_is_a_line)
{
    static const struct {
        const char *label;
        const char *json;
        const char *line;
    } cases[] = {
        {"a change of state",
         "{\"id\":1,\"at_unix_ms\":1764000000000,\"kind\":\"replica\",\"app\":"
         "\"a\",\"replica\":\"a-1\",\"from\":\"pulling\",\"to\":\"creating\","
         "\"reason\":\"its image is here\",\"before_ms\":1200}",
         "2025-11-24T16:00:00.000Z  a-1                 pulling → creating    "
         "      1.2s  its image is here\n"},
        {"the end of a start",
         "{\"at_unix_ms\":1764000000000,\"kind\":\"replica\",\"app\":\"a\","
         "\"replica\":\"a-1\",\"from\":\"probing\",\"to\":\"ready\",\"reason\":"
         "\"r\",\"before_ms\":5,\"took_ms\":110}",
         "2025-11-24T16:00:00.000Z  a-1                 probing → ready       "
         "       5ms  r (110ms in all)\n"},
        {"a pull",
         "{\"at_unix_ms\":1764000000000,\"kind\":\"pull\",\"image\":\"i:1\","
         "\"to\":\"pulled\",\"took_ms\":7}",
         "2025-11-24T16:00:00.000Z  i:1                 pulled                "
         "       7ms\n"},
        {"an eviction",
         "{\"at_unix_ms\":1764000000000,\"kind\":\"eviction\",\"app\":\"a\","
         "\"replica\":\"a-2\",\"by\":\"b\"}",
         "2025-11-24T16:00:00.000Z  a-2                 eviction              "
         "            for b\n"},
        {"controls", "{\"kind\":\"front\",\"reason\":\"\\u001b[2J\\nx\"}",
         "1970-01-01T00:00:00.000Z  front               front                 "
         "            ?[2J x\n"},
        {"lost ones", "{\"lost\":12}", "(12 events were lost here)\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
        cJSON *json = cJSON_Parse(cases[i].json);

        cr_assert_not_null(json, "%s", cases[i].label);
        event_view(json, &plain, &out);
        cJSON_Delete(json);
        cr_expect_str_eq(out.data, cases[i].line, "%s:\n%s", cases[i].label,
                         out.data);
    }
}
