/* manual.c - `berth manual`: the manual pages, made from the tables. */
#include "proxy/cli/manual.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "conf/directives.h"
#include "proxy/build_info.h"
#include "proxy/cli/cli.h"

/* A character beyond ASCII (two or three bytes of UTF-8), as roff names it.
 * Returns its length. */
static size_t add_character(struct strbuf *buf, const char *text)
{
    unsigned char lead = (unsigned char)text[0];
    size_t len = lead >= 0xe0 ? 3 : 2;
    unsigned point = lead & (len == 3 ? 0x0fU : 0x1fU);

    for (size_t i = 1; i < len; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3fU);
    strbuf_printf(buf, "\\[u%04X]", point);
    return len;
}

/* Text that roff takes as it is. */
static void add_text(struct strbuf *buf, const char *text)
{
    bool is_at_line = buf->len == 0 || buf->data[buf->len - 1] == '\n';

    for (; *text; text++) {
        if (is_at_line && (*text == '.' || *text == '\''))
            strbuf_add_str(buf, "\\&");
        is_at_line = *text == '\n';
        if (*text == '\\')
            strbuf_add_str(buf, "\\e");
        else if (*text == '-')
            strbuf_add_str(buf, "\\-");
        else if ((unsigned char)*text >= 0xc0)
            text += add_character(buf, text) - 1;
        else
            strbuf_add_char(buf, *text);
    }
}

static void add_line(struct strbuf *buf, const char *text)
{
    add_text(buf, text);
    strbuf_add_char(buf, '\n');
}

static void add_styled(struct strbuf *buf, char font, const char *text)
{
    strbuf_printf(buf, "\\f%c", font);
    add_text(buf, text);
    strbuf_add_str(buf, "\\fR");
}

static void add_title(struct strbuf *buf, const char *name, unsigned section,
                      const char *summary)
{
    strbuf_printf(buf, ".TH %s %u \"\" \"berth %s\"\n.SH NAME\n%s \\- ", name,
                  section, build_version(), name);
    add_line(buf, summary);
}

/* --- berth(1) --- */

static void add_option(struct strbuf *buf, const struct cli_option *option)
{
    char letter[] = {'-', option->letter, '\0'};

    strbuf_add_str(buf, ".TP\n");
    if (option->letter) {
        add_styled(buf, 'B', letter);
        strbuf_add_str(buf, ", ");
    }
    strbuf_add_str(buf, "\\fB\\-\\-");
    add_text(buf, option->name);
    strbuf_add_str(buf, "\\fR");
    if (option->value_name) {
        strbuf_add_char(buf, ' ');
        add_styled(buf, 'I', option->value_name);
    }
    strbuf_add_char(buf, '\n');
    add_line(buf, option->help);
}

static void add_command(struct strbuf *buf, const struct cli_command *command)
{
    const struct cli_option *options[CLI_OPTIONS_MAX];
    unsigned count = cli_options_of(command, options);

    strbuf_add_str(buf, ".SS berth ");
    add_text(buf, command->name);
    for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && command->arguments[i].name;
         i++) {
        strbuf_add_str(buf, command->arguments[i].is_optional ? " [" : " ");
        add_text(buf, command->arguments[i].name);
        if (command->arguments[i].is_optional)
            strbuf_add_char(buf, ']');
    }
    strbuf_add_char(buf, '\n');
    strbuf_add_char(buf, (char)toupper(command->summary[0]));
    add_text(buf, command->summary + 1);
    strbuf_add_str(buf, ".\n");
    if (command->details)
        add_line(buf, command->details);
    for (unsigned i = 0; i < count; i++)
        add_option(buf, options[i]);
}

void manual_write_commands(struct strbuf *buf)
{
    add_title(buf, "berth", 1,
              "reverse proxy that starts apps in containers when asked");
    strbuf_add_str(buf, ".SH SYNOPSIS\n.B berth\n.I COMMAND\n[OPTIONS]\n"
                        ".SH DESCRIPTION\n");
    add_line(buf,
             "berth starts apps in containers when they are asked for, proxies "
             "to them, and lets them sleep when nobody does. All commands but "
             "run, check and config speak to a running berth over its admin "
             "socket.");
    strbuf_add_str(buf, ".SH COMMANDS\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        add_command(buf, c);
    strbuf_add_str(buf, ".SH EXIT STATUS\n");
    add_line(buf, "0 done, 1 failed, 2 wrong usage.");
    strbuf_add_str(buf, ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\n");
    add_line(buf, "Set to anything: no colours, on a terminal either.");
    strbuf_add_str(buf, ".SH SEE ALSO\n.BR berth.conf (5),\n.BR podman (1)\n");
}

/* --- berth.conf(5) --- */

static void add_directive(struct strbuf *buf, const struct directive *row)
{
    strbuf_add_str(buf, ".TP\n");
    add_styled(buf, 'B', row->name);
    strbuf_add_char(buf, ' ');
    add_styled(buf, 'I', row->syntax);
    strbuf_add_char(buf, '\n');
    add_text(buf, row->help);
    strbuf_add_char(buf, '.');
    if (row->default_text) {
        strbuf_add_str(buf, "\nDefault: ");
        add_text(buf, row->default_text);
        strbuf_add_char(buf, '.');
    }
    if (row->flags & MANY)
        strbuf_add_str(buf, "\nMay stand more than once.");
    if (row->flags & FIXED)
        strbuf_add_str(buf, "\nA reload cannot change it.");
    strbuf_add_char(buf, '\n');
}

static void add_context(struct strbuf *buf, unsigned where)
{
    bool has_title = false;

    for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
        if (!(directives[i].where & where))
            continue;
        if (!has_title) {
            strbuf_add_str(buf, ".SS ");
            add_line(buf, directive_where_name(where));
        }
        has_title = true;
        add_directive(buf, &directives[i]);
    }
}

void manual_write_directives(struct strbuf *buf)
{
    unsigned all = 0;

    add_title(buf, "berth.conf", 5, "configuration of berth");
    strbuf_add_str(buf, ".SH DESCRIPTION\n");
    add_line(
        buf,
        "A directive is a name, its arguments and a semicolon; a block is "
        "a name, arguments and directives in braces. Arguments with "
        "spaces, semicolons or braces stand in quotes. # begins a comment.");
    add_line(buf, "Times: 250ms, 30s, 5m, 1h, 7d. Sizes: 512, 16k, 10m, 4g, in "
                  "powers of 1024.");
    strbuf_add_str(buf, ".SH DIRECTIVES\n");
    for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
        all |= directives[i].where;
    for (unsigned where = 1; where != 0 && where <= all; where <<= 1)
        add_context(buf, where);
    strbuf_add_str(buf, ".SH SEE ALSO\n.BR berth (1)\n");
}

int cli_manual(int argc, char **argv)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    if (strcmp(args.arguments[0], "berth") == 0)
        manual_write_commands(&text);
    else
        manual_write_directives(&text);
    fwrite(text.data, 1, text.len, stdout);
    return fflush(stdout) == 0 ? CLI_OK : cli_failed("manual", &err);
}
