/* pull_bytes.c - how many bytes a pull has brought so far. */
#include "lifecycle/pull_bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

/* Far more than pulls run at a time; a crash of Podman leaves some behind. */
#define FOLDERS_MAX 256

struct pull_bytes {
    struct list node; /* of all that are under way */
    struct list *all;
    char *dir;
    char **before; /* folders that are not ours */
    unsigned before_count;
    char *folder; /* NULL: not seen yet */
    uint64_t most;
};

/* "storage123" in Podman 4, "container_images_storage123" in 5. */
static bool is_folder_of_a_pull(const char *name)
{
    return strncmp(name, "storage", 7) == 0 ||
           strncmp(name, "container_images_storage", 24) == 0;
}

static bool was_there(const struct pull_bytes *pull, const char *name)
{
    for (unsigned i = 0; i < pull->before_count; i++)
        if (strcmp(pull->before[i], name) == 0)
            return true;
    return false;
}

static bool is_taken(const struct pull_bytes *pull, const char *name)
{
    LIST_FOREACH (pull->all, node) {
        const struct pull_bytes *other =
            container_of(node, struct pull_bytes, node);

        if (other->folder && strcmp(other->folder, name) == 0)
            return true;
    }
    return false;
}

static void note_what_is_there(struct pull_bytes *pull)
{
    DIR *dir = opendir(pull->dir);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)) && pull->before_count < FOLDERS_MAX) {
        if (!is_folder_of_a_pull(entry->d_name))
            continue;
        pull->before = xrealloc(pull->before, (pull->before_count + 1) *
                                                  sizeof *pull->before);
        pull->before[pull->before_count++] = xstrdup(entry->d_name);
    }
    closedir(dir);
}

struct pull_bytes *pull_bytes_new(struct list *all, const char *dir)
{
    struct pull_bytes *pull = xcalloc(1, sizeof *pull);

    pull->all = all;
    pull->dir = xstrdup(dir);
    note_what_is_there(pull);
    list_add_tail(all, &pull->node);
    return pull;
}

void pull_bytes_free(struct pull_bytes **pull_ptr)
{
    struct pull_bytes *pull = *pull_ptr;

    if (!pull)
        return;
    list_remove(&pull->node);
    for (unsigned i = 0; i < pull->before_count; i++)
        free(pull->before[i]);
    free(pull->before);
    free(pull->folder);
    free(pull->dir);
    free(pull);
    *pull_ptr = NULL;
}

static void take_folder(struct pull_bytes *pull)
{
    DIR *dir = opendir(pull->dir);
    const struct dirent *entry;

    if (!dir)
        return;
    while (!pull->folder && (entry = readdir(dir))) {
        if (is_folder_of_a_pull(entry->d_name) &&
            !was_there(pull, entry->d_name) && !is_taken(pull, entry->d_name))
            pull->folder = xstrdup(entry->d_name);
    }
    closedir(dir);
}

/* Of regular files; never through a link: the folder's parent may be one that
 * every user writes to. */
static uint64_t sum_of(const struct pull_bytes *pull)
{
    AUTO(auto_free) char *path = xasprintf("%s/%s", pull->dir, pull->folder);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    uint64_t sum = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while ((entry = readdir(dir))) {
        struct stat st;

        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    closedir(dir);
    return sum;
}

uint64_t pull_bytes_now(struct pull_bytes *pull)
{
    uint64_t sum;

    if (!pull->folder)
        take_folder(pull);
    if (!pull->folder)
        return pull->most;
    sum = sum_of(pull);
    if (sum > pull->most)
        pull->most = sum;
    return pull->most;
}
