/* status.c - `berth status`: how the apps of a running berth do. */
#include <cjson/cJSON.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/answer_json.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/event_view.h"
#include "proxy/cli/show.h"
#include "proxy/cli/status_view.h"
#include "proxy/cli/view.h"
#include "router/base/alloc.h"

#define WATCH_MS   1000
#define EVENT_TAIL 8

/* --- the last events of an app --- */

struct events {
    struct view view;
    struct strbuf text;
};

static bool on_line(void *arg, struct strview line)
{
    struct events *events = arg;
    const struct strview data = SV("data: ");
    cJSON *event;

    if (line.len < data.len || !sv_eq(sv_make(line.ptr, data.len), data))
        return true;
    line = sv_skip(line, data.len);
    event = cJSON_ParseWithLength(line.ptr, line.len);
    if (cJSON_IsObject(event))
        event_view(event, &events->view, &events->text);
    cJSON_Delete(event);
    return true;
}

static bool show_events(const struct cli_args *args, const char *app,
                        struct err *err)
{
    AUTO(admin_client_free)
    struct admin_client *client = cli_connect(args, err);
    AUTO(auto_free)
    char *path =
        xasprintf("/api/v1/events?follow=0&tail=%d&app=%s", EVENT_TAIL, app);
    struct events events = {.view = view_of(stdout)};
    const struct admin_follow follow = {
        .path = path, .on_line = on_line, .arg = &events};
    bool ok = client && admin_client_follow(client, &follow, err);

    if (ok && events.text.len > 0)
        printf("\nlast events\n%s", events.text.data);
    strbuf_done(&events.text);
    return ok;
}

/* --- all of it --- */

static bool show(const struct cli_args *args, struct err *err)
{
    const char *app = args->arguments[0];
    AUTO(auto_free)
    char *path =
        app ? xasprintf("/api/v1/apps/%s", app) : xstrdup("/api/v1/status");

    if (!cli_show(args, path, app ? status_view_app : status_view_all, err))
        return false;
    if (app && !cli_flag(args, "json") && !show_events(args, app, err))
        return false;
    return fflush(stdout) == 0;
}

/* On a terminal in the same place; elsewhere one below the other. */
static bool watch(const struct cli_args *args, struct err *err)
{
    bool has_screen = isatty(STDOUT_FILENO) && !cli_flag(args, "json");

    for (;;) {
        if (has_screen)
            fputs("\x1b[H\x1b[2J", stdout);
        if (!show(args, err))
            return false;
        poll(NULL, 0, WATCH_MS);
    }
}

int cli_status(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    if (cli_app_is_plain(args.arguments[0], &err) &&
        (cli_flag(&args, "watch") ? watch(&args, &err) : show(&args, &err)))
        return CLI_OK;
    return cli_failed("status", &err);
}
