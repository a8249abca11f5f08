/* status.c - `berth status`: how the apps of a running berth do. */
#include "proxy/cli/cli.h"
#include "proxy/cli/show.h"
#include "proxy/cli/status_view.h"
#include "router/base/alloc.h"

int cli_status(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);
    AUTO(auto_free) char *path = NULL;
    const char *app;

    if (code != CLI_OK)
        return code;
    app = args.arguments[0];
    path = app ? xasprintf("/api/v1/apps/%s", app) : xstrdup("/api/v1/status");
    if (cli_app_is_plain(app, &err) &&
        cli_show(&args, path, app ? status_view_app : status_view_all, &err))
        return CLI_OK;
    return cli_failed("status", &err);
}
