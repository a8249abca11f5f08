#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/freezer.h"
#include "tests/support/cgroup_tree.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct cgroup_tree tree;
static struct container_cgroup cgroup;

static void make(void)
{
    cgroup_tree_make(&tree);
}

static void drop(void)
{
    container_cgroup_done(&cgroup);
    cgroup_tree_remove(&tree);
}

TestSuite(freezer, .init = make, .fini = drop);

static void find(void)
{
    struct err err;

    container_cgroup_done(&cgroup);
    cr_assert(container_cgroup_find(&tree.roots, 7, ID, &cgroup, &err), "%s",
              err.text);
}

static void put_v2(void)
{
    cgroup_tree_put(&tree, "proc/7/cgroup", "0::/p/libpod-" ID "\n");
    cgroup_tree_put(&tree, "cgroup/cgroup.controllers", "memory\n");
    cgroup_tree_put(&tree, "cgroup/p/libpod-" ID "/cgroup.freeze", "0\n");
    cgroup_tree_put(&tree, "cgroup/p/libpod-" ID "/cgroup.events",
                    "populated 1\nfrozen 0\n");
    find();
}

#define V2(file)     "cgroup/p/libpod-" ID "/" file
#define HYBRID(file) "cgroup/unified/p/libpod-" ID "/" file
#define V1           "cgroup/freezer/p/libpod-" ID "/freezer.state"

static void put_v1(bool is_hybrid)
{
    cgroup_tree_put(&tree, "proc/7/cgroup",
                    "6:freezer:/p/libpod-" ID "\n0::/p/libpod-" ID "\n");
    cgroup_tree_put(&tree, V1, "THAWED\n");
    if (is_hybrid) {
        cgroup_tree_put(&tree, HYBRID("cgroup.freeze"), "0\n");
        cgroup_tree_put(&tree, HYBRID("cgroup.events"),
                        "populated 1\nfrozen 0\n");
    }
    find();
}

Test(freezer, v2_is_frozen_once_the_kernel_says_so)
{
    struct err err;

    put_v2();
    cr_assert(freezer_is_usable(&cgroup));
    cr_assert_eq(freezer_read(&cgroup), FREEZER_THAWED);
    cr_assert(freezer_freeze(&cgroup, &err), "%s", err.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, V2("cgroup.freeze")), "1");
    cr_assert_eq(freezer_read(&cgroup), FREEZER_FREEZING);
    cgroup_tree_put(&tree, V2("cgroup.events"), "populated 1\nfrozen 1\n");
    cr_assert_eq(freezer_read(&cgroup), FREEZER_FROZEN);
    cr_assert_eq(freezer_of_process(&tree.roots, 7, ID), FREEZER_FROZEN);
    cr_assert(freezer_thaw(&cgroup, &err), "%s", err.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, V2("cgroup.freeze")), "0");
}

Test(freezer, v1_goes_by_its_state_file)
{
    struct err err;

    put_v1(false);
    cr_assert_null(cgroup.freezer_v2);
    cr_assert(freezer_is_usable(&cgroup));
    cr_assert(freezer_freeze(&cgroup, &err), "%s", err.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, V1), "FROZEN");
    cr_assert_eq(freezer_read(&cgroup), FREEZER_FROZEN);
    cgroup_tree_put(&tree, V1, "FREEZING\n");
    cr_assert_eq(freezer_read(&cgroup), FREEZER_FREEZING);
    cr_assert(freezer_thaw(&cgroup, &err), "%s", err.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, V1), "THAWED");
    cr_assert_eq(freezer_read(&cgroup), FREEZER_THAWED);
}

Test(freezer, hybrid_freezes_by_v2_and_thaws_what_somebody_froze_by_v1)
{
    struct err err;

    put_v1(true);
    cr_assert(freezer_freeze(&cgroup, &err), "%s", err.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, HYBRID("cgroup.freeze")), "1");
    cr_assert_str_eq(cgroup_tree_get(&tree, V1), "THAWED\n", "left alone");
    cgroup_tree_put(&tree, V1, "FROZEN\n");
    cr_assert_eq(freezer_read(&cgroup), FREEZER_FROZEN);
    cr_assert(freezer_thaw(&cgroup, &err), "%s", err.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, HYBRID("cgroup.freeze")), "0");
    cr_assert_str_eq(cgroup_tree_get(&tree, V1), "THAWED");
}

Test(freezer, what_is_gone_or_has_no_freezer_is_said)
{
    struct container_cgroup none = {0};
    struct err err;

    cr_assert_not(freezer_is_usable(&none));
    cr_assert_not(freezer_freeze(&none, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_not(freezer_thaw(&none, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_eq(freezer_read(&none), FREEZER_THAWED);
    cr_assert_eq(freezer_of_process(&tree.roots, 8, ID), FREEZER_THAWED);

    put_v2();
    cgroup_tree_remove(&tree);
    cr_assert_not(freezer_is_usable(&cgroup));
    cr_assert_not(freezer_freeze(&cgroup, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND, "%s", err.text);
    cr_assert_eq(freezer_read(&cgroup), FREEZER_THAWED);
    cgroup_tree_make(&tree);
}

Test(freezer, a_host_permits_it_or_why_not_is_said)
{
    static const struct {
        const char *label;
        bool rootless;
        const char *files[3];
        const char *why; /* NULL: permitted */
    } cases[] = {
        {"root, v2", false, {"cgroup/cgroup.procs"}, NULL},
        {"root, v1", false, {"cgroup/freezer/cgroup.procs"}, NULL},
        {"root, hybrid", false, {"cgroup/unified/cgroup.procs"}, NULL},
        {"root, nothing writable", false, {NULL}, "Podman's pause"},
        {"rootless, v1", true, {"cgroup/freezer/cgroup.procs"}, "cgroup v1"},
        {"rootless, not delegated",
         true,
         {"cgroup/cgroup.controllers"},
         "user@1000.service"},
        {"rootless, delegated",
         true,
         {"cgroup/cgroup.controllers",
          "cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.procs"},
         NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[160] = "";
        bool is_permitted;

        cgroup_tree_remove(&tree);
        cgroup_tree_make(&tree);
        cgroup_tree_put(&tree, "proc/self/uid_map", "   0   1000   1\n");
        for (size_t j = 0; j < 3 && cases[i].files[j]; j++)
            cgroup_tree_put(&tree, cases[i].files[j], "");
        is_permitted = freezer_is_permitted(&tree.roots, cases[i].rootless, why,
                                            sizeof why);
        cr_expect_eq(is_permitted, cases[i].why == NULL, "%s: %s",
                     cases[i].label, why);
        if (cases[i].why)
            cr_expect_not_null(strstr(why, cases[i].why), "%s: %s",
                               cases[i].label, why);
    }
}
