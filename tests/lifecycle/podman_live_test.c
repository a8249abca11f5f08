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
#include "tests/support/engine_world.h"
#include "tests/support/podman_fixture.h"

#define APP "localhost/berth-test/app:1"

static struct podman_fixture fixture;
static struct engine_world world;
static bool is_started;

static void start(bool serve)
{
    const char *why;

    if (!podman_fixture_start(&fixture, serve, &why))
        cr_skip_test("no test against a real Podman: %s", why);
    is_started = true;
    /* Without a service of the fixture there is nobody on its socket, and the
     * engine has to start one. */
    engine_world_start(&world, fixture.socket, !serve, "live", fixture.state);
    engine_world_until(&world, &world.ups, 1, 30000);
}

static void end(void)
{
    if (!is_started)
        return;
    engine_world_end(&world);
    podman_fixture_end(&fixture);
    cr_assert(access(fixture.dir, F_OK) != 0, "%s is left over", fixture.dir);
}

TestSuite(podman_live, .fini = end, .timeout = 120);

static struct container_settings settings_of(const char *image)
{
    return (struct container_settings){
        .image = (char *)(uintptr_t)image,
        .network = NETWORK_NONE,
        .stop_timeout_ms = 5000,
    };
}

static struct engine_spec spec_of(const struct container_settings *container,
                                  const char *app, const char *replica)
{
    static char name[64];

    snprintf(name, sizeof name, "berth-live-%s-%s", app, replica);
    return (struct engine_spec){
        .container = container,
        .labels = {SV("live"), sv_of(app), SV("c0ffee"), sv_of(replica)},
        .name = name,
        .port = 8000,
        .inside = true,
    };
}

/* Create and start; world.container is it then. */
static void run(const struct engine_spec *spec)
{
    cr_assert(engine_world_create(&world, spec), "%s", world.err.text);
    cr_assert(engine_world_start_container(&world, world.id), "%s",
              world.err.text);
    cr_assert(world.container.is_running);
    cr_assert_gt(world.container.pid, 0);
}

static struct engine_handle *attach(void)
{
    struct err err = {0};
    struct engine_handle *handle = engine_attach(
        world.engine, &world.container, engine_world_on_exit, &world, &err);

    cr_assert_not_null(handle, "%s", err.text);
    return handle;
}

/* What a GET of path brings over a socket that is not connected yet (address
 * given) or is. Tries again while the app does not listen. */
static const char *get(int fd, const char *path)
{
    static char answer[4096];
    struct pollfd poll_fd = {.fd = fd};
    char request[256];
    size_t len = 0;
    ssize_t n;

    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return "";
    poll_fd.events = POLLIN;
    while (len < sizeof answer - 1 && poll(&poll_fd, 1, 5000) > 0 &&
           (n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0)
        len += (size_t)n;
    answer[len] = '\0';
    return answer;
}

static bool connect_to(int fd, const char *host, uint32_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int failure = 0;
    socklen_t size = sizeof failure;

    inet_pton(AF_INET, host, &address.sin_addr);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    if (errno != EINPROGRESS || poll(&poll_fd, 1, 5000) <= 0)
        return false;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    return failure == 0;
}

/* GET path through sockets made inside, until the app listens. */
static const char *get_inside(struct engine_handle *handle, uint32_t port,
                              const char *path)
{
    for (int tries = 0; tries < 500; tries++) {
        const char *answer;
        struct err err;
        int fd;

        cr_assert(engine_sockets(handle, AF_INET, 1, &fd, &err), "%s",
                  err.text);
        answer = connect_to(fd, "127.0.0.1", port) ? get(fd, path) : "";
        close(fd);
        if (answer[0] != '\0')
            return answer;
        usleep(10000);
    }
    return "";
}

Test(podman_live, tells_what_it_can_do_and_which_images_there_are)
{
    const struct engine_capabilities *can;

    start(true);
    can = engine_capabilities(world.engine);
    cr_assert_str_eq(can->name, "podman");
    cr_assert_neq(can->version[0], '\0');
    cr_assert(can->sockets_inside);
    cr_assert_not(can->rootless);
    cr_assert(engine_is_up(world.engine));

    cr_assert(engine_world_image(&world, "localhost/berth-test/expose:1"));
    cr_assert_eq(world.image.exposed_port, 9000);
    cr_assert_eq(strlen(world.image.id), 64);
    cr_assert(engine_world_image(&world, APP));
    cr_assert_eq(world.image.exposed_port, 0);
    cr_assert_not(engine_world_image(&world, "localhost/berth-test/none:1"));
    cr_assert_eq(world.err.code, ERR_NOT_FOUND, "%s", world.err.text);
    cr_assert_not(engine_world_pull(&world, "localhost/berth-test/none:1"));
    cr_assert_eq(world.err.code, ERR_NOT_FOUND);
    cr_assert_not_null(strstr(world.err.text, "podman build"));
    /* No registry is in reach here: at once, and with its name. */
    cr_assert_not(engine_world_pull(&world, "127.0.0.1:9/none:1"));
    cr_assert_eq(world.err.code, ERR_UNAVAILABLE, "%s", world.err.text);
    cr_assert_not_null(strstr(world.err.text, "127.0.0.1:9"), "%s",
                       world.err.text);
}

Test(podman_live, a_container_without_network_lives_serves_and_goes)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "7");
    struct engine_handle *handle;
    char id[80];

    start(true);
    cr_assert(engine_world_list(&world));
    cr_assert_eq(world.list_count, 0);
    cr_assert(engine_world_create(&world, &spec), "%s", world.err.text);
    memcpy(id, world.id, sizeof id);
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(world.err.code, ERR_EXISTS, "%s", world.err.text);
    cr_assert(engine_world_list(&world));
    cr_assert_eq(world.list_count, 1);
    cr_assert(world.list[0].is_created);
    cr_assert_not(world.list[0].is_running);
    cr_assert(engine_world_stop(&world, id, 1000),
              "a stop of what never ran: %s", world.err.text);
    cr_assert(engine_world_remove(&world, id), "%s", world.err.text);
    cr_assert(engine_world_create(&world, &spec), "%s", world.err.text);
    memcpy(id, world.id, sizeof id);

    cr_assert(engine_world_start_container(&world, id), "%s", world.err.text);
    handle = attach();
    cr_assert_not_null(strstr(get_inside(handle, 8000, "/"), "hello from"));

    cr_assert(engine_world_list(&world));
    cr_assert_eq(world.list_count, 1);
    cr_assert_str_eq(world.list[0].id, id);
    cr_assert_str_eq(world.list[0].name, "berth-live-app-7");
    cr_assert_str_eq(world.list[0].app, "app");
    cr_assert_str_eq(world.list[0].revision, "c0ffee");
    cr_assert_eq(world.list[0].replica, 7);
    cr_assert_eq(world.list[0].port, 8000);
    cr_assert(world.list[0].inside);
    cr_assert(world.list[0].is_running);
    cr_assert_eq(world.list[0].pid, world.container.pid);
    cr_assert(engine_world_image(&world, APP));
    cr_assert_str_eq(world.list[0].image_id, world.image.id);

    cr_assert_eq(world.exits, 0);
    cr_assert(engine_world_stop(&world, id, 5000), "%s", world.err.text);
    engine_world_until(&world, &world.exits, 1, 1000);
    engine_world_until(&world, &world.deaths, 1, 5000);
    cr_assert_str_eq(world.died_id, id);
    cr_assert_eq(world.died_code, 0);
    engine_release(&handle);
    cr_assert(engine_world_wait(&world, id));
    cr_assert_not(world.container.is_running);
    cr_assert(engine_world_stop(&world, id, 5000), "a stop that is repeated");
    cr_assert(engine_world_remove(&world, id), "%s", world.err.text);
    cr_assert(engine_world_remove(&world, id), "%s", world.err.text);
    cr_assert(engine_world_stop(&world, id, 1000), "%s", world.err.text);
    cr_assert_not(engine_world_inspect(&world, id));
    cr_assert_eq(world.err.code, ERR_NOT_FOUND);
    cr_assert(engine_world_list(&world));
    cr_assert_eq(world.list_count, 0);
}

Test(podman_live, a_crash_is_seen_at_once_with_its_code_and_last_words)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    struct engine_handle *handle;
    char *arguments[] = {(char *)"--crash-after=300",
                         (char *)"--crash-code=42"};
    int fd;

    settings.has_command = true;
    settings.command = (struct string_list){2, arguments};
    start(true);
    run(&spec);
    handle = attach();
    engine_world_until(&world, &world.exits, 1, 10000);
    cr_assert_not(engine_sockets(handle, AF_INET, 1, &fd, &world.err));
    cr_assert_eq(world.err.code, ERR_NOT_FOUND);
    engine_release(&handle);
    cr_assert(engine_world_wait(&world, world.id), "%s", world.err.text);
    cr_assert_eq(world.container.exit_code, 42);
    engine_world_until(&world, &world.deaths, 1, 5000);
    cr_assert_eq(world.died_code, 42);

    cr_assert(engine_world_logs(&world, world.id, 100, 65536), "%s",
              world.err.text);
    cr_assert_not_null(strstr(world.text.data, "testapp: crash, code 42\n"));
    cr_assert(engine_world_logs(&world, world.id, 100, 8), "%s",
              world.err.text);
    cr_assert_eq(world.text.len, 8);
    cr_assert_str_eq(world.text.data, "code 42\n");
    cr_assert(engine_world_remove(&world, world.id));
}

Test(podman_live, an_app_that_ends_at_once_gives_its_code)
{
    struct container_settings settings =
        settings_of("localhost/berth-test/exit:1");
    struct engine_spec spec = spec_of(&settings, "app", "1");

    start(true);
    cr_assert(engine_world_create(&world, &spec));
    /* It may be seen running for the blink of an eye. */
    if (!engine_world_start_container(&world, world.id)) {
        cr_assert_eq(world.err.code, ERR_FAILED);
        cr_assert(world.has_container);
    }
    cr_assert(engine_world_wait(&world, world.id));
    cr_assert_eq(world.container.exit_code, 3);
    cr_assert(engine_world_logs(&world, world.id, 1, 4096));
    cr_assert_not_null(strstr(world.text.data, "\n"));
    cr_assert_null(strchr(strchr(world.text.data, '\n') + 1, '\n'),
                   "one line of the tail was asked for: %s", world.text.data);
    cr_assert(engine_world_remove(&world, world.id));
}

Test(podman_live, a_start_that_fails_says_why)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    char *arguments[] = {(char *)"/no/such/program"};

    settings.has_entrypoint = true;
    settings.entrypoint = (struct string_list){1, arguments};
    start(true);
    cr_assert(engine_world_create(&world, &spec), "%s", world.err.text);
    cr_assert_not(engine_world_start_container(&world, world.id));
    cr_assert_neq(world.err.code, ERR_NONE);
    cr_assert_not_null(strstr(world.err.text, "/no/such/program"), "%s",
                       world.err.text);
    cr_assert(engine_world_remove(&world, world.id));

    settings = settings_of("localhost/berth-test/none:1");
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(world.err.code, ERR_NOT_FOUND, "%s", world.err.text);
    settings = settings_of(APP);
    settings.network = NETWORK_NAMED;
    settings.network_name = (char *)"no-such-network";
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(world.err.code, ERR_FAILED, "%s", world.err.text);
    cr_assert_not_null(strstr(world.err.text, "no-such-network"));
}

Test(podman_live, a_private_network_is_made_on_demand_and_pruned)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    const char *keep[] = {"app"};
    struct engine_handle *handle;
    char out[4096];

    settings.network = NETWORK_PRIVATE;
    start(true);
    run(&spec);
    handle = attach();
    cr_assert_not_null(strstr(get_inside(handle, 8000, "/"), "hello from"));
    engine_release(&handle);
    cr_assert(
        podman_fixture_run(&fixture, "network inspect berth-live-app", out));
    cr_assert_not_null(strstr(out, "\"isolate\": \"true\""), "%s", out);
    cr_assert_not_null(strstr(out, "\"dns_enabled\": false"), "%s", out);
    /* In use, and not named: it stays all the same. */
    cr_assert(engine_world_prune(&world, NULL, 0), "%s", world.err.text);
    cr_assert(
        podman_fixture_run(&fixture, "network exists berth-live-app", out));
    cr_assert(engine_world_remove(&world, world.id));
    cr_assert(engine_world_prune(&world, keep, 1));
    cr_assert(
        podman_fixture_run(&fixture, "network exists berth-live-app", out));
    cr_assert(engine_world_prune(&world, NULL, 0));
    cr_assert_not(
        podman_fixture_run(&fixture, "network exists berth-live-app", out));
}

/* In a process of its own: an engine that has a service and a container. */
static void be_a_berth(int pipe_fd)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    int pids[2];

    engine_world_start(&world, fixture.socket, true, "live", fixture.state);
    engine_world_until(&world, &world.ups, 1, 30000);
    if (!engine_world_create(&world, &spec) ||
        !engine_world_start_container(&world, world.id))
        _exit(1);
    pids[0] =
        podman_service_pid(((struct podman *)(void *)world.engine)->service);
    pids[1] = world.container.pid;
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

    if (!podman_fixture_start(&fixture, false, &why))
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
    is_started = true;
    engine_world_start(&world, fixture.socket, true, "live", fixture.state);
    engine_world_until(&world, &world.ups, 1, 30000);
    cr_assert(engine_world_list(&world));
    cr_assert_eq(world.list_count, 1);
    cr_assert_eq(world.list[0].pid, pids[1]);
    world.container = world.list[0];
    {
        struct engine_handle *handle = attach();

        cr_assert_not_null(strstr(get_inside(handle, 8000, "/"), "hello from"));
        engine_release(&handle);
    }
    cr_assert(engine_world_remove(&world, world.list[0].id));
}

/* Slow: the ping, and two probes, have to time out. */
Test(podman_live, a_service_of_our_own_that_hangs_is_replaced)
{
    struct podman_service *service;
    int first;

    start(false);
    service = ((struct podman *)(void *)world.engine)->service;
    first = podman_service_pid(service);
    cr_assert_eq(kill(first, SIGSTOP), 0);
    engine_world_until(&world, &world.downs, 1, 20000);
    cr_assert_eq(world.down.code, ERR_TIMEOUT, "%s", world.down.text);
    engine_world_until(&world, &world.ups, 2, 30000);
    cr_assert_neq(podman_service_pid(service), first);
    cr_assert_eq(world.downs, 1);
    cr_assert(engine_world_list(&world));
}

Test(podman_live, a_published_port_is_told_and_reached)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    uint32_t port;
    const char *answer = "";

    settings.network = NETWORK_PRIVATE;
    spec.inside = false;
    spec.publish = true;
    start(true);
    run(&spec);
    port = world.container.host_port;
    cr_assert_gt(port, 0);
    cr_assert_not(world.container.inside);
    for (int tries = 0; tries < 500 && answer[0] == '\0'; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect_to(fd, "127.0.0.1", port))
            answer = get(fd, "/");
        close(fd);
        usleep(10000);
    }
    cr_assert_not_null(strstr(answer, "hello from"));
    cr_assert(engine_world_list(&world));
    cr_assert_eq(world.list[0].host_port, port);
    cr_assert(engine_world_remove(&world, world.id));
}

Test(podman_live, an_apps_unix_socket_is_reached_and_its_link_is_not)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    AUTO(auto_free) char *dir = NULL;
    char *arguments[] = {(char *)"--unix"};
    const char *answer = "";
    struct err err;

    settings.socket = (char *)"app.sock";
    settings.has_command = true;
    settings.command = (struct string_list){1, arguments};
    spec.inside = false;
    start(true);
    cr_assert(socket_dir_make(fixture.state, spec.name, "app.sock", &dir, &err),
              "%s", err.text);
    spec.socket_dir = dir;
    run(&spec);
    for (int tries = 0; tries < 500 && answer[0] == '\0'; tries++) {
        int fd;

        if (unix_connect(world.container.socket_path, &fd, &err)) {
            answer = get(fd, "/");
            close(fd);
        }
        usleep(10000);
    }
    cr_assert_not_null(strstr(answer, "hello from"), "%s", err.text);
    cr_assert(engine_world_remove(&world, world.id));

    arguments[0] = (char *)"--symlink-socket=/run/podman/podman.sock";
    run(&spec);
    for (int tries = 0; tries < 500; tries++) {
        int fd;

        cr_assert_not(unix_connect(world.container.socket_path, &fd, &err));
        if (err.code == ERR_DENIED)
            break;
        usleep(10000);
    }
    cr_assert_eq(err.code, ERR_DENIED, "%s", err.text);
    cr_assert(engine_world_remove(&world, world.id));
    socket_dir_remove(fixture.state, spec.name);
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

    snprintf(path, sizeof path, "/proc/%d/environ", world.container.pid);
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
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "12");
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
    start(true);
    run(&spec);
    read_environ_of_app(text, sizeof text);
    cr_assert_not_null(strstr(text, "GREETING=h=i \"x\"\n"), "%s", text);
    cr_assert_not_null(strstr(text, "PORT=8123\n"), "%s", text);
    cr_assert_null(strstr(text, "PORT=1\n"), "%s", text);
    cr_assert_not_null(strstr(text, "BERTH_APP=app\n"), "%s", text);
    cr_assert_not_null(strstr(text, "BERTH_REPLICA=12\n"), "%s", text);
    snprintf(path, sizeof path, "/proc/%d/limits", world.container.pid);
    read_file(path, text, sizeof text);
    cr_assert_not_null(
        strstr(text, "Max open files            512                  1024 "),
        "%s", text);
    snprintf(path, sizeof path, "/proc/%d/status", world.container.pid);
    read_file(path, text, sizeof text);
    cr_assert_not_null(strstr(text, "Uid:\t1234\t1234"), "%s", text);
    cr_assert_not_null(strstr(text, "Gid:\t2345\t2345"), "%s", text);
    cr_assert(podman_fixture_run(
        &fixture,
        "inspect --format '{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} "
        "{{.HostConfig.PidsLimit}} {{.Config.StopSignal}} "
        "{{.Config.StopTimeout}} {{.Config.WorkingDir}}' berth-live-app-12",
        out));
    cr_assert_str_eq(out, "67108864 50000 40 2 5 /tmp\n", "%s", out);
    cr_assert(engine_world_remove(&world, world.id));
}

Test(podman_live, a_service_of_our_own_is_started_supervised_and_ended)
{
    struct container_settings settings = settings_of(APP);
    struct engine_spec spec = spec_of(&settings, "app", "1");
    struct podman_service *service;
    struct engine_handle *handle;
    struct stat status;
    char path[128];
    int first;
    int second;
    int app;

    start(false);
    service = ((struct podman *)(void *)world.engine)->service;
    first = podman_service_pid(service);
    cr_assert_gt(first, 0);
    cr_assert_eq(getpgid(first), first, "not in a process group of its own");
    snprintf(path, sizeof path, "%s/podman-live.sock", fixture.state);
    cr_assert_eq(stat(path, &status), 0, "%s", path);
    cr_assert_eq(status.st_mode & 0022, 0, "others could be root by it");
    run(&spec);
    app = world.container.pid;
    handle = attach();

    cr_assert_eq(kill(first, SIGKILL), 0);
    engine_world_until(&world, &world.downs, 1, 5000);
    engine_world_until(&world, &world.ups, 2, 30000);
    cr_assert_eq(world.downs, 1, "on_down is said once");
    second = podman_service_pid(service);
    cr_assert_neq(second, first);
    cr_assert_eq(world.exits, 0, "the app did not notice");
    cr_assert(engine_world_inspect(&world, world.id), "%s", world.err.text);
    cr_assert_eq(world.container.pid, app);
    /* Deaths are heard again. */
    cr_assert_eq(kill(app, SIGKILL), 0);
    engine_world_until(&world, &world.exits, 1, 1000);
    engine_world_until(&world, &world.deaths, 1, 10000);
    engine_release(&handle);
    cr_assert(engine_world_remove(&world, world.id), "%s", world.err.text);

    run(&spec);
    app = world.container.pid;
    engine_free(&world.engine);
    cr_assert_neq(kill(second, 0), 0, "its service outlived it");
    cr_assert_eq(kill(app, 0), 0, "the container did not outlive it");
}
