/* why.c - `berth why`: the last starts of an app, and why they failed. */
#include "proxy/cli/cli.h"
#include "proxy/cli/show.h"
#include "proxy/cli/why_view.h"
#include "router/base/alloc.h"

int cli_why(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);
    AUTO(auto_free) char *path = NULL;

    if (code != CLI_OK)
        return code;
    path = xasprintf("/api/v1/apps/%s/starts", args.arguments[0]);
    if (cli_app_is_plain(args.arguments[0], &err) &&
        cli_show(&args, path, why_view, &err))
        return CLI_OK;
    return cli_failed("why", &err);
}
