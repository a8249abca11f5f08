#include "lifecycle/tar_writer.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char path[] = "/tmp/tar_writer_test.XXXXXX";
static int fd;
static struct tar_writer tar;
static struct err err;

static void init(void)
{
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    tar_writer_init(&tar, fd);
}

static void done(void)
{
    tar_writer_done(&tar);
    close(fd);
    unlink(path);
}

TestSuite(tar_writer, .init = init, .fini = done);

/* What tar itself reads of the archive. */
static void expect_listing(const char *options, const char *expected)
{
    AUTO(auto_free) char *command = xasprintf("tar %s %s 2>&1", options, path);
    FILE *pipe = popen(command, "r");
    char text[8192];
    size_t n;

    cr_assert_not_null(pipe);
    n = fread(text, 1, sizeof text - 1, pipe);
    text[n] = '\0';
    cr_expect_eq(pclose(pipe), 0, "%s", text);
    cr_expect_str_eq(text, expected);
}

static struct stat stat_of(mode_t mode, off_t size)
{
    return (struct stat){
        .st_mode = mode, .st_size = size, .st_mtime = 1700000000};
}

Test(tar_writer, tar_reads_what_was_written)
{
    struct stat folder = stat_of(S_IFDIR | 0750, 4096);
    struct stat file = stat_of(S_IFREG | 0644, 5);
    struct stat link = stat_of(S_IFLNK | 0777, 3);

    cr_assert(tar_writer_begin(&tar, "d", &folder, NULL, &err));
    cr_assert(tar_writer_begin(&tar, "d/f", &file, NULL, &err));
    cr_assert(tar_writer_add(&tar, "hel", 3, &err));
    cr_assert(tar_writer_add(&tar, "lo", 2, &err));
    cr_assert(tar_writer_begin(&tar, "d/l", &link, "a/b", &err));
    cr_assert(tar_writer_file(&tar, "empty", SV(""), &err));
    cr_assert(tar_writer_finish(&tar, &err));
    expect_listing(
        "--utc --numeric-owner -tvf",
        "drwxr-x--- 0/0               0 2023-11-14 22:13 d\n"
        "-rw-r--r-- 0/0               5 2023-11-14 22:13 d/f\n"
        "lrwxrwxrwx 0/0               0 2023-11-14 22:13 d/l -> a/b\n"
        "-rw-r--r-- 0/0               0 1970-01-01 00:00 empty\n");
    expect_listing("-xOf", "hello");
    cr_expect_eq(lseek(fd, 0, SEEK_END) % 512, 0);
}

/* At, just below and just above what a header holds, and where the length of a
 * pax record has one digit more for counting itself. */
Test(tar_writer, long_names_are_whole)
{
    static const size_t lengths[] = {99, 100, 101, 88, 89, 90, 991, 992, 4000};
    AUTO(strbuf_done) struct strbuf expected = STRBUF_INIT;

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct stat link = stat_of(S_IFLNK | 0777, 0);
        AUTO(auto_free) char *name = xcalloc(1, lengths[i] + 1);
        AUTO(auto_free) char *target = xcalloc(1, lengths[i] + 1);

        memset(name, 'a' + (int)i, lengths[i]);
        memset(target, 'A' + (int)i, lengths[i]);
        for (size_t j = 50; j < lengths[i]; j += 50)
            name[j] = '/';
        cr_assert(tar_writer_begin(&tar, name, &link, target, &err));
        strbuf_printf(&expected, "%s\n", name);
    }
    cr_assert(tar_writer_finish(&tar, &err));
    expect_listing("-tf", expected.data);
}

Test(tar_writer, large_files_are_flushed_in_between)
{
    struct stat file = stat_of(S_IFREG | 0644, 1 << 20);
    AUTO(auto_free) char *block = xcalloc(1, 1 << 16);

    memset(block, 'x', 1 << 16);
    cr_assert(tar_writer_begin(&tar, "f", &file, NULL, &err));
    for (int i = 0; i < 16; i++) {
        cr_assert(tar_writer_add(&tar, block, 1 << 16, &err));
        cr_expect_lt(tar.buf.len, 1U << 20);
    }
    cr_assert(tar_writer_finish(&tar, &err));
    expect_listing("-tf", "f\n");
}

Test(tar_writer, a_disk_that_takes_nothing_is_told)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct tar_writer other;

    cr_assert_geq(full, 0);
    tar_writer_init(&other, full);
    cr_expect_not(tar_writer_finish(&other, &err));
    cr_expect_eq(err.code, ERR_LIMIT);
    cr_expect_not_null(strstr(err.text, "No space left"), "%s", err.text);
    tar_writer_done(&other);
    close(full);
}
