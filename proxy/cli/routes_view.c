/* routes_view.c - what goes where, as people read it. */
#include "proxy/cli/routes_view.h"

#include <cjson/cJSON.h>
#include <inttypes.h>

#include "proxy/cli/answer_json.h"
#include "proxy/cli/view.h"

/* "a, b"; none: what stands for that. */
static void add_list(const cJSON *list, const char *none, struct strbuf *buf)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item))
            strbuf_printf(buf, "%s%s", buf->len > 0 ? ", " : "",
                          item->valuestring);
    }
    if (buf->len == 0)
        strbuf_add_str(buf, none);
}

static void add_target(const cJSON *route, struct strbuf *buf)
{
    const cJSON *share;

    if (cJSON_IsArray(answer_member(route, "split"))) {
        cJSON_ArrayForEach(share, answer_member(route, "split"))
        {
            strbuf_printf(buf, "%s%" PRIu64 " to %s", buf->len > 0 ? ", " : "",
                          answer_number(share, "weight"),
                          answer_text(share, "app"));
        }
    } else if (answer_text(route, "app")[0]) {
        strbuf_add_str(buf, answer_text(route, "app"));
    } else {
        strbuf_printf(buf, "return %" PRIu64 " %s",
                      answer_number(route, "return"),
                      answer_text(route, "text"));
    }
    if (answer_is_true(route, "strip_prefix"))
        strbuf_add_str(buf, ", without the prefix");
}

static void add_row(struct table *table, const cJSON *server,
                    const cJSON *route)
{
    AUTO(strbuf_done) struct strbuf listen = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf names = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf target = STRBUF_INIT;

    add_list(answer_member(server, "listen"), "-", &listen);
    add_list(answer_member(server, "names"), "any", &names);
    add_target(route, &target);
    table_cell(table, COLOUR_NONE, "%s", listen.data);
    table_cell(table, COLOUR_NONE, "%s", names.data);
    table_cell(table, COLOUR_BOLD, "%s", answer_text(route, "prefix"));
    table_cell(table, COLOUR_NONE, "%s", target.data);
}

void routes_view(const struct cJSON *routes, const struct view *view,
                 struct strbuf *buf)
{
    static const struct table_column columns[] = {
        {"LISTEN", false},
        {"SERVER", false},
        {"ROUTE", false},
        {"TO", false},
    };
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    const cJSON *server;
    const cJSON *route;

    cJSON_ArrayForEach(server, answer_member(routes, "servers"))
    {
        cJSON_ArrayForEach(route, answer_member(server, "routes"))
        {
            add_row(table, server, route);
        }
    }
    table_format(table, view->has_colour, view->width, buf);
}
