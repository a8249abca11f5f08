/* cli.h - the subcommands of berth, one file each. */
#ifndef PROXY_CLI_CLI_H
#define PROXY_CLI_CLI_H

#include <stddef.h>

#include "router/base/attr.h"

/* Exit codes of every subcommand. */
enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command {
    const char *name;
    const char *summary; /* one line, for `berth help` */
    const char *usage;   /* what follows the name: "-c FILE [--host]" */
    const char *help;    /* the options, a line each; for `berth help NAME` */
    /* argv[0] is the subcommand's name. Returns an exit code. */
    int (*run)(int argc, char **argv);
};

/* All of them, in the order of `berth help`; ends with a NULL name. */
extern const struct cli_command cli_commands[];

/* NULL when there is no such command. */
const struct cli_command *cli_command_find(const char *name);

/* Say on stderr what is wrong with the arguments and how they should look.
 * Returns CLI_USAGE. */
int cli_usage_error(const char *command, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* For what getopt_long() (given a leading ':') answers to an option that it
 * does not know, or whose value is missing. Returns CLI_USAGE. */
int cli_option_error(const char *command, int answer, char **argv);

/* `berth WORD` where no command has that name. Returns CLI_USAGE. */
int cli_unknown_command(const char *name);
/* `berth --version`. */
int cli_version(void);

/* The hidden command that makes a process the front (run.c). */
int cli_front(int argc, char **argv);

int cli_run(int argc, char **argv);
int cli_help(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_config(int argc, char **argv);

#endif
