/* config.c - `berth config`: the effective configuration, secrets masked. */
#include <getopt.h>
#include <stdio.h>

#include "conf/config.h"
#include "proxy/cli/cli.h"

int cli_config(int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;
    const char *path = NULL;
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
        if (c != 'c')
            return cli_option_error("config", c, argv);
        path = optarg;
    }
    if (optind < argc)
        return cli_usage_error("config", "what is \"%s\"?", argv[optind]);
    if (!path)
        return cli_usage_error("config", "-c FILE is missing");
    config = config_check(path, &errors);
    if (errors.len > 0)
        fputs(errors.data, stderr);
    if (!config)
        return CLI_FAILED;
    config_print(config, &text);
    fwrite(text.data, 1, text.len, stdout);
    return ferror(stdout) || fflush(stdout) != 0 ? CLI_FAILED : CLI_OK;
}
