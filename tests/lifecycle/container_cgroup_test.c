#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/container_cgroup.h"
#include "tests/support/cgroup_tree.h"

#define ID                      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD                     "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define LINE(controllers, path) "3:" controllers ":" path "\n"

static struct cgroup_tree tree;

static void make(void)
{
    cgroup_tree_make(&tree);
}

static void drop(void)
{
    cgroup_tree_remove(&tree);
}

TestSuite(container_cgroup, .init = make, .fini = drop);

/* `is` is `want` below the tree's cgroup directory, or both are NULL. */
static void expect_dir(const char *is, const char *want, const char *label)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", tree.cgroup, want ? want : "");
    if (want)
        cr_expect_str_eq(is ? is : "none", path, "%s", label);
    else
        cr_expect_null(is, "%s: %s", label, is);
}

Test(container_cgroup, is_found_under_every_layout)
{
    static const struct {
        const char *label;
        const char *proc;
        const char *files[4]; /* that exist */
        const char *freezer_v2;
        const char *freezer_v1;
        const char *memory;
    } cases[] = {
        {"v2, systemd, crun",
         "0::/machine.slice/libpod-" ID ".scope/container\n",
         {"cgroup.controllers",
          "machine.slice/libpod-" ID ".scope/container/cgroup.freeze",
          "machine.slice/libpod-" ID ".scope/container/memory.current"},
         "machine.slice/libpod-" ID ".scope/container",
         NULL,
         "machine.slice/libpod-" ID ".scope/container"},
        {"v2, systemd, runc: the scope itself",
         "0::/machine.slice/libpod-" ID ".scope\n",
         {"cgroup.controllers",
          "machine.slice/libpod-" ID ".scope/cgroup.freeze",
          "machine.slice/libpod-" ID ".scope/memory.current"},
         "machine.slice/libpod-" ID ".scope",
         NULL,
         "machine.slice/libpod-" ID ".scope"},
        {"v2, in a pod, rootless, crun, the app made one of its own below",
         "0::/user.slice/user-1000.slice/user@1000.service/user.slice/"
         "user-libpod_pod_" POD ".slice/libpod-" ID
         ".scope/container/init.scope\n",
         {"cgroup.controllers",
          "user.slice/user-1000.slice/user@1000.service/user.slice/"
          "user-libpod_pod_" POD ".slice/libpod-" ID
          ".scope/container/cgroup.freeze"},
         "user.slice/user-1000.slice/user@1000.service/user.slice/"
         "user-libpod_pod_" POD ".slice/libpod-" ID ".scope/container",
         NULL,
         NULL},
        {"v2, what is called containerd is not crun's container",
         "0::/libpod_parent/libpod-" ID "/containerd\n",
         {"cgroup.controllers", "libpod_parent/libpod-" ID "/cgroup.freeze",
          "libpod_parent/libpod-" ID "/containerd/cgroup.freeze"},
         "libpod_parent/libpod-" ID,
         NULL,
         NULL},
        {"v1 alone",
         LINE("memory", "/libpod_parent/libpod-" ID)
             LINE("freezer", "/libpod_parent/libpod-" ID),
         {"freezer/libpod_parent/libpod-" ID "/freezer.state",
          "memory/libpod_parent/libpod-" ID "/memory.usage_in_bytes"},
         NULL,
         "freezer/libpod_parent/libpod-" ID,
         "memory/libpod_parent/libpod-" ID},
        {"hybrid: v1 and v2 at once, memory in v1",
         LINE("memory", "/libpod_parent/libpod-" ID) LINE(
             "cpu,freezer",
             "/libpod_parent/libpod-" ID) "0::/libpod_parent/libpod-" ID "\n",
         {"freezer/libpod_parent/libpod-" ID "/freezer.state",
          "memory/libpod_parent/libpod-" ID "/memory.usage_in_bytes",
          "unified/libpod_parent/libpod-" ID "/cgroup.freeze"},
         "unified/libpod_parent/libpod-" ID,
         "freezer/libpod_parent/libpod-" ID,
         "memory/libpod_parent/libpod-" ID},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct container_cgroup cgroup;
        struct err err;

        cgroup_tree_remove(&tree);
        cgroup_tree_make(&tree);
        cgroup_tree_put(&tree, "proc/7/cgroup", cases[i].proc);
        for (size_t j = 0; j < 4 && cases[i].files[j]; j++) {
            char path[512];

            snprintf(path, sizeof path, "cgroup/%s", cases[i].files[j]);
            cgroup_tree_put(&tree, path, "0\n");
        }
        cr_assert(container_cgroup_find(&tree.roots, 7, ID, &cgroup, &err),
                  "%s: %s", cases[i].label, err.text);
        expect_dir(cgroup.freezer_v2, cases[i].freezer_v2, cases[i].label);
        expect_dir(cgroup.freezer_v1, cases[i].freezer_v1, cases[i].label);
        expect_dir(cgroup.memory, cases[i].memory, cases[i].label);
        container_cgroup_done(&cgroup);
        cr_expect_null(cgroup.freezer_v2);
    }
}

Test(container_cgroup, of_another_or_out_of_sight_is_not_found)
{
    static const struct {
        const char *label;
        const char *proc; /* NULL: the process has ended */
    } cases[] = {
        {"no process", NULL},
        {"nothing", ""},
        {"not a cgroup file", "hello\n\n:::\n"},
        {"of another container", "0::/libpod_parent/libpod-" POD "\n"},
        {"of no container", "0::/\n"},
        {"above our own cgroup namespace",
         "0::/../libpod_parent/libpod-" ID "\n"},
        {"the directory is not there", "0::/gone/libpod-" ID "\n"},
    };

    cgroup_tree_put(&tree, "cgroup/cgroup.controllers", "");
    cgroup_tree_put(&tree, "cgroup/libpod_parent/libpod-" POD "/cgroup.freeze",
                    "0\n");
    cgroup_tree_put(&tree, "libpod_parent/libpod-" ID "/cgroup.freeze", "0\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct container_cgroup cgroup;
        struct err err = {0};
        char path[64];

        snprintf(path, sizeof path, "proc/%zu/cgroup", i + 2);
        if (cases[i].proc)
            cgroup_tree_put(&tree, path, cases[i].proc);
        cr_expect_not(
            container_cgroup_find(&tree.roots, (int)i + 2, ID, &cgroup, &err),
            "%s", cases[i].label);
        cr_expect_eq(err.code, ERR_NOT_FOUND, "%s", cases[i].label);
    }
}

Test(container_cgroup, files_are_read_and_written)
{
    uint64_t value = 5;
    char text[8];
    struct err err;

    cgroup_tree_put(&tree, "cgroup/n", "4096\n");
    cgroup_tree_put(&tree, "cgroup/max", "max\n");
    cgroup_tree_put(&tree, "cgroup/text", "some text\n");
    cr_assert(cgroup_read_number(tree.cgroup, "n", &value));
    cr_assert_eq(value, 4096);
    cr_assert(cgroup_read_number(tree.cgroup, "max", &value));
    cr_assert_eq(value, UINT64_MAX);
    cr_assert_not(cgroup_read_number(tree.cgroup, "text", &value));
    cr_assert_not(cgroup_read_number(tree.cgroup, "none", &value));
    cr_assert(cgroup_read(tree.cgroup, "text", text, sizeof text, &err));
    cr_assert_str_eq(text, "some te", "never beyond the buffer");
    cr_assert(cgroup_write(tree.cgroup, "n", "1", &err));
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/n"), "1");
    cr_assert_not(cgroup_write("/proc/self", "status", "1", &err));
    cr_assert_eq(err.code, ERR_IO, "%s", err.text);
    cr_assert_not(cgroup_write("/nowhere", "n", "1", &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND, "%s", err.text);
    cr_assert(cgroup_has(tree.cgroup, "n"));
    cr_assert_not(cgroup_has(tree.cgroup, "none"));
}

Test(container_cgroup, statistics_are_looked_up_by_whole_keys)
{
    static const char text[] = "anon 12\nanon_thp 7\nshmem 3\nbad x\nfrozen 1";

    cr_assert_eq(cgroup_stat_of(text, "anon"), 12);
    cr_assert_eq(cgroup_stat_of(text, "anon_thp"), 7);
    cr_assert_eq(cgroup_stat_of(text, "frozen"), 1, "the last line");
    cr_assert_eq(cgroup_stat_of(text, "bad"), 0);
    cr_assert_eq(cgroup_stat_of(text, "mem"), 0);
    cr_assert_eq(cgroup_stat_of("", "anon"), 0);
}

Test(container_cgroup, tells_how_many_were_killed_for_want_of_memory)
{
    struct container_cgroup cgroup = {.memory = tree.cgroup};

    cr_assert_eq(container_cgroup_oom_kills(&cgroup), 0U, "no such file");
    cgroup_tree_put(&tree, "cgroup/memory.oom_control",
                    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    cgroup_tree_put(&tree, "cgroup/memory.events",
                    "low 0\nhigh 0\nmax 7\noom 3\noom_kill 1\n"
                    "oom_group_kill 0\n");
    cr_assert_eq(container_cgroup_oom_kills(&cgroup), 2U);
    cgroup.memory_is_v2 = true;
    cr_assert_eq(container_cgroup_oom_kills(&cgroup), 1U);
    cgroup.memory = NULL;
    cr_assert_eq(container_cgroup_oom_kills(&cgroup), 0U);
}
