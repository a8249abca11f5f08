/* cgroup_tree.c - a made-up /sys/fs/cgroup and /proc. */
#include "tests/support/cgroup_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/base/alloc.h"

void cgroup_tree_make(struct cgroup_tree *tree)
{
    snprintf(tree->dir, sizeof tree->dir, "/tmp/berth-cgroup-XXXXXX");
    if (!mkdtemp(tree->dir))
        abort();
    snprintf(tree->cgroup, sizeof tree->cgroup, "%s/cgroup", tree->dir);
    snprintf(tree->proc, sizeof tree->proc, "%s/proc", tree->dir);
    if (mkdir(tree->cgroup, 0700) != 0 || mkdir(tree->proc, 0700) != 0)
        abort();
    tree->roots = (struct cgroup_roots){tree->cgroup, tree->proc};
}

void cgroup_tree_remove(struct cgroup_tree *tree)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf '%s'", tree->dir);

    if (system(command) != 0)
        abort();
}

static char *path_of(const struct cgroup_tree *tree, const char *path)
{
    AUTO(auto_free) char *whole = xasprintf("%s/%s", tree->dir, path);

    for (char *at = whole + strlen(tree->dir) + 1; (at = strchr(at, '/'));
         at++) {
        *at = '\0';
        mkdir(whole, 0700);
        *at = '/';
    }
    return TAKE(whole);
}

void cgroup_tree_put(const struct cgroup_tree *tree, const char *path,
                     const char *text)
{
    AUTO(auto_free) char *whole = path_of(tree, path);
    FILE *file = fopen(whole, "w");

    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

const char *cgroup_tree_get(const struct cgroup_tree *tree, const char *path)
{
    AUTO(auto_free) char *whole = path_of(tree, path);
    static char text[4096];
    FILE *file = fopen(whole, "r");
    size_t n = 0;

    if (file) {
        n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[n] = '\0';
    return text;
}

void cgroup_tree_put_blocker(const struct cgroup_tree *tree, const char *path)
{
    AUTO(auto_free) char *whole = path_of(tree, path);

    unlink(whole);
    if (mkfifo(whole, 0600) != 0)
        abort();
}
