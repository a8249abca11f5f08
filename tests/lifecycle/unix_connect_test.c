#include "lifecycle/unix_connect.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[32];
static char path[64];
static char other[64];

static void init(void)
{
    snprintf(dir, sizeof dir, "/tmp/berth-unix-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/app.sock", dir);
    snprintf(other, sizeof other, "%s/other", dir);
}

static void fini(void)
{
    unlink(path);
    rmdir(path);
    unlink(other);
    rmdir(dir);
}

TestSuite(unix_connect, .init = init, .fini = fini);

static int bind_at(const char *at, int type, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", at);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (backlog >= 0)
        cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

Test(unix_connect, a_socket_that_listens_is_connected)
{
    int listener = bind_at(path, SOCK_STREAM, 5);
    int fd;
    int peer;
    char byte;
    struct err err;

    cr_assert(unix_connect(path, &fd, &err), "%s", err.text);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    peer = accept(listener, NULL, NULL);
    cr_assert_eq(write(fd, "x", 1), 1);
    cr_assert_eq(read(peer, &byte, 1), 1);
    cr_assert_eq(byte, 'x');
    close(peer);
    close(fd);
    close(listener);
}

static int next_fd(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

static void expect_failure(const char *label, enum err_code code)
{
    int before = next_fd();
    int fd = -7;
    struct err err;

    cr_expect_not(unix_connect(path, &fd, &err), "%s", label);
    cr_expect_eq(err.code, code, "%s: %d %s", label, err.code, err.text);
    cr_expect_eq(fd, -7, "%s: written to", label);
    cr_expect_eq(next_fd(), before, "%s: a descriptor is left open", label);
}

Test(unix_connect, nothing_else_is_opened)
{
    int listener = bind_at(other, SOCK_STREAM, 5);
    int datagram;
    int file;

    expect_failure("nothing there", ERR_NOT_FOUND);
    cr_assert_eq(symlink(other, path), 0);
    expect_failure("a link to a socket that listens", ERR_DENIED);
    unlink(path);
    cr_assert_eq(symlink("/no/such", path), 0);
    expect_failure("a dangling link", ERR_DENIED);
    unlink(path);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    expect_failure("a file", ERR_DENIED);
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_failure("a FIFO, which would block", ERR_DENIED);
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_failure("a directory", ERR_DENIED);
    rmdir(path);
    datagram = bind_at(path, SOCK_DGRAM, -1);
    expect_failure("a datagram socket", ERR_DENIED);
    close(datagram);
    unlink(path);
    close(listener);
}

Test(unix_connect, nobody_listens_or_accepts_is_for_now)
{
    int listener = bind_at(path, SOCK_STREAM, 0);
    int fds[16];
    unsigned count = 0;
    struct err err = {0};

    while (count < 16 && unix_connect(path, &fds[count], &err))
        count++;
    cr_assert_lt(count, 16, "the backlog never filled");
    cr_assert_eq(err.code, ERR_UNAVAILABLE, "%s", err.text);
    while (count > 0)
        close(fds[--count]);
    close(listener);
    expect_failure("a socket file that was left", ERR_UNAVAILABLE);
}

/* The address of a socket holds 107 bytes, its path may be longer. */
Test(unix_connect, a_long_path_is_no_problem)
{
    char deep[256];
    int listener = bind_at(path, SOCK_STREAM, 5);
    int fd;
    struct err err;

    snprintf(deep, sizeof deep, "%s/%s/%s/app.sock", dir,
             "./././././././././././././././././././././././././././././.",
             "./././././././././././././././././././././././././././././.");
    cr_assert(unix_connect(deep, &fd, &err), "%s", err.text);
    close(fd);
    close(listener);
}
