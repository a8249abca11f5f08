/* options.h - the arguments of a subcommand, read by its row of cli_commands.
 *
 * One table says what a command takes; the parser, `berth help`, the shell
 * completions and the manual are all made from it.
 */
#ifndef PROXY_CLI_OPTIONS_H
#define PROXY_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"

/* What a value is: how it is checked, and how a shell completes it. */
enum cli_value {
    CLI_FLAG, /* none */
    CLI_TEXT,
    CLI_FILE,
    CLI_APP,
    CLI_COMMAND,
    CLI_NUMBER,
    CLI_DURATION, /* 10s, 5m, 2h */
    CLI_WORD,     /* one of those that stand in value_name: "bash|zsh" */
};

struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum cli_value value;
    const char *value_name; /* "FILE" */
    const char *help;       /* one line */
};

struct cli_argument {
    const char *name; /* "APP" */
    bool is_optional;
    enum cli_value value;
    const char *help; /* one line */
};

/* Options that several commands have. */
enum cli_common {
    CLI_CONNECTS = 1,    /* -c FILE, --socket PATH: to a running berth */
    CLI_READS_FILE = 2,  /* -c FILE, which must be given */
    CLI_PRINTS_DATA = 4, /* --json */
};

#define CLI_OPTIONS_MAX   12
#define CLI_ARGUMENTS_MAX 2

struct cli_command {
    const char *name;
    const char *summary; /* one line, no full stop */
    const char *details; /* sentences for help and manual; NULL: none */
    unsigned common;     /* of enum cli_common */
    struct cli_argument arguments[CLI_ARGUMENTS_MAX]; /* name NULL ends */
    struct cli_option options[CLI_OPTIONS_MAX];       /* likewise */
    /* argv[0] is the subcommand's name. Returns an exit code. */
    int (*run)(int argc, char **argv);
};

/* All options of a command, common ones behind its own. Returns how many of
 * ret_options (room for CLI_OPTIONS_MAX) were filled in. */
unsigned cli_options_of(const struct cli_command *command,
                        const struct cli_option **ret_options);

struct cli_args {
    const struct cli_command *command;
    const char *values[CLI_OPTIONS_MAX]; /* in the order of cli_options_of() */
    const char *arguments[CLI_ARGUMENTS_MAX]; /* NULL: not given */
};

/* Read argv, argv[0] being the command's name. Options may stand anywhere;
 * `--` ends them. CLI_OK, or CLI_USAGE after a message. Borrows argv. */
MUST_USE int cli_parse(int argc, char **argv, struct cli_args *ret_args);

/* name must be an option of the command (assert). NULL: not given. */
const char *cli_text(const struct cli_args *args, const char *name);
bool cli_flag(const struct cli_args *args, const char *name);
/* Checked by cli_parse(). */
uint64_t cli_number(const struct cli_args *args, const char *name,
                    uint64_t if_not_given);
/* Of a CLI_DURATION. */
uint64_t cli_duration_ms(const struct cli_args *args, const char *name,
                         uint64_t if_not_given);

#endif
