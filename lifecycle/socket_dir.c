/* socket_dir.c - the directories in which apps make their Unix sockets.
 *
 * What is in them is the apps' doing, so everything is done by descriptor and
 * without following links, with bounded work: no depth of directories and no
 * number of files may stop the keeper.
 */
#include "lifecycle/socket_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define REMOVALS_MAX 20000 /* of one directory at a time; some 100 ms */

static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int open_dir_at(int parent, const char *name)
{
    return openat(parent, name,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* STATE_DIR/sockets, ours and closed to others. Made when it is missing. */
static int open_parent(const char *state_dir, struct err *err)
{
    AUTO(auto_free) char *path = xasprintf("%s/sockets", state_dir);
    AUTO(auto_close) int fd = -1;
    struct stat status;
    int result;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        err_set_errno(err, errno, "make %s", path);
        return -1;
    }
    fd = open_dir_at(AT_FDCWD, path);
    if (fd < 0 || fstat(fd, &status) != 0) {
        err_set_errno(err, errno, "open %s", path);
        return -1;
    }
    if (status.st_uid != geteuid() || fchmod(fd, 0700) != 0) {
        err_set(err, ERR_DENIED, "%s belongs to somebody else: remove it",
                path);
        return -1;
    }
    result = fd;
    fd = -1;
    return result;
}

/* Move what is in directory `name` of `top` up into `top`, under names of our
 * own, so that trees of any depth are taken apart with one descriptor. */
static void flatten(int top, const char *name, unsigned *serial,
                    unsigned *budget)
{
    int fd = open_dir_at(top, name);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        *budget = 0; /* not to be removed: give up */
        return;
    }
    while (*budget > 0 && (entry = readdir(dir))) {
        char moved[32];

        if (is_dot(entry->d_name))
            continue;
        (*budget)--;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        snprintf(moved, sizeof moved, ".berth-%u", (*serial)++);
        if (renameat(fd, entry->d_name, top, moved) != 0 && errno != ENOENT)
            break;
    }
    closedir(dir);
}

/* One pass over `top`. True when it may be empty now. */
static bool remove_entries(int top, unsigned *serial, unsigned *budget)
{
    int fd = open_dir_at(top, ".");
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    bool is_clean = true;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    while (*budget > 0 && (entry = readdir(dir))) {
        if (is_dot(entry->d_name))
            continue;
        (*budget)--;
        if (unlinkat(top, entry->d_name, 0) == 0 ||
            unlinkat(top, entry->d_name, AT_REMOVEDIR) == 0)
            continue;
        flatten(top, entry->d_name, serial, budget);
        is_clean = false;
    }
    closedir(dir);
    return is_clean;
}

static void remove_at(int parent, const char *name)
{
    AUTO(auto_close) int top = -1;
    unsigned serial = 0;
    unsigned budget = REMOVALS_MAX;

    if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
        return;
    top = open_dir_at(parent, name);
    if (top < 0) {
        unlinkat(parent, name, 0);
        return;
    }
    while (budget > 0 && !remove_entries(top, &serial, &budget))
        ;
    unlinkat(parent, name, AT_REMOVEDIR);
}

bool socket_dir_make(const char *state_dir, const char *name,
                     const char *socket, char **ret_dir, struct err *err)
{
    AUTO(auto_free) char *dir = xasprintf("%s/sockets/%s", state_dir, name);
    AUTO(auto_close) int parent = -1;
    AUTO(auto_close) int fd = -1;
    const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (!is_plain_name(name) || !is_plain_name(socket))
        return err_set(err, ERR_INVALID, "\"%s\" is no plain file name",
                       is_plain_name(name) ? socket : name);
    if (strlen(dir) + 1 + strlen(socket) > most)
        return err_set(err, ERR_INVALID,
                       "%s/%s is too long for a socket's path (%zu bytes at "
                       "most): choose a shorter state_dir or name",
                       dir, socket, most);
    parent = open_parent(state_dir, err);
    if (parent < 0)
        return false;
    remove_at(parent, name); /* left from an earlier life */
    if (mkdirat(parent, name, 0700) != 0)
        return err_set_errno(err, errno, "make %s", dir);
    fd = open_dir_at(parent, name);
    if (fd < 0 || fchmod(fd, 0777) != 0)
        return err_set_errno(err, errno, "open %s to all", dir);
    *ret_dir = TAKE(dir);
    return true;
}

void socket_dir_remove(const char *state_dir, const char *name)
{
    AUTO(auto_close) int parent = open_parent(state_dir, NULL);

    if (parent >= 0 && is_plain_name(name))
        remove_at(parent, name);
}

static bool is_kept(const char *name, const char *const *keep, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(keep[i], name) == 0)
            return true;
    }
    return false;
}

void socket_dir_sweep(const char *state_dir, const char *const *keep,
                      unsigned count)
{
    int parent = open_parent(state_dir, NULL);
    DIR *dir = parent >= 0 ? fdopendir(parent) : NULL;
    const struct dirent *entry;

    if (!dir) {
        if (parent >= 0)
            close(parent);
        return;
    }
    while ((entry = readdir(dir))) {
        if (!is_dot(entry->d_name) && !is_kept(entry->d_name, keep, count))
            remove_at(parent, entry->d_name);
    }
    closedir(dir);
}
