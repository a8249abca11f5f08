/* config.c - `berth config`: the effective configuration, secrets masked. */
#include <stdio.h>

#include "conf/config.h"
#include "proxy/cli/cli.h"

int cli_config(int argc, char **argv)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    config = config_check(cli_text(&args, "config"), &errors);
    if (errors.len > 0)
        fputs(errors.data, stderr);
    if (!config)
        return CLI_FAILED;
    config_print(config, &text);
    fwrite(text.data, 1, text.len, stdout);
    return ferror(stdout) || fflush(stdout) != 0 ? CLI_FAILED : CLI_OK;
}
