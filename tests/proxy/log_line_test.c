/* log_line_test.c - what a terminal may have of what an app prints. */
#include "proxy/cli/log_line.h"

#include <criterion/criterion.h>

#include "proxy/cli/view.h"

static void check(bool has_colour, const char *label, struct strview line,
                  struct strview expected)
{
    const struct view view = {has_colour, 0};
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    log_line_view(line, &view, &out);
    cr_expect(sv_eq(strbuf_view(&out), expected), "%s: \"%s\"", label,
              out.data);
}

Test(log_line, without_a_terminal_the_bytes_are_as_they_were)
{
    check(false, "controls", SV("a-1 | \x1b[2J\xff\x01"),
          SV("a-1 | \x1b[2J\xff\x01\n"));
    check(false, "nothing", SV("a-1 | "), SV("a-1 | \n"));
    check(false, "no prefix", SV(""), SV("\n"));
}

Test(log_line, a_terminal_gets_colours_and_nothing_that_moves)
{
#define NAME "\x1b[1ma-2\x1b[0m"
    static const struct {
        const char *label;
        const char *line;
        const char *expected;
    } cases[] = {
        {"plain", "a-2 | x", " | x\n"},
        {"colour", "a-2 | \x1b[31;1mx\x1b[0m",
         " | \x1b[31;1mx\x1b[0m\x1b[0m\n"},
        {"a clear screen", "a-2 | \x1b[2Jx", " | ?[2Jx\n"},
        {"a title", "a-2 | \x1b]0;t\x07x", " | ?]0;t?x\n"},
        {"C1 in UTF-8",
         "a-2 | \xc2\x9b"
         "2Jx",
         " | ?2Jx\n"},
        {"no C1", "a-2 | \xc2\xa9x", " | \xc2\xa9x\n"},
        {"a return", "a-2 | x\ry", " | x?y\n"},
        {"a tab", "a-2 | x\ty", " | x\ty\n"},
        {"half a colour", "a-2 | \x1b[3", " | ?[3\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;
        const struct view view = {true, 0};
        const char *end;

        log_line_view(sv_of(cases[i].line), &view, &out);
        end = strstr(out.data, "a-2\x1b[0m");
        cr_assert_not_null(end, "%s", cases[i].label);
        cr_expect_str_eq(end + 7, cases[i].expected, "%s: \"%s\"",
                         cases[i].label, out.data);
    }
}
