/* check.c - `berth check`: all errors of a configuration, and with --host
 * whether this host can do what it asks. */
#include <stdio.h>
#include <unistd.h>

#include "conf/config.h"
#include "lifecycle/host_check.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/listen_requests.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

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
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free) struct config *config = NULL;
    struct cli_args args;
    const char *path;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    path = cli_text(&args, "config");
    config = cli_flag(&args, "host") ? config_load(path, &errors)
                                     : config_check(path, &errors);
    if (errors.len > 0)
        fputs(errors.data, stderr);
    if (!config)
        return CLI_FAILED;
    print_ok(path, config->proxy);
    return cli_flag(&args, "host") ? check_host(config) : CLI_OK;
}
