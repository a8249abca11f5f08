/* options.c - the arguments of a subcommand. */
#include "proxy/cli/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conf/units.h"
#include "proxy/cli/cli.h"

static const struct cli_option connect_options[] = {
    {"config", 'c', CLI_FILE, "FILE",
     "the configuration of that berth, which names its socket"},
    {"socket", 0, CLI_FILE, "PATH",
     "its admin socket; without either, that of the default state_dir"},
};
static const struct cli_option file_options[] = {
    {"config", 'c', CLI_FILE, "FILE", "the configuration file"},
};
static const struct cli_option json_options[] = {
    {"json", 0, CLI_FLAG, NULL, "what the admin API answers, as it is"},
};

static unsigned add_options(const struct cli_option *options, size_t count,
                            unsigned have,
                            const struct cli_option **ret_options)
{
    for (size_t i = 0; i < count && options[i].name; i++) {
        assert(have < CLI_OPTIONS_MAX);
        ret_options[have++] = &options[i];
    }
    return have;
}

unsigned cli_options_of(const struct cli_command *command,
                        const struct cli_option **ret_options)
{
    unsigned n = add_options(command->options, CLI_OPTIONS_MAX, 0, ret_options);

    if (command->common & CLI_PRINTS_DATA)
        n = add_options(json_options, 1, n, ret_options);
    if (command->common & CLI_CONNECTS)
        n = add_options(connect_options, 2, n, ret_options);
    if (command->common & CLI_READS_FILE)
        n = add_options(file_options, 1, n, ret_options);
    return n;
}

/* --- values --- */

static bool number_is_good(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits < 16 && !text[digits];
}

static bool word_is_good(const char *words, const char *text)
{
    size_t len = strlen(text);

    for (const char *at = words; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, len) == 0 && (!at[len] || at[len] == '|'))
            return len > 0;
    }
    return false;
}

/* NULL, or what it should be. */
static const char *check_value(enum cli_value value, const char *words,
                               const char *text)
{
    uint64_t ms;

    switch (value) {
    case CLI_NUMBER:
        return number_is_good(text) ? NULL : "a number";
    case CLI_DURATION:
        return units_parse_time(text, &ms) == UNITS_OK
                   ? NULL
                   : "a time like 30s, 10m or 2h";
    case CLI_WORD:
        return word_is_good(words, text) ? NULL : words;
    default:
        return text[0] ? NULL : "something";
    }
}

/* --- reading --- */

struct reader {
    int argc;
    char **argv;
    int at;
    unsigned arguments;
    unsigned option_count;
    const struct cli_option *options[CLI_OPTIONS_MAX];
    struct cli_args *args;
};

static int set_option(struct reader *r, unsigned index, const char *given,
                      const char *value)
{
    const struct cli_option *option = r->options[index];
    const char *name = r->args->command->name;
    const char *wanted;

    if (option->value == CLI_FLAG) {
        if (value)
            return cli_usage_error(name, "option \"%s\" takes no value", given);
        r->args->values[index] = "";
        return CLI_OK;
    }
    if (!value && r->at < r->argc)
        value = r->argv[r->at++];
    if (!value)
        return cli_usage_error(name, "option \"%s\" wants a value", given);
    wanted = check_value(option->value, option->value_name, value);
    if (wanted)
        return cli_usage_error(name, "option \"%s\" wants %s, not \"%s\"",
                               given, wanted, value);
    r->args->values[index] = value;
    return CLI_OK;
}

/* --name, --name=value */
static int read_long(struct reader *r, const char *given)
{
    const char *equals = strchr(given, '=');
    size_t len = equals ? (size_t)(equals - given) : strlen(given);

    for (unsigned i = 0; i < r->option_count; i++) {
        const char *name = r->options[i]->name;

        if (strlen(name) + 2 == len && memcmp(name, given + 2, len - 2) == 0)
            return set_option(r, i, given, equals ? equals + 1 : NULL);
    }
    return cli_usage_error(r->args->command->name, "bad option \"%s\"", given);
}

/* -x, -xVALUE, -xy */
static int read_letters(struct reader *r, const char *given)
{
    for (const char *at = given + 1; *at; at++) {
        unsigned i = 0;
        int code;

        while (i < r->option_count && r->options[i]->letter != *at)
            i++;
        if (i == r->option_count)
            return cli_usage_error(r->args->command->name, "bad option \"%s\"",
                                   given);
        if (r->options[i]->value != CLI_FLAG)
            return set_option(r, i, given, at[1] ? at + 1 : NULL);
        code = set_option(r, i, given, NULL);
        if (code != CLI_OK)
            return code;
    }
    return CLI_OK;
}

static int read_argument(struct reader *r, const char *given)
{
    const struct cli_command *command = r->args->command;
    const struct cli_argument *argument = &command->arguments[r->arguments];
    const char *wanted;

    if (r->arguments == CLI_ARGUMENTS_MAX || !argument->name)
        return cli_usage_error(command->name, "what is \"%s\"?", given);
    wanted = check_value(argument->value, argument->name, given);
    if (wanted)
        return cli_usage_error(command->name, "%s must be %s, not \"%s\"",
                               argument->name, wanted, given);
    r->args->arguments[r->arguments++] = given;
    return CLI_OK;
}

static int check_whole(const struct reader *r)
{
    const struct cli_command *command = r->args->command;

    if (r->arguments < CLI_ARGUMENTS_MAX &&
        command->arguments[r->arguments].name &&
        !command->arguments[r->arguments].is_optional)
        return cli_usage_error(command->name, "%s is missing",
                               command->arguments[r->arguments].name);
    if (command->common & CLI_READS_FILE && !cli_text(r->args, "config"))
        return cli_usage_error(command->name, "-c FILE is missing");
    if (command->common & CLI_CONNECTS && cli_text(r->args, "config") &&
        cli_text(r->args, "socket"))
        return cli_usage_error(command->name, "-c or --socket, not both");
    return CLI_OK;
}

int cli_parse(int argc, char **argv, struct cli_args *ret_args)
{
    struct reader r = {.argc = argc, .argv = argv, .at = 1, .args = ret_args};
    bool options_are_over = false;

    *ret_args = (struct cli_args){.command = cli_command_find(argv[0])};
    assert(ret_args->command);
    r.option_count = cli_options_of(ret_args->command, r.options);
    while (r.at < argc) {
        const char *given = argv[r.at++];
        int code;

        if (!options_are_over && strcmp(given, "--") == 0) {
            options_are_over = true;
            continue;
        }
        if (options_are_over || given[0] != '-' || !given[1])
            code = read_argument(&r, given);
        else if (given[1] == '-')
            code = read_long(&r, given);
        else
            code = read_letters(&r, given);
        if (code != CLI_OK)
            return code;
    }
    return check_whole(&r);
}

/* --- what was read --- */

const char *cli_text(const struct cli_args *args, const char *name)
{
    const struct cli_option *options[CLI_OPTIONS_MAX];
    unsigned count = cli_options_of(args->command, options);

    unsigned i = 0;

    while (i < count && strcmp(options[i]->name, name) != 0)
        i++;
    assert(i < count); /* an option of this command */
    return args->values[i];
}

bool cli_flag(const struct cli_args *args, const char *name)
{
    return cli_text(args, name) != NULL;
}

uint64_t cli_number(const struct cli_args *args, const char *name,
                    uint64_t if_not_given)
{
    const char *text = cli_text(args, name);

    return text ? strtoull(text, NULL, 10) : if_not_given;
}

uint64_t cli_duration_ms(const struct cli_args *args, const char *name,
                         uint64_t if_not_given)
{
    const char *text = cli_text(args, name);
    uint64_t ms;

    /* cli_parse() has checked it. */
    return text && units_parse_time(text, &ms) == UNITS_OK ? ms : if_not_given;
}
