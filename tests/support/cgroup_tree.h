/* cgroup_tree.h - a made-up /sys/fs/cgroup and /proc below a directory in /tmp:
 * plain files, that keep what was last written.
 */
#ifndef TESTS_SUPPORT_CGROUP_TREE_H
#define TESTS_SUPPORT_CGROUP_TREE_H

#include <stdbool.h>

#include "lifecycle/container_cgroup.h"

struct cgroup_tree {
    char dir[64];
    char cgroup[80];
    char proc[80];
    struct cgroup_roots roots;
};

void cgroup_tree_make(struct cgroup_tree *tree);
void cgroup_tree_remove(struct cgroup_tree *tree);

/* A file below cgroup/ or proc/ ("cgroup/a/b/cgroup.freeze"), with the folders
 * above it. */
void cgroup_tree_put(const struct cgroup_tree *tree, const char *path,
                     const char *text);
/* What it holds now; "": nothing, or no file. Borrowed until the next one. */
const char *cgroup_tree_get(const struct cgroup_tree *tree, const char *path);
/* In place of the file, something that blocks who opens it for writing. */
void cgroup_tree_put_blocker(const struct cgroup_tree *tree, const char *path);

#endif
