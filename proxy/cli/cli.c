/* cli.c - the table of subcommands. */
#include "proxy/cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct cli_command cli_commands[] = {
    {"check", "check a configuration file", "-c FILE [--host]",
     "  -c FILE  the configuration file\n"
     "  --host   also whether this host and its Podman can do what it asks\n",
     cli_check},
    {"config", "print the effective configuration", "-c FILE",
     "  -c FILE  the configuration file\n"
     "\n"
     "Every default is filled in; secrets are masked.\n",
     cli_config},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int cli_usage_error(const char *command, const char *format, ...)
{
    const struct cli_command *c = cli_command_find(command);
    va_list args;

    fprintf(stderr, "berth %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: berth %s %s\n", command, c ? c->usage : "");
    return CLI_USAGE;
}
