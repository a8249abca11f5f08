/* engine_bench.c - what the engine costs beside bare calls to Podman: create,
 * start (with the inspect after it), remove; medians of interleaved rounds.
 *
 *   engine_bench [ROUNDS]      from the repository root, as root
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lifecycle/container_spec.h"
#include "lifecycle/rlimits.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "tests/support/engine_world.h"
#include "tests/support/podman_fixture.h"

#define ROUNDS_MAX 200
#define HEAD       "/v4.0.0/libpod/containers/"

enum { CREATE, START, REMOVE, STEP_COUNT };

struct times {
    double ms[STEP_COUNT][ROUNDS_MAX];
};

static struct podman_fixture fixture;
static struct engine_world world;
static int bare_fd;

static double since_ms(uint64_t begun_us)
{
    return (double)(clock_now_us() - begun_us) / 1000.0;
}

static void engine_round(const struct engine_spec *spec, struct times *times,
                         int round)
{
    uint64_t t = clock_now_us();
    bool ok = engine_world_create(&world, spec);

    times->ms[CREATE][round] = since_ms(t);
    t = clock_now_us();
    ok = ok && engine_world_start_container(&world, world.id);
    times->ms[START][round] = since_ms(t);
    t = clock_now_us();
    ok = ok && engine_world_remove(&world, world.id);
    times->ms[REMOVE][round] = since_ms(t);
    if (!ok) {
        fprintf(stderr, "engine_bench: %s\n", world.err.text);
        exit(1);
    }
}

/* One request over the kept connection, blocking: the least that a client of
 * this API can do. The answer's body is small or has a length. */
static void bare_call(const char *method, const char *path, const char *body)
{
    static char buf[1 << 16];
    AUTO(auto_free)
    char *request =
        xasprintf("%s %s HTTP/1.1\r\nHost: d\r\nContent-Type: "
                  "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                  method, path, strlen(body), body);
    size_t len = 0;
    const char *end = NULL;
    const char *field;

    if (write(bare_fd, request, strlen(request)) < 0)
        exit(1);
    for (;;) {
        ssize_t n = read(bare_fd, buf + len, sizeof buf - 1 - len);

        if (n <= 0)
            exit(1);
        len += (size_t)n;
        buf[len] = '\0';
        end = strstr(buf, "\r\n\r\n");
        if (!end)
            continue;
        field = strcasestr(buf, "\r\nContent-Length:");
        if (field && field < end) {
            if (len >= (size_t)(end + 4 - buf) + strtoul(field + 17, NULL, 10))
                break;
        } else if (!strcasestr(buf, "chunked") || strstr(end, "\r\n0\r\n\r\n"))
            break;
    }
    if (strtol(buf + 9, NULL, 10) >= 300) {
        fprintf(stderr, "engine_bench: %s\n", buf);
        exit(1);
    }
}

static void bare_round(const char *json, const char *name, struct times *times,
                       int round)
{
    AUTO(auto_free) char *start = xasprintf(HEAD "%s/start", name);
    AUTO(auto_free) char *inspect = xasprintf(HEAD "%s/json", name);
    AUTO(auto_free)
    char *remove = xasprintf(HEAD "%s?force=true&timeout=0&v=true", name);
    uint64_t t = clock_now_us();

    bare_call("POST", HEAD "create", json);
    times->ms[CREATE][round] = since_ms(t);
    t = clock_now_us();
    bare_call("POST", start, "");
    bare_call("GET", inspect, "");
    times->ms[START][round] = since_ms(t);
    t = clock_now_us();
    bare_call("DELETE", remove, "");
    times->ms[REMOVE][round] = since_ms(t);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void measure(const char *label, enum network_kind network, int rounds)
{
    static struct times engine;
    static struct times bare;
    static const char *const steps[] = {"create", "start", "remove"};
    struct container_settings settings = {
        .image = (char *)(uintptr_t) "localhost/berth-test/app:1",
        .network = network,
    };
    struct engine_spec spec = {
        .container = &settings,
        .labels = {SV("bench"), SV("app"), SV("0"), SV("1")},
        .name = "berth-bench-app-1",
        .port = 8000,
        .inside = true,
    };
    AUTO(auto_free) char *json = NULL;
    struct rlimits limits;
    struct err err;

    rlimits_of_process(&limits);
    if (!container_spec_build(&spec, &limits, &json, &err))
        exit(1);
    engine_round(&spec, &engine, 0); /* warm, and makes the network */
    for (int i = 0; i < rounds; i++) {
        engine_round(&spec, &engine, i);
        bare_round(json, spec.name, &bare, i);
    }
    for (int step = 0; step < STEP_COUNT; step++) {
        double ours = median(engine.ms[step], rounds);
        double least = median(bare.ms[step], rounds);

        printf("%-8s %-7s engine %6.1f ms   bare %6.1f ms   %+.1f ms\n", label,
               steps[step], ours, least, ours - least);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *why;

    if (rounds < 1 || rounds > ROUNDS_MAX)
        rounds = 20;
    if (!podman_fixture_start(&fixture, true, &why)) {
        fprintf(stderr, "engine_bench: %s\n", why);
        return 1;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", fixture.socket);
    bare_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(bare_fd, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    engine_world_start(&world, fixture.socket, false, "bench", fixture.state);
    engine_world_until(&world, &world.ups, 1, 30000);
    measure("none", NETWORK_NONE, rounds);
    measure("private", NETWORK_PRIVATE, rounds);
    engine_world_end(&world);
    close(bare_fd);
    podman_fixture_end(&fixture);
    return 0;
}
