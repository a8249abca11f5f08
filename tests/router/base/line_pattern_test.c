/* line_pattern_test.c - expressions for lines, and what they may cost. */
#include "router/base/line_pattern.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "router/base/alloc.h"

Test(line_pattern, any_part_of_a_line_may_match)
{
    static const struct {
        const char *pattern;
        const char *line;
        bool matches;
    } cases[] = {
        {"listens", "testapp: 1 listens", true},
        {"listens", "testapp: 1 listen", false},
        {"^listens", "it listens", false},
        {"(started|up) in [0-9]+ ms$", "up in 12 ms", true},
        {"(started|up) in [0-9]+ ms$", "up in 12 ms.", false},
        {"[]}]{2}", "a ]} b", true},
        {"[[:digit:]]{3}", "ab 123", true},
        {"[^]]\\{", "a{", true},
        {"\xc3\xa4", "f\xc3\xa4hig", true},
        {"^$", "", true},
        {"a{2,}b", "aaab", true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        AUTO(line_pattern_free)
        struct line_pattern *pattern = line_pattern_new(cases[i].pattern, &err);

        cr_assert_not_null(pattern, "%s: %s", cases[i].pattern, err.text);
        cr_expect_eq(line_pattern_matches(pattern, cases[i].line),
                     cases[i].matches, "%s of %s", cases[i].pattern,
                     cases[i].line);
    }
}

Test(line_pattern, what_is_none_or_costs_too_much_is_refused)
{
    char deep[2 * 40 + 2] = "";
    char more[LINE_PATTERN_MAX_BYTES + 2] = "";
    const struct {
        const char *pattern;
        const char *error;
    } cases[] = {
        {"", "is empty"},
        {"a(b", "is none: "},
        {"[a", "is none: "},
        {"a{2", "is none: "},
        {"[[:nope:]]", "is none: "},
        {"*a\\", "is none: "},
        {"(a)\\1", "has a back-reference: \\1"},
        {"((a{90}){90}){90}", "is too large"},
        {"(a{1000}|b){2}", "is too large"},
        {"a{5000}", "is too large"},
        {"(((a{2000,", "is too large"},
        {"(a{512,}){2}", "is too large"},
        {"a{99999999999999999999}", "is too large"},
        {deep, "has groups more than 31 deep"},
        {more, "is longer than 512 bytes"},
    };

    memset(deep, '(', 40);
    memset(more, 'a', sizeof more - 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};

        cr_expect_null(line_pattern_new(cases[i].pattern, &err), "%s",
                       cases[i].pattern);
        cr_expect_eq(err.code, ERR_INVALID);
        cr_expect(strncmp(err.text, cases[i].error, strlen(cases[i].error)) ==
                      0,
                  "%s: %s", cases[i].pattern, err.text);
    }
}

/* The C library's tables grow with what it reads: they are thrown away now and
 * then, and what matched before matches after. */
Test(line_pattern, goes_on_over_many_lines)
{
    struct err err;
    AUTO(line_pattern_free)
    struct line_pattern *pattern = line_pattern_new("(x|y)[0-9]{4}z$", &err);
    char line[64];

    for (unsigned i = 0; i < 20000; i++) {
        snprintf(line, sizeof line, "%u y%04u%s", i * 7919U, i % 10000,
                 i % 100 == 0 ? "z" : "");
        cr_assert_eq(line_pattern_matches(pattern, line), i % 100 == 0, "%s",
                     line);
    }
}
