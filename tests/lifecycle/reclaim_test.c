#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/reclaim.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "router/base/timers.h"
#include "tests/support/cgroup_tree.h"

static struct cgroup_tree tree;
static struct loop *loop;
static struct timers *timers;
static struct reclaimer *reclaimer;
static struct timer watchdog;
static char dir[2][128];
static unsigned dones;
static struct err last;

static void on_watchdog(struct timer *timer)
{
    (void)timer;
    abort();
}

static void make(void)
{
    cgroup_tree_make(&tree);
    cgroup_tree_put(&tree, "proc/meminfo",
                    "SwapTotal: 1048576 kB\nSwapFree:  1048576 kB\n");
    loop = loop_new("test");
    timers = timers_new(loop);
    watchdog.on_expire = on_watchdog;
    timer_start(timers, &watchdog, 20000);
    reclaimer = reclaimer_new(loop, timers, &tree.roots);
    for (int i = 0; i < 2; i++)
        snprintf(dir[i], sizeof dir[i], "%s/c%d", tree.cgroup, i);
}

static void drop(void)
{
    reclaimer_free(&reclaimer);
    timer_stop(&watchdog);
    timers_free(&timers);
    loop_free(&loop);
    cgroup_tree_remove(&tree);
}

TestSuite(reclaim, .init = make, .fini = drop, .timeout = 30);

static void on_done(void *arg, const struct err *err)
{
    (void)arg;
    dones++;
    last = err ? *err : (struct err){.code = ERR_NONE};
    loop_stop(loop);
}

static struct container_cgroup cgroup_of(int i, bool is_v2)
{
    return (struct container_cgroup){.memory = dir[i], .memory_is_v2 = is_v2};
}

static bool reclaim(const struct container_cgroup *cgroup)
{
    unsigned before = dones;

    cr_assert_not_null(reclaim_start(reclaimer, cgroup, on_done, NULL));
    cr_assert_eq(dones, before, "never within the call");
    while (dones == before)
        loop_run(loop);
    return last.code == ERR_NONE;
}

static void put_v2(unsigned anon)
{
    char stat[128];

    snprintf(stat, sizeof stat, "anon %u\nfile 4096\nshmem 4096\n", anon);
    cgroup_tree_put(&tree, "cgroup/c0/memory.stat", stat);
    cgroup_tree_put(&tree, "cgroup/c0/memory.current", "100000000\n");
    cgroup_tree_put(&tree, "cgroup/c0/memory.swap.current", "4096\n");
    cgroup_tree_put(&tree, "cgroup/c0/memory.swap.max", "max\n");
}

Test(reclaim, v2_is_asked_in_chunks_and_given_up_when_nothing_comes)
{
    struct container_cgroup cgroup = cgroup_of(0, true);
    struct engine_memory memory;
    struct err err;

    put_v2(3000000);
    cgroup_tree_put(&tree, "cgroup/c0/memory.reclaim", "");
    cr_assert(reclaim(&cgroup), "%s", last.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/c0/memory.reclaim"),
                     "16777216");
    cr_assert(reclaim_memory_of(&cgroup, &memory, &err), "%s", err.text);
    cr_assert_eq(memory.resident_bytes, 100000000);
    cr_assert_eq(memory.swapped_bytes, 4096);
}

Test(reclaim, an_old_kernel_is_asked_by_a_low_limit_that_is_put_back)
{
    struct container_cgroup cgroup = cgroup_of(0, true);

    put_v2(3000000);
    cgroup_tree_put(&tree, "cgroup/c0/memory.high", "max\n");
    cr_assert(reclaim(&cgroup), "%s", last.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/c0/memory.high"), "max");

    /* Left low by a berth that was killed: lifted when it is adopted. */
    cgroup_tree_put(&tree, "cgroup/c0/memory.high", "4096\n");
    reclaim_repair(&cgroup);
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/c0/memory.high"), "max");
    /* Not ours where berth has no use for it. */
    cgroup_tree_put(&tree, "cgroup/c0/memory.high", "4096\n");
    cgroup_tree_put(&tree, "cgroup/c0/memory.reclaim", "");
    reclaim_repair(&cgroup);
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/c0/memory.high"), "4096\n");
}

Test(reclaim, v1_is_asked_once)
{
    struct container_cgroup cgroup = cgroup_of(0, false);
    struct engine_memory memory;
    struct err err;

    cgroup_tree_put(&tree, "cgroup/c0/memory.stat",
                    "rss 1\nswap 2\ntotal_rss 4096\ntotal_swap 8192\n");
    cgroup_tree_put(&tree, "cgroup/c0/memory.usage_in_bytes", "12288\n");
    cgroup_tree_put(&tree, "cgroup/c0/memory.force_empty", "");
    cr_assert(reclaim(&cgroup), "%s", last.text);
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/c0/memory.force_empty"),
                     "0");
    cr_assert(reclaim_memory_of(&cgroup, &memory, &err), "%s", err.text);
    cr_assert_eq(memory.resident_bytes, 12288);
    cr_assert_eq(memory.swapped_bytes, 8192);
}

Test(reclaim, nothing_is_begun_where_swap_has_no_room)
{
    static const struct {
        const char *label;
        const char *meminfo;
        const char *swap_max;
        const char *text;
    } cases[] = {
        {"none at all", "SwapTotal: 0 kB\nSwapFree: 0 kB\n", "max\n",
         "0 MB of swap that are free"},
        {"too little is free", "SwapTotal: 1048576 kB\nSwapFree:   51200 kB\n",
         "max\n", "50 MB of swap that are free"},
        {"the container may not",
         "SwapTotal: 1048576 kB\nSwapFree: 1048576 kB\n", "0\n",
         "0 MB of swap that the container may use"},
        {"the container may use less",
         "SwapTotal: 1048576 kB\nSwapFree: 1048576 kB\n", "1052672\n",
         "1 MB of swap that the container may use"},
    };
    struct container_cgroup cgroup = cgroup_of(0, true);

    put_v2(90000000);
    cgroup_tree_put(&tree, "cgroup/c0/memory.reclaim", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cgroup_tree_put(&tree, "proc/meminfo", cases[i].meminfo);
        cgroup_tree_put(&tree, "cgroup/c0/memory.swap.max", cases[i].swap_max);
        cr_expect_not(reclaim(&cgroup), "%s", cases[i].label);
        cr_expect_eq(last.code, ERR_LIMIT, "%s", cases[i].label);
        cr_expect_not_null(strstr(last.text, cases[i].text), "%s: %s",
                           cases[i].label, last.text);
        cr_expect_str_eq(cgroup_tree_get(&tree, "cgroup/c0/memory.reclaim"), "",
                         "%s", cases[i].label);
    }
}

/* There was room when it began; then others took it, or pages are locked. */
Test(reclaim, what_stays_for_the_most_part_was_not_written_out)
{
    struct container_cgroup v2 = cgroup_of(0, true);
    struct container_cgroup v1 = cgroup_of(1, false);

    put_v2(90000000);
    cgroup_tree_put(&tree, "cgroup/c0/memory.reclaim", "");
    cr_assert_not(reclaim(&v2));
    cr_assert_eq(last.code, ERR_LIMIT, "%s", last.text);
    cr_assert_not_null(strstr(last.text, "of its 85 MB only 0 MB could be"),
                       "%s", last.text);
    cgroup_tree_put(&tree, "cgroup/c1/memory.stat",
                    "total_rss 90000000\ntotal_shmem 0\n");
    cgroup_tree_put(&tree, "cgroup/c1/memory.force_empty", "");
    cr_assert_not(reclaim(&v1));
    cr_assert_eq(last.code, ERR_LIMIT, "%s", last.text);
}

/* A disk that does not move, and one that waits for its turn behind it. */
Test(reclaim, what_takes_too_long_is_given_up)
{
    struct container_cgroup slow = cgroup_of(0, true);
    struct container_cgroup next = cgroup_of(1, false);

    reclaimer_set_timeout(reclaimer, 1000);
    put_v2(90000000);
    cgroup_tree_put_blocker(&tree, "cgroup/c0/memory.reclaim");
    cgroup_tree_put(&tree, "cgroup/c1/memory.stat", "total_rss 4096\n");
    cgroup_tree_put(&tree, "cgroup/c1/memory.force_empty", "");
    cr_assert_not(reclaim(&slow));
    cr_assert_eq(last.code, ERR_TIMEOUT, "%s", last.text);
    cr_assert_not_null(strstr(last.text, "not written out within 1 s"), "%s",
                       last.text);
    cr_assert(reclaim(&next), "the helper is free again: %s", last.text);
}

Test(reclaim, a_cgroup_that_is_gone_or_unseen_is_said)
{
    struct container_cgroup cgroup = cgroup_of(1, true);
    struct container_cgroup none = {0};
    struct engine_memory memory;
    struct err err;

    cr_assert_not(reclaim(&cgroup));
    cr_assert_eq(last.code, ERR_NOT_FOUND, "%s", last.text);
    cr_assert_not(reclaim(&none));
    cr_assert_eq(last.code, ERR_DENIED, "%s", last.text);
    cr_assert_not(reclaim_memory_of(&cgroup, &memory, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    cr_assert_not(reclaim_memory_of(&none, &memory, &err));
    cr_assert_eq(err.code, ERR_DENIED);
}

/* The kernel that blocks for long is a pipe that nobody reads. */
Test(reclaim, what_is_called_off_stops_and_lets_the_next_one_in)
{
    struct container_cgroup slow = cgroup_of(0, true);
    struct container_cgroup next = cgroup_of(1, false);
    struct reclaim *first;
    struct reclaim *queued;
    uint64_t began_us;

    put_v2(90000000);
    cgroup_tree_put_blocker(&tree, "cgroup/c0/memory.reclaim");
    cgroup_tree_put(&tree, "cgroup/c1/memory.stat", "total_rss 4096\n");
    cgroup_tree_put(&tree, "cgroup/c1/memory.force_empty", "");
    first = reclaim_start(reclaimer, &slow, on_done, NULL);
    queued = reclaim_start(reclaimer, &slow, on_done, NULL);
    began_us = clock_now_us();
    while (clock_now_us() - began_us < 50000)
        ; /* it is in the system call by now */
    reclaim_cancel(&queued);
    cr_assert_null(queued);
    reclaim_cancel(&first);
    reclaim_cancel(&first);
    cr_assert(reclaim(&next), "%s", last.text);
    cr_assert_eq(dones, 1, "what is called off is not answered");
    cr_assert_str_eq(cgroup_tree_get(&tree, "cgroup/c1/memory.force_empty"),
                     "0");
}

Test(reclaim, the_end_waits_for_no_disk)
{
    struct container_cgroup slow = cgroup_of(0, true);

    put_v2(90000000);
    cgroup_tree_put_blocker(&tree, "cgroup/c0/memory.reclaim");
    cr_assert_not_null(reclaim_start(reclaimer, &slow, on_done, NULL));
    cr_assert_not_null(reclaim_start(reclaimer, &slow, on_done, NULL));
    reclaimer_free(&reclaimer);
    cr_assert_eq(dones, 0);
    reclaimer = reclaimer_new(loop, timers, &tree.roots);
}

Test(reclaim, whether_a_host_can_is_told_with_the_cure)
{
    char why[160] = "";

    cr_assert(reclaim_is_possible(&tree.roots, why, sizeof why), "%s", why);
    cgroup_tree_put(&tree, "proc/sys/vm/swappiness", "60\n");
    cr_assert(reclaim_is_possible(&tree.roots, why, sizeof why));
    cgroup_tree_put(&tree, "proc/sys/vm/swappiness", "0\n");
    cr_assert_not(reclaim_is_possible(&tree.roots, why, sizeof why));
    cr_assert_not_null(strstr(why, "vm.swappiness"), "%s", why);
    cgroup_tree_put(&tree, "proc/meminfo", "SwapTotal: 0 kB\n");
    cr_assert_not(reclaim_is_possible(&tree.roots, why, sizeof why));
    cr_assert_not_null(strstr(why, "swap file"), "%s", why);
}
