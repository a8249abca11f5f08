/* live_app.c - one test app in a real Podman. */
#include "tests/support/live_app.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct podman_fixture live_fixture;
struct engine_world live_world;
bool live_is_started;

void live_start(bool serve)
{
    const char *why;

    if (!podman_fixture_start(&live_fixture, serve, &why))
        cr_skip_test("no test against a real Podman: %s", why);
    live_is_started = true;
    /* Without a service of the fixture there is nobody on its socket, and the
     * engine has to start one. */
    engine_world_start(&live_world, live_fixture.socket, !serve, "live",
                       live_fixture.state);
    engine_world_until(&live_world, &live_world.ups, 1, 30000);
}

void live_end(void)
{
    if (!live_is_started)
        return;
    live_is_started = false;
    engine_world_end(&live_world);
    podman_fixture_end(&live_fixture);
    cr_assert(access(live_fixture.dir, F_OK) != 0, "%s is left over",
              live_fixture.dir);
}

struct container_settings live_settings(const char *image)
{
    return (struct container_settings){
        .image = (char *)(uintptr_t)image,
        .network = NETWORK_NONE,
        .stop_timeout_ms = 5000,
    };
}

struct engine_spec live_spec(const struct container_settings *container,
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

void live_run(const struct engine_spec *spec)
{
    cr_assert(engine_world_create(&live_world, spec), "%s",
              live_world.err.text);
    cr_assert(engine_world_start_container(&live_world, live_world.id), "%s",
              live_world.err.text);
    cr_assert(live_world.container.is_running);
    cr_assert_gt(live_world.container.pid, 0);
}

struct engine_handle *live_attach(void)
{
    struct err err = {0};
    struct engine_handle *handle =
        engine_attach(live_world.engine, &live_world.container,
                      engine_world_on_exit, &live_world, &err);

    cr_assert_not_null(handle, "%s", err.text);
    return handle;
}

const char *live_get(int fd, const char *path)
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

bool live_connect_to(int fd, const char *host, uint32_t port)
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

const char *live_get_inside(struct engine_handle *handle, uint32_t port,
                            const char *path)
{
    for (int tries = 0; tries < 500; tries++) {
        const char *answer;
        struct err err;
        int fd;

        cr_assert(engine_sockets(handle, AF_INET, 1, &fd, &err), "%s",
                  err.text);
        answer =
            live_connect_to(fd, "127.0.0.1", port) ? live_get(fd, path) : "";
        close(fd);
        if (answer[0] != '\0')
            return answer;
        usleep(10000);
    }
    return "";
}
