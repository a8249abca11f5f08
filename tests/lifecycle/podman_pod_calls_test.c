/* Apps with sidecars, in a real Podman. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_pod.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "tests/support/live_app.h"

#define APP "localhost/berth-test/app:1"

static struct container_settings settings;
static struct engine_spec spec;
static struct sidecar_settings sidecars[2];
static char *first_port[] = {(char *)"--port=9001"};
static char *second_port[] = {(char *)"--port=9002", NULL};

/* Two sidecars; the second of them has a check. */
static void start(enum network_kind network)
{
    settings = live_settings(APP);
    settings.network = network;
    settings.sidecar_count = 2;
    settings.sidecars = sidecars;
    for (int i = 0; i < 2; i++) {
        sidecars[i] = (struct sidecar_settings){
            .name = (char *)(i == 0 ? "log" : "cache"),
            .container = live_settings(APP)};
        sidecars[i].container.has_command = true;
    }
    sidecars[0].container.command = (struct string_list){1, first_port};
    sidecars[0].container.memory_bytes = 64U << 20;
    sidecars[1].container.command = (struct string_list){1, second_port};
    sidecars[1].container.port = 9002;
    sidecars[1].has_check = true;
    sidecars[1].ready_check = (struct ready_check){.kind = CHECK_HTTP,
                                                   .path = (char *)"/health",
                                                   .status_min = 200,
                                                   .status_max = 200};
    spec = live_spec(&settings, "app", "1");
    spec.ready_timeout_ms = 20000;
    live_start(true);
}

TestSuite(podman_pod_calls, .fini = live_end, .timeout = 120);

static unsigned containers_left(void)
{
    unsigned count = 0;
    char out[4096];

    cr_assert(podman_fixture_run(
        &live_fixture, "ps -a --format '{{.Names}} {{.State}}'", out));
    for (const char *at = out; *at; at++)
        count += *at == '\n';
    cr_assert(podman_fixture_run(&live_fixture, "pod ps -q", out));
    for (const char *at = out; *at; at++)
        count += *at == '\n';
    return count;
}

static int pid_of(const char *name)
{
    AUTO(auto_free)
    char *command =
        xasprintf("inspect --format '{{.State.Pid}}' berth-live-app-1%s", name);
    char out[4096];
    int pid = 0;

    if (podman_fixture_run(&live_fixture, command, out))
        sscanf(out, "%d", &pid);
    return pid;
}

static bool is_in_state(const char *name, const char *state)
{
    AUTO(auto_free)
    char *command = xasprintf(
        "inspect --format '{{.State.Status}}' berth-live-app-1%s", name);
    char out[4096];

    cr_assert(podman_fixture_run(&live_fixture, command, out));
    return strncmp(out, state, strlen(state)) == 0;
}

static bool is_primed(const char *name)
{
    return is_in_state(name, "initialized");
}

static bool is_running(const char *name)
{
    return is_in_state(name, "running");
}

static uint64_t start_time_of(int pid)
{
    char path[64];
    char text[1024] = "";
    unsigned long long ticks = 0;
    const char *at;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    cr_assert_not_null(fgets(text, sizeof text, file));
    fclose(file);
    at = strrchr(text, ')');
    sscanf(at,
           ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
           "%*d %*d %*d %llu",
           &ticks);
    return ticks;
}

static void expect_frozen(bool is_frozen)
{
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 1,
                 "sidecars and infra are no replicas");
    cr_assert_eq(live_world.list[0].is_frozen, is_frozen);
}

static void expect_all_answer(struct engine_handle *handle)
{
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    cr_assert_not_null(
        strstr(live_get_inside(handle, 9001, "/"), "hello from"));
    cr_assert_not_null(
        strstr(live_get_inside(handle, 9002, "/"), "hello from"));
}

static void live_through(enum network_kind network)
{
    struct engine_handle *handle;
    struct engine_memory memory;
    struct err err;
    uint64_t began_us;

    start(network);
    live_run(&spec);
    handle = live_attach();
    expect_all_answer(handle);
    cr_assert_not_null(engine_sidecar(live_world.engine, live_world.id, "log"));
    cr_assert_null(engine_sidecar(live_world.engine, live_world.id, "nobody"));
    cr_assert(engine_memory(handle, &memory, &err), "%s", err.text);
    cr_assert_gt(memory.resident_bytes, 0);
    cr_assert(engine_world_freeze(&live_world, handle), "%s",
              live_world.err.text);
    expect_frozen(true);
    cr_assert(engine_world_thaw(&live_world, handle));
    expect_frozen(false);
    expect_all_answer(handle);

    began_us = clock_now_us();
    cr_assert(engine_world_stop(&live_world, live_world.id, 20000), "%s",
              live_world.err.text);
    cr_assert_lt(clock_now_us() - began_us, 15000000, "all heard their signal");
    engine_world_until(&live_world, &live_world.exits, 1, 5000);
    engine_release(&handle);
    cr_assert_eq(pid_of(".log.sidecar"), 0);
    cr_assert_eq(pid_of(".cache.sidecar"), 0);
    cr_assert(engine_world_remove(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert_eq(containers_left(), 0);
}

Test(podman_pod_calls, a_pod_without_network_lives_freezes_and_goes)
{
    live_through(NETWORK_NONE);
}

Test(podman_pod_calls, a_pod_in_a_private_network_lives_freezes_and_goes)
{
    live_through(NETWORK_PRIVATE);
}

Test(podman_pod_calls, sidecars_are_up_and_ready_before_the_app)
{
    struct engine_handle *handle;
    uint64_t log_at;
    uint64_t cache_at;
    uint64_t app_at;

    start(NETWORK_NONE);
    second_port[1] = (char *)"--ready-delay=700";
    sidecars[1].container.command.count = 2;
    live_run(&spec);
    handle = live_attach();
    log_at = start_time_of(pid_of(".log.sidecar"));
    cache_at = start_time_of(pid_of(".cache.sidecar"));
    app_at = start_time_of(live_world.container.pid);
    cr_assert_leq(log_at, cache_at);
    cr_assert_geq(app_at - cache_at, 60, "hundredths of a second: %lu",
                  (unsigned long)(app_at - cache_at));
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cr_assert_eq(containers_left(), 0);
}

Test(podman_pod_calls, a_primed_pod_has_all_but_its_processes)
{
    struct engine_handle *handle;

    start(NETWORK_NONE);
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    cr_assert(engine_world_init(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert(live_world.container.is_primed);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 1);
    cr_assert(live_world.list[0].is_primed);
    /* Held as it is: nothing is started by that, whoever dies. */
    handle = live_attach();
    cr_assert_eq(kill(pid_of(".log.sidecar"), SIGKILL), 0);
    engine_world_run_for(&live_world, 1000);
    cr_assert(is_primed(".cache.sidecar"));
    cr_assert_not(is_running(".log.sidecar"));
    cr_assert(engine_world_start_container(&live_world, live_world.id), "%s",
              live_world.err.text);
    expect_all_answer(handle);
    /* From here on they are started again. */
    cr_assert_eq(kill(pid_of(".cache.sidecar"), SIGKILL), 0);
    for (int i = 0; i < 100 && live_world.sidecar_events < 2; i++)
        engine_world_run_for(&live_world, 50);
    expect_all_answer(handle);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cr_assert_eq(containers_left(), 0);
}

Test(podman_pod_calls, a_sidecar_that_dies_is_started_again)
{
    struct engine_handle *handle;
    int app_pid;
    int first;

    start(NETWORK_NONE);
    live_run(&spec);
    app_pid = live_world.container.pid;
    handle = live_attach();
    expect_all_answer(handle);
    first = pid_of(".cache.sidecar");
    cr_assert_eq(kill(first, SIGKILL), 0);
    for (int i = 0; i < 200 && (pid_of(".cache.sidecar") == first ||
                                pid_of(".cache.sidecar") == 0);
         i++)
        engine_world_run_for(&live_world, 50);
    expect_all_answer(handle);
    cr_assert_eq(live_world.exits, 0, "the app did not notice");
    cr_assert_eq(pid_of(""), app_pid);

    /* While it is frozen, one that is killed waits for the thaw. */
    engine_world_run_for(&live_world, 200);
    first = pid_of(".cache.sidecar");
    cr_assert(engine_world_freeze(&live_world, handle), "%s",
              live_world.err.text);
    cr_assert_eq(kill(first, SIGKILL), 0);
    engine_world_run_for(&live_world, 1500);
    expect_frozen(true);
    cr_assert_eq(pid_of(".cache.sidecar"), 0);
    cr_assert(engine_world_freeze(&live_world, handle), "without it");
    cr_assert(engine_world_thaw(&live_world, handle));
    for (int i = 0; i < 200 && pid_of(".cache.sidecar") == 0; i++)
        engine_world_run_for(&live_world, 50);
    expect_all_answer(handle);
    cr_assert_eq(live_world.exits, 0);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cr_assert_eq(containers_left(), 0);
}

Test(podman_pod_calls,
     a_sidecar_that_cannot_start_fails_the_start_with_its_name)
{
    char *arguments[] = {(char *)"/no/such/program"};

    start(NETWORK_NONE);
    sidecars[0].container.has_entrypoint = true;
    sidecars[0].container.entrypoint = (struct string_list){1, arguments};
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    cr_assert_not(engine_world_start_container(&live_world, live_world.id));
    cr_assert_not_null(strstr(live_world.err.text, "sidecar log"), "%s",
                       live_world.err.text);
    cr_assert_not_null(strstr(live_world.err.text, "/no/such/program"));
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cr_assert_eq(containers_left(), 0);

    /* One that is never ready. */

    sidecars[0].container.has_entrypoint = false;
    sidecars[1].ready_check.path = (char *)"/status/503";
    spec.ready_timeout_ms = 700;
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    cr_assert_not(engine_world_start_container(&live_world, live_world.id));
    cr_assert_eq(live_world.err.code, ERR_TIMEOUT, "%s", live_world.err.text);
    cr_assert_not_null(strstr(live_world.err.text, "sidecar cache"), "%s",
                       live_world.err.text);
    cr_assert_not_null(strstr(live_world.err.text, "503"), "%s",
                       live_world.err.text);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cr_assert_eq(containers_left(), 0);

    /* One whose image is not there leaves nothing behind. */
    sidecars[1].container.image = (char *)"localhost/berth-test/none:1";
    cr_assert_not(engine_world_create(&live_world, &spec));
    cr_assert_not_null(strstr(live_world.err.text, "sidecar cache"), "%s",
                       live_world.err.text);
    cr_assert_eq(containers_left(), 0);
    settings.network = NETWORK_NAMED;
    settings.network_name = (char *)"no-such-network";
    cr_assert_not(engine_world_create(&live_world, &spec));
    cr_assert_not_null(strstr(live_world.err.text, "no-such-network"), "%s",
                       live_world.err.text);
    cr_assert_eq(containers_left(), 0);
}

/* As after a kill -9 of berth: another engine finds it. */
static void be_another_berth(void)
{
    engine_world_end(&live_world);
    engine_world_start(&live_world, live_fixture.socket, false, "live",
                       live_fixture.state);
    engine_world_until(&live_world, &live_world.ups, 1, 30000);
    cr_assert(engine_world_list(&live_world));
}

Test(podman_pod_calls, a_pod_is_found_held_and_removed_by_another_berth)
{
    struct engine_handle *handle;

    start(NETWORK_NONE);
    live_run(&spec);
    handle = live_attach();
    expect_all_answer(handle);
    cr_assert(engine_world_freeze(&live_world, handle));
    engine_release(&handle);
    be_another_berth();
    cr_assert_eq(live_world.list_count, 1);
    cr_assert(live_world.list[0].is_frozen);
    cr_assert_str_eq(live_world.list[0].app, "app");
    cr_assert_eq(live_world.list[0].replica, 1);
    live_world.container = live_world.list[0];
    handle = live_attach();
    cr_assert(engine_world_thaw(&live_world, handle));
    expect_all_answer(handle);
    cr_assert_not_null(
        engine_sidecar(live_world.engine, live_world.container.id, "cache"));
    cr_assert(engine_world_stop(&live_world, live_world.container.id, 10000));
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.container.id));
    cr_assert_eq(containers_left(), 0);
}

Test(podman_pod_calls, what_is_left_of_a_pod_is_found_and_removed)
{
    char out[4096];

    start(NETWORK_NONE);
    live_run(&spec);
    cr_assert(
        podman_fixture_run(&live_fixture, "rm -f -t 0 berth-live-app-1", out));
    be_another_berth();
    cr_assert_eq(live_world.list_count, 1);
    cr_assert_not(live_world.list[0].is_running);
    cr_assert_str_eq(live_world.list[0].app, "app");
    cr_assert(engine_world_stop(&live_world, live_world.list[0].id, 5000));
    cr_assert(engine_world_remove(&live_world, live_world.list[0].id), "%s",
              live_world.err.text);
    cr_assert_eq(containers_left(), 0);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 0);
}
