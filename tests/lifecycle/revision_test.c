/* revision_test.c */
#include "lifecycle/revision.h"

#include <criterion/criterion.h>
#include <string.h>

static char *items_ab[] = {"a", "b"};
static char *items_a[] = {"a"};

static void compute(const struct container_settings *container, char *ret_hex)
{
    revision_compute(container, "sha256:1", ret_hex);
}

Test(revision, is_the_same_for_the_same_and_hex)
{
    struct container_settings container = {.image = "localhost/a:1"};
    char first[DIGEST_HEX_SIZE];
    char second[DIGEST_HEX_SIZE];

    compute(&container, first);
    compute(&container, second);
    cr_expect_str_eq(first, second);
    cr_expect_eq(strlen(first), 64U);
    cr_expect_eq(strspn(first, "0123456789abcdef"), 64U);
}

Test(revision, differs_with_everything_that_is_set_for_the_container)
{
    struct name_value pair = {"A", "1"};
    struct volume_setting volume = {"/a", "/b", "ro"};
    struct ulimit_setting limit = {"nofile", 1, 2};
    struct tmpfs_setting tmpfs[] = {{"/t", 0}, {"/t", 4096}};
    struct secret_setting secrets[] = {
        {"s", false, NULL}, {"s", true, "S"}, {"s", false, "S"}};
    struct sidecar_settings sidecars[] = {
        {.name = "s", .container = {.image = "localhost/s:1"}},
        {.name = "s", .container = {.image = "localhost/s:2"}},
        {.name = "t", .container = {.image = "localhost/s:1"}}};
    const struct {
        const char *label;
        struct container_settings container;
    } cases[] = {
        {"nothing", {.image = "i"}},
        {"a sidecar", {.sidecar_count = 1, .sidecars = sidecars}},
        {"a sidecar's image", {.sidecar_count = 1, .sidecars = sidecars + 1}},
        {"a sidecar's name", {.sidecar_count = 1, .sidecars = sidecars + 2}},
        {"several sidecars", {.sidecar_count = 2, .sidecars = sidecars}},
        {"port", {.port = 80}},
        {"port mode", {.port_mode = PORT_INSIDE}},
        {"socket", {.socket = "app.sock"}},
        {"network", {.network = NETWORK_HOST}},
        {"network name", {.network_name = "x"}},
        {"empty command", {.has_command = true}},
        {"command a",
         {.has_command = true, .command = {.count = 1, .items = items_a}}},
        {"command a b",
         {.has_command = true, .command = {.count = 2, .items = items_ab}}},
        {"entrypoint a",
         {.has_entrypoint = true,
          .entrypoint = {.count = 1, .items = items_a}}},
        {"workdir", {.workdir = "/w"}},
        {"user", {.user = "/w"}},
        {"env", {.env = {.count = 1, .items = &pair}}},
        {"labels", {.labels = {.count = 1, .items = &pair}}},
        {"volume", {.volume_count = 1, .volumes = &volume}},
        {"ulimit", {.ulimit_count = 1, .ulimits = &limit}},
        {"stop signal", {.stop_signal = "TERM"}},
        {"hostname", {.hostname = "h"}},
        {"annotations", {.annotations = {.count = 1, .items = &pair}}},
        {"tmpfs", {.tmpfs_count = 1, .tmpfs = &tmpfs[0]}},
        {"tmpfs with a size", {.tmpfs_count = 1, .tmpfs = &tmpfs[1]}},
        {"secret", {.secret_count = 1, .secrets = &secrets[0]}},
        {"secret in env", {.secret_count = 1, .secrets = &secrets[1]}},
        {"secret's file", {.secret_count = 1, .secrets = &secrets[2]}},
        {"shm_size", {.shm_bytes = 500}},
        {"devices", {.devices = {.count = 1, .items = items_a}}},
        {"cap_add", {.cap_add = {.count = 1, .items = items_a}}},
        {"cap_drop", {.cap_drop = {.count = 1, .items = items_a}}},
        {"security_opt", {.security_opts = {.count = 1, .items = items_a}}},
        {"read_only", {.read_only = true}},
        {"log_size", {.log_bytes = 500}},
    };
    const size_t count = sizeof cases / sizeof cases[0];
    char hex[sizeof cases / sizeof cases[0]][DIGEST_HEX_SIZE];

    for (size_t i = 0; i < count; i++) {
        compute(&cases[i].container, hex[i]);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(hex[i], hex[j], "%s and %s", cases[i].label,
                              cases[j].label);
    }
}

Test(revision, differs_with_the_image_and_not_with_what_is_changed_in_place)
{
    struct container_settings container = {.image = "localhost/a:1"};
    char first[DIGEST_HEX_SIZE];
    char second[DIGEST_HEX_SIZE];

    revision_compute(&container, "sha256:1", first);
    revision_compute(&container, "sha256:2", second);
    cr_expect_str_neq(first, second);
    container.stop_timeout_ms = 5;
    container.pull_timeout_ms = 7;
    container.pull_policy = PULL_NEVER;
    container.cpu_millis = 500;
    container.memory_bytes = 500;
    container.pids = 500;
    revision_compute(&container, "sha256:1", second);
    cr_expect_str_eq(first, second);
}

/* Else an upgrade of berth would replace every container. */
Test(revision, of_a_plain_app_stays_what_it_was)
{
    struct container_settings container = {
        .image = "localhost/a:1", .log_bytes = CONTAINER_LOG_BYTES_DEFAULT};
    char hex[DIGEST_HEX_SIZE];

    compute(&container, hex);
    cr_expect_str_eq(
        hex,
        "4f58ea6ef74cdae6feab478f6e20308c208fa5d5e58b33d6c8972562f6f5d1b7");
}
