/* options_test.c - the arguments of subcommands, read by their rows. */
#include "proxy/cli/options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/cli.h"

#define WORDS_MAX 8

static int parse(struct cli_args *args, const char *const *words)
{
    static char copies[WORDS_MAX][64];
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;

    for (; words[argc]; argc++) {
        snprintf(copies[argc], sizeof copies[argc], "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    return cli_parse(argc, argv, args);
}

Test(options, values_come_in_every_way_they_are_written)
{
    static const struct {
        const char *label;
        const char *words[WORDS_MAX];
    } cases[] = {
        {"apart", {"events", "--tail", "5", "-f", "web", NULL}},
        {"with =", {"events", "web", "--tail=5", "--follow", NULL}},
        {"a letter apart", {"events", "-n", "5", "web", "-f", NULL}},
        {"a letter joined", {"events", "-n5", "-f", "web", NULL}},
        {"letters in one", {"events", "-fn5", "web", NULL}},
        {"behind --", {"events", "-fn5", "--", "web", NULL}},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli_args args;

        cr_assert_eq(parse(&args, cases[i].words), CLI_OK, "%s",
                     cases[i].label);
        cr_expect_eq(cli_number(&args, "tail", 0), 5, "%s", cases[i].label);
        cr_expect(cli_flag(&args, "follow"), "%s", cases[i].label);
        cr_expect_str_eq(args.arguments[0], "web", "%s", cases[i].label);
        cr_expect_null(cli_text(&args, "config"), "%s", cases[i].label);
    }
}

Test(options, what_is_not_given_has_its_default)
{
    static const char *const words[] = {"wake", "web", NULL};
    struct cli_args args;

    cr_assert_eq(parse(&args, words), CLI_OK);
    cr_expect_eq(cli_duration_ms(&args, "for", 7), 7);
    cr_expect_not(cli_flag(&args, "json"));
}

Test(options, a_time_is_told_in_milliseconds)
{
    static const char *const words[] = {"wake", "web", "--for", "10m", NULL};
    struct cli_args args;

    cr_assert_eq(parse(&args, words), CLI_OK);
    cr_expect_eq(cli_duration_ms(&args, "for", 0), 600000);
}

Test(options, what_is_wrong_is_named, .init = cr_redirect_stderr)
{
    static const struct {
        const char *label;
        const char *words[WORDS_MAX];
        const char *says;
    } cases[] = {
        {"unknown", {"events", "--bogus", NULL}, "bad option \"--bogus\""},
        {"a letter", {"events", "-x", NULL}, "bad option \"-x\""},
        {"no value", {"events", "-n", NULL}, "wants a value"},
        {"no number", {"events", "-n", "x", NULL}, "wants a number, not \"x\""},
        {"no time", {"wake", "web", "--for", "5", NULL}, "a time like"},
        {"a value", {"events", "--follow=1", NULL}, "takes no value"},
        {"too many", {"events", "a", "b", NULL}, "what is \"b\"?"},
        {"too few", {"why", NULL}, "APP is missing"},
        {"no file", {"check", NULL}, "-c FILE is missing"},
        {"another word", {"completion", "csh", NULL}, "bash|zsh|fish"},
        {"part of a word", {"completion", "ba", NULL}, "not \"ba\""},
        {"no scale", {"scale", "a", "many", NULL}, "N must be a number"},
        {"both",
         {"status", "-c", "f", "--socket", "s", NULL},
         "-c or --socket, not both"},
    };
    char text[8192];
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli_args args;

        cr_expect_eq(parse(&args, cases[i].words), CLI_USAGE, "%s",
                     cases[i].label);
    }
    fflush(stderr);
    n = fread(text, 1, sizeof text - 1, cr_get_redirected_stderr());
    text[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect(strstr(text, cases[i].says), "%s: %s", cases[i].label, text);
}

Test(options, every_row_of_the_table_can_be_asked_for_help)
{
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        const struct cli_option *options[CLI_OPTIONS_MAX];
        unsigned count = cli_options_of(c, options);

        cr_expect(c->run && c->summary[0], "%s", c->name);
        for (unsigned i = 0; i < count; i++) {
            cr_expect(options[i]->help[0], "%s --%s", c->name,
                      options[i]->name);
            cr_expect_eq(options[i]->value == CLI_FLAG,
                         options[i]->value_name == NULL, "%s --%s", c->name,
                         options[i]->name);
            for (unsigned j = 0; j < i; j++)
                cr_expect(strcmp(options[i]->name, options[j]->name) != 0 &&
                              (!options[i]->letter ||
                               options[i]->letter != options[j]->letter),
                          "%s has --%s and --%s", c->name, options[i]->name,
                          options[j]->name);
        }
    }
}
