/* Pulls with credentials, secrets, builds and their removal, against a Podman
 * of our own making. */
#include "lifecycle/podman_build.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "tests/support/engine_world.h"
#include "tests/support/fake_podman.h"

#define ID    "0123456789abcdef"
#define TAG   "localhost/berth-setup/ns:ab"
#define IMAGE "registry.example.com/a:1"

static char dir[32];
static char socket_path[64];
static struct fake_podman *fake;
static struct engine_world world;

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

TestSuite(podman_build, .init = init, .fini = fini, .timeout = 60);

static void start_up(const struct fake_route *routes)
{
    fake = fake_podman_new(socket_path, routes);
    engine_world_start(&world, socket_path, false, "ns", dir);
    engine_world_until(&world, &world.ups, 1, 5000);
}

/* --- credentials --- */

static bool pull_with(const char *auth_file)
{
    struct engine_pull pull = {
        .image = IMAGE, .auth_file = auth_file, .timeout_ms = 5000};

    engine_world_begin(&world);
    engine_pull(world.engine, &pull, NULL, engine_world_on_image, &world);
    return engine_world_finish(&world);
}

Test(podman_build, credentials_go_with_a_pull_and_nowhere_else)
{
    static const struct fake_route routes[] = {
        {"POST /images/create", FAKE_ANSWER, 200, "{\"status\":\"x\"}\n"},
        {"GET /v4.0.0/libpod/images/", FAKE_ANSWER, 200,
         "{\"Id\":\"" ID "\",\"Config\":{}}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    AUTO(auto_free) char *path = xasprintf("%s/auth", dir);
    AUTO(auto_free) char *with = NULL;
    AUTO(auto_free) char *without = NULL;
    AUTO(auto_free) char *inspected = NULL;
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs("{\"auths\":{\"registry.example.com\":{\"auth\":\"YTpi\"}}}", file);
    fclose(file);
    start_up(routes);
    cr_expect(pull_with(path), "%s", world.err.text);
    with = fake_podman_last(fake, "POST /images/create");
    cr_expect_not_null(
        strstr(with, "\r\nX-Registry-Auth: "
                     "eyJ1c2VybmFtZSI6ImEiLCJwYXNzd29yZCI6ImIifQ==\r\n"),
        "%s", with);
    inspected = fake_podman_last(fake, "GET /v4.0.0/libpod/images/");
    cr_expect_null(strstr(inspected, "X-Registry"), "%s", inspected);
    cr_expect(pull_with(NULL));
    without = fake_podman_last(fake, "POST /images/create");
    cr_expect_null(strstr(without, "X-Registry"), "%s", without);
    unlink(path);
    cr_expect_not(pull_with(path));
    cr_expect_eq(world.err.code, ERR_DENIED);
    cr_expect_not_null(strstr(world.err.text, path), "%s", world.err.text);
}

/* --- secrets --- */

static bool ask_for_secrets(const char *const *names, unsigned count)
{
    engine_world_begin(&world);
    engine_secrets(world.engine, names, count, engine_world_on_text, &world);
    return engine_world_finish(&world);
}

Test(podman_build, secrets_are_known_by_their_ids)
{
    static const struct fake_route routes[] = {
        {"GET /v4.0.0/libpod/secrets/one/json", FAKE_ANSWER, 200,
         "{\"ID\":\"01\"}"},
        {"GET /v4.0.0/libpod/secrets/two%2F/json", FAKE_ANSWER, 200,
         "{\"ID\":\"02\"}"},
        {"GET /v4.0.0/libpod/secrets/", FAKE_ANSWER, 404,
         "{\"cause\":\"no such secret\",\"message\":\"no such secret\"}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    static const char *const both[] = {"one", "two/"};
    static const char *const missing[] = {"one", "three"};

    start_up(routes);
    cr_expect(ask_for_secrets(both, 2), "%s", world.err.text);
    cr_expect_str_eq(world.text.data, "01\n02\n");
    cr_expect_not(ask_for_secrets(missing, 2));
    cr_expect_eq(world.err.code, ERR_NOT_FOUND);
    cr_expect_not_null(strstr(world.err.text, "\"three\""), "%s",
                       world.err.text);
}

/* --- builds --- */

static bool build(uint64_t bytes, int fd)
{
    struct engine_build spec = {
        .tag = TAG,
        .namespace_name = SV("ns"),
        .context_fd = fd,
        .context_bytes = bytes,
        .timeout_ms = 1000,
    };

    engine_world_begin(&world);
    engine_build(world.engine, &spec, NULL, engine_world_on_image, &world);
    return engine_world_finish(&world);
}

static int context_of(const char *text)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

Test(podman_build, the_archive_is_the_body_and_the_image_is_the_answer)
{
    static const struct fake_route routes[] = {
        {"POST /v4.0.0/libpod/build?", FAKE_ANSWER, 200,
         "{\"stream\":\"STEP 1/1: FROM x\\n\"}\n"},
        {"GET /v4.0.0/libpod/images/localhost%2Fberth-setup%2Fns%3Aab/json",
         FAKE_ANSWER, 200, "{\"Id\":\"" ID "\",\"Config\":{}}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    static const char *const parts[] = {
        "&t=localhost%2Fberth-setup%2Fns%3Aab",
        "&layers=false",
        "berth.namespace%22%3A%22ns%22",
        "\r\nContent-Type: application/x-tar\r\n",
        "\r\nContent-Length: 11\r\n",
        "\r\n\r\nthe archive",
    };
    AUTO(auto_close) int fd = context_of("the archive");
    AUTO(auto_free) char *request = NULL;

    start_up(routes);
    cr_expect(build(11, fd), "%s", world.err.text);
    cr_expect_str_eq(world.image.id, ID);
    request = fake_podman_last(fake, "POST /v4.0.0/libpod/build");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_expect_not_null(strstr(request, parts[i]), "%s in %s", parts[i],
                           request);
    cr_expect_null(strstr(request, "application/json"), "%s", request);
    /* Once more from its beginning. */
    cr_expect(build(11, fd), "%s", world.err.text);
}

Test(podman_build, failures_and_time_outs_have_the_last_lines)
{
    static const struct {
        const char *label;
        enum fake_action action;
        unsigned status;
        const char *body;
        enum err_code code;
        const char *text;
    } cases[] = {
        {"a command", FAKE_ANSWER, 200,
         "{\"stream\":\"it said so\\n\"}\n{\"error\":\"exit status 7\"}\n",
         ERR_FAILED, "exit status 7; its last lines: it said so"},
        {"refused", FAKE_ANSWER, 500, "{\"message\":\"no disk\"}", ERR_FAILED,
         "no disk"},
        {"too long", FAKE_STREAM, 200, "{\"stream\":\"still here\\n\"}\n",
         ERR_TIMEOUT, "its last lines: still here"},
    };
    static const struct fake_route well[] = {FAKE_WELL("5.4.2"),
                                             {NULL, 0, 0, NULL}};
    AUTO(auto_close) int fd = context_of("x");

    start_up(well);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_route routes[] = {{"POST /v4.0.0/libpod/build?",
                                       cases[i].action, cases[i].status,
                                       cases[i].body},
                                      FAKE_WELL("5.4.2"),
                                      {NULL, 0, 0, NULL}};

        fake_podman_set_routes(fake, routes);
        cr_expect_not(build(1, fd), "%s", cases[i].label);
        cr_expect_eq(world.err.code, cases[i].code, "%s: %s", cases[i].label,
                     world.err.text);
        cr_expect_not_null(strstr(world.err.text, cases[i].text), "%s: %s",
                           cases[i].label, world.err.text);
        fake_podman_set_routes(fake, well);
    }
}

/* --- removal --- */

static bool prune_layers(const char *const *keep, unsigned count)
{
    engine_world_begin(&world);
    engine_prune_layers(world.engine, SV("ns"), keep, count,
                        engine_world_on_done, &world);
    return engine_world_finish(&world);
}

Test(podman_build, only_layers_of_ours_that_nobody_needs_are_removed)
{
    static const struct fake_route routes[] = {
        {"GET /v4.0.0/libpod/images/json?", FAKE_ANSWER, 200,
         "[{\"RepoTags\":[\"localhost/berth-setup/ns:old\"],"
         "\"Labels\":{\"berth.namespace\":\"ns\"}},"
         "{\"RepoTags\":[\"localhost/berth-setup/ns:used\"],"
         "\"Labels\":{\"berth.namespace\":\"ns\"}},"
         "{\"RepoTags\":[\"localhost/berth-setup/ns:ab\"],"
         "\"Labels\":{\"berth.namespace\":\"ns\"}},"
         "{\"RepoTags\":[\"localhost/berth-setup/other:x\"],"
         "\"Labels\":{\"berth.namespace\":\"other\"}}]"},
        {"DELETE /v4.0.0/libpod/images/localhost%2Fberth-setup%2Fns%3Aused",
         FAKE_ANSWER, 409, "{\"message\":\"image is in use\"}"},
        {"DELETE /v4.0.0/libpod/images/localhost%2Fberth-setup%2Fns%3Aold",
         FAKE_ANSWER, 200, "{}"},
        FAKE_WELL("5.4.2"),
        {NULL, 0, 0, NULL}};
    static const char *const keep[] = {TAG};

    start_up(routes);
    cr_expect_not(prune_layers(keep, 1));
    cr_expect_eq(world.err.code, ERR_EXISTS, "%s", world.err.text);
    cr_expect_eq(fake_podman_count(fake, "DELETE "), 2);
    cr_expect_eq(fake_podman_count(fake, "DELETE /v4.0.0/libpod/images/"
                                         "localhost%2Fberth-setup%2Fns%3Aold"),
                 1);
}
