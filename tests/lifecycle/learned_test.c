/* learned_test.c */
#include "lifecycle/learned.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char dir[64];
static char path[80];
static struct strbuf told;

static void set_up(void)
{
    strcpy(dir, "/tmp/berth-learned-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/learned", dir);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(path);
    strbuf_done(&told);
    cr_expect_eq(rmdir(dir), 0, "a draft is left");
}

TestSuite(learned, .init = set_up, .fini = tear_down);

static void tell(void *arg, const char *name, const struct learned_app *app)
{
    cr_assert_eq(arg, &told);
    learned_add(&told, name, app);
}

static bool read_it(struct err *err)
{
    strbuf_clear(&told);
    strbuf_add_str(&told, "");
    return learned_read(dir, tell, &told, err);
}

static void put(const char *text)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(learned, nothing_was_learned_where_there_is_no_file)
{
    struct err err;

    cr_expect(read_it(&err));
    cr_expect_str_eq(told.data, "");
}

Test(learned, what_is_written_is_read)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct err err;
    struct stat st;

    learned_add(
        &text, "a",
        &(struct learned_app){250000, {3000000, 150000, 40000, 900, 700}, 0});
    learned_add(&text, "nothing", &(struct learned_app){0, {0, 0}, 0});
    learned_add(&text, "b.c-d", &(struct learned_app){0, {0, 1}, 0});
    learned_add(&text, "kept",
                &(struct learned_app){.keep_until_unix_s = 1790000000});
    put("old 1 2 3\n");
    cr_assert(learned_write(dir, &text, &err), "%s", err.text);
    cr_assert(read_it(&err), "%s", err.text);
    cr_expect_str_eq(told.data, "a 250000 3000000 150000 40000 900 700\n"
                                "b.c-d 0 0 1 0 0 0\n"
                                "kept 0 0 0 0 0 0 1790000000\n");
    cr_expect_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600U);
}

Test(learned, a_line_of_an_earlier_version_is_read)
{
    struct err err;

    put("a 1 2 3\n");
    cr_expect(read_it(&err), "%s", err.text);
    cr_expect_str_eq(told.data, "a 1 2 3 0 0 0\n");
}

Test(learned, of_a_damaged_file_the_whole_lines_are_read)
{
    static const struct {
        const char *label;
        const char *text;
        const char *told;
        const char *why;
    } cases[] = {
        {"cut off", "a 1 2 3\nb 1 2 3", "a 1 2 3 0 0 0\n", "line 2"},
        {"a number too few", "a 1 2\nb 1 2 3\n", "b 1 2 3 0 0 0\n", "line 1"},
        {"a number too many", "a 1 2 3 4 5 6 7 8\nb 1 2 3\n", "b 1 2 3 0 0 0\n",
         "line 1"},
        {"no number", "a 1 x 3\nb 1 2 3\n", "b 1 2 3 0 0 0\n", "line 1"},
        {"a negative one", "a 1 -2 3\nb 1 2 3\n", "b 1 2 3 0 0 0\n", "line 1"},
        {"a year", "a 1 2 99999999999999\n", "", "line 1"},
        {"no name", " 1 2 3\nb 1 2 3\n", "b 1 2 3 0 0 0\n", "line 1"},
        {"an empty line", "a 1 2 3\n\nb 1 2 3\n",
         "a 1 2 3 0 0 0\nb 1 2 3 0 0 0\n", "line 2"},
        {"noise", "\x7f\x45LF\x01\x02", "", "line 1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};

        put(cases[i].text);
        cr_expect_not(read_it(&err), "%s", cases[i].label);
        cr_expect_str_eq(told.data, cases[i].told, "%s: %s", cases[i].label,
                         told.data);
        cr_expect_not_null(strstr(err.text, cases[i].why), "%s: %s",
                           cases[i].label, err.text);
    }
}

Test(learned, what_cannot_be_a_file_is_told)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct err err;

    cr_assert_eq(mkdir(path, 0700), 0);
    cr_expect_not(read_it(&err));
    learned_add(&text, "a", &(struct learned_app){1, {1, 1}, 0});
    cr_expect_not(learned_write(dir, &text, &err));
    cr_expect_not_null(strstr(err.text, path), "%s", err.text);
}
