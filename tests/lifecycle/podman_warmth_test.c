/* Priming, freezing and hibernating against a real Podman and real cgroups. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lifecycle/container_cgroup.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "tests/support/cgroup_tree.h"
#include "tests/support/live_app.h"

#define APP "localhost/berth-test/app:1"

static struct container_settings settings;
static struct engine_spec spec;

static void start(void)
{
    settings = live_settings(APP);
    spec = live_spec(&settings, "app", "1");
    live_start(true);
}

TestSuite(podman_warmth, .fini = live_end, .timeout = 120);

static void expect_frozen(bool is_frozen)
{
    cr_assert(engine_world_inspect(&live_world, live_world.id));
    cr_assert(live_world.container.is_running);
    cr_assert_eq(live_world.container.is_frozen, is_frozen);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 1);
    cr_assert_eq(live_world.list[0].is_frozen, is_frozen);
}

Test(podman_warmth, a_primed_container_is_held_and_only_its_process_is_missing)
{
    struct engine_handle *handle;
    int pid;

    start();
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    cr_assert(engine_world_init(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert(live_world.container.is_primed);
    cr_assert(live_world.container.is_created);
    cr_assert_not(live_world.container.is_running);
    pid = live_world.container.pid;
    cr_assert_gt(pid, 0);
    handle = live_attach();
    cr_assert(engine_world_list(&live_world));
    cr_assert(live_world.list[0].is_primed);
    cr_assert_eq(live_world.list[0].pid, pid);

    cr_assert(engine_world_start_container(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert(live_world.container.is_running);
    cr_assert_not(live_world.container.is_primed);
    cr_assert_eq(live_world.container.pid, pid, "what was held is the app");
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert_eq(live_world.exits, 0);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    engine_world_until(&live_world, &live_world.exits, 1, 2000);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_warmth, a_primed_container_is_stopped_and_removed)
{
    struct engine_handle *handle;

    start();
    cr_assert(engine_world_create(&live_world, &spec));
    cr_assert(engine_world_init(&live_world, live_world.id));
    handle = live_attach();
    cr_assert(engine_world_remove(&live_world, live_world.id), "%s",
              live_world.err.text);
    engine_world_until(&live_world, &live_world.exits, 1, 5000);
    engine_release(&handle);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 0);

    cr_assert_not(engine_world_init(&live_world, "0123456789ab"));
    cr_assert_eq(live_world.err.code, ERR_NOT_FOUND, "%s", live_world.err.text);
}

Test(podman_warmth, a_container_freezes_thaws_and_answers)
{
    const struct engine_capabilities *can;
    struct engine_handle *handle;
    uint64_t began_us;
    int fd;
    struct err err;

    start();
    can = engine_capabilities(live_world.engine);
    cr_assert(can->freezes_by_cgroup, "%s", can->freeze_text);
    live_run(&spec);
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    expect_frozen(false);
    cr_assert(engine_world_freeze(&live_world, handle), "%s",
              live_world.err.text);
    expect_frozen(true);
    cr_assert(engine_world_freeze(&live_world, handle), "once more");

    /* The kernel takes the connection and the request; the app does nothing. */
    cr_assert(engine_sockets(handle, AF_INET, 1, &fd, &err), "%s", err.text);
    cr_assert(live_connect_to(fd, "127.0.0.1", 8000));
    engine_world_begin(&live_world);
    began_us = clock_now_us();
    engine_thaw(handle, engine_world_on_done, &live_world);
    cr_assert_not_null(strstr(live_get(fd, "/"), "hello from"),
                       "thawed before the callback, within the call");
    printf("thaw and first answer: %lu us\n",
           (unsigned long)(clock_now_us() - began_us));
    cr_assert(engine_world_finish(&live_world), "%s", live_world.err.text);
    close(fd);
    expect_frozen(false);
    cr_assert(engine_world_thaw(&live_world, handle), "not frozen");
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_warmth, a_frozen_container_is_adopted_stopped_and_removed)
{
    struct engine_handle *handle;
    uint64_t began_us;

    start();
    live_run(&spec);
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert(engine_world_freeze(&live_world, handle));
    engine_release(&handle);
    expect_frozen(true);
    handle = live_attach();
    began_us = clock_now_us();
    cr_assert(engine_world_stop(&live_world, live_world.id, 20000), "%s",
              live_world.err.text);
    cr_assert_lt(clock_now_us() - began_us, 15000000,
                 "it heard its stop signal");
    engine_world_until(&live_world, &live_world.exits, 1, 5000);
    engine_release(&handle);
    cr_assert(engine_world_wait(&live_world, live_world.id));
    cr_assert_eq(live_world.container.exit_code, 0, "by itself, not killed");

    /* Not held by anybody. */
    cr_assert(engine_world_start_container(&live_world, live_world.id));
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert(engine_world_freeze(&live_world, handle));
    engine_release(&handle);
    cr_assert(engine_world_stop(&live_world, live_world.id, 20000), "%s",
              live_world.err.text);
    cr_assert(engine_world_wait(&live_world, live_world.id));
    cr_assert_eq(live_world.container.exit_code, 0);

    cr_assert(engine_world_start_container(&live_world, live_world.id));
    handle = live_attach();
    cr_assert(engine_world_freeze(&live_world, handle));
    cr_assert(engine_world_remove(&live_world, live_world.id), "%s",
              live_world.err.text);
    engine_world_until(&live_world, &live_world.exits, 2, 5000);
    engine_release(&handle);
}

Test(podman_warmth, a_kill_ends_a_frozen_container)
{
    struct engine_handle *handle;

    start();
    live_run(&spec);
    handle = live_attach();
    cr_assert(engine_world_freeze(&live_world, handle));
    cr_assert_eq(kill(live_world.container.pid, SIGKILL), 0);
    engine_world_until(&live_world, &live_world.exits, 1, 5000);
    cr_assert(engine_world_thaw(&live_world, handle) ||
                  live_world.err.code == ERR_NOT_FOUND,
              "%s", live_world.err.text);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id), "%s",
              live_world.err.text);
}

static unsigned ended;
static enum err_code ended_with;

static void on_ended(void *arg, const struct err *err)
{
    (void)arg;
    ended++;
    ended_with = err ? err->code : ERR_NONE;
}

Test(podman_warmth, a_thaw_or_a_release_calls_off_what_is_under_way)
{
    struct engine_handle *handle;

    start();
    live_run(&spec);
    handle = live_attach();
    engine_freeze(handle, on_ended, NULL);
    cr_assert_eq(ended, 0, "never within the call");
    cr_assert(engine_world_thaw(&live_world, handle));
    cr_assert_eq(ended, 1);
    cr_assert_eq(ended_with, ERR_CANCELLED);
    expect_frozen(false);
    engine_freeze(handle, on_ended, NULL);
    engine_release(&handle);
    cr_assert_eq(ended, 2);
    cr_assert_eq(ended_with, ERR_CANCELLED);
    expect_frozen(false);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

static void stop_loop(struct timer *timer)
{
    (void)timer;
    loop_stop(live_world.loop);
}

static void run_for_ms(unsigned ms)
{
    struct timer timer = {.on_expire = stop_loop};

    timer_start(live_world.timers, &timer, ms + 1);
    loop_run(live_world.loop);
}

/* Cgroups that cannot be seen: by Podman then, and so is what follows. */
Test(podman_warmth, podmans_pause_does_it_where_the_cgroup_cannot_be_written)
{
    const struct engine_capabilities *can;
    struct engine_memory memory;
    struct engine_handle *handle;
    struct cgroup_tree tree;
    struct err err;
    char out[4096];

    cgroup_tree_make(&tree);
    engine_world_use_roots(&tree.roots);
    start();
    can = engine_capabilities(live_world.engine);
    cr_assert_not(can->freezes_by_cgroup);
    cr_assert_not_null(strstr(can->freeze_text, "Podman's pause"), "%s",
                       can->freeze_text);
    cr_assert_not(can->can_hibernate);
    cr_assert_not_null(strstr(can->hibernate_text, "no swap"));
    live_run(&spec);
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert(engine_world_freeze(&live_world, handle), "%s",
              live_world.err.text);
    cr_assert(podman_fixture_run(&live_fixture,
                                 "inspect --format '{{.State.Status}}' "
                                 "berth-live-app-1",
                                 out));
    cr_assert_str_eq(out, "paused\n");
    expect_frozen(true);
    cr_assert(engine_world_freeze(&live_world, handle), "once more");
    cr_assert_not(engine_world_hibernate(&live_world, handle));
    cr_assert_eq(live_world.err.code, ERR_DENIED);
    cr_assert_not(engine_memory(handle, &memory, &err));
    cr_assert_eq(err.code, ERR_DENIED);
    cr_assert(engine_world_thaw(&live_world, handle), "%s",
              live_world.err.text);
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    expect_frozen(false);

    /* A request comes while Podman is at it: the pause that was called off may
     * not come behind the thaw. */
    for (unsigned i = 0; i < 20; i++) {
        ended = 0;
        engine_freeze(handle, on_ended, NULL);
        run_for_ms(i / 2);
        cr_assert(engine_world_thaw(&live_world, handle), "%s",
                  live_world.err.text);
        cr_assert_eq(ended, 1U);
        usleep(50000);
        expect_frozen(false);
        cr_assert_not_null(
            strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    }

    /* Adopted in this state, and stopped without anybody thawing it. */
    cr_assert(engine_world_freeze(&live_world, handle));
    engine_release(&handle);
    expect_frozen(true);
    handle = live_attach();
    cr_assert(engine_world_stop(&live_world, live_world.id, 20000), "%s",
              live_world.err.text);
    engine_world_until(&live_world, &live_world.exits, 1, 5000);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cgroup_tree_remove(&tree);
}

/* A cgroup of the test's own, in which nothing ever freezes: as where a process
 * hangs in the kernel. */
static void put_stuck_cgroup(const struct cgroup_tree *tree, int pid,
                             const char *id)
{
    AUTO(auto_free) char *line = xasprintf("0::/berth/%s\n", id);
    AUTO(auto_free) char *by_pid = xasprintf("proc/%d/cgroup", pid);
    AUTO(auto_free) char *freeze =
        xasprintf("cgroup/berth/%s/cgroup.freeze", id);
    AUTO(auto_free) char *events =
        xasprintf("cgroup/berth/%s/cgroup.events", id);

    cgroup_tree_put(tree, "cgroup/cgroup.controllers", "memory\n");
    cgroup_tree_put(tree, by_pid, line);
    cgroup_tree_put(tree, freeze, "0\n");
    cgroup_tree_put(tree, events, "populated 1\nfrozen 0\n");
}

Test(podman_warmth, what_hangs_in_the_kernel_is_thawed_again_after_a_while)
{
    struct engine_handle *handle;
    struct cgroup_tree tree;
    AUTO(auto_free) char *freeze = NULL;
    uint64_t began_us;

    cgroup_tree_make(&tree);
    engine_world_use_roots(&tree.roots);
    start();
    live_run(&spec);
    put_stuck_cgroup(&tree, live_world.container.pid, live_world.id);
    freeze = xasprintf("cgroup/berth/%s/cgroup.freeze", live_world.id);
    handle = live_attach();
    began_us = clock_now_us();
    cr_assert_not(engine_world_freeze(&live_world, handle));
    cr_expect_eq(live_world.err.code, ERR_TIMEOUT, "%s", live_world.err.text);
    cr_expect_not_null(strstr(live_world.err.text, "hangs in the kernel"), "%s",
                       live_world.err.text);
    cr_expect_lt(clock_now_us() - began_us, 60000000U);
    cr_expect_str_eq(cgroup_tree_get(&tree, freeze), "0", "thawed again");
    cr_expect_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    engine_release(&handle);
    cgroup_tree_remove(&tree);
}

/* --- hibernation: with a swap file of the test's own, where one can be had ---
 */

static char swap_file[] = "/var/tmp/berth-swap-XXXXXX";

static bool add_swap(void)
{
    AUTO(auto_free) char *command = NULL;
    int fd = mkstemp(swap_file);

    if (fd < 0)
        return false;
    close(fd);
    command = xasprintf("dd if=/dev/zero of=%s bs=1M count=96 status=none && "
                        "chmod 600 %s && mkswap -q %s >/dev/null 2>&1 && "
                        "swapon %s 2>/dev/null",
                        swap_file, swap_file, swap_file, swap_file);
    return system(command) == 0;
}

static void drop_swap(void)
{
    AUTO(auto_free)
    char *command =
        xasprintf("swapoff %s 2>/dev/null; rm -f %s", swap_file, swap_file);

    if (system(command) != 0)
        printf("the swap file is left over\n");
}

static void end_with_swap(void)
{
    live_end();
    drop_swap();
}

static void run_with_memory(const char *switch_text)
{
    static char *arguments[1];

    arguments[0] = (char *)(uintptr_t)switch_text;
    settings.has_command = true;
    settings.command = (struct string_list){1, arguments};
    live_run(&spec);
}

Test(podman_warmth, a_frozen_app_is_written_out_and_comes_back,
     .fini = end_with_swap)
{
    struct engine_memory before;
    struct engine_memory after;
    struct engine_handle *handle;
    uint64_t began_us;
    struct err err;

    if (!add_swap())
        cr_skip_test("no swap can be added here");
    start();
    cr_assert(engine_capabilities(live_world.engine)->can_hibernate);
    run_with_memory("--memory=64");
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert_not(engine_world_hibernate(&live_world, handle));
    cr_assert_eq(live_world.err.code, ERR_INVALID, "it is not frozen");
    cr_assert(engine_world_freeze(&live_world, handle));
    cr_assert(engine_memory(handle, &before, &err), "%s", err.text);
    cr_assert_gt(before.resident_bytes, 60U << 20);
    began_us = clock_now_us();
    cr_assert(engine_world_hibernate(&live_world, handle), "%s",
              live_world.err.text);
    cr_assert(engine_memory(handle, &after, &err), "%s", err.text);
    printf("64 MB: written out in %lu ms, resident %lu -> %lu KB, in swap %lu "
           "KB\n",
           (unsigned long)((clock_now_us() - began_us) / 1000),
           (unsigned long)before.resident_bytes >> 10,
           (unsigned long)after.resident_bytes >> 10,
           (unsigned long)after.swapped_bytes >> 10);
    cr_assert_lt(after.resident_bytes, before.resident_bytes / 8);
    cr_assert_gt(after.swapped_bytes, 50U << 20);
    expect_frozen(true);
    began_us = clock_now_us();
    cr_assert(engine_world_thaw(&live_world, handle));
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    printf("first answer after %lu us\n",
           (unsigned long)(clock_now_us() - began_us));
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_warmth, a_thaw_stops_the_writing_out, .fini = end_with_swap)
{
    struct engine_handle *handle;
    uint64_t began_us;

    if (!add_swap())
        cr_skip_test("no swap can be added here");
    start();
    run_with_memory("--memory=64");
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert(engine_world_freeze(&live_world, handle));
    engine_hibernate(handle, on_ended, NULL);
    engine_world_run_for(&live_world, 2);
    began_us = clock_now_us();
    cr_assert(engine_world_thaw(&live_world, handle));
    cr_assert_eq(ended, 1);
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    printf("called off and answered after %lu us\n",
           (unsigned long)(clock_now_us() - began_us));
    /* The helper is free again. */
    cr_assert(engine_world_freeze(&live_world, handle));
    cr_assert(engine_world_hibernate(&live_world, handle), "%s",
              live_world.err.text);
    engine_hibernate(handle, on_ended, NULL);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

static void copy_cgroups_of(const struct cgroup_tree *tree, int pid)
{
    AUTO(auto_free) char *from = xasprintf("/proc/%d", pid);
    AUTO(auto_free) char *to = xasprintf("proc/%d/cgroup", pid);
    char text[4096];
    struct err err;

    cr_assert(cgroup_read(from, "cgroup", text, sizeof text, &err), "%s",
              err.text);
    cgroup_tree_put(tree, to, text);
}

Test(podman_warmth, what_does_not_fit_into_swap_is_not_begun)
{
    struct engine_memory before;
    struct engine_memory after;
    struct engine_handle *handle;
    struct cgroup_tree tree;
    struct cgroup_roots roots;
    struct err err;

    /* The real cgroups, and a /proc of little swap. */
    cgroup_tree_make(&tree);
    cgroup_tree_put(&tree, "proc/meminfo",
                    "SwapTotal:  40960 kB\nSwapFree:   20480 kB\n");
    roots = (struct cgroup_roots){"/sys/fs/cgroup", tree.proc};
    engine_world_use_roots(&roots);
    start();
    run_with_memory("--memory=48");
    copy_cgroups_of(&tree, live_world.container.pid);
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert(engine_world_freeze(&live_world, handle));
    cr_assert(engine_memory(handle, &before, &err), "%s", err.text);
    cr_assert_not(engine_world_hibernate(&live_world, handle));
    cr_assert_eq(live_world.err.code, ERR_LIMIT, "%s", live_world.err.text);
    cr_assert_not_null(strstr(live_world.err.text, "20 MB of swap"), "%s",
                       live_world.err.text);
    cr_assert(engine_memory(handle, &after, &err), "%s", err.text);
    cr_assert_eq(after.swapped_bytes, before.swapped_bytes);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cgroup_tree_remove(&tree);
}
