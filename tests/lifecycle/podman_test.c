/* The engine against a Podman of our own making: what a real one does rarely
 * (podman_live_test.c has the rest). */
#include "lifecycle/podman.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "tests/support/engine_world.h"
#include "tests/support/fake_podman.h"

#define ID "0123456789abcdef"

static char dir[32];
static char socket_path[64];
static struct fake_podman *fake;
static struct engine_world world;

static const struct fake_route well[] = {FAKE_WELL("5.4.2"),
                                         {NULL, 0, 0, NULL}};

static void init(void)
{
    snprintf(dir, sizeof dir, "/tmp/berth-podman-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(socket_path, sizeof socket_path, "%s/s", dir);
}

static void fini(void)
{
    if (world.loop)
        engine_world_end(&world);
    fake_podman_free(&fake);
    rmdir(dir);
}

TestSuite(podman, .init = init, .fini = fini, .timeout = 60);

static void start(const struct fake_route *routes)
{
    if (routes)
        fake = fake_podman_new(socket_path, routes);
    engine_world_start(&world, socket_path, false, "ns", dir);
}

static void start_up(const struct fake_route *routes)
{
    start(routes);
    engine_world_until(&world, &world.ups, 1, 5000);
}

static struct container_settings settings = {.image = (char *)"localhost/a:1",
                                             .network = NETWORK_NONE};

static struct engine_spec spec_of(void)
{
    return (struct engine_spec){
        .container = &settings,
        .labels = {SV("ns"), SV("app"), SV("beef"), SV("1")},
        .name = "berth-ns-app-1",
        .port = 8000,
    };
}

Test(podman, is_up_when_it_answers_and_is_new_enough)
{
    start(well);
    cr_assert_eq(world.ups + world.downs, 0, "said within podman_new()");
    cr_assert_not(engine_is_up(world.engine));
    engine_world_until(&world, &world.ups, 1, 5000);
    cr_assert(engine_is_up(world.engine));
    cr_assert_str_eq(engine_capabilities(world.engine)->version, "5.4.2");
    engine_world_run_for(&world, 100);
    cr_assert_eq(fake_podman_count(fake, "GET /v4.0.0/libpod/events"), 1);
}

Test(podman, that_is_too_old_is_down_with_the_reason)
{
    static const struct fake_route old[] = {FAKE_WELL("3.4.4"),
                                            {NULL, 0, 0, NULL}};

    start(old);
    engine_world_until(&world, &world.downs, 1, 5000);
    cr_assert_not_null(strstr(world.down.text, "3.4.4"), "%s", world.down.text);
    cr_assert_not_null(strstr(world.down.text, "4.3"));
    engine_world_run_for(&world, 500);
    cr_assert_eq(world.downs, 1, "said again");
    cr_assert_eq(world.ups, 0);
    /* An upgrade mends it without a restart of berth. */
    fake_podman_set_routes(fake, well);
    engine_world_until(&world, &world.ups, 1, 5000);
}

Test(podman, nobody_there_is_down_with_a_cure_and_calls_fail_at_once)
{
    uint64_t begun_us;

    start(NULL);
    cr_assert_not(engine_world_list(&world)); /* before it was looked for */
    cr_assert_eq(world.err.code, ERR_UNAVAILABLE);
    engine_world_until(&world, &world.downs, 1, 5000);
    cr_assert_eq(world.down.code, ERR_UNAVAILABLE);
    cr_assert_not_null(strstr(world.down.text, "service auto"), "%s",
                       world.down.text);
    begun_us = clock_now_us();
    cr_assert_not(engine_world_list(&world));
    cr_assert_eq(world.err.code, ERR_UNAVAILABLE);
    cr_assert_str_eq(world.err.text, world.down.text);
    cr_assert_lt(clock_now_us() - begun_us, 200000);
}

Test(podman, that_hangs_is_down_by_a_time_out)
{
    static const struct fake_route hangs[] = {{"GET", FAKE_HANG, 0, ""},
                                              {NULL, 0, 0, NULL}};

    start(hangs);
    engine_world_until(&world, &world.downs, 1, 8000);
    cr_assert_eq(world.down.code, ERR_TIMEOUT, "%s", world.down.text);
}

Test(podman, that_talks_nonsense_is_down_and_nothing_else)
{
    static const struct fake_route cases[][2] = {
        {{"GET", FAKE_ANSWER, 200, "<html>"}, {NULL, 0, 0, NULL}},
        {{"GET", FAKE_ANSWER, 200, "{}"}, {NULL, 0, 0, NULL}},
        {{"GET", FAKE_ANSWER, 500, "x"}, {NULL, 0, 0, NULL}},
        {{"GET", FAKE_RAW, 0, "SSH-2.0-OpenSSH\r\n"}, {NULL, 0, 0, NULL}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(cases[i]);
        engine_world_until(&world, &world.downs, 1, 5000);
        cr_expect_eq(world.down.code, ERR_PROTOCOL, "%zu: %s", i,
                     world.down.text);
        engine_world_end(&world);
        fake_podman_free(&fake);
    }
    world.loop = NULL;
}

Test(podman, that_goes_away_and_comes_back_is_told_once_each)
{
    start_up(well);
    for (unsigned i = 1; i <= 3; i++) {
        fake_podman_free(&fake);
        engine_world_until(&world, &world.downs, i, 5000);
        cr_assert_not(engine_is_up(world.engine));
        cr_assert_not(engine_world_inspect(&world, ID));
        cr_assert_eq(world.err.code, ERR_UNAVAILABLE);
        engine_world_run_for(&world, 300);
        cr_assert_eq(world.downs, i);
        fake = fake_podman_new(socket_path, well);
        engine_world_until(&world, &world.ups, i + 1, 5000);
        cr_assert_eq(world.downs, i);
    }
}

#define DIED(id, code)                                                         \
    "{\"Action\":\"died\",\"Actor\":{\"ID\":\"" id                             \
    "\",\"Attributes\":{\"containerExitCode\":\"" code                         \
    "\"}},\"time\":2000000000}\n"

Test(podman, deaths_are_heard_and_nonsense_between_them_is_not)
{
    static const struct fake_route routes[] = {
        {"GET /v4.0.0/libpod/events", FAKE_STREAM, 200,
         "\n{}\nnot json\n" DIED("../x", "1") DIED("ab", "3") DIED(
             "cd", "4") "{\"Action\":\"start\",\"Actor\":{\"ID\":\"e\"}}\n"},
        FAKE_WELL("4.3.1"),
        {NULL, 0, 0, NULL}};
    AUTO(auto_free) char *request = NULL;

    start_up(routes);
    engine_world_until(&world, &world.deaths, 2, 5000);
    cr_assert_str_eq(world.died_id, "cd");
    cr_assert_eq(world.died_code, 4);
    engine_world_run_for(&world, 100);
    cr_assert_eq(world.deaths, 2);
    cr_assert(engine_is_up(world.engine));
    /* The next stream begins where this one was known to be whole. */
    fake_podman_free(&fake);
    engine_world_until(&world, &world.downs, 1, 5000);
    fake = fake_podman_new(socket_path, well);
    engine_world_until(&world, &world.ups, 2, 5000);
    engine_world_run_for(&world, 100);
    request = fake_podman_last(fake, "GET /v4.0.0/libpod/events");
    cr_assert_not_null(strstr(request, "since=2000000000&"), "%s", request);
    cr_assert_not_null(strstr(request, "berth.namespace%3Dns"), "%s", request);
}

/* events_logger = "none" */
Test(podman, without_events_is_up_all_the_same)
{
    static const struct fake_route routes[] = {
        {"GET /v4.0.0/libpod/events", FAKE_ANSWER, 500,
         "{\"message\":\"cannot read events with the \\\"none\\\" backend\"}"},
        FAKE_WELL("4.3.1"),
        {NULL, 0, 0, NULL}};

    start_up(routes);
    engine_world_run_for(&world, 500);
    cr_assert(engine_is_up(world.engine));
    cr_assert_eq(world.downs, 0);
    cr_assert_eq(fake_podman_count(fake, "GET /v4.0.0/libpod/events"), 1);
}

#define NO_NETWORK                                                             \
    "{\"cause\":\"network not found\",\"message\":\"unable to find network "   \
    "with name or ID berth-ns-app: network not found\"}"

Test(podman, a_missing_private_network_is_made_once)
{
    static const struct fake_route routes[] = {
        {"POST /v4.0.0/libpod/containers/create", FAKE_ANSWER, 500, NO_NETWORK},
        {"POST /v4.0.0/libpod/networks/create", FAKE_ANSWER, 200, "{}"},
        FAKE_WELL("4.3.1"),
        {NULL, 0, 0, NULL}};
    static const struct fake_route exists[] = {
        {"POST /v4.0.0/libpod/containers/create", FAKE_ANSWER, 500, NO_NETWORK},
        {"POST /v4.0.0/libpod/networks/create", FAKE_ANSWER, 409,
         "{\"message\":\"network name berth-ns-app already used: network "
         "already exists\"}"},
        FAKE_WELL("4.3.1"),
        {NULL, 0, 0, NULL}};
    static const struct fake_route fails[] = {
        {"POST /v4.0.0/libpod/containers/create", FAKE_ANSWER, 500, NO_NETWORK},
        {"POST /v4.0.0/libpod/networks/create", FAKE_ANSWER, 500,
         "{\"message\":\"could not find free subnet\"}"},
        FAKE_WELL("4.3.1"),
        {NULL, 0, 0, NULL}};
    struct engine_spec spec = spec_of();

    settings.network = NETWORK_PRIVATE;
    start_up(routes);
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(world.err.code, ERR_FAILED, "%s", world.err.text);
    cr_assert_eq(fake_podman_count(fake, "POST /v4.0.0/libpod/networks"), 1);
    cr_assert_eq(fake_podman_count(fake, "POST /v4.0.0/libpod/containers"), 2);

    fake_podman_set_routes(fake, exists);
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(fake_podman_count(fake, "POST /v4.0.0/libpod/containers"), 4);

    fake_podman_set_routes(fake, fails);
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(fake_podman_count(fake, "POST /v4.0.0/libpod/containers"), 5);
    cr_assert_eq(world.err.code, ERR_FAILED);
    cr_assert_not_null(strstr(world.err.text, "free subnet"), "%s",
                       world.err.text);
    cr_assert_not_null(strstr(world.err.text, "berth-ns-app"));
}

Test(podman, a_spec_that_cannot_be_made_fails_without_a_request)
{
    struct engine_spec spec = spec_of();

    settings.stop_signal = (char *)"SIGFOO";
    start_up(well);
    cr_assert_not(engine_world_create(&world, &spec));
    cr_assert_eq(world.err.code, ERR_INVALID);
    cr_assert_eq(fake_podman_count(fake, "POST"), 0);
}

#define IMAGE "registry.example.com/a/b:1"

Test(podman, pulls_of_both_shapes_and_their_failures)
{
    static const struct {
        const char *label;
        unsigned status;
        const char *body;
        enum err_code code;
        const char *text;
    } cases[] = {
        {"it works", 200,
         "{\"status\":\"Pulling fs layer\",\"id\":\"a\"}\n"
         "{\"status\":\"Download complete\",\"id\":\"a\"}\n",
         ERR_NONE, ""},
        {"4.3: in the stream", 200,
         "{\"status\":\"Pulling fs layer\",\"id\":\"a\"}\n"
         "{\"error\":\"reading manifest: manifest unknown\"}\n",
         ERR_NOT_FOUND, "manifest unknown"},
        {"5.x: 404", 404, "{\"message\":\"x: manifest unknown\"}",
         ERR_NOT_FOUND, "manifest unknown"},
        {"5.x: 500, credentials", 500,
         "{\"message\":\"unauthorized: authentication required\"}", ERR_DENIED,
         "unauthorized"},
        {"5.x: 500, no registry", 500,
         "{\"message\":\"dial tcp: connect: connection refused\"}",
         ERR_UNAVAILABLE, "refused"},
        {"5.x: 500, disk", 500, "{\"message\":\"no space left on device\"}",
         ERR_FAILED, "no space"},
        {"nonsense", 502, "Bad Gateway", ERR_PROTOCOL, "502"},
    };

    start_up(well);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_route routes[] = {
            {"POST /images/create?fromImage=registry.example.com%2Fa%2Fb%3A1",
             FAKE_ANSWER, cases[i].status, cases[i].body},
            {"GET /v4.0.0/libpod/images/registry.example.com%2Fa%2Fb%3A1/json",
             FAKE_ANSWER, 200, "{\"Id\":\"" ID "\",\"Config\":{}}"},
            FAKE_WELL("5.4.2"),
            {NULL, 0, 0, NULL}};

        fake_podman_set_routes(fake, routes);
        world.progress_count = 0;
        cr_expect_eq(engine_world_pull(&world, IMAGE),
                     cases[i].code == ERR_NONE, "%s", cases[i].label);
        cr_expect_eq(world.err.code, cases[i].code, "%s: %s", cases[i].label,
                     world.err.text);
        cr_expect_not_null(strstr(world.err.text, cases[i].text), "%s: %s",
                           cases[i].label, world.err.text);
        if (cases[i].code == ERR_NONE) {
            cr_expect_eq(world.progress_count, 2);
            cr_expect_eq(world.progress.layers_done, 1);
            cr_expect_str_eq(world.image.id, ID);
        }
        fake_podman_set_routes(fake, well);
    }
}

static void never(void *arg, const struct engine_image *image,
                  const struct err *err)
{
    struct engine_world *it = arg;

    (void)image;
    cr_assert_eq(err->code, ERR_CANCELLED);
    engine_world_on_done(it, err);
}

static struct engine_call *pull_call;

static void cancel_on_progress(void *arg,
                               const struct engine_progress *progress)
{
    (void)arg;
    (void)progress;
    engine_cancel(&pull_call);
}

Test(podman, calls_are_cancelled_anywhere_and_tell_so)
{
    const struct engine_pull remote = {.image = IMAGE, .timeout_ms = 5000};
    const struct engine_pull local = {.image = "localhost/a",
                                      .timeout_ms = 5000};
    static const struct fake_route routes[] = {
        {"POST /images/create", FAKE_STREAM, 200,
         "{\"status\":\"Pulling fs layer\",\"id\":\"a\"}\n"
         "{\"status\":\"Pulling fs layer\",\"id\":\"b\"}\n"},
        {"POST /v4.0.0/libpod/containers/" ID "/stop", FAKE_HANG, 0, ""},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    struct engine_call *call;

    start_up(routes);
    engine_world_begin(&world);
    call = engine_stop(world.engine, ID, 10000, engine_world_on_done, &world);
    engine_world_run_for(&world, 50);
    cr_assert_not(world.is_done);
    engine_cancel(&call);
    cr_assert(world.is_done, "not within the call");
    cr_assert_null(call);
    cr_assert_eq(world.err.code, ERR_CANCELLED);
    engine_cancel(&call);

    /* Within a callback that runs within libcurl. */
    engine_world_begin(&world);
    pull_call =
        engine_pull(world.engine, &remote, cancel_on_progress, never, &world);
    cr_assert_not(engine_world_finish(&world));
    cr_assert_eq(world.err.code, ERR_CANCELLED);

    /* One that only waits for its turn. */
    engine_world_begin(&world);
    pull_call = engine_pull(world.engine, &local, NULL, never, &world);
    engine_cancel(&pull_call);
    cr_assert(world.is_done);

    /* And at the end of the engine. */
    engine_world_begin(&world);
    engine_stop(world.engine, ID, 10000, engine_world_on_done, &world);
    engine_free(&world.engine);
    cr_assert(world.is_done);
    cr_assert_eq(world.err.code, ERR_CANCELLED);
}

Test(podman, answers_of_the_wrong_shape_are_errors_of_the_call)
{
    static const struct fake_route routes[] = {
        {"GET /v4.0.0/libpod/containers/json", FAKE_ANSWER, 200, "{}"},
        {"GET /v4.0.0/libpod/containers/" ID "/json", FAKE_ANSWER, 200, "[]"},
        {"GET /v4.0.0/libpod/containers/" ID "/logs", FAKE_ANSWER, 200,
         "not frames at all"},
        {"GET /v4.0.0/libpod/images/", FAKE_ANSWER, 200, "{\"Id\":\"x y\"}"},
        {"POST /v4.0.0/libpod/containers/create", FAKE_ANSWER, 201,
         "{\"Id\":\"/etc/passwd\"}"},
        {"GET /v4.0.0/libpod/networks/json", FAKE_ANSWER, 200, "{}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    struct engine_spec spec = spec_of();

    start_up(routes);
    cr_expect_not(engine_world_list(&world));
    cr_expect_eq(world.err.code, ERR_PROTOCOL, "list: %s", world.err.text);
    cr_expect_not(engine_world_inspect(&world, ID));
    cr_expect_eq(world.err.code, ERR_PROTOCOL, "inspect: %s", world.err.text);
    cr_expect_not(engine_world_logs(&world, ID, 5, 100));
    cr_expect_eq(world.err.code, ERR_PROTOCOL, "logs: %s", world.err.text);
    cr_expect_not(engine_world_image(&world, "a"));
    cr_expect_eq(world.err.code, ERR_PROTOCOL, "image: %s", world.err.text);
    cr_expect_not(engine_world_create(&world, &spec));
    cr_expect_eq(world.err.code, ERR_PROTOCOL, "create: %s", world.err.text);
    cr_expect_not(engine_world_prune(&world, NULL, 0));
    cr_expect_eq(world.err.code, ERR_PROTOCOL, "prune: %s", world.err.text);
}

#define CONTAINER(status, code)                                                \
    "{\"Id\":\"" ID "\",\"Name\":\"n\",\"Image\":\"cd\",\"State\":{"           \
    "\"Status\":\"" status "\",\"Pid\":5,\"ExitCode\":" code "}}"

Test(podman, a_wait_ends_when_podman_knows_of_the_end)
{
    static const struct fake_route running[] = {
        {"GET /v4.0.0/libpod/containers/" ID "/json", FAKE_ANSWER, 200,
         CONTAINER("running", "0")},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    static const struct fake_route exited[] = {
        {"GET /v4.0.0/libpod/containers/" ID "/json", FAKE_ANSWER, 200,
         CONTAINER("exited", "3")},
        {"POST /v4.0.0/libpod/containers/" ID "/start", FAKE_ANSWER, 204, ""},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    uint64_t begun_us;

    start_up(running);
    begun_us = clock_now_us();
    cr_assert_not(engine_world_wait(&world, ID));
    cr_assert_eq(world.err.code, ERR_TIMEOUT, "%s", world.err.text);
    cr_assert_gt(clock_now_us() - begun_us, 4900000);
    /* 10 ms, doubling to 320: not a busy loop. */
    cr_assert_leq(fake_podman_count(fake, "GET /v4.0.0/libpod/containers"), 25);

    fake_podman_set_routes(fake, exited);
    cr_assert(engine_world_wait(&world, ID), "%s", world.err.text);
    cr_assert_eq(world.container.exit_code, 3);
    /* As after a start of what ended at once. */
    cr_assert_not(engine_world_start_container(&world, ID));
    cr_assert_eq(world.err.code, ERR_FAILED);
    cr_assert(world.has_container);
    cr_assert_eq(world.container.exit_code, 3);
    cr_assert_not_null(strstr(world.err.text, "exit code 3"), "%s",
                       world.err.text);
}

Test(podman, stop_and_remove_of_what_is_not_there_succeed)
{
    static const struct fake_route gone[] = {
        {"POST /v4.0.0/libpod/containers/" ID "/stop?timeout=2 ", FAKE_ANSWER,
         404, "{\"message\":\"no such container\"}"},
        {"DELETE /v4.0.0/libpod/containers/" ID, FAKE_ANSWER, 404,
         "{\"message\":\"no such container\"}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    static const struct fake_route idle[] = {
        {"POST /v4.0.0/libpod/containers/" ID "/stop", FAKE_RAW, 0,
         "HTTP/1.1 304 Not Modified\r\n\r\n"},
        {"DELETE /v4.0.0/libpod/containers/" ID, FAKE_RAW, 0,
         "HTTP/1.1 204 No Content\r\n\r\n"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    static const struct fake_route refused[] = {
        {"POST /v4.0.0/libpod/containers/" ID "/stop", FAKE_ANSWER, 500,
         "{\"message\":\"busy\"}"},
        {"DELETE /v4.0.0/libpod/containers/" ID, FAKE_ANSWER, 200,
         "[{\"Id\":\"x\",\"Err\":\"device is busy\"}]"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};

    start_up(gone);
    cr_assert(engine_world_stop(&world, ID, 1001), "%s", world.err.text);
    cr_assert(engine_world_remove(&world, ID), "%s", world.err.text);
    fake_podman_set_routes(fake, idle);
    cr_assert(engine_world_stop(&world, ID, 0), "%s", world.err.text);
    cr_assert(engine_world_remove(&world, ID), "%s", world.err.text);
    fake_podman_set_routes(fake, refused);
    cr_assert_not(engine_world_stop(&world, ID, 0));
    cr_assert_not(engine_world_remove(&world, ID));
    cr_assert_str_eq(world.err.text, "device is busy");
}

/* Podman 4.3.1, of a frozen container that was killed; podman_warmth_test has
 * the real one. */
Test(podman, one_that_ends_while_it_is_removed_is_asked_for_once_more)
{
    static const struct fake_route improper[] = {
        {"DELETE /v4.0.0/libpod/containers/" ID, FAKE_ANSWER, 500,
         "{\"message\":\"cannot remove container x as it could not be "
         "stopped: sending SIGKILL to container x: container state improper: "
         "stopped\"}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};

    start_up(improper);
    cr_assert_not(engine_world_remove(&world, ID));
    cr_assert_not_null(strstr(world.err.text, "improper"));
    cr_assert_eq(fake_podman_count(fake, "DELETE "), 2U);
}
