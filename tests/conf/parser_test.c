#include "conf/parser.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

static void dump(const struct conf_node *node, struct strbuf *out)
{
    for (; node; node = node->next) {
        strbuf_add_str(out, node->name);
        for (unsigned i = 0; i < node->arg_count; i++)
            strbuf_printf(out, " %s", node->args[i].text);
        if (node->has_block) {
            strbuf_add_str(out, "{");
            dump(node->children, out);
            strbuf_add_str(out, "}");
        } else {
            strbuf_add_str(out, ";");
        }
    }
}

static void parse(struct strview text, struct strbuf *ret_out)
{
    struct arena arena;
    struct report report;
    struct conf_node *root;

    arena_init(&arena);
    report_init(&report, &arena);
    root = parser_parse_text(text, "t", &report);
    dump(root, ret_out);
    strbuf_add_char(ret_out, '\n');
    report_write(&report, ret_out);
    arena_done(&arena);
}

struct parse_case {
    const char *label;
    const char *text;
    const char *out;
};

static void check(const struct parse_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

        parse(sv_of(cases[i].text), &out);
        cr_expect_str_eq(out.data, cases[i].out, "%s:\n%s", cases[i].label,
                         out.data);
    }
}

Test(parser, directives_and_blocks_keep_their_order)
{
    static const struct parse_case cases[] = {
        {"empty", "", "\n"},
        {"directives", "a; b c d;", "a;b c d;\n"},
        {"many arguments", "a 1 2 3 4 5 6 7 8 9;", "a 1 2 3 4 5 6 7 8 9;\n"},
        {"blocks", "a { b { c; } d x { } } e;", "a{b{c;}d x{}}e;\n"},
        {"an include of a text stays", "include x;", "include x;\n"},
    };

    check(cases, ARRAY_LEN(cases));
}

Test(parser, errors_say_where_the_block_began)
{
    static const struct parse_case cases[] = {
        {"no semicolon before }", "app a {\n  port 80\n}\nb;",
         "app a{port 80;}b;\n"
         "t:3:1: \"}\" where \";\" should end \"port\" of t:2:3 (in the block "
         "\"app a\", which began at t:1:1)\n"},
        {"no semicolon at the end", "a;\nb c",
         "a;b c;\nt:2:4: the file ends where \";\" should end \"b\" of "
         "t:2:1\n"},
        {"unclosed", "http {\n server { a;\n }\n",
         "http{server{a;}}\n"
         "t:4:1: the file ends, but a block is not closed (in the block "
         "\"http\", which began at t:1:1)\n"},
        {"closed twice", "a { } }\nb;",
         "a{}b;\nt:1:7: \"}\" closes nothing: no block is open here\n"},
        {"stray semicolon", "a;; b;",
         "a;b;\nt:1:3: \";\" without a directive before it\n"},
        {"stray block", "{ a; } b;",
         "b;\nt:1:1: \"{\" without a directive before it\n"},
        {"all of them", "a { b } ; { x } c",
         "a{b;}c;\n"
         "t:1:7: \"}\" where \";\" should end \"b\" of t:1:5 (in the block "
         "\"a\", which began at t:1:1)\n"
         "t:1:9: \";\" without a directive before it\n"
         "t:1:11: \"{\" without a directive before it\n"
         "t:1:15: \"}\" where \";\" should end \"x\" of t:1:13 (in the block "
         "\"{\", which began at t:1:11)\n"
         "t:1:18: the file ends where \";\" should end \"c\" of t:1:17\n"},
    };

    check(cases, ARRAY_LEN(cases));
}

Test(parser, blocks_and_arguments_are_bounded)
{
    AUTO(strbuf_done) struct strbuf deep = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf wide = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    for (int i = 0; i < 100000; i++)
        strbuf_add_str(&deep, "a {\n");
    parse(strbuf_view(&deep), &out);
    cr_expect_str_eq(strchr(out.data, '\n'),
                     "\nt:17:1: more than 16 blocks within one another\n");
    strbuf_clear(&out);
    strbuf_add_str(&wide, "a");
    for (int i = 0; i < 100000; i++)
        strbuf_add_str(&wide, " b");
    strbuf_add_str(&wide, "; c;");
    parse(strbuf_view(&wide), &out);
    cr_expect_not_null(strstr(out.data, "b;c;\nt:1:1: \"a\" has more than 1024 "
                                        "arguments; is a \";\" missing?\n"),
                       "%s", strchr(out.data, ';'));
}

/* --- files ------------------------------------------------------------- */

static char folder[64];

static void folder_make(void)
{
    strcpy(folder, "/tmp/berth-parser-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void folder_remove(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf %s", folder);

    cr_expect_eq(system(command), 0);
}

static void put(const char *name, const char *text)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void sub(const char *name)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", folder, name);

    cr_assert_eq(mkdir(path, 0755), 0);
}

/* The folder's name is taken out of what comes out. */
static void parse_file(const char *name, struct strbuf *ret_out)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", folder, name);
    AUTO(strbuf_done) struct strbuf raw = STRBUF_INIT;
    struct arena arena;
    struct report report;
    const char *at;
    const char *found;

    arena_init(&arena);
    report_init(&report, &arena);
    dump(parser_parse_file(path, &report), &raw);
    strbuf_add_char(&raw, '\n');
    report_write(&report, &raw);
    arena_done(&arena);
    for (at = raw.data; (found = strstr(at, folder));
         at = found + strlen(folder) + 1)
        strbuf_add(ret_out, at, (size_t)(found - at));
    strbuf_add_str(ret_out, at);
}

Test(parser, include_is_relative_to_its_file_and_sorted, .init = folder_make,
     .fini = folder_remove)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    sub("conf.d");
    sub("conf.d/deep");
    put("main", "a; include conf.d/*.conf; http { include conf.d/in; } z;");
    put("conf.d/2.conf", "two;");
    put("conf.d/1.conf", "one; include deep/x;");
    put("conf.d/deep/x", "x { y; }");
    put("conf.d/in", "inner;");
    parse_file("main", &out);
    cr_expect_str_eq(out.data, "a;one;x{y;}two;http{inner;}z;\n", "%s",
                     out.data);
}

Test(parser, a_pattern_may_match_nothing_but_a_name_must, .init = folder_make,
     .fini = folder_remove)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    put("main", "include none/*.conf;\ninclude none.conf;\nb;");
    parse_file("main", &out);
    cr_expect_str_eq(out.data, "b;\nmain:2:9: there is no file \"none.conf\"\n",
                     "%s", out.data);
}

Test(parser, a_file_cannot_include_itself, .init = folder_make,
     .fini = folder_remove)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    put("main", "a; include other;");
    put("other", "b; include main; c;");
    parse_file("main", &out);
    cr_expect_str_eq(
        out.data,
        "a;b;c;\nother:1:4: \"main\" includes itself, directly or through "
        "others\n",
        "%s", out.data);
}

Test(parser, includes_are_bounded_in_depth_and_number, .init = folder_make,
     .fini = folder_remove)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    for (int i = 0; i < 20; i++) {
        char name[16];
        char text[64];

        snprintf(name, sizeof name, "f%d", i);
        /* Twice each: 2^16 files, were there no bound on their number. */
        snprintf(text, sizeof text, "include f%d; include f%d;", i + 1, i + 1);
        put(name, text);
    }
    parse_file("f0", &out);
    cr_expect_not_null(strstr(
        out.data, "f16:1:1: more than 16 includes within one another\n"));
    cr_expect_not_null(strstr(out.data, "more errors\n"));
    strbuf_clear(&out);
    put("f15", "include x; include x;");
    put("x", "a;");
    parse_file("f0", &out);
    cr_expect_not_null(strstr(out.data, "more than 10000 files are included"),
                       "%.300s", out.data);
}

Test(parser, what_is_no_text_file_is_refused, .init = folder_make,
     .fini = folder_remove)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
    AUTO(auto_free) char *fifo = xasprintf("%s/fifo", folder);

    cr_assert_eq(mkfifo(fifo, 0644), 0);
    sub("dir");
    put("main", "include fifo;\ninclude dir;\ninclude /dev/zero;");
    parse_file("main", &out);
    cr_expect_str_eq(
        out.data,
        "\nmain:1:1: cannot read \"fifo\": it is not a regular file\n"
        "main:2:1: cannot read \"dir\": it is a directory\n"
        "main:3:1: cannot read \"/dev/zero\": it is not a regular file\n",
        "%s", out.data);
    strbuf_clear(&out);
    parse_file("missing", &out);
    cr_expect_str_eq(
        out.data,
        "\nmissing: cannot read \"missing\": No such file or directory\n", "%s",
        out.data);
}

Test(parser, a_folder_name_is_no_pattern)
{
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    strcpy(folder, "/tmp/berth-[p]*-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    put("main", "include a;");
    put("a", "a;");
    parse_file("main", &out);
    cr_expect_str_eq(out.data, "a;\n", "%s", out.data);
    strbuf_clear(&out);
    {
        char file[96];

        snprintf(file, sizeof file, "%s/main", folder);
        unlink(file);
        snprintf(file, sizeof file, "%s/a", folder);
        unlink(file);
    }
    cr_expect_eq(rmdir(folder), 0);
}
