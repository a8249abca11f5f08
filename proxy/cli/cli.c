/* cli.c - the table of subcommands. */
#include "proxy/cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct cli_command cli_commands[] = {
    {"run", "serve, in the foreground", "-c FILE",
     "  -c FILE  the configuration file\n"
     "\n"
     "QUIT drains and stops, TERM and INT stop at once.\n",
     cli_run},
    {"check", "check a configuration file", "-c FILE [--host]",
     "  -c FILE  the configuration file\n"
     "  --host   also whether this host and its Podman can do what it asks\n",
     cli_check},
    {"config", "print the effective configuration", "-c FILE",
     "  -c FILE  the configuration file\n"
     "\n"
     "Every default is filled in; secrets are masked.\n",
     cli_config},
    {"status", "show how the apps of a running berth do",
     "[APP] [--json] [-c FILE | --socket PATH]",
     "  APP            one app, with its replicas, last start and last error\n"
     "  --json         what the admin API answers, as it is\n"
     "  -c FILE        the configuration of that berth, which names its "
     "socket\n"
     "  --socket PATH  its admin socket; without either, that of the default "
     "state_dir\n",
     cli_status},
    {"stop", "drain and stop a running berth, and wait for its end",
     "[--keep-containers] [-c FILE | --socket PATH]",
     "  --keep-containers  leave them running for the next start, whatever "
     "on_exit says\n"
     "  -c FILE            the configuration of that berth, which names its "
     "socket\n"
     "  --socket PATH      its admin socket; without either, that of the "
     "default state_dir\n",
     cli_stop},
    {"help", "list the commands, or show the options of one", "[COMMAND]", "",
     cli_help},
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

int cli_option_error(const char *command, int answer, char **argv)
{
    const char *option = argv[optind - 1];

    if (answer == ':')
        return cli_usage_error(command, "option \"%s\" wants a value", option);
    return cli_usage_error(command, "bad option \"%s\"", option);
}
