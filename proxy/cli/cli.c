/* cli.c - what is common to the subcommands. */
#include "proxy/cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/admin_client.h"

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
    fputc('\n', stderr);
    if (c)
        cli_print_usage(c, stderr);
    return CLI_USAGE;
}

int cli_failed(const char *command, const struct err *err)
{
    fprintf(stderr, "berth %s: %s\n", command,
            err->text[0] ? err->text : "cannot write the output");
    return CLI_FAILED;
}

struct admin_client *cli_connect(const struct cli_args *args, struct err *err)
{
    return admin_client_new(cli_text(args, "socket"), cli_text(args, "config"),
                            err);
}

bool cli_app_is_plain(const char *name, struct err *err)
{
    if (!name || (name[0] && !strpbrk(name, "/?#%& \t\r\n")))
        return true;
    return err_set(err, ERR_NOT_FOUND, "there is no app \"%s\"", name);
}
