/* state_dir_test.c */
#include "lifecycle/state_dir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char parent[64];
static char path[96];

static void make_parent(void)
{
    strcpy(parent, "/tmp/berth-state-XXXXXX");
    cr_assert_not_null(mkdtemp(parent));
    snprintf(path, sizeof path, "%s/state", parent);
}

static void remove_parent(void)
{
    unlink(path);
    rmdir(path);
    rmdir(parent);
}

TestSuite(state_dir, .init = make_parent, .fini = remove_parent);

Test(state_dir, is_made_whatever_the_umask)
{
    struct err err = {0};
    struct stat st;

    umask(0777);
    cr_assert(state_dir_prepare(path, &err), "%s", err.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, geteuid() == 0 ? 0711U : 0700U);
    cr_assert(state_dir_prepare(path, &err), "a second time: %s", err.text);
}

Test(state_dir, one_that_others_may_write_is_refused)
{
    static const mode_t modes[] = {0770, 0707, 01777};
    struct err err = {0};

    cr_assert_eq(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        cr_assert_eq(chmod(path, modes[i]), 0);
        cr_assert_not(state_dir_prepare(path, &err), "mode %o", modes[i]);
        cr_assert_eq(err.code, ERR_DENIED);
        cr_assert_not_null(strstr(err.text, "chmod go-w"), "%s", err.text);
    }
}

Test(state_dir, one_that_belongs_to_another_is_refused)
{
    struct err err = {0};

    if (geteuid() != 0)
        cr_skip_test("only root can give a directory away");
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(chown(path, 65534, 65534), 0);
    cr_assert_not(state_dir_prepare(path, &err));
    cr_assert_eq(err.code, ERR_DENIED);
    cr_assert_not_null(strstr(err.text, "65534"), "%s", err.text);
}

Test(state_dir, a_link_or_a_file_in_its_place_is_refused)
{
    struct err err = {0};
    int fd;

    cr_assert_eq(symlink("/tmp", path), 0);
    cr_assert_not(state_dir_prepare(path, &err));
    cr_assert_eq(err.code, ERR_DENIED);
    cr_assert_eq(unlink(path), 0);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_not(state_dir_prepare(path, &err));
    cr_assert_eq(err.code, ERR_DENIED);
}

Test(state_dir, a_missing_parent_is_said)
{
    struct err err = {0};

    cr_assert_not(state_dir_prepare("/nonexistent/berth", &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "parent"), "%s", err.text);
}

Test(state_dir, checking_makes_nothing_and_says_the_same)
{
    struct err err = {0};

    cr_assert(state_dir_check(path, &err), "%s", err.text);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_not(state_dir_check("/nonexistent/berth", &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert(state_dir_check(path, &err));
    cr_assert_eq(chmod(path, 0777), 0);
    cr_assert_not(state_dir_check(path, &err));
    cr_assert_eq(err.code, ERR_DENIED);
}
