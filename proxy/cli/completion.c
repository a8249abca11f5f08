/* completion.c - `berth completion`: what completes berth's commands in a
 * shell, made from the table of commands.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/answer_json.h"
#include "proxy/cli/cli.h"
#include "proxy/cli/completion.h"
#include "router/base/alloc.h"

/* --- bash --- */

static void add_words(const struct cli_command *command, struct strbuf *buf)
{
    const struct cli_option *options[CLI_OPTIONS_MAX];
    unsigned count = cli_options_of(command, options);

    for (unsigned i = 0; i < count; i++) {
        strbuf_printf(buf, " --%s", options[i]->name);
        if (options[i]->letter)
            strbuf_printf(buf, " -%c", options[i]->letter);
    }
}

/* What bash does for the value: a call of a function below. */
static const char *bash_for(enum cli_value value)
{
    switch (value) {
    case CLI_FILE:
        return "COMPREPLY=($(compgen -f -- \"$word\"))";
    case CLI_APP:
        return "_berth_apps";
    case CLI_COMMAND:
        return "COMPREPLY=($(compgen -W \"$_berth_commands\" -- \"$word\"))";
    default:
        return "COMPREPLY=()";
    }
}

static void add_bash_argument(const struct cli_command *command,
                              struct strbuf *buf)
{
    const struct cli_argument *argument = &command->arguments[0];

    if (!argument->name)
        return;
    if (argument->value != CLI_WORD) {
        strbuf_printf(buf, "        %s\n", bash_for(argument->value));
        return;
    }
    strbuf_add_str(buf, "        COMPREPLY=($(compgen -W \"");
    for (const char *at = argument->name; *at; at++)
        strbuf_add_char(buf, *at == '|' ? ' ' : *at);
    strbuf_add_str(buf, "\" -- \"$word\"))\n");
}

static void add_bash_values(struct strbuf *buf)
{
    strbuf_add_str(buf, "    case $before in\n"
                        "    -c | --config | --socket)\n"
                        "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                        "        return\n"
                        "        ;;\n"
                        "    esac\n");
}

static void write_bash(struct strbuf *buf)
{
    strbuf_add_str(buf, "# bash completion for berth; made by "
                        "`berth completion bash`\n_berth_commands=\"");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        strbuf_printf(buf, "%s%s", c == cli_commands ? "" : " ", c->name);
    strbuf_add_str(
        buf,
        "\"\n\n"
        "_berth_apps() {\n"
        "    local i args=()\n"
        "    for ((i = 2; i < ${#COMP_WORDS[@]} - 1; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n"
        "        -c | --config | --socket)\n"
        "            args+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i + 1]}\") ;;\n"
        "        esac\n"
        "    done\n"
        "    COMPREPLY=($(compgen -W \"$(berth completion apps \"${args[@]}\" "
        "2>/dev/null)\" -- \"$word\"))\n"
        "}\n\n"
        "_berth() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]}\n"
        "    local before=${COMP_WORDS[COMP_CWORD - 1]} options=\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        COMPREPLY=($(compgen -W \"$_berth_commands\" -- \"$word\"))\n"
        "        return\n"
        "    fi\n");
    add_bash_values(buf);
    strbuf_add_str(buf, "    case ${COMP_WORDS[1]} in\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        strbuf_printf(buf, "    %s)\n        options=\"", c->name);
        add_words(c, buf);
        strbuf_add_str(buf, "\"\n");
        add_bash_argument(c, buf);
        strbuf_add_str(buf, "        ;;\n");
    }
    strbuf_add_str(
        buf, "    esac\n"
             "    case $word in\n"
             "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
             "    esac\n"
             "}\n"
             "complete -F _berth berth\n");
}

/* --- zsh --- */

/* Within '…[HERE]…' of _arguments. */
static void add_zsh_text(const char *text, struct strbuf *buf)
{
    for (; *text; text++) {
        if (*text == '\'')
            strbuf_add_str(buf, "'\\''");
        else if (strchr("[]:\\", *text))
            strbuf_printf(buf, "\\%c", *text);
        else
            strbuf_add_char(buf, *text);
    }
}

static const char *zsh_for(enum cli_value value)
{
    switch (value) {
    case CLI_FILE:
        return "_files";
    case CLI_APP:
        return "_berth_apps";
    case CLI_COMMAND:
        return "_berth_commands";
    default:
        return " ";
    }
}

static void add_zsh_option(const struct cli_option *option, struct strbuf *buf)
{
    strbuf_add_str(buf, " \\\n            ");
    if (option->letter)
        strbuf_printf(buf, "'(-%c --%s)'{-%c,--%s}'[", option->letter,
                      option->name, option->letter, option->name);
    else
        strbuf_printf(buf, "'--%s[", option->name);
    add_zsh_text(option->help, buf);
    strbuf_add_char(buf, ']');
    if (option->value != CLI_FLAG)
        strbuf_printf(buf, ":%s:%s", option->value_name,
                      zsh_for(option->value));
    strbuf_add_char(buf, '\'');
}

static void add_zsh_argument(const struct cli_argument *argument,
                             struct strbuf *buf)
{
    strbuf_printf(buf,
                  " \\\n            ':%s%s:", argument->is_optional ? ":" : "",
                  argument->value == CLI_WORD ? "which" : argument->name);
    if (argument->value == CLI_WORD) {
        strbuf_add_char(buf, '(');
        for (const char *at = argument->name; *at; at++)
            strbuf_add_char(buf, *at == '|' ? ' ' : *at);
        strbuf_add_char(buf, ')');
    } else {
        strbuf_add_str(buf, zsh_for(argument->value));
    }
    strbuf_add_char(buf, '\'');
}

static void write_zsh(struct strbuf *buf)
{
    strbuf_add_str(
        buf, "#compdef berth\n"
             "# zsh completion for berth; made by `berth completion zsh`\n\n"
             "_berth_apps() {\n"
             "    local name\n"
             "    local -a where\n"
             "    for name in -c --config --socket; do\n"
             "        (( $+opt_args[$name] )) &&\n"
             "            where+=($name ${(Q)opt_args[$name]})\n"
             "    done\n"
             "    compadd -- "
             "${(f)\"$(berth completion apps $where 2>/dev/null)\"}\n"
             "}\n\n"
             "_berth_commands() {\n"
             "    local commands=(\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        strbuf_printf(buf, "        '%s:", c->name);
        add_zsh_text(c->summary, buf);
        strbuf_add_str(buf, "'\n");
    }
    strbuf_add_str(buf, "    )\n"
                        "    _describe command commands\n"
                        "}\n\n"
                        "_berth() {\n"
                        "    if (( CURRENT == 2 )); then\n"
                        "        _berth_commands\n"
                        "        return\n"
                        "    fi\n"
                        "    shift words\n"
                        "    (( CURRENT-- ))\n"
                        "    case $words[1] in\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        const struct cli_option *options[CLI_OPTIONS_MAX];
        unsigned count = cli_options_of(c, options);

        strbuf_printf(buf, "    %s)\n        _arguments -s", c->name);
        for (unsigned i = 0; i < count; i++)
            add_zsh_option(options[i], buf);
        for (unsigned i = 0; i < CLI_ARGUMENTS_MAX && c->arguments[i].name; i++)
            add_zsh_argument(&c->arguments[i], buf);
        strbuf_add_str(buf, "\n        ;;\n");
    }
    /* Found in $fpath it is the function's body; else it was sourced. */
    strbuf_add_str(buf, "    esac\n}\n\n"
                        "if [[ $funcstack[1] == _berth ]]; then\n"
                        "    _berth \"$@\"\n"
                        "else\n"
                        "    compdef _berth berth\n"
                        "fi\n");
}

/* --- fish --- */

static void add_fish_text(const char *text, struct strbuf *buf)
{
    strbuf_add_char(buf, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            strbuf_add_char(buf, '\\');
        strbuf_add_char(buf, *text);
    }
    strbuf_add_char(buf, '\'');
}

static void add_fish_option(const struct cli_command *command,
                            const struct cli_option *option, struct strbuf *buf)
{
    strbuf_printf(buf,
                  "complete -c berth -n '__fish_seen_subcommand_from %s' -l %s",
                  command->name, option->name);
    if (option->letter)
        strbuf_printf(buf, " -s %c", option->letter);
    if (option->value != CLI_FLAG)
        strbuf_add_str(buf, option->value == CLI_FILE ? " -rF" : " -x");
    strbuf_add_str(buf, " -d ");
    add_fish_text(option->help, buf);
    strbuf_add_char(buf, '\n');
}

static void add_fish_argument(const struct cli_command *command,
                              struct strbuf *buf)
{
    const struct cli_argument *argument = &command->arguments[0];

    if (!argument->name)
        return;
    strbuf_printf(buf,
                  "complete -c berth -n '__fish_seen_subcommand_from %s' -a '",
                  command->name);
    if (argument->value == CLI_APP)
        strbuf_add_str(buf, "(__berth_apps)");
    else if (argument->value == CLI_WORD)
        for (const char *at = argument->name; *at; at++)
            strbuf_add_char(buf, *at == '|' ? ' ' : *at);
    else
        for (const struct cli_command *c = cli_commands; c->name; c++)
            strbuf_printf(buf, "%s ", c->name);
    strbuf_add_str(buf, "'\n");
}

static void write_fish(struct strbuf *buf)
{
    strbuf_add_str(buf, "# fish completion for berth; made by "
                        "`berth completion fish`\n"
                        "function __berth_apps\n"
                        "    set -l words (commandline -opc)\n"
                        "    set -l where\n"
                        "    for i in (seq 2 (count $words))\n"
                        "        switch $words[$i]\n"
                        "            case -c --config --socket\n"
                        "                set -a where "
                        "$words[$i] $words[(math $i + 1)]\n"
                        "        end\n"
                        "    end\n"
                        "    berth completion apps $where 2>/dev/null\n"
                        "end\n"
                        "complete -c berth -f\n");
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        const struct cli_option *options[CLI_OPTIONS_MAX];
        unsigned count = cli_options_of(c, options);

        strbuf_printf(buf,
                      "complete -c berth -n __fish_use_subcommand -a %s -d ",
                      c->name);
        add_fish_text(c->summary, buf);
        strbuf_add_char(buf, '\n');
        for (unsigned i = 0; i < count; i++)
            add_fish_option(c, options[i], buf);
        add_fish_argument(c, buf);
    }
}

/* --- all of them --- */

bool completion_write(const char *shell, struct strbuf *buf)
{
    static const struct {
        const char *shell;
        void (*write)(struct strbuf *buf);
    } rows[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].shell, shell) != 0)
            continue;
        rows[i].write(buf);
        return true;
    }
    return false;
}

static bool write_apps(const struct cli_args *args, struct strbuf *buf,
                       struct err *err)
{
    AUTO(admin_client_free)
    struct admin_client *client = cli_connect(args, err);
    AUTO(strbuf_done) struct strbuf answer = STRBUF_INIT;
    const cJSON *app;
    cJSON *json;

    if (!client ||
        !admin_client_request(client, "/api/v1/apps", NULL, &answer, err))
        return false;
    json = cJSON_ParseWithLength(answer.data, answer.len);
    cJSON_ArrayForEach(app, answer_member(json, "apps"))
    {
        strbuf_printf(buf, "%s\n", answer_text(app, "name"));
    }
    cJSON_Delete(json);
    return true;
}

int cli_completion(int argc, char **argv)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct err err = {0};
    struct cli_args args;
    int code = cli_parse(argc, argv, &args);

    if (code != CLI_OK)
        return code;
    if (!completion_write(args.arguments[0], &text) &&
        !write_apps(&args, &text, &err))
        return cli_failed("completion", &err);
    fwrite(text.data, 1, text.len, stdout);
    return fflush(stdout) == 0 ? CLI_OK : cli_failed("completion", &err);
}
