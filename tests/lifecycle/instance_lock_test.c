/* instance_lock_test.c */
#include "lifecycle/instance_lock.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
    strcpy(dir, "/tmp/berth-lock-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/berth-one.lock", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/berth-two.lock", dir);
    unlink(path);
    rmdir(dir);
}

TestSuite(instance_lock, .init = make_dir, .fini = remove_dir);

Test(instance_lock, a_second_one_is_refused_and_told_who_has_it)
{
    struct err err = {0};
    char pid[32];
    int first = -1;
    int second = -1;

    cr_assert(instance_lock_take(dir, "one", &first, &err));
    cr_assert_not(instance_lock_take(dir, "one", &second, &err));
    cr_assert_eq(err.code, ERR_EXISTS);
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    cr_assert_not_null(strstr(err.text, pid), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "\"one\""), "%s", err.text);
    cr_assert_eq(second, -1);
    close(first);
}

Test(instance_lock, who_only_looks_neither_takes_nor_makes_it)
{
    struct err err = {0};
    char path[128];
    long pid = 0;
    int fd = -1;

    snprintf(path, sizeof path, "%s/berth-one.lock", dir);
    cr_assert_not(instance_lock_is_taken(dir, "one", &pid));
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert(instance_lock_take(dir, "one", &fd, &err));
    cr_assert(instance_lock_is_taken(dir, "one", &pid));
    cr_assert_eq(pid, (long)getpid());
    close(fd);
    cr_assert_not(instance_lock_is_taken(dir, "one", &pid), "given back");
    cr_assert(instance_lock_take(dir, "one", &fd, &err), "looking took none");
    close(fd);
}

Test(instance_lock, other_namespaces_are_free)
{
    struct err err = {0};
    int first = -1;
    int second = -1;

    cr_assert(instance_lock_take(dir, "one", &first, &err));
    cr_assert(instance_lock_take(dir, "two", &second, &err));
    close(first);
    close(second);
}

Test(instance_lock, goes_with_its_process_however_that_ends)
{
    struct err err = {0};
    int ready[2];
    int fd = -1;
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (instance_lock_take(dir, "one", &fd, &err) &&
            write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_not(instance_lock_take(dir, "one", &fd, &err));
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert(instance_lock_take(dir, "one", &fd, &err), "%s", err.text);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

Test(instance_lock, is_not_inherited_by_what_the_process_runs)
{
    struct err err = {0};
    int fd = -1;

    cr_assert(instance_lock_take(dir, "one", &fd, &err));
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

Test(instance_lock, a_directory_that_is_not_there_is_named)
{
    struct err err = {0};
    int fd = -1;

    cr_assert_not(instance_lock_take("/nonexistent", "one", &fd, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.text, "/nonexistent"), "%s", err.text);
}
