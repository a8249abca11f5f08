/* tool_readme_tables.c - the tables of README.md that are made from berth's
 * own: tests/lint/readme.py puts them there, and sees that they are true.
 *
 * tool_readme_tables TABLE: commands directives metrics answers
 */
#include <stdio.h>
#include <string.h>

#include "conf/directives.h"
#include "proxy/cli/cli.h"
#include "router/base/attr.h"

/* A cell: Markdown's own characters are escaped. */
static void put(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text == '\n' ? ' ' : *text);
    }
}

static void print_commands(void)
{
    printf("| command | does |\n| --- | --- |\n");
    for (const struct cli_command *row = cli_commands; row->name; row++) {
        printf("| `berth %s", row->name);
        for (size_t i = 0; i < ARRAY_LEN(row->arguments); i++) {
            if (row->arguments[i].name)
                printf(row->arguments[i].is_optional ? " [%s]" : " %s",
                       row->arguments[i].name);
        }
        for (size_t i = 0; i < ARRAY_LEN(row->options); i++) {
            if (!row->options[i].name)
                continue;
            printf(" [--%s", row->options[i].name);
            if (row->options[i].value_name)
                printf(" %s", row->options[i].value_name);
            printf("]");
        }
        if (row->common & CLI_READS_FILE)
            printf(" -c FILE");
        if (row->common & CLI_PRINTS_DATA)
            printf(" [--json]");
        printf("` | ");
        put(row->summary);
        if (row->details) {
            printf(". ");
            put(row->details);
        }
        printf(" |\n");
    }
}

/* The blocks that a directive may stand in. */
static void put_where(unsigned where)
{
    const char *separator = "";

    for (unsigned bit = 1; bit <= IN_ANY; bit <<= 1) {
        if (!(where & bit))
            continue;
        printf("%s%s", separator,
               bit == IN_TOP ? "top" : directive_where_name(bit));
        separator = ", ";
    }
}

static void print_directives(void)
{
    printf("| directive | in | default | meaning |\n"
           "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];

        printf("| `%s ", row->name);
        put(row->syntax);
        printf("` | ");
        put_where(row->where);
        printf(" | ");
        put(row->default_text ? row->default_text : "");
        printf(" | ");
        put(row->help);
        printf("%s |\n", row->flags & MANY ? "; may stand more than once" : "");
    }
}

static void print_metrics(void)
{
    static const struct {
        const char *name;
        const char *type;
        const char *scope;
        const char *help;
    } rows[] = {
#define COUNTER(scope, id, name, help)   {name, "counter", #scope, help},
#define GAUGE(scope, id, name, help)     {name, "gauge", #scope, help},
#define HISTOGRAM(scope, id, name, help) {name, "histogram", #scope, help},
#include "router/base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    };
    size_t last = 0;

    printf("| metric | type | meaning |\n| --- | --- | --- |\n");
#define WRITTEN(id, name, labels, type, help)                                  \
    printf("| `%s%s%s%s` | %s | %s |\n", name, *(labels) ? "{" : "", labels,   \
           *(labels) ? "}" : "", type, help);
#include "router/base/metrics_written.def"
#undef WRITTEN
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t length = strcspn(rows[i].name, "{");
        const char *label = rows[i].name + length;
        const char *of = strstr(rows[i].scope, "APP")        ? "app"
                         : strstr(rows[i].scope, "LISTENER") ? "listener"
                                                             : "";

        if (i > 0 && strcspn(rows[last].name, "{") == length &&
            memcmp(rows[last].name, rows[i].name, length) == 0)
            continue;
        last = i;
        printf("| `%.*s", (int)length, rows[i].name);
        if (*of || *label)
            printf("{%s", of);
        for (const char *at = label; *at;) { /* {version="x",resumed="y"} */
            size_t name = strcspn(at + 1, "=");

            printf("%s%.*s", *of || at != label ? "," : "", (int)name, at + 1);
            at += strcspn(at, "\"") + 1;
            at += strcspn(at, "\"") + 1;
            if (*at == '}')
                break;
        }
        printf("%s` | %s | ", *of || *label ? "}" : "", rows[i].type);
        put(rows[i].help);
        printf(" |\n");
    }
}

static void print_answers(void)
{
    printf("| status | code | meaning |\n| --- | --- | --- |\n");
#define REJECTION(id, status, code, text)                                      \
    printf("| %d | `%s` | %s |\n", status, code, text);
#include "proxy/rejection.def"
#undef REJECTION
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } tables[] = {{"commands", print_commands},
                  {"directives", print_directives},
                  {"metrics", print_metrics},
                  {"answers", print_answers}};

    for (size_t i = 0; argc == 2 && i < ARRAY_LEN(tables); i++) {
        if (strcmp(argv[1], tables[i].name) == 0) {
            tables[i].print();
            return 0;
        }
    }
    fprintf(stderr, "usage: tool_readme_tables commands|directives|metrics|"
                    "answers\n");
    return 2;
}
