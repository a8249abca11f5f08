/* The engine against a real Podman: its own, private, and gone afterwards. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_service.h"
#include "lifecycle/socket_dir.h"
#include "lifecycle/unix_connect.h"
#include "router/base/alloc.h"
#include "tests/support/live_app.h"

#define APP "localhost/berth-test/app:1"

TestSuite(podman_live, .fini = live_end, .timeout = 120);

Test(podman_live, tells_what_it_can_do_and_which_images_there_are)
{
    const struct engine_capabilities *can;

    live_start(true);
    can = engine_capabilities(live_world.engine);
    cr_assert_str_eq(can->name, "podman");
    cr_assert_neq(can->version[0], '\0');
    cr_assert(can->sockets_inside);
    cr_assert_not(can->rootless);
    cr_assert(engine_is_up(live_world.engine));

    cr_assert(engine_world_image(&live_world, "localhost/berth-test/expose:1"));
    cr_assert_eq(live_world.image.exposed_port, 9000);
    cr_assert_eq(strlen(live_world.image.id), 64);
    cr_assert(engine_world_image(&live_world, APP));
    cr_assert_eq(live_world.image.exposed_port, 0);
    cr_assert_not(
        engine_world_image(&live_world, "localhost/berth-test/none:1"));
    cr_assert_eq(live_world.err.code, ERR_NOT_FOUND, "%s", live_world.err.text);
    cr_assert_not(
        engine_world_pull(&live_world, "localhost/berth-test/none:1"));
    cr_assert_eq(live_world.err.code, ERR_NOT_FOUND);
    cr_assert_not_null(strstr(live_world.err.text, "podman build"));
    /* No registry is in reach here: at once, and with its name. */
    cr_assert_not(engine_world_pull(&live_world, "127.0.0.1:9/none:1"));
    cr_assert_eq(live_world.err.code, ERR_UNAVAILABLE, "%s",
                 live_world.err.text);
    cr_assert_not_null(strstr(live_world.err.text, "127.0.0.1:9"), "%s",
                       live_world.err.text);
}

Test(podman_live, a_container_without_network_lives_serves_and_goes)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "7");
    struct engine_handle *handle;
    char id[80];

    live_start(true);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 0);
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    memcpy(id, live_world.id, sizeof id);
    cr_assert_not(engine_world_create(&live_world, &spec));
    cr_assert_eq(live_world.err.code, ERR_EXISTS, "%s", live_world.err.text);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 1);
    cr_assert(live_world.list[0].is_created);
    cr_assert_not(live_world.list[0].is_running);
    cr_assert(engine_world_stop(&live_world, id, 1000),
              "a stop of what never ran: %s", live_world.err.text);
    cr_assert(engine_world_remove(&live_world, id), "%s", live_world.err.text);
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    memcpy(id, live_world.id, sizeof id);

    cr_assert(engine_world_start_container(&live_world, id), "%s",
              live_world.err.text);
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));

    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 1);
    cr_assert_str_eq(live_world.list[0].id, id);
    cr_assert_str_eq(live_world.list[0].name, "berth-live-app-7");
    cr_assert_str_eq(live_world.list[0].app, "app");
    cr_assert_str_eq(live_world.list[0].revision, "c0ffee");
    cr_assert_eq(live_world.list[0].replica, 7);
    cr_assert_eq(live_world.list[0].port, 8000);
    cr_assert(live_world.list[0].inside);
    cr_assert(live_world.list[0].is_running);
    cr_assert_eq(live_world.list[0].pid, live_world.container.pid);
    cr_assert(engine_world_image(&live_world, APP));
    cr_assert_str_eq(live_world.list[0].image_id, live_world.image.id);

    cr_assert_eq(live_world.exits, 0);
    cr_assert(engine_world_stop(&live_world, id, 5000), "%s",
              live_world.err.text);
    engine_world_until(&live_world, &live_world.exits, 1, 1000);
    engine_world_until(&live_world, &live_world.deaths, 1, 5000);
    cr_assert_str_eq(live_world.died_id, id);
    cr_assert_eq(live_world.died_code, 0);
    engine_release(&handle);
    cr_assert(engine_world_wait(&live_world, id));
    cr_assert_not(live_world.container.is_running);
    cr_assert(engine_world_stop(&live_world, id, 5000),
              "a stop that is repeated");
    cr_assert(engine_world_remove(&live_world, id), "%s", live_world.err.text);
    cr_assert(engine_world_remove(&live_world, id), "%s", live_world.err.text);
    cr_assert(engine_world_stop(&live_world, id, 1000), "%s",
              live_world.err.text);
    cr_assert_not(engine_world_inspect(&live_world, id));
    cr_assert_eq(live_world.err.code, ERR_NOT_FOUND);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 0);
}

Test(podman_live, a_crash_is_seen_at_once_with_its_code_and_last_words)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    struct engine_handle *handle;
    char *arguments[] = {(char *)"--crash-after=300",
                         (char *)"--crash-code=42"};
    int fd;

    settings.has_command = true;
    settings.command = (struct string_list){2, arguments};
    live_start(true);
    live_run(&spec);
    handle = live_attach();
    engine_world_until(&live_world, &live_world.exits, 1, 10000);
    cr_assert_not(engine_sockets(handle, AF_INET, 1, &fd, &live_world.err));
    cr_assert_eq(live_world.err.code, ERR_NOT_FOUND);
    engine_release(&handle);
    cr_assert(engine_world_wait(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert_eq(live_world.container.exit_code, 42);
    engine_world_until(&live_world, &live_world.deaths, 1, 5000);
    cr_assert_eq(live_world.died_code, 42);

    cr_assert(engine_world_logs(&live_world, live_world.id, 100, 65536), "%s",
              live_world.err.text);
    cr_assert_not_null(
        strstr(live_world.text.data, "testapp: crash, code 42\n"));
    cr_assert(engine_world_logs(&live_world, live_world.id, 100, 8), "%s",
              live_world.err.text);
    cr_assert_eq(live_world.text.len, 8);
    cr_assert_str_eq(live_world.text.data, "code 42\n");
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_live, an_app_that_ends_at_once_gives_its_code)
{
    struct container_settings settings =
        live_settings("localhost/berth-test/exit:1");
    struct engine_spec spec = live_spec(&settings, "app", "1");

    live_start(true);
    cr_assert(engine_world_create(&live_world, &spec));
    /* It may be seen running for the blink of an eye. */
    if (!engine_world_start_container(&live_world, live_world.id)) {
        cr_assert_eq(live_world.err.code, ERR_FAILED);
        cr_assert(live_world.has_container);
    }
    cr_assert(engine_world_wait(&live_world, live_world.id));
    cr_assert_eq(live_world.container.exit_code, 3);
    cr_assert(engine_world_logs(&live_world, live_world.id, 1, 4096));
    cr_assert_not_null(strstr(live_world.text.data, "\n"));
    cr_assert_null(strchr(strchr(live_world.text.data, '\n') + 1, '\n'),
                   "one line of the tail was asked for: %s",
                   live_world.text.data);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_live, a_start_that_fails_says_why)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    char *arguments[] = {(char *)"/no/such/program"};

    settings.has_entrypoint = true;
    settings.entrypoint = (struct string_list){1, arguments};
    live_start(true);
    cr_assert(engine_world_create(&live_world, &spec), "%s",
              live_world.err.text);
    cr_assert_not(engine_world_start_container(&live_world, live_world.id));
    cr_assert_neq(live_world.err.code, ERR_NONE);
    cr_assert_not_null(strstr(live_world.err.text, "/no/such/program"), "%s",
                       live_world.err.text);
    cr_assert(engine_world_remove(&live_world, live_world.id));

    settings = live_settings("localhost/berth-test/none:1");
    cr_assert_not(engine_world_create(&live_world, &spec));
    cr_assert_eq(live_world.err.code, ERR_NOT_FOUND, "%s", live_world.err.text);
    settings = live_settings(APP);
    settings.network = NETWORK_NAMED;
    settings.network_name = (char *)"no-such-network";
    cr_assert_not(engine_world_create(&live_world, &spec));
    cr_assert_eq(live_world.err.code, ERR_FAILED, "%s", live_world.err.text);
    cr_assert_not_null(strstr(live_world.err.text, "no-such-network"));
}

Test(podman_live, a_private_network_is_made_on_demand_and_pruned)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    const char *keep[] = {"app"};
    struct engine_handle *handle;
    char out[4096];

    settings.network = NETWORK_PRIVATE;
    live_start(true);
    live_run(&spec);
    handle = live_attach();
    cr_assert_not_null(
        strstr(live_get_inside(handle, 8000, "/"), "hello from"));
    engine_release(&handle);
    cr_assert(podman_fixture_run(&live_fixture,
                                 "network inspect berth-live-app", out));
    cr_assert_not_null(strstr(out, "\"isolate\": \"true\""), "%s", out);
    cr_assert_not_null(strstr(out, "\"dns_enabled\": false"), "%s", out);
    /* In use, and not named: it stays all the same. */
    cr_assert(engine_world_prune(&live_world, NULL, 0), "%s",
              live_world.err.text);
    cr_assert(podman_fixture_run(&live_fixture, "network exists berth-live-app",
                                 out));
    cr_assert(engine_world_remove(&live_world, live_world.id));
    cr_assert(engine_world_prune(&live_world, keep, 1));
    cr_assert(podman_fixture_run(&live_fixture, "network exists berth-live-app",
                                 out));
    cr_assert(engine_world_prune(&live_world, NULL, 0));
    cr_assert_not(podman_fixture_run(&live_fixture,
                                     "network exists berth-live-app", out));
}

/* In a process of its own: an engine that has a service and a container. */
static void be_a_berth(int pipe_fd)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    int pids[2];

    engine_world_start(&live_world, live_fixture.socket, true, "live",
                       live_fixture.state);
    engine_world_until(&live_world, &live_world.ups, 1, 30000);
    if (!engine_world_create(&live_world, &spec) ||
        !engine_world_start_container(&live_world, live_world.id))
        _exit(1);
    pids[0] = podman_service_pid(
        ((struct podman *)(void *)live_world.engine)->service);
    pids[1] = live_world.container.pid;
    if (write(pipe_fd, pids, sizeof pids) != sizeof pids)
        _exit(1);
    pause();
    _exit(0);
}

Test(podman_live, a_killed_berth_takes_its_service_along_but_no_container)
{
    const char *why;
    int fds[2];
    int pids[2];
    pid_t berth;
    int tries = 0;

    if (!podman_fixture_start(&live_fixture, false, &why))
        cr_skip_test("no test against a real Podman: %s", why);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    berth = fork();
    if (berth == 0)
        be_a_berth(fds[1]);
    cr_assert_eq(read(fds[0], pids, sizeof pids), sizeof pids);
    cr_assert_gt(pids[0], 0);
    cr_assert_eq(kill(berth, SIGKILL), 0);
    waitpid(berth, NULL, 0);
    while (kill(pids[0], 0) == 0 && tries++ < 500)
        usleep(10000);
    cr_assert_neq(kill(pids[0], 0), 0, "the service outlived berth");
    cr_assert_eq(kill(pids[1], 0), 0, "the container did not");

    /* The next one finds it. */
    live_is_started = true;
    engine_world_start(&live_world, live_fixture.socket, true, "live",
                       live_fixture.state);
    engine_world_until(&live_world, &live_world.ups, 1, 30000);
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list_count, 1);
    cr_assert_eq(live_world.list[0].pid, pids[1]);
    live_world.container = live_world.list[0];
    {
        struct engine_handle *handle = live_attach();

        cr_assert_not_null(
            strstr(live_get_inside(handle, 8000, "/"), "hello from"));
        engine_release(&handle);
    }
    cr_assert(engine_world_remove(&live_world, live_world.list[0].id));
}

/* Slow: the ping, and two probes, have to time out. */
Test(podman_live, a_service_of_our_own_that_hangs_is_replaced)
{
    struct podman_service *service;
    int first;

    live_start(false);
    service = ((struct podman *)(void *)live_world.engine)->service;
    first = podman_service_pid(service);
    cr_assert_eq(kill(first, SIGSTOP), 0);
    engine_world_until(&live_world, &live_world.downs, 1, 20000);
    cr_assert_eq(live_world.down.code, ERR_TIMEOUT, "%s", live_world.down.text);
    engine_world_until(&live_world, &live_world.ups, 2, 30000);
    cr_assert_neq(podman_service_pid(service), first);
    cr_assert_eq(live_world.downs, 1);
    cr_assert(engine_world_list(&live_world));
}

Test(podman_live, a_published_port_is_told_and_reached)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    uint32_t port;
    const char *answer = "";

    settings.network = NETWORK_PRIVATE;
    spec.inside = false;
    spec.publish = true;
    live_start(true);
    live_run(&spec);
    port = live_world.container.host_port;
    cr_assert_gt(port, 0);
    cr_assert_not(live_world.container.inside);
    for (int tries = 0; tries < 500 && answer[0] == '\0'; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (live_connect_to(fd, "127.0.0.1", port))
            answer = live_get(fd, "/");
        close(fd);
        usleep(10000);
    }
    cr_assert_not_null(strstr(answer, "hello from"));
    cr_assert(engine_world_list(&live_world));
    cr_assert_eq(live_world.list[0].host_port, port);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_live, an_apps_unix_socket_is_reached_and_its_link_is_not)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    AUTO(auto_free) char *dir = NULL;
    char *arguments[] = {(char *)"--unix"};
    const char *answer = "";
    struct err err;

    settings.socket = (char *)"app.sock";
    settings.has_command = true;
    settings.command = (struct string_list){1, arguments};
    spec.inside = false;
    live_start(true);
    cr_assert(
        socket_dir_make(live_fixture.state, spec.name, "app.sock", &dir, &err),
        "%s", err.text);
    spec.socket_dir = dir;
    live_run(&spec);
    for (int tries = 0; tries < 500 && answer[0] == '\0'; tries++) {
        int fd;

        if (unix_connect(live_world.container.socket_path, &fd, &err)) {
            answer = live_get(fd, "/");
            close(fd);
        }
        usleep(10000);
    }
    cr_assert_not_null(strstr(answer, "hello from"), "%s", err.text);
    cr_assert(engine_world_remove(&live_world, live_world.id));

    arguments[0] = (char *)"--symlink-socket=/run/podman/podman.sock";
    live_run(&spec);
    for (int tries = 0; tries < 500; tries++) {
        int fd;

        cr_assert_not(
            unix_connect(live_world.container.socket_path, &fd, &err));
        if (err.code == ERR_DENIED)
            break;
        usleep(10000);
    }
    cr_assert_eq(err.code, ERR_DENIED, "%s", err.text);
    cr_assert(engine_world_remove(&live_world, live_world.id));
    socket_dir_remove(live_fixture.state, spec.name);
    cr_assert(access(dir, F_OK) != 0);
}

static void read_file(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t n;

    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    n = fread(ret, 1, size - 1, file);
    ret[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (ret[i] == '\0')
            ret[i] = '\n';
    }
    fclose(file);
}

/* Started is told when runc has let its init go on, which then still has to
 * become the app. The environment of what it became. */
static void read_environ_of_app(char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/environ", live_world.container.pid);
    for (int i = 0; i < 1000; i++) {
        read_file(path, text, size);
        if (text[0] && !strstr(text, "_LIBCONTAINER_"))
            return;
        usleep(10000);
    }
    cr_assert_fail("runc's init never became the app");
}

Test(podman_live, what_is_set_is_what_the_app_gets)
{
    struct name_value env[] = {{(char *)"GREETING", (char *)"h=i \"x\""},
                               {(char *)"PORT", (char *)"1"}};
    struct ulimit_setting ulimits[] = {{(char *)"nofile", 512, 1024},
                                       {(char *)"core", 0, 0}};
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "12");
    char path[128];
    char text[8192];
    char out[4096];

    settings.env = (struct name_values){2, env};
    settings.ulimits = ulimits;
    settings.ulimit_count = 2;
    settings.user = (char *)"1234:2345";
    settings.workdir = (char *)"/tmp";
    settings.memory_bytes = 64U << 20;
    settings.cpu_millis = 500;
    settings.pids = 40;
    settings.stop_signal = (char *)"SIGINT";
    spec.port = 8123;
    live_start(true);
    live_run(&spec);
    read_environ_of_app(text, sizeof text);
    cr_assert_not_null(strstr(text, "GREETING=h=i \"x\"\n"), "%s", text);
    cr_assert_not_null(strstr(text, "PORT=8123\n"), "%s", text);
    cr_assert_null(strstr(text, "PORT=1\n"), "%s", text);
    cr_assert_not_null(strstr(text, "BERTH_APP=app\n"), "%s", text);
    cr_assert_not_null(strstr(text, "BERTH_REPLICA=12\n"), "%s", text);
    snprintf(path, sizeof path, "/proc/%d/limits", live_world.container.pid);
    read_file(path, text, sizeof text);
    cr_assert_not_null(
        strstr(text, "Max open files            512                  1024 "),
        "%s", text);
    snprintf(path, sizeof path, "/proc/%d/status", live_world.container.pid);
    read_file(path, text, sizeof text);
    cr_assert_not_null(strstr(text, "Uid:\t1234\t1234"), "%s", text);
    cr_assert_not_null(strstr(text, "Gid:\t2345\t2345"), "%s", text);
    cr_assert(podman_fixture_run(
        &live_fixture,
        "inspect --format '{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} "
        "{{.HostConfig.PidsLimit}} {{.Config.StopSignal}} "
        "{{.Config.StopTimeout}} {{.Config.WorkingDir}}' berth-live-app-12",
        out));
    cr_assert_str_eq(out, "67108864 50000 40 2 5 /tmp\n", "%s", out);
    cr_assert(engine_world_remove(&live_world, live_world.id));
}

Test(podman_live, a_service_of_our_own_is_started_supervised_and_ended)
{
    struct container_settings settings = live_settings(APP);
    struct engine_spec spec = live_spec(&settings, "app", "1");
    struct podman_service *service;
    struct engine_handle *handle;
    struct stat status;
    char path[128];
    int first;
    int second;
    int app;

    live_start(false);
    service = ((struct podman *)(void *)live_world.engine)->service;
    first = podman_service_pid(service);
    cr_assert_gt(first, 0);
    cr_assert_eq(getpgid(first), first, "not in a process group of its own");
    snprintf(path, sizeof path, "%s/podman-live.sock", live_fixture.state);
    cr_assert_eq(stat(path, &status), 0, "%s", path);
    cr_assert_eq(status.st_mode & 0022, 0, "others could be root by it");
    live_run(&spec);
    app = live_world.container.pid;
    handle = live_attach();

    cr_assert_eq(kill(first, SIGKILL), 0);
    engine_world_until(&live_world, &live_world.downs, 1, 5000);
    engine_world_until(&live_world, &live_world.ups, 2, 30000);
    cr_assert_eq(live_world.downs, 1, "on_down is said once");
    second = podman_service_pid(service);
    cr_assert_neq(second, first);
    cr_assert_eq(live_world.exits, 0, "the app did not notice");
    cr_assert(engine_world_inspect(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert_eq(live_world.container.pid, app);
    /* Deaths are heard again. */
    cr_assert_eq(kill(app, SIGKILL), 0);
    engine_world_until(&live_world, &live_world.exits, 1, 1000);
    engine_world_until(&live_world, &live_world.deaths, 1, 10000);
    engine_release(&handle);
    cr_assert(engine_world_remove(&live_world, live_world.id), "%s",
              live_world.err.text);

    live_run(&spec);
    app = live_world.container.pid;
    engine_free(&live_world.engine);
    cr_assert_neq(kill(second, 0), 0, "its service outlived it");
    cr_assert_eq(kill(app, 0), 0, "the container did not outlive it");
}
