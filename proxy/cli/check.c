/* check.c - `berth check`: all errors of a configuration, and with --host
 * whether this host can do what it asks. */
#include <getopt.h>
#include <stdio.h>

#include "conf/config.h"
#include "proxy/cli/cli.h"

struct check_options {
    const char *path;
    bool host;
};

/* CLI_OK, or the exit code after a message. */
static int options_parse(int argc, char **argv, struct check_options *ret)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"host", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    int c;

    optind = 1;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
        if (c == 'c')
            ret->path = optarg;
        else if (c == 'H')
            ret->host = true;
        else
            return cli_usage_error("check", "bad option \"%s\"",
                                   argv[optind - 1]);
    }
    if (optind < argc)
        return cli_usage_error("check", "what is \"%s\"?", argv[optind]);
    if (!ret->path)
        return cli_usage_error("check", "-c FILE is missing");
    return CLI_OK;
}

static void print_ok(const char *path, const struct proxy_settings *proxy)
{
    printf("%s: ok (%u app%s, %u server%s)\n", path, proxy->app_count,
           proxy->app_count == 1 ? "" : "s", proxy->server_count,
           proxy->server_count == 1 ? "" : "s");
}

int cli_check(int argc, char **argv)
{
    struct check_options options = {NULL, false};
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;
    int code = options_parse(argc, argv, &options);

    if (code != CLI_OK)
        return code;
    config = options.host ? config_load(options.path, &errors)
                          : config_check(options.path, &errors);
    if (errors.len > 0)
        fputs(errors.data, stderr);
    if (!config)
        return CLI_FAILED;
    print_ok(options.path, config->proxy);
    return CLI_OK;
}
