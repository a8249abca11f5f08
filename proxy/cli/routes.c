/* routes.c - `berth routes`: what goes where. */
#include "proxy/cli/cli.h"
#include "proxy/cli/routes_view.h"
#include "proxy/cli/show.h"

int cli_routes(int argc, char **argv)
{
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    if (cli_show(&args, "/api/v1/routes", routes_view, &err))
        return CLI_OK;
    return cli_failed("routes", &err);
}
