#include "router/base/err.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(err, setting_returns_false_and_keeps_code_and_text)
{
    struct err err = {0};

    cr_assert_not(err_set(&err, ERR_LIMIT, "%d of %s", 3, "those"));
    cr_assert_eq(err.code, ERR_LIMIT);
    cr_assert_str_eq(err.text, "3 of those");
    cr_assert_not(err_set(NULL, ERR_LIMIT, "nobody asks"));
    cr_assert_not(err_set_errno(NULL, ENOENT, "nobody asks"));
    cr_assert_not(err_prefix(NULL, "nobody asks"));
}

Test(err, errno_gives_a_code_and_a_text)
{
    struct err err = {0};

    cr_assert_not(err_set_errno(&err, ENOENT, "open %s", "/x"));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_str_eq(err.text, "open /x: No such file or directory");
    (void)err_set_errno(&err, EACCES, "x");
    cr_assert_eq(err.code, ERR_DENIED);
    (void)err_set_errno(&err, EADDRINUSE, "x");
    cr_assert_eq(err.code, ERR_EXISTS);
    (void)err_set_errno(&err, EIO, "x");
    cr_assert_eq(err.code, ERR_IO);
}

Test(err, a_prefix_keeps_the_code)
{
    struct err err = {0};

    (void)err_set(&err, ERR_PROTOCOL, "no version");
    cr_assert_not(err_prefix(&err, "podman %s", "create"));
    cr_assert_eq(err.code, ERR_PROTOCOL);
    cr_assert_str_eq(err.text, "podman create: no version");
}

Test(err, too_long_a_text_is_cut_and_stays_terminated)
{
    struct err err = {0};

    (void)err_set(&err, ERR_INVALID, "%3000d", 1);
    cr_assert_eq(strlen(err.text), ERR_TEXT_SIZE - 1);
    (void)err_prefix(&err, "%3000d", 1);
    cr_assert_eq(strlen(err.text), ERR_TEXT_SIZE - 1);
    (void)err_set_errno(&err, EIO, "%3000d", 1);
    cr_assert_eq(strlen(err.text), ERR_TEXT_SIZE - 1);
}
