#include "lifecycle/pull_bytes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char dir[] = "/tmp/pull_bytes_test.XXXXXX";
static struct list all;

static void init(void)
{
    cr_assert_not_null(mkdtemp(dir));
    list_init(&all);
}

static void done(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf %s", dir);

    cr_assert_eq(system(command), 0);
}

TestSuite(pull_bytes, .init = init, .fini = done);

static void make_folder(const char *name)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);

    cr_assert_eq(mkdir(path, 0700), 0);
}

static void write_file(const char *name, off_t size)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    cr_assert_eq(ftruncate(fileno(f), size), 0);
    fclose(f);
}

Test(pull_bytes, files_of_the_new_folder_are_summed)
{
    struct pull_bytes *pull;

    make_folder("storage1"); /* of a Podman that crashed */
    write_file("storage1/1", 1000);
    pull = pull_bytes_new(&all, dir);
    cr_expect_eq(pull_bytes_now(pull), 0);
    make_folder("other");
    write_file("other/1", 7);
    cr_expect_eq(pull_bytes_now(pull), 0);
    make_folder("container_images_storage2");
    cr_expect_eq(pull_bytes_now(pull), 0);
    write_file("container_images_storage2/1", 30);
    write_file("container_images_storage2/2", 4);
    cr_expect_eq(pull_bytes_now(pull), 34);
    done();
    cr_expect_eq(pull_bytes_now(pull), 34, "what has come has come");
    cr_assert_eq(mkdir(dir, 0700), 0);
    pull_bytes_free(&pull);
    pull_bytes_free(&pull);
}

Test(pull_bytes, two_pulls_do_not_take_the_same_folder)
{
    struct pull_bytes *first = pull_bytes_new(&all, dir);
    struct pull_bytes *second = pull_bytes_new(&all, dir);

    make_folder("storage1");
    write_file("storage1/1", 10);
    cr_expect_eq(pull_bytes_now(first), 10);
    cr_expect_eq(pull_bytes_now(second), 0);
    make_folder("storage2");
    write_file("storage2/1", 5);
    cr_expect_eq(pull_bytes_now(second), 5);
    cr_expect_eq(pull_bytes_now(first), 10);
    pull_bytes_free(&first);
    pull_bytes_free(&second);
}

/* The folder may be one that every user writes to. */
Test(pull_bytes, nothing_is_followed)
{
    struct pull_bytes *pull = pull_bytes_new(&all, dir);
    AUTO(auto_free) char *link = xasprintf("%s/storage1", dir);

    make_folder("x");
    write_file("x/1", 99);
    cr_assert_eq(symlink("x", link), 0);
    cr_expect_eq(pull_bytes_now(pull), 0);
    pull_bytes_free(&pull);
}

Test(pull_bytes, a_folder_that_is_not_there_counts_nothing)
{
    struct pull_bytes *pull = pull_bytes_new(&all, "");

    cr_expect_eq(pull_bytes_now(pull), 0);
    pull_bytes_free(&pull);
}
