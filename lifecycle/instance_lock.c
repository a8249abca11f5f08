/* instance_lock.c - one keeper per namespace. */
#include "lifecycle/instance_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "router/base/alloc.h"

/* Who holds it, for messages only: what stands in the file is a claim. */
static long read_pid(int fd)
{
    char text[32] = "";

    if (pread(fd, text, sizeof text - 1, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static bool refuse(int fd, const char *name, const char *path, struct err *err)
{
    long pid = read_pid(fd);

    if (pid > 0)
        return err_set(err, ERR_EXISTS,
                       "another berth (pid %ld) already runs the namespace "
                       "\"%s\" (it holds %s); stop it first, or give this one "
                       "a namespace of its own: podman { namespace NAME; }",
                       pid, name, path);
    return err_set(err, ERR_EXISTS,
                   "another berth already runs the namespace \"%s\" (it holds "
                   "%s); stop it first, or give this one a namespace of its "
                   "own: podman { namespace NAME; }",
                   name, path);
}

bool instance_lock_take(const char *dir, const char *name, int *ret_fd,
                        struct err *err)
{
    AUTO(auto_free)
    char *path = xasprintf("%s/berth-%s.lock", dir, name);
    AUTO(auto_close)
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    char text[32];

    if (fd < 0)
        return err_set_errno(err, errno, "%s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return refuse(fd, name, path, err);
        return err_set_errno(err, errno, "%s: flock", path);
    }
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* The number is for people; the lock holds without it. */
    if (ftruncate(fd, 0) == 0 &&
        pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        errno = 0;
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool instance_lock_is_taken(const char *dir, const char *name, long *ret_pid)
{
    AUTO(auto_free)
    char *path = xasprintf("%s/berth-%s.lock", dir, name);
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return false; /* closing gives back what was locked */
    *ret_pid = read_pid(fd);
    return true;
}
