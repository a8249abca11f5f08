/* completion_test.c - what completes commands, made from their table. */
#include "proxy/cli/completion.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/cli.h"

Test(completion, every_shell_knows_every_command_and_option)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};

    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        AUTO(strbuf_done) struct strbuf script = STRBUF_INIT;

        cr_assert(completion_write(shells[i], &script), "%s", shells[i]);
        for (const struct cli_command *c = cli_commands; c->name; c++) {
            const struct cli_option *options[CLI_OPTIONS_MAX];
            unsigned count = cli_options_of(c, options);

            cr_expect(strstr(script.data, c->name), "%s: %s", shells[i],
                      c->name);
            for (unsigned j = 0; j < count; j++)
                cr_expect(strstr(script.data, options[j]->name), "%s: %s --%s",
                          shells[i], c->name, options[j]->name);
        }
    }
}

Test(completion, another_shell_has_none)
{
    AUTO(strbuf_done) struct strbuf script = STRBUF_INIT;

    cr_expect_not(completion_write("csh", &script));
    cr_expect_eq(script.len, 0);
}

/* Run in a real bash: what it offers after these words. */
static void offered(const char *words, unsigned at, char *ret_text, size_t size)
{
    AUTO(strbuf_done) struct strbuf script = STRBUF_INIT;
    char path[] = "/tmp/berth-completion-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    size_t n;

    cr_assert(completion_write("bash", &script));
    fprintf(file,
            "%s\nCOMP_WORDS=(%s)\nCOMP_CWORD=%u\n_berth\n"
            "echo ${COMPREPLY[@]}\n",
            script.data, words, at);
    fclose(file);
    snprintf(ret_text, size, "bash %s", path);
    file = popen(ret_text, "r");
    n = fread(ret_text, 1, size - 1, file);
    ret_text[n] = '\0';
    cr_expect_eq(pclose(file), 0);
    remove(path);
}

Test(completion, bash_offers_what_fits)
{
    static const struct {
        const char *words;
        unsigned at;
        const char *offers;
    } cases[] = {
        {"berth sta", 1, "status\n"},
        {"berth help ev", 2, "events\n"},
        {"berth events --fo", 2, "--follow\n"},
        {"berth completion f", 2, "fish\n"},
        {"berth events -n 5", 3, "\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[4096];

        offered(cases[i].words, cases[i].at, text, sizeof text);
        cr_expect_str_eq(text, cases[i].offers, "%s: %s", cases[i].words, text);
    }
}
