#include "lifecycle/socket_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

static char state[32];

static void init(void)
{
    snprintf(state, sizeof state, "/tmp/berth-dir-XXXXXX");
    cr_assert_not_null(mkdtemp(state));
}

static void fini(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf %s", state);

    cr_assert_eq(system(command), 0);
}

TestSuite(socket_dir, .init = init, .fini = fini);

static char *make(const char *name)
{
    char *dir = NULL;
    struct err err;

    cr_assert(socket_dir_make(state, name, "app.sock", &dir, &err), "%s",
              err.text);
    return dir;
}

static void touch(const char *dir, const char *name)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0000);

    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    close(fd);
}

static bool exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

Test(socket_dir, is_open_to_all_in_one_that_only_berth_enters)
{
    AUTO(auto_free) char *dir = NULL;
    AUTO(auto_free) char *parent = xasprintf("%s/sockets", state);
    struct stat status;

    umask(0077);
    dir = make("berth-ns-app-1");
    cr_assert_eq(stat(dir, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0777);
    cr_assert_eq(stat(parent, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0700);
    chmod(parent, 0755);
    free(make("another"));
    cr_assert_eq(stat(parent, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0700, "not closed again");
}

Test(socket_dir, is_empty_when_it_is_made_and_gone_when_removed)
{
    AUTO(auto_free) char *dir = make("a");
    AUTO(auto_free) char *file = xasprintf("%s/old.sock", dir);

    touch(dir, "old.sock");
    free(make("a"));
    cr_assert_not(exists(file));
    touch(dir, "x");
    socket_dir_remove(state, "a");
    cr_assert_not(exists(dir));
    socket_dir_remove(state, "a");
    socket_dir_remove(state, "never-made");
}

/* Deeper than there are descriptors, and than a path may be long. */
Test(socket_dir, whatever_an_app_leaves_is_taken_apart)
{
    AUTO(auto_free) char *dir = make("a");
    AUTO(auto_free) char *outside = xasprintf("%s/outside", state);
    AUTO(auto_free) char *link = xasprintf("%s/link", dir);
    AUTO(auto_free) char *dir_link = xasprintf("%s/dir-link", dir);

    mkdir(outside, 0700);
    touch(outside, "precious");
    cr_assert_eq(symlink(outside, dir_link), 0);
    cr_assert_eq(symlink("/etc/passwd", link), 0);
    cr_assert_eq(chdir(dir), 0);
    for (int i = 0; i < 2000; i++) {
        cr_assert_eq(mkdir("deeper-and-deeper", 0700), 0);
        cr_assert_eq(chdir("deeper-and-deeper"), 0);
        touch(".", "file");
        cr_assert_eq(mkdir("sibling", 0700), 0);
        touch("sibling", "file");
    }
    cr_assert_eq(chdir("/"), 0);
    socket_dir_remove(state, "a");
    cr_assert_not(exists(dir));
    cr_assert(exists("/etc/passwd"));
    {
        AUTO(auto_free) char *precious = xasprintf("%s/precious", outside);

        cr_assert(exists(precious));
    }
}

/* A flood costs a bounded time; what stays goes in the next rounds. */
Test(socket_dir, a_flood_of_files_is_removed_in_rounds)
{
    AUTO(auto_free) char *dir = make("a");
    unsigned rounds = 0;

    cr_assert_eq(chdir(dir), 0);
    for (int i = 0; i < 25000; i++) {
        char name[16];

        snprintf(name, sizeof name, "%d", i);
        cr_assert_eq(mkfifo(name, 0600), 0);
    }
    cr_assert_eq(chdir("/"), 0);
    while (exists(dir) && rounds < 10) {
        socket_dir_remove(state, "a");
        rounds++;
    }
    cr_assert_eq(rounds, 2);
}

Test(socket_dir, names_that_lead_elsewhere_are_refused)
{
    static const struct {
        const char *name;
        const char *socket;
    } cases[] = {
        {"..", "s"}, {".", "s"},   {"", "s"}, {"a/b", "s"},
        {"a", ".."}, {"a", "x/y"}, {"a", ""}, {"../x", "s"},
    };
    char long_name[120];
    char *dir = NULL;
    struct err err;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_not(
            socket_dir_make(state, cases[i].name, cases[i].socket, &dir, &err),
            "%s %s", cases[i].name, cases[i].socket);
        cr_expect_eq(err.code, ERR_INVALID);
    }
    memset(long_name, 'n', sizeof long_name);
    long_name[90] = '\0';
    cr_expect_not(socket_dir_make(state, long_name, "s", &dir, &err));
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_not_null(strstr(err.text, "107"), "%s", err.text);
    socket_dir_remove(state, "..");
    socket_dir_remove(state, ".");
    cr_assert(exists(state));
    cr_assert_null(dir);
}

Test(socket_dir, what_is_in_the_way_is_not_followed)
{
    AUTO(auto_free) char *parent = xasprintf("%s/sockets", state);
    AUTO(auto_free) char *elsewhere = xasprintf("%s/elsewhere", state);
    AUTO(auto_free) char *name = xasprintf("%s/a", parent);
    AUTO(auto_free) char *dir = NULL;
    struct stat status;
    struct err err;

    mkdir(elsewhere, 0700);
    cr_assert_eq(symlink(elsewhere, parent), 0);
    cr_assert_not(socket_dir_make(state, "a", "s", &dir, &err));
    unlink(parent);

    mkdir(parent, 0700);
    cr_assert_eq(symlink(elsewhere, name), 0);
    dir = make("a");
    cr_assert_eq(lstat(dir, &status), 0);
    cr_assert(S_ISDIR(status.st_mode));
    cr_assert(exists(elsewhere));
}

Test(socket_dir, sweep_keeps_what_is_named)
{
    AUTO(auto_free) char *a = make("a");
    AUTO(auto_free) char *b = make("b");
    AUTO(auto_free) char *c = make("c");
    const char *keep[] = {"b", "x"};

    touch(a, "s");
    touch(b, "s");
    socket_dir_sweep(state, keep, 2);
    cr_assert_not(exists(a));
    cr_assert(exists(b));
    cr_assert_not(exists(c));
    socket_dir_sweep(state, NULL, 0);
    cr_assert_not(exists(b));
}
