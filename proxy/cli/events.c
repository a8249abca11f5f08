/* events.c - `berth events`: what happened, and what happens. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/event_view.h"
#include "proxy/cli/view.h"
#include "router/base/alloc.h"

/* A terminal shows what happened a moment ago, not all of an hour. */
#define FOLLOW_TAIL 20

struct printer {
    struct view view;
    bool json;
};

static bool print_event(const struct printer *printer, struct strview text)
{
    AUTO(strbuf_done) struct strbuf line = STRBUF_INIT;
    cJSON *event = cJSON_ParseWithLength(text.ptr, text.len);

    if (cJSON_IsObject(event) && printer->json) {
        strbuf_add_sv(&line, text);
        strbuf_add_char(&line, '\n');
    } else if (cJSON_IsObject(event)) {
        event_view(event, &printer->view, &line);
    }
    cJSON_Delete(event);
    return fwrite(line.data, 1, line.len, stdout) == line.len &&
           fflush(stdout) == 0;
}

/* Of server-sent events, the data holds it all. */
static bool on_line(void *arg, struct strview line)
{
    const struct strview data = SV("data: ");

    if (line.len < data.len || memcmp(line.ptr, data.ptr, data.len) != 0)
        return true;
    return print_event(arg, sv_skip(line, data.len));
}

static char *make_path(const struct cli_args *args)
{
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    bool follow = cli_flag(args, "follow");

    strbuf_printf(&path, "/api/v1/events?follow=%d", follow);
    if (args->arguments[0])
        strbuf_printf(&path, "&app=%s", args->arguments[0]);
    if (follow || cli_text(args, "tail"))
        strbuf_printf(&path, "&tail=%" PRIu64,
                      cli_number(args, "tail", FOLLOW_TAIL));
    return xstrdup(path.data);
}

int cli_events(int argc, char **argv)
{
    struct printer printer;
    struct admin_follow follow = {.on_line = on_line, .arg = &printer};
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);
    AUTO(admin_client_free) struct admin_client *client = NULL;
    AUTO(auto_free) char *path = NULL;

    if (code != CLI_OK)
        return code;
    client = cli_connect(&args, &err);
    printer = (struct printer){view_of(stdout), cli_flag(&args, "json")};
    path = make_path(&args);
    follow.path = path;
    if (client && cli_app_is_plain(args.arguments[0], &err) &&
        admin_client_follow(client, &follow, &err))
        return CLI_OK;
    return cli_failed("events", &err);
}
