#include "lifecycle/log_files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
    strcpy(dir, "/tmp/log_files_test_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_expect_eq(system(command), 0);
}

TestSuite(log_files, .init = make_dir, .fini = remove_dir);

Test(log_files, a_reopened_file_has_the_same_number)
{
    char path[96];
    char moved[96];
    char *items[] = {path};
    struct string_list paths = {1, items};
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct log_files *files;
    struct stat st;
    int fd;

    snprintf(path, sizeof path, "%s/log", dir);
    snprintf(moved, sizeof moved, "%s/log.1", dir);
    files = log_files_open(&paths, &errors);
    cr_assert_not_null(files, "%s", errors.data);
    fd = log_files_fd(files, 0);
    cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    cr_assert_eq(write(fd, "a\n", 2), 2);
    cr_assert_eq(rename(path, moved), 0);
    log_files_reopen(files, &errors);
    cr_expect_eq(errors.len, 0);
    cr_expect_eq(log_files_fd(files, 0), fd);
    cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    cr_assert_eq(write(fd, "bcd\n", 4), 4);
    cr_assert_eq(stat(moved, &st), 0);
    cr_expect_eq(st.st_size, 2);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_size, 4);
    cr_expect_eq(st.st_mode & 0777, 0640 & ~umask(0));
    log_files_free(&files);
}

Test(log_files, all_that_cannot_be_opened_are_told)
{
    char link[96];
    char missing[96];
    char *items[] = {link, missing, dir};
    struct string_list paths = {3, items};
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;

    snprintf(link, sizeof link, "%s/link", dir);
    snprintf(missing, sizeof missing, "%s/none/log", dir);
    cr_assert_eq(symlink("/etc/passwd", link), 0);
    cr_expect_null(log_files_open(&paths, &errors));
    cr_expect_not_null(strstr(errors.data, "may be no symbolic link"));
    cr_expect_not_null(strstr(errors.data, "its directory must be there"));
    cr_expect_not_null(strstr(errors.data, "Is a directory"));
}

Test(log_files, one_that_cannot_be_reopened_goes_on)
{
    char path[96];
    char *items[] = {path};
    struct string_list paths = {1, items};
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct log_files *files;

    snprintf(path, sizeof path, "%s/log", dir);
    files = log_files_open(&paths, &errors);
    cr_assert_not_null(files);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    log_files_reopen(files, &errors);
    cr_expect_gt(errors.len, 0);
    cr_expect_eq(write(log_files_fd(files, 0), "a\n", 2), 2);
    log_files_free(&files);
}
