/* Finding Podman and failing to: podman_live_test.c has a service that works.
 */
#include "lifecycle/podman_service.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifecycle/settings.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "tests/support/fake_podman.h"

static char dir[40];
static char socket_path[64];
static struct loop *loop;
static struct podman_settings settings;
static struct podman_service *service;
static struct fake_podman *fake;

static struct {
    unsigned count;
    char path[128];
    struct err err;
} found;

static const struct fake_route none[] = {{NULL, 0, 0, NULL}};

static void init(void)
{
    snprintf(dir, sizeof dir, "/tmp/berth-service-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(socket_path, sizeof socket_path, "%s/s", dir);
    loop = loop_new("test");
    settings = (struct podman_settings){.socket = socket_path,
                                        .service_auto = true,
                                        .namespace_name = (char *)"ns"};
}

static void fini(void)
{
    AUTO(auto_free) char *command = xasprintf("rm -rf %s", dir);

    podman_service_free(&service);
    fake_podman_free(&fake);
    loop_free(&loop);
    setenv("PATH", "/usr/bin:/bin", 1);
    cr_assert_eq(system(command), 0);
}

TestSuite(podman_service, .init = init, .fini = fini, .timeout = 60);

static void on_found(void *arg, const char *path, const struct err *err)
{
    (void)arg;
    found.count++;
    found.err = err ? *err : (struct err){0};
    snprintf(found.path, sizeof found.path, "%s", path ? path : "");
    loop_stop(loop);
}

static void find_in(const char *state_dir)
{
    unsigned before = found.count;

    if (!service)
        service =
            podman_service_new(loop, &settings, state_dir, on_found, NULL);
    podman_service_find(service);
    cr_assert_eq(found.count, before, "told within the call");
    while (found.count == before)
        loop_run(loop);
}

static void find(void)
{
    find_in(dir);
}

Test(podman_service, a_socket_on_which_somebody_listens_is_taken)
{
    fake = fake_podman_new(socket_path, none);
    find();
    cr_assert_eq(found.err.code, ERR_NONE, "%s", found.err.text);
    cr_assert_str_eq(found.path, socket_path);
    cr_assert_eq(podman_service_pid(service), 0, "a child was not needed");
    find();
    cr_assert_eq(found.count, 2);
}

Test(podman_service, with_service_off_nobody_there_has_a_cure)
{
    settings.service_auto = false;
    find();
    cr_assert_eq(found.err.code, ERR_UNAVAILABLE);
    cr_assert_not_null(strstr(found.err.text, socket_path));
    cr_assert_not_null(strstr(found.err.text, "podman.socket"), "%s",
                       found.err.text);
    cr_assert_eq(podman_service_pid(service), 0);
}

Test(podman_service, without_podman_it_says_what_to_install)
{
    setenv("PATH", dir, 1);
    find();
    cr_assert_eq(found.err.code, ERR_NOT_FOUND, "%s", found.err.text);
    cr_assert_not_null(strstr(found.err.text, "install"), "%s", found.err.text);
    find(); /* and again, as after a back-off */
    cr_assert_eq(found.err.code, ERR_NOT_FOUND);
    cr_assert_eq(podman_service_pid(service), 0);
}

Test(podman_service, one_that_ends_at_once_is_quoted)
{
    AUTO(auto_free) char *conf = xasprintf("%s/containers.conf", dir);
    FILE *file = fopen(conf, "w");

    if (system("command -v podman >/dev/null") != 0)
        cr_skip_test("podman is not installed");
    fprintf(file, "[engine\nthis is no TOML\n");
    fclose(file);
    setenv("CONTAINERS_CONF", conf, 1);
    find();
    cr_assert_eq(found.err.code, ERR_UNAVAILABLE, "%s", found.err.text);
    cr_assert_not_null(strstr(found.err.text, "it said: "), "%s",
                       found.err.text);
    cr_assert_not_null(strstr(found.err.text, "containers.conf"), "%s",
                       found.err.text);
}

Test(podman_service, it_runs_in_the_state_directory)
{
    AUTO(auto_free) char *program = xasprintf("%s/podman", dir);
    AUTO(auto_free) char *expected = xasprintf("it said: \"%s\"", dir);
    FILE *file = fopen(program, "w");

    fprintf(file, "#!/bin/sh\necho \"\\\"$(pwd)\\\"\"\n");
    cr_assert_eq(fchmod(fileno(file), 0755), 0);
    fclose(file);
    setenv("PATH", dir, 1);
    find();
    cr_assert_eq(found.err.code, ERR_UNAVAILABLE, "%s", found.err.text);
    cr_assert_not_null(strstr(found.err.text, expected), "%s", found.err.text);
}

Test(podman_service, without_newuidmap_it_says_what_to_install)
{
    AUTO(auto_free) char *program = xasprintf("%s/podman", dir);
    FILE *file = fopen(program, "w");

    fprintf(file, "#!/bin/sh\necho 'Error: exec: \"newuidmap\": executable "
                  "file not found in $PATH'\nexit 125\n");
    cr_assert_eq(fchmod(fileno(file), 0755), 0);
    fclose(file);
    setenv("PATH", dir, 1);
    find();
    cr_assert_eq(found.err.code, ERR_UNAVAILABLE, "%s", found.err.text);
    cr_assert_not_null(strstr(found.err.text, "install uidmap"), "%s",
                       found.err.text);
}

Test(podman_service, a_runtime_cannot_be_had_from_a_service_of_others)
{
    settings.runtime = (char *)"runc";
    fake = fake_podman_new(socket_path, none);
    find();
    cr_assert_eq(found.err.code, ERR_INVALID);
    cr_assert_not_null(strstr(found.err.text, "runtime runc"), "%s",
                       found.err.text);
}

Test(podman_service, paths_that_no_socket_can_have_are_refused)
{
    char path[200];

    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[150] = '\0';
    find_in(path);
    cr_assert_eq(found.err.code, ERR_INVALID, "%s", found.err.text);
    settings.socket = path;
    find();
    cr_assert_eq(found.err.code, ERR_INVALID, "%s", found.err.text);
    cr_assert_eq(podman_service_pid(service), 0);
}
