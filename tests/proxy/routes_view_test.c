/* routes_view_test.c - what goes where, as people read it. */
#include "proxy/cli/routes_view.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>

#include "proxy/cli/view.h"

static const struct view plain = {false, 0};

Test(routes_view, every_route_is_a_row)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    cJSON *json = cJSON_Parse(
        "{\"servers\":[{\"listen\":[\":80\",\":81\"],\"names\":[\"a.example\"],"
        "\"routes\":[{\"prefix\":\"/a\",\"app\":\"web\",\"strip_prefix\":true},"
        "{\"prefix\":\"/b\",\"split\":[{\"app\":\"v1\",\"weight\":9},{\"app\":"
        "\"v2\",\"weight\":1}]}]},{\"listen\":[],\"names\":[],\"routes\":["
        "{\"prefix\":\"/\",\"return\":404,\"text\":\"no\"}]}]}");

    routes_view(json, &plain, &out);
    cJSON_Delete(json);
    cr_assert_str_eq(out.data,
                     "LISTEN    SERVER     ROUTE  TO\n"
                     ":80, :81  a.example  /a     web, without the prefix\n"
                     ":80, :81  a.example  /b     9 to v1, 1 to v2\n"
                     "-         any        /      return 404 no\n",
                     "\n%s", out.data);
}

Test(routes_view, without_servers_there_are_none)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    routes_view(NULL, &plain, &out);
    cr_assert_str_eq(out.data, "LISTEN  SERVER  ROUTE  TO\n");
}
