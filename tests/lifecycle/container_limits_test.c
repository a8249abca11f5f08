/* The limits that a container has, under each layout of cgroups. */
#include "lifecycle/container_limits.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lifecycle/container_settings.h"
#include "tests/support/cgroup_tree.h"

#define ID      "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"
#define UNKNOWN ENGINE_LIMIT_UNKNOWN

static struct cgroup_tree tree;

static void make(void)
{
    cgroup_tree_make(&tree);
}

static void drop(void)
{
    cgroup_tree_remove(&tree);
}

TestSuite(container_limits, .init = make, .fini = drop);

struct file {
    const char *path; /* NULL: no more */
    const char *text;
};

static void put(const struct file *files)
{
    for (; files->path; files++)
        cgroup_tree_put(&tree, files->path, files->text);
}

Test(container_limits, are_read_under_every_layout)
{
    static const struct {
        const char *label;
        struct file files[10];
        struct engine_limits want;
    } cases[] = {
        {"v1",
         {{"proc/7/cgroup",
           "3:cpu,cpuacct:/p/libpod-" ID "\n2:memory:/p/libpod-" ID
           "\n1:pids:/p/libpod-" ID "\n"},
          {"cgroup/cpu/p/libpod-" ID "/cpu.cfs_quota_us", "50000\n"},
          {"cgroup/cpu/p/libpod-" ID "/cpu.cfs_period_us", "100000\n"},
          {"cgroup/memory/p/libpod-" ID "/memory.usage_in_bytes", "1\n"},
          {"cgroup/memory/p/libpod-" ID "/memory.limit_in_bytes", "67108864\n"},
          {"cgroup/pids/p/libpod-" ID "/pids.max", "100\n"}},
         {500, 67108864, 100}},
        {"v1, none",
         {{"proc/7/cgroup",
           "3:cpu,cpuacct:/p/libpod-" ID "\n2:memory:/p/libpod-" ID
           "\n1:pids:/p/libpod-" ID "\n"},
          {"cgroup/cpu/p/libpod-" ID "/cpu.cfs_quota_us", "-1\n"},
          {"cgroup/cpu/p/libpod-" ID "/cpu.cfs_period_us", "100000\n"},
          {"cgroup/memory/p/libpod-" ID "/memory.usage_in_bytes", "1\n"},
          {"cgroup/memory/p/libpod-" ID "/memory.limit_in_bytes",
           "9223372036854771712\n"},
          {"cgroup/pids/p/libpod-" ID "/pids.max", "max\n"}},
         {0, 0, 0}},
        {"v2, runc",
         {{"proc/7/cgroup", "0::/m/libpod-" ID ".scope\n"},
          {"cgroup/cgroup.controllers", ""},
          {"cgroup/m/libpod-" ID ".scope/cpu.max", "33300 100000\n"},
          {"cgroup/m/libpod-" ID ".scope/memory.current", "1\n"},
          {"cgroup/m/libpod-" ID ".scope/memory.max", "4096\n"},
          {"cgroup/m/libpod-" ID ".scope/pids.max", "7\n"}},
         {333, 4096, 7}},
        {"v2, crun: the scope has them",
         {{"proc/7/cgroup", "0::/m/libpod-" ID ".scope/container\n"},
          {"cgroup/cgroup.controllers", ""},
          {"cgroup/m/libpod-" ID ".scope/container/cpu.max", "max 100000\n"},
          {"cgroup/m/libpod-" ID ".scope/container/memory.current", "1\n"},
          {"cgroup/m/libpod-" ID ".scope/container/memory.max", "max\n"},
          {"cgroup/m/libpod-" ID ".scope/container/pids.max", "max\n"},
          {"cgroup/m/libpod-" ID ".scope/cpu.max", "max 100000\n"},
          {"cgroup/m/libpod-" ID ".scope/memory.max", "8192\n"},
          {"cgroup/m/libpod-" ID ".scope/pids.max", "9\n"}},
         {0, 8192, 9}},
        {"v2, cpu and pids are not delegated",
         {{"proc/7/cgroup", "0::/m/libpod-" ID ".scope\n"},
          {"cgroup/cgroup.controllers", ""},
          {"cgroup/m/libpod-" ID ".scope/memory.current", "1\n"},
          {"cgroup/m/libpod-" ID ".scope/memory.max", "4096\n"}},
         {UNKNOWN, 4096, UNKNOWN}},
        {"what is no number",
         {{"proc/7/cgroup", "0::/m/libpod-" ID ".scope\n"},
          {"cgroup/cgroup.controllers", ""},
          {"cgroup/m/libpod-" ID ".scope/cpu.max", "much 0\n"},
          {"cgroup/m/libpod-" ID ".scope/memory.current", "1\n"},
          {"cgroup/m/libpod-" ID ".scope/memory.max", "\n"},
          {"cgroup/m/libpod-" ID ".scope/pids.max", "-2\n"}},
         {UNKNOWN, UNKNOWN, UNKNOWN}},
        {"a period of nothing",
         {{"proc/7/cgroup", "0::/m/libpod-" ID ".scope\n"},
          {"cgroup/cgroup.controllers", ""},
          {"cgroup/m/libpod-" ID ".scope/cgroup.freeze", "0\n"},
          {"cgroup/m/libpod-" ID ".scope/cpu.max", "100 0\n"}},
         {UNKNOWN, UNKNOWN, UNKNOWN}},
        {"no process", {{NULL, NULL}}, {UNKNOWN, UNKNOWN, UNKNOWN}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct engine_limits is = {1, 1, 1};

        cgroup_tree_remove(&tree);
        cgroup_tree_make(&tree);
        put(cases[i].files);
        container_limits_read(&tree.roots, 7, ID, &is);
        cr_expect_eq(is.cpu_millis, cases[i].want.cpu_millis, "%s: cpu %lu",
                     cases[i].label, (unsigned long)is.cpu_millis);
        cr_expect_eq(is.memory_bytes, cases[i].want.memory_bytes,
                     "%s: memory %lu", cases[i].label,
                     (unsigned long)is.memory_bytes);
        cr_expect_eq(is.pids, cases[i].want.pids, "%s: pids %lu",
                     cases[i].label, (unsigned long)is.pids);
    }
}

Test(container_limits, fit_what_was_asked_for_or_cannot_be_seen)
{
    static const struct {
        const char *label;
        struct engine_limits is;
        struct container_settings wanted;
        bool want;
    } cases[] = {
        {"none", {0, 0, 0}, {0}, true},
        {"the same",
         {500, 8192, 9},
         {.cpu_millis = 500, .memory_bytes = 8192, .pids = 9},
         true},
        {"whole pages", {0, 8192, 0}, {.memory_bytes = 9000}, true},
        {"the least quota", {10, 0, 0}, {.cpu_millis = 1}, true},
        {"Podman's own pids", {0, 0, 2048}, {0}, true},
        {"unknown",
         {UNKNOWN, UNKNOWN, UNKNOWN},
         {.cpu_millis = 1, .memory_bytes = 1, .pids = 1},
         true},
        {"less cpu", {250, 0, 0}, {.cpu_millis = 500}, false},
        {"more memory", {0, 8192, 0}, {.memory_bytes = 4096}, false},
        {"memory where none was asked for", {0, 8192, 0}, {0}, false},
        {"no memory limit", {0, 0, 0}, {.memory_bytes = 4096}, false},
        {"other pids", {0, 0, 2048}, {.pids = 100}, false},
        {"pids where none were asked for", {0, 0, 100}, {0}, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(container_limits_fit(&cases[i].is, &cases[i].wanted),
                     cases[i].want, "%s", cases[i].label);
}
