/* container_cgroup.c - where a container's cgroup is. */
#include "lifecycle/container_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

#define PROC_CGROUP_MAX 16384

const struct cgroup_roots *cgroup_roots_of_host(void)
{
    static const struct cgroup_roots roots = {"/sys/fs/cgroup", "/proc"};

    return &roots;
}

/* ------------------------------------------------------------------- files */

/* A write to a control file is taken whole or not at all. */
static bool file_error(struct err *err, const char *dir, const char *name)
{
    int failure = errno;

    if (!err)
        return false;
    err_set_errno(err, failure, "%s/%s", dir, name);
    switch (failure) {
    case EACCES:
    case EPERM:
    case EROFS:
        err->code = ERR_DENIED;
        break;
    case ENOENT:
    case ENODEV: /* removed while it was open */
    case ENOTDIR:
        err->code = ERR_NOT_FOUND;
        break;
    case EAGAIN:
    case EBUSY:
    case EINTR:
        err->code = ERR_UNAVAILABLE;
        break;
    default:
        err->code = ERR_IO;
    }
    return false;
}

bool cgroup_read(const char *dir, const char *name, char *ret_text, size_t size,
                 struct err *err)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);
    AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0)
        return file_error(err, dir, name);
    while (len < size - 1 && n > 0) {
        n = read(fd, ret_text + len, size - 1 - len);
        if (n < 0)
            return file_error(err, dir, name);
        len += (size_t)n;
    }
    if (len > 0 && ret_text[len - 1] == '\n')
        len--;
    ret_text[len] = '\0';
    return true;
}

bool cgroup_write(const char *dir, const char *name, const char *text,
                  struct err *err)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);
    AUTO(auto_close) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return file_error(err, dir, name);
    return true;
}

static bool may(const char *dir, const char *name, int mode)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", dir, name);

    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

bool cgroup_may_write(const char *dir, const char *name)
{
    return may(dir, name, W_OK);
}

bool cgroup_has(const char *dir, const char *name)
{
    return may(dir, name, F_OK);
}

bool cgroup_read_number(const char *dir, const char *name, uint64_t *ret_value)
{
    char text[64];

    if (!cgroup_read(dir, name, text, sizeof text, NULL))
        return false;
    if (strcmp(text, "max") == 0) {
        *ret_value = UINT64_MAX;
        return true;
    }
    return sv_to_u64(sv_of(text), UINT64_MAX, ret_value);
}

uint64_t cgroup_stat_of(const char *text, const char *key)
{
    struct strview rest = sv_of(text);
    struct strview line;
    size_t key_len = strlen(key);
    uint64_t value = 0;

    while (rest.len > 0 && sv_split(&rest, '\n', &line)) {
        if (line.len > key_len && line.ptr[key_len] == ' ' &&
            memcmp(line.ptr, key, key_len) == 0 &&
            sv_to_u64(sv_skip(line, key_len + 1), UINT64_MAX, &value))
            return value;
    }
    return 0;
}

/* ------------------------------------------------------------- the process */

/* "/a/libpod-ID.scope/container/deeper" up to the container's own cgroup: the
 * first component with the id, and crun's `container` below it. What the app
 * made below that is frozen and counted along. false: not ours to be seen. */
static bool cut_path(struct strview path, const char *id, struct strview *ret)
{
    static const char below[] = "/container";
    size_t below_len = sizeof below - 1;
    const char *at = memmem(path.ptr, path.len, id, strlen(id));
    const char *end = path.ptr + path.len;

    if (!at || path.ptr[0] != '/' || memmem(path.ptr, path.len, "/../", 4))
        return false;
    at = memchr(at, '/', (size_t)(end - at));
    if (at) {
        path.len = (size_t)(at - path.ptr);
        if ((size_t)(end - at) >= below_len &&
            memcmp(at, below, below_len) == 0 &&
            (at + below_len == end || at[below_len] == '/'))
            path.len += below_len;
    }
    *ret = path;
    return true;
}

/* root[/mount]/path, where it has `file`; else NULL. */
static char *dir_with(const char *root, const char *mount, struct strview path,
                      const char *file)
{
    AUTO(auto_free)
    char *dir =
        xasprintf("%s%s%s%.*s", root, mount[0] ? "/" : "", mount, SV_ARG(path));

    return cgroup_has(dir, file) ? TAKE(dir) : NULL;
}

/* "6:cpu,freezer:" names the controller? */
static bool names(struct strview controllers, const char *name)
{
    struct strview item;

    while (controllers.len > 0 && sv_split(&controllers, ',', &item)) {
        if (sv_eq(item, sv_of(name)))
            return true;
    }
    return false;
}

static void add_unified(struct container_cgroup *cgroup, const char *root,
                        struct strview path)
{
    const char *mount = cgroup_has(root, "cgroup.controllers") ? "" : "unified";

    cgroup->freezer_v2 = dir_with(root, mount, path, "cgroup.freeze");
    if (!cgroup->cpu)
        cgroup->cpu = dir_with(root, mount, path, "cpu.max");
    if (!cgroup->pids)
        cgroup->pids = dir_with(root, mount, path, "pids.max");
    if (cgroup->memory)
        return;
    cgroup->memory = dir_with(root, mount, path, "memory.current");
    cgroup->memory_is_v2 = cgroup->memory != NULL;
}

/* One line of /proc/PID/cgroup: "NUMBER:CONTROLLERS:PATH". */
static void add_line(struct container_cgroup *cgroup, const char *root,
                     struct strview line, const char *id)
{
    struct strview number;
    struct strview controllers;
    struct strview path;

    if (!sv_split(&line, ':', &number) || !sv_split(&line, ':', &controllers) ||
        !cut_path(line, id, &path))
        return;
    if (controllers.len == 0)
        add_unified(cgroup, root, path);
    if (names(controllers, "freezer") && !cgroup->freezer_v1)
        cgroup->freezer_v1 = dir_with(root, "freezer", path, "freezer.state");
    if (names(controllers, "memory") && !cgroup->memory)
        cgroup->memory =
            dir_with(root, "memory", path, "memory.usage_in_bytes");
    if (names(controllers, "cpu") && !cgroup->cpu)
        cgroup->cpu = dir_with(root, "cpu", path, "cpu.cfs_quota_us");
    if (names(controllers, "pids") && !cgroup->pids)
        cgroup->pids = dir_with(root, "pids", path, "pids.max");
}

bool container_cgroup_find(const struct cgroup_roots *roots, int pid,
                           const char *id, struct container_cgroup *ret_cgroup,
                           struct err *err)
{
    AUTO(auto_free) char *dir = xasprintf("%s/%d", roots->proc, pid);
    AUTO(auto_free) char *text = xcalloc(1, PROC_CGROUP_MAX);
    struct container_cgroup cgroup = {0};
    struct strview rest;
    struct strview line;

    if (!cgroup_read(dir, "cgroup", text, PROC_CGROUP_MAX, err))
        return false;
    rest = sv_of(text);
    while (rest.len > 0 && sv_split(&rest, '\n', &line))
        add_line(&cgroup, roots->cgroup, line, id);
    if (!cgroup.freezer_v1 && !cgroup.freezer_v2 && !cgroup.memory)
        return err_set(err, ERR_NOT_FOUND,
                       "no cgroup of container %.12s is to be seen below %s",
                       id, roots->cgroup);
    *ret_cgroup = cgroup;
    return true;
}

void container_cgroup_done(struct container_cgroup *cgroup)
{
    free(cgroup->freezer_v1);
    free(cgroup->freezer_v2);
    free(cgroup->memory);
    free(cgroup->cpu);
    free(cgroup->pids);
    *cgroup = (struct container_cgroup){0};
}

unsigned container_cgroup_oom_kills(const struct container_cgroup *cgroup)
{
    char text[512];

    if (!cgroup->memory ||
        !cgroup_read(cgroup->memory,
                     cgroup->memory_is_v2 ? "memory.events"
                                          : "memory.oom_control",
                     text, sizeof text, NULL))
        return 0;
    return (unsigned)cgroup_stat_of(text, "oom_kill");
}
