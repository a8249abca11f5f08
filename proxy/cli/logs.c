/* logs.c - `berth logs`: the output of an app's containers. */
#include <inttypes.h>
#include <stdio.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/log_line.h"
#include "proxy/cli/view.h"
#include "router/base/alloc.h"

#define FOLLOW_TAIL 100

struct printer {
    struct view view;
    bool json;
};

static bool on_line(void *arg, struct strview line)
{
    const struct printer *printer = arg;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    if (printer->json && line.len == 0)
        return true; /* a silence */
    if (printer->json) {
        strbuf_add_sv(&text, line);
        strbuf_add_char(&text, '\n');
    } else {
        log_line_view(line, &printer->view, &text);
    }
    return fwrite(text.data, 1, text.len, stdout) == text.len &&
           fflush(stdout) == 0;
}

static char *make_path(const struct cli_args *args)
{
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    bool follow = cli_flag(args, "follow");

    strbuf_printf(&path, "/api/v1/apps/%s/logs?follow=%d", args->arguments[0],
                  follow);
    if (cli_flag(args, "json"))
        strbuf_add_str(&path, "&format=json");
    if (follow || cli_text(args, "tail"))
        strbuf_printf(&path, "&tail=%" PRIu64,
                      cli_number(args, "tail", FOLLOW_TAIL));
    if (cli_text(args, "replica"))
        strbuf_printf(&path, "&replica=%s", cli_text(args, "replica"));
    if (cli_text(args, "sidecar"))
        strbuf_printf(&path, "&sidecar=%s", cli_text(args, "sidecar"));
    return xstrdup(path.data);
}

int cli_logs(int argc, char **argv)
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
        cli_app_is_plain(cli_text(&args, "replica"), &err) &&
        cli_app_is_plain(cli_text(&args, "sidecar"), &err) &&
        admin_client_follow(client, &follow, &err))
        return CLI_OK;
    return cli_failed("logs", &err);
}
