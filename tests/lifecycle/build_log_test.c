#include "lifecycle/build_log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct build_log *build;

static void init(void)
{
    build = build_log_new();
}

static void done(void)
{
    build_log_free(&build);
}

TestSuite(build_log, .init = init, .fini = done);

static bool take(const char *line)
{
    return build_log_line(build, sv_of(line));
}

Test(build_log, steps_are_progress)
{
    struct err err;

    cr_expect(take("{\"stream\":\"STEP 1/3: FROM x\\n\"}"));
    cr_expect_eq(build_log_progress(build)->layers_done, 0);
    cr_expect_eq(build_log_progress(build)->layers_known, 3);
    cr_expect_not(take("{\"stream\":\"some output\\n\"}"));
    cr_expect_not(take("{\"stream\":\"--> 0123\\n\"}"));
    cr_expect(take("{\"stream\":\"STEP 3/3: RUN y\\n\"}"));
    cr_expect_eq(build_log_progress(build)->layers_done, 2);
    cr_expect(build_log_result(build, &err));
}

Test(build_log, what_is_no_step_is_output)
{
    static const char *const lines[] = {
        "{\"stream\":\"STEP 0/3: x\"}",
        "{\"stream\":\"STEP 4/3: x\"}",
        "{\"stream\":\"STEP 1/99999: x\"}",
        "{\"stream\":\"STEP -1/-1: x\"}",
        "{\"stream\":\"\"}",
        "{\"stream\":5}",
        "{}",
    };
    struct err err;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_expect_not(take(lines[i]), "%s", lines[i]);
    cr_expect_eq(build_log_progress(build)->layers_known, 0);
    cr_expect(build_log_result(build, &err));
}

Test(build_log, a_failure_has_its_last_lines)
{
    struct err err;

    cr_expect_not(take("{\"stream\":\"STEP 2/2: RUN x\\n\"}") && false);
    take("{\"stream\":\"first\\nsecond\\n\\n\"}");
    take("{\"stream\":\"thi\\trd\\u001b[0m\\n\"}");
    take("{\"error\":\"exit status 7\\n\",\"errorDetail\":{}}");
    take("{\"error\":\"another\"}");
    cr_assert_not(build_log_result(build, &err));
    cr_expect_eq(err.code, ERR_FAILED);
    cr_expect_str_eq(
        err.text, "exit status 7; its last lines: first | second | thi rd [0m");
}

Test(build_log, only_the_newest_lines_are_kept_and_fit)
{
    struct err err;
    char line[1200];
    char filler[600];

    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "{\"stream\":\"%d %s\\n\"}", i, filler);
        take(line);
    }
    take("{\"stream\":\"the last one\\n\"}");
    snprintf(line, sizeof line, "{\"error\":\"%s\"}", filler);
    take(line);
    cr_assert_not(build_log_result(build, &err));
    cr_expect_not_null(strstr(err.text, "| the last one"), "%s", err.text);
    cr_expect_null(strstr(err.text, "its last lines: 50"), "%s", err.text);
    cr_expect_lt(strlen(err.text), sizeof err.text);
}

Test(build_log, what_is_no_json_is_a_failure)
{
    struct err err;

    take("nonsense");
    cr_assert_not(build_log_result(build, &err));
    cr_expect_eq(err.code, ERR_PROTOCOL);
}
