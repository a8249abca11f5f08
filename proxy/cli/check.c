/* check.c - `berth check`: all errors of a configuration, and with --host
 * whether this host can do what it asks. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "conf/config.h"
#include "lifecycle/host_check.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/listen_requests.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

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
    while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
        if (c == 'c')
            ret->path = optarg;
        else if (c == 'H')
            ret->host = true;
        else
            return cli_option_error("check", c, argv);
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

static int check_host(const struct config *config)
{
    AUTO(strbuf_done) struct strbuf findings = STRBUF_INIT;
    AUTO(auto_free)
    struct listen_request *listeners = cli_listen_requests(config->proxy);
    unsigned problems;

    log_setup(STDERR_FILENO, LOG_WARN, false, "berth");
    problems = host_check(config->lifecycle, listeners,
                          config->proxy->listener_count, &findings);
    fwrite(findings.data, 1, findings.len, stdout);
    if (problems > 0)
        printf("%u problem%s on this host\n", problems,
               problems == 1 ? "" : "s");
    return problems > 0 ? CLI_FAILED : CLI_OK;
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
    return options.host ? check_host(config) : CLI_OK;
}
