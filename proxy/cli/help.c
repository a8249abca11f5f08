/* help.c - `berth help`, `berth help COMMAND`, `berth --version`. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "proxy/build_info.h"
#include "proxy/cli/cli.h"

static void print_commands(FILE *out)
{
    fputs("berth starts apps in containers when they are asked for, and "
          "proxies to them.\n\n"
          "usage: berth COMMAND [OPTIONS]\n\n",
          out);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fputs("\n\"berth help COMMAND\" shows the options of one.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage.\n",
          out);
}

/* "-c, --config FILE" */
static void name_option(const struct cli_option *option, char *ret_text,
                        size_t size)
{
    char letter[8] = "    ";

    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(ret_text, size, "%s--%s%s%s", letter, option->name,
             option->value_name ? " " : "",
             option->value_name ? option->value_name : "");
}

void cli_print_usage(const struct cli_command *command, FILE *out)
{
    const struct cli_option *options[CLI_OPTIONS_MAX];
    unsigned count = cli_options_of(command, options);

    fprintf(out, "usage: berth %s", command->name);
    for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name;
         i++)
        fprintf(out, command->arguments[i].is_optional ? " [%s]" : " %s",
                command->arguments[i].name);
    for (unsigned i = 0; i < count; i++) {
        const struct cli_option *option = options[i];
        bool must_be = command->common & CLI_READS_FILE &&
                       strcmp(option->name, "config") == 0;

        fputs(must_be ? " " : " [", out);
        if (option->letter)
            fprintf(out, "-%c", option->letter);
        else
            fprintf(out, "--%s", option->name);
        if (option->value_name)
            fprintf(out, " %s", option->value_name);
        if (!must_be)
            fputc(']', out);
    }
    fputc('\n', out);
}

/* In lines of 78 characters at most. */
static void print_wrapped(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t word = strcspn(text, " ");

        if (column > 0 && column + 1 + word > 78) {
            fputc('\n', stdout);
            column = 0;
        }
        column +=
            (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)word, text);
        text += word + (text[word] == ' ');
    }
    fputc('\n', stdout);
}

static void print_arguments(const struct cli_command *command)
{
    if (command->arguments[0].name)
        fputc('\n', stdout);
    for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name;
         i++)
        printf("  %-22s  %s\n", command->arguments[i].name,
               command->arguments[i].help);
}

static void print_options(const struct cli_command *command)
{
    const struct cli_option *options[CLI_OPTIONS_MAX];
    unsigned count = cli_options_of(command, options);

    if (count > 0)
        fputc('\n', stdout);
    for (unsigned i = 0; i < count; i++) {
        char name[64];

        name_option(options[i], name, sizeof name);
        printf("  %-22s  %s\n", name, options[i]->help);
    }
}

int cli_help(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc > 2)
        return cli_usage_error("help", "what is \"%s\"?", argv[2]);
    if (argc < 2) {
        print_commands(stdout);
        return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    }
    command = cli_command_find(argv[1]);
    if (!command)
        return cli_usage_error("help", "there is no command \"%s\"", argv[1]);
    cli_print_usage(command, stdout);
    printf("\n%c%s.\n", toupper(command->summary[0]), command->summary + 1);
    if (command->details)
        print_wrapped(command->details);
    print_arguments(command);
    print_options(command);
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int cli_version(void)
{
    printf("berth %s (%s)\n", build_version(), build_commit());
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

/* Letters to change, add or drop to make one word of the other. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[32];
    size_t b_len = strlen(b);

    if (b_len + 1 > ARRAY_LEN(row))
        return UINT_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b_len; j++) {
            unsigned change = diagonal + (a[i] != b[j]);
            unsigned best = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;

            diagonal = row[j + 1];
            row[j + 1] = change < best ? change : best;
        }
    }
    return row[b_len];
}

int cli_unknown_command(const char *name)
{
    const char *nearest = NULL;
    unsigned least = 3;

    for (const struct cli_command *c = cli_commands; c->name; c++) {
        unsigned is = distance(name, c->name);

        if (is < least) {
            least = is;
            nearest = c->name;
        }
    }
    fprintf(stderr, "berth: there is no command \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fputs("\nusage: berth COMMAND [OPTIONS]; \"berth help\" lists them\n",
          stderr);
    return CLI_USAGE;
}
