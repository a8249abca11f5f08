/* run.c - `berth run`: read the configuration, be the keeper; and the hidden
 * command by which the keeper starts the front.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lifecycle/front_process.h"
#include "lifecycle/keeper.h"
#include "proxy/admin/admin.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/front_config.h"
#include "proxy/cli/run_settings.h"
#include "proxy/front.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

/* The sanitizers look at their own process by ptrace and /proc. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Each client and each upstream connection is a descriptor: take what this
 * process is allowed. Before the configuration is read, whose max_connections
 * follows from it; the front inherits it. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("run", "cannot raise the limit of open files", "reason=\"%s\"",
                 strerror(errno));
}

/* Until the keeper listens to signals: to drain what nothing was begun of is to
 * go, and not what the kernel does by default, which is to dump core. */
static void on_early_quit(int number)
{
    (void)number;
    _exit(0);
}

static int run_keeper(struct run_source *source,
                      struct keeper_settings *settings)
{
    static char name[] = "berth";
    static char front[] = "front";
    char *const front_argv[] = {name, front, NULL};
    struct keeper_config keeper = {
        .settings = settings,
        .load = run_settings_load,
        .arg = source,
        .poll_ms = FRONT_CONFIG_POLL_MS,
        .front_argv = front_argv,
    };

    return keeper_run(&keeper);
}

int cli_run(int argc, char **argv)
{
    AUTO(strbuf_done) struct strbuf messages = STRBUF_INIT;
    AUTO(keeper_settings_unref) struct keeper_settings *settings = NULL;
    struct run_source source = {.path = NULL};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    source.path = cli_text(&args, "config");
    signal(SIGQUIT, on_early_quit);
    log_setup(STDERR_FILENO, LOG_INFO, false, "keeper");
    raise_descriptor_limit();
    settings = run_settings_load(&source, NULL, &messages);
    if (messages.len > 0)
        fputs(messages.data, stderr);
    if (!settings)
        return CLI_FAILED;
    log_setup(STDERR_FILENO, settings->log_level, settings->log_json, "keeper");
    return run_keeper(&source, settings) == 0 ? CLI_OK : CLI_FAILED;
}

int cli_front(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return CLI_USAGE;
    /* exec has reset it: no other process of this user may look into the one
     * that holds the clients' data. */
    if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return CLI_FAILED;
    prctl(PR_SET_NAME, "berth-front", 0, 0, 0);
    return front_main(FRONT_CHANNEL_FD, &admin_api);
}
