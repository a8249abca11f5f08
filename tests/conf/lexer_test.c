#include "conf/lexer.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Tokens as text, "word" with its place, then the errors. */
static void lex(struct strview text, struct strbuf *ret_out)
{
    struct arena arena;
    struct report report;
    struct lexer lexer;

    arena_init(&arena);
    report_init(&report, &arena);
    lexer = lexer_of(text, "t", 0, &report);
    for (;;) {
        struct token token = lexer_next(&lexer);

        if (token.kind == TOKEN_END)
            break;
        strbuf_printf(ret_out, "%u:%u ", token.place.line, token.place.column);
        if (token.kind == TOKEN_WORD)
            strbuf_printf(ret_out, "%s%s%s%s\n", token.is_quoted ? "q" : "",
                          token.is_first_on_line ? "^" : "", "=", token.text);
        else
            strbuf_printf(ret_out, "%c\n", " ;{}"[token.kind]);
    }
    report_write(&report, ret_out);
    arena_done(&arena);
}

struct lex_case {
    const char *label;
    struct strview text;
    const char *out;
};

static void check(const struct lex_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

        lex(cases[i].text, &out);
        cr_expect_str_eq(out.data ? out.data : "", cases[i].out, "%s: \"%s\"",
                         cases[i].label, out.data);
    }
}

Test(lexer, words_and_marks)
{
    static const struct lex_case cases[] = {
        {"empty", SV(""), ""},
        {"white space only", SV(" \t\r\n\n"), ""},
        {"a directive", SV("port 80;"), "1:1 ^=port\n1:6 =80\n1:8 ;\n"},
        {"nothing between", SV("a{b;}"),
         "1:1 ^=a\n1:2 {\n1:3 =b\n1:4 ;\n1:5 }\n"},
        {"lines and columns", SV("a\n  b\r\n\tc"),
         "1:1 ^=a\n2:3 ^=b\n3:2 ^=c\n"},
        {"a byte order mark is skipped",
         SV("\xef\xbb\xbf"
            "a"),
         "1:4 ^=a\n"},
        {"a dollar is a character", SV("$a ${"), "1:1 ^=$a\n1:4 =$\n1:5 {\n"},
        {"bytes above 127", SV("\xc3\xa4"), "1:1 ^=\xc3\xa4\n"},
    };

    check(cases, ARRAY_LEN(cases));
}

Test(lexer, comments_begin_where_a_word_could)
{
    static const struct lex_case cases[] = {
        {"whole line", SV("# a ; {\nb"), "2:1 ^=b\n"},
        {"behind a mark", SV("a;#b\n"), "1:1 ^=a\n1:2 ;\n"},
        {"inside a word", SV("a#b"), "1:1 ^=a#b\n"},
        {"quoted", SV("'# a'"), "1:1 q^=# a\n"},
        {"at the end", SV("#"), ""},
    };

    check(cases, ARRAY_LEN(cases));
}

Test(lexer, quotes_and_escapes)
{
    static const struct lex_case cases[] = {
        {"double", SV("\"a b;{}#\""), "1:1 q^=a b;{}#\n"},
        {"single", SV("'a \"b\"'"), "1:1 q^=a \"b\"\n"},
        {"empty", SV("''"), "1:1 q^=\n"},
        {"all escapes", SV("\"\\\\ \\\" \\' \\n \\t \\r\""),
         "1:1 q^=\\ \" ' \n \t \r\n"},
        {"in single quotes too", SV("'\\'\\n'"), "1:1 q^='\n\n"},
        {"over lines", SV("'a\nb' c\nd"), "1:1 q^=a\nb\n2:4 =c\n3:1 ^=d\n"},
        {"a backslash in a bare word", SV("a\\d"), "1:1 ^=a\\d\n"},
    };

    check(cases, ARRAY_LEN(cases));
}

Test(lexer, what_could_mean_two_things_is_an_error)
{
    static const struct lex_case cases[] = {
        {"unclosed", SV("a\n 'b;"),
         "1:1 ^=a\n2:2 q^=b;\n"
         "t:2:2: the ' that begins here is not closed\n"},
        {"unclosed after an escape", SV("\"\\"),
         "1:1 q^=\\\nt:1:1: the \" that begins here is not closed\n"},
        {"unknown escape", SV("'\\d'"),
         "1:1 q^=\\d\n"
         "t:1:2: unknown escape; there are \\\\ \\\" \\' \\n \\t \\r\n"},
        {"quote inside", SV("a=\"b c\""),
         "1:1 ^=a=\"b\n1:6 =c\"\n"
         "t:1:3: a quote inside a bare word; quote the whole word\n"
         "t:1:7: a quote inside a bare word; quote the whole word\n"},
        {"text behind a quote", SV("'a'b"),
         "1:1 q^=a\n1:4 =b\n"
         "t:1:4: a space or \";\" must follow a closing quote\n"},
        {"bare escape", SV("a\\ b"),
         "1:1 ^=a\\\n1:4 =b\n"
         "t:1:2: a backslash escapes only in quotes; quote the word\n"},
        {"NUL", SV("a\0b\0c"),
         "1:1 ^=a\n1:3 =b\n1:5 =c\n"
         "t:1:2: a control character (0x00) may not stand in a configuration; "
         "is this a text file?\n"},
        {"escape character in quotes", SV("'\x1b[2J'"),
         "1:1 q^= [2J\n"
         "t:1:2: a control character (0x1b) may not stand in a configuration; "
         "is this a text file?\n"},
    };

    check(cases, ARRAY_LEN(cases));
}

Test(lexer, a_word_is_bounded)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct arena arena;
    struct report report;
    struct lexer lexer;

    arena_init(&arena);
    report_init(&report, &arena);
    for (int i = 0; i < LEXER_WORD_MAX; i++)
        strbuf_add_char(&text, 'a');
    lexer = lexer_of(strbuf_view(&text), "t", 0, &report);
    cr_expect_eq(strlen(lexer_next(&lexer).text), LEXER_WORD_MAX);
    cr_expect_eq(report.error_count, 0);
    strbuf_add_char(&text, 'a');
    lexer = lexer_of(strbuf_view(&text), "t", 0, &report);
    cr_expect_eq(strlen(lexer_next(&lexer).text), LEXER_WORD_MAX);
    cr_expect_eq(report.error_count, 1);
    cr_expect_eq(lexer_next(&lexer).kind, TOKEN_END);
    cr_expect_eq(lexer_next(&lexer).kind, TOKEN_END);
    arena_done(&arena);
}
