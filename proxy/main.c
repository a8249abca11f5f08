/* main.c - berth's subcommands. */
#include <stdio.h>
#include <string.h>

#include "proxy/cli/cli.h"

/* How `berth run` starts the front (proxy/cli/run.c); no command for people:
 * it has a descriptor to speak over that no shell gives it. */
static const char front_command[] = "front";

int main(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc < 2) {
        cli_help(0, argv);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], front_command) == 0)
        return cli_front(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return cli_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cli_help(1, argv);
    command = cli_command_find(argv[1]);
    if (!command)
        return cli_unknown_command(argv[1]);
    return command->run(argc - 1, argv + 1);
}
