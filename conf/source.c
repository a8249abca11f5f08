/* source.c - reads a file, and never waits for what is none. */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define READ_STEP 65536

static bool set_errno(struct err *err, int errno_value)
{
    enum err_code code = errno_value == ENOENT || errno_value == ENOTDIR
                             ? ERR_NOT_FOUND
                         : errno_value == EACCES ? ERR_DENIED
                                                 : ERR_IO;

    return err_set(err, code, "%s", strerror(errno_value));
}

static bool kind_fits(const struct stat *st, const struct source_limits *limits,
                      struct err *err)
{
    if (S_ISDIR(st->st_mode))
        return err_set(err, ERR_INVALID, "it is a directory");
    if (!S_ISREG(st->st_mode) && !limits->may_be_pipe)
        return err_set(err, ERR_INVALID, "it is not a regular file");
    if (limits->refuse_others && (st->st_mode & (S_IROTH | S_IWOTH)))
        return err_set(err, ERR_INVALID,
                       "every user may %s it; its mode should be 0600",
                       st->st_mode & S_IROTH ? "read" : "write");
    return true;
}

static bool read_all(int fd, size_t size_max, struct strbuf *ret_text,
                     struct err *err)
{
    size_t begin = ret_text->len;

    for (;;) {
        char *room = strbuf_reserve(ret_text, READ_STEP);
        ssize_t n = read(fd, room, READ_STEP);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return set_errno(err, errno);
        ret_text->len += (size_t)n;
        ret_text->data[ret_text->len] = '\0';
        if (n == 0)
            return true;
        if (ret_text->len - begin > size_max)
            return err_set(err, ERR_LIMIT, "it is larger than %zu bytes",
                           size_max);
    }
}

bool source_read(const char *path, const struct source_limits *limits,
                 struct strbuf *ret_text, struct stat *ret_stat,
                 struct err *err)
{
    /* O_NONBLOCK: a FIFO that nobody writes to must not hang the keeper. */
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY |
                (limits->may_be_pipe ? 0 : O_NONBLOCK);
    AUTO(auto_close) int fd = open(path, flags);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return set_errno(err, errno);
    if (!kind_fits(&st, limits, err) ||
        !read_all(fd, limits->size_max, ret_text, err))
        return false;
    *ret_stat = st;
    return true;
}
