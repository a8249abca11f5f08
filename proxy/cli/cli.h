/* cli.h - the subcommands of berth, one file each. */
#ifndef PROXY_CLI_CLI_H
#define PROXY_CLI_CLI_H

#include <stddef.h>
#include <stdio.h>

#include "proxy/cli/options.h"
#include "router/base/attr.h"
#include "router/base/err.h"

struct admin_client;

/* Exit codes of every subcommand. */
enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* All of them, in the order of `berth help`; ends with a NULL name. */
extern const struct cli_command cli_commands[];

/* NULL when there is no such command. */
const struct cli_command *cli_command_find(const char *name);

/* Say on stderr what is wrong with the arguments and how they should look.
 * Returns CLI_USAGE. */
int cli_usage_error(const char *command, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* "berth NAME [OPTIONS] APP", as its row says. */
void cli_print_usage(const struct cli_command *command, FILE *out);

/* Say why a command failed. Returns CLI_FAILED. */
int cli_failed(const char *command, const struct err *err);

/* The berth that --socket or -c name, else the default one. */
MUST_USE struct admin_client *cli_connect(const struct cli_args *args,
                                          struct err *err);

/* Names go into a path as they are; what cannot be a name has no such app:
 * false, and err says so. NULL is plain. */
MUST_USE bool cli_app_is_plain(const char *name, struct err *err);

/* `berth WORD` where no command has that name. Returns CLI_USAGE. */
int cli_unknown_command(const char *name);
/* `berth --version`. */
int cli_version(void);

/* The hidden command that makes a process the front (run.c). */
int cli_front(int argc, char **argv);

int cli_run(int argc, char **argv);
int cli_help(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_events(int argc, char **argv);
/* pull, wake, restart, scale, freeze, hibernate: argv[0] says which. */
int cli_act(int argc, char **argv);
int cli_completion(int argc, char **argv);
int cli_manual(int argc, char **argv);
int cli_routes(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_logs(int argc, char **argv);
int cli_why(int argc, char **argv);

#endif
