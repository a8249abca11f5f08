#include "conf/source.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char path[64];

static void file_make(void)
{
    int fd;

    strcpy(path, "/tmp/berth-source-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "12345", 5), 5);
    close(fd);
}

static void file_remove(void)
{
    unlink(path);
}

/* The byte behind the text was once whatever malloc had left there. */
Test(source, the_text_is_terminated, .init = file_make, .fini = file_remove)
{
    static const struct source_limits limits = {.size_max = 5};
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct stat st;
    struct err err;

    memset(strbuf_reserve(&text, 100), 'x', 100);
    cr_assert(source_read(path, &limits, &text, &st, &err), "%s", err.text);
    cr_expect_str_eq(text.data, "12345");
    cr_expect_eq(st.st_size, 5);
    cr_assert(source_read(path, &limits, &text, &st, &err), "%s", err.text);
    cr_expect_str_eq(text.data, "1234512345", "it appends");
}

Test(source, limits_are_kept, .init = file_make, .fini = file_remove)
{
    static const struct {
        const char *path; /* NULL: the file */
        mode_t mode;
        struct source_limits limits;
        enum err_code code;
        const char *text;
    } cases[] = {
        {NULL, 0600, {.size_max = 4}, ERR_LIMIT, "it is larger than 4 bytes"},
        {NULL,
         0604,
         {.size_max = 9, .refuse_others = true},
         ERR_INVALID,
         "every user may read it; its mode should be 0600"},
        {"/nonexistent/x",
         0,
         {.size_max = 9},
         ERR_NOT_FOUND,
         "No such file or directory"},
        {"/etc/passwd/x", 0, {.size_max = 9}, ERR_NOT_FOUND, "Not a directory"},
        {"/tmp",
         0,
         {.size_max = 9, .may_be_pipe = true},
         ERR_INVALID,
         "it is a directory"},
        {"/dev/zero",
         0,
         {.size_max = 9},
         ERR_INVALID,
         "it is not a regular file"},
        {"/dev/zero",
         0,
         {.size_max = 9, .may_be_pipe = true},
         ERR_LIMIT,
         "it is larger than 9 bytes"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *at = cases[i].path ? cases[i].path : path;
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        struct stat st;
        struct err err;

        if (!cases[i].path)
            cr_assert_eq(chmod(path, cases[i].mode), 0);
        cr_expect_not(source_read(at, &cases[i].limits, &text, &st, &err));
        cr_expect_eq(err.code, cases[i].code, "%s: %d", at, err.code);
        cr_expect_str_eq(err.text, cases[i].text);
    }
}
