/* unix_connect.c - connect to a Unix socket in a directory an app writes. */
#include "lifecycle/unix_connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/alloc.h"

static bool open_socket_file(const char *path, int *ret_fd, struct err *err)
{
    AUTO(auto_close)
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return err_set_errno(err, errno, "open the app's socket %s", path);
    if (fstat(fd, &status) != 0)
        return err_set_errno(err, errno, "look at the app's socket %s", path);
    if (!S_ISSOCK(status.st_mode))
        return err_set(err, ERR_DENIED,
                       "%s is %s, not a Unix socket: berth opens nothing else "
                       "that an app puts there",
                       path,
                       S_ISLNK(status.st_mode)   ? "a symbolic link"
                       : S_ISDIR(status.st_mode) ? "a directory"
                                                 : "a file");
    *ret_fd = fd;
    fd = -1;
    return true;
}

static bool explain(int failure, const char *path, struct err *err)
{
    switch (failure) {
    case ECONNREFUSED:
        return err_set(err, ERR_UNAVAILABLE, "nobody listens on %s", path);
    case EAGAIN:
        return err_set(err, ERR_UNAVAILABLE,
                       "the app does not accept on %s: its backlog is full",
                       path);
    case EPROTOTYPE:
        return err_set(err, ERR_DENIED, "%s is no stream socket", path);
    default:
        return err_set_errno(err, failure, "connect to the app's socket %s",
                             path);
    }
}

bool unix_connect(const char *path, int *ret_fd, struct err *err)
{
    AUTO(auto_close) int file = -1;
    AUTO(auto_close) int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!open_socket_file(path, &file, err))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "make a socket");
    /* This very file, whatever the name leads to by now. */
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d",
             file);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return explain(errno, path, err);
    *ret_fd = fd;
    fd = -1;
    return true;
}
