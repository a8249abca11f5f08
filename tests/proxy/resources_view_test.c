#include "proxy/cli/resources_view.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "router/base/alloc.h"

TestSuite(resources_view);

static char *shown(const char *json)
{
    struct strbuf buf = STRBUF_INIT;
    const struct view view = {.has_colour = false};
    cJSON *resources = cJSON_Parse(json);

    cr_assert_not_null(resources, "%s", json);
    strbuf_add_str(&buf, "");
    resources_view(resources, &view, &buf);
    cJSON_Delete(resources);
    return buf.data;
}

Test(resources_view, who_has_what_and_who_waits)
{
    AUTO(auto_free) char *text = shown(
        "{\"cpus\":{\"total\":4,\"reserved\":1.5},"
        "\"memory_bytes\":{\"total\":17179869184,\"reserved\":1610612736},"
        "\"devices\":[{\"name\":\"n/gpu=0\",\"reserved\":0.75,"
        "\"memory_bytes\":85899345920,\"memory_reserved_bytes\":536870912,"
        "\"holders\":[\"a-1\",\"b-2\"]},"
        "{\"name\":\"n/gpu=1\",\"reserved\":0,\"memory_bytes\":0,"
        "\"memory_reserved_bytes\":0,\"holders\":[]}],"
        "\"holders\":[{}],"
        "\"waiting\":[{\"app\":\"c\",\"replica\":\"c-3\",\"waited_ms\":1500,"
        "\"reason\":\"gpus: 2 wanted\"}]}");

    cr_expect_str_eq(text, "\nreserved: cpus 1.5 of 4, memory 1.5g of 16g\n"
                           "DEVICE   RESERVED       MEMORY  HELD BY\n"
                           "n/gpu=0      0.75  512m of 80g  a-1 b-2\n"
                           "n/gpu=1         0            -  -\n"
                           "c-3 waits for room, for 1.5s: gpus: 2 wanted\n");
}

Test(resources_view, nothing_is_said_where_nothing_is_reserved)
{
    AUTO(auto_free) char *text =
        shown("{\"cpus\":{\"total\":4,\"reserved\":0},\"devices\":[],"
              "\"holders\":[],\"waiting\":[]}");
    AUTO(auto_free) char *none = shown("{}");

    cr_expect_str_eq(text, "");
    cr_expect_str_eq(none, "");
}

Test(resources_view, members_of_another_kind_break_nothing)
{
    AUTO(auto_free) char *text =
        shown("{\"cpus\":7,\"memory_bytes\":[],\"devices\":[1,{\"name\":2,"
              "\"holders\":[3]}],\"waiting\":[null]}");

    cr_expect_not_null(text);
    cr_expect_not_null(strstr(text, "reserved: cpus 0 of 0, memory 0m of 0m"));
}
