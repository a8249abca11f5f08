/* state_dir.c - the directory in which berth keeps its sockets. */
#include "lifecycle/state_dir.h"

#include <errno.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

static bool explain_making(const char *path, int errno_value, struct err *err)
{
    return err_set_errno(err, errno_value,
                         "cannot make state_dir %s (its parent directory must "
                         "be there and writable; another one: state_dir "
                         "DIR;)",
                         path);
}

/* What is there, and can be looked at. */
static bool check_present(const char *path, const struct stat *st,
                          struct err *err)
{
    if (!S_ISDIR(st->st_mode))
        return err_set(err, ERR_DENIED,
                       "state_dir %s is not a directory; remove it, or name "
                       "another: state_dir DIR;",
                       path);
    if (st->st_uid != geteuid())
        return err_set(err, ERR_DENIED,
                       "state_dir %s belongs to uid %lu, not to uid %lu that "
                       "berth runs as; remove it, or name another: state_dir "
                       "DIR;",
                       path, (unsigned long)st->st_uid,
                       (unsigned long)geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, ERR_DENIED,
                       "state_dir %s is writable by others (mode %04o), who "
                       "could replace berth's sockets; name a directory of "
                       "berth's own: state_dir DIR; or chmod go-w this one, "
                       "where it is berth's alone",
                       path, (unsigned)st->st_mode & 07777U);
    return true;
}

bool state_dir_prepare(const char *path, struct err *err)
{
    /* Search permission for all, where root runs it: an operator's group may
     * be let at the admin socket by that socket's own mode. */
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    struct stat st;

    if (mkdir(path, mode) == 0) {
        /* umask(2) may have taken some away. */
        if (chmod(path, mode) != 0)
            return err_set_errno(err, errno, "state_dir %s", path);
        return true;
    }
    if (errno != EEXIST)
        return explain_making(path, errno, err);
    if (lstat(path, &st) != 0)
        return err_set_errno(err, errno, "state_dir %s", path);
    return check_present(path, &st, err);
}

bool state_dir_check(const char *path, struct err *err)
{
    AUTO(auto_free) char *copy = xstrdup(path);
    struct stat st;

    if (lstat(path, &st) == 0)
        return check_present(path, &st, err);
    if (errno != ENOENT)
        return err_set_errno(err, errno, "state_dir %s", path);
    if (access(dirname(copy), W_OK | X_OK) != 0)
        return explain_making(path, errno, err);
    return true;
}
