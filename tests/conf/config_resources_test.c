#include <criterion/criterion.h>
#include <string.h>

#include "conf/config.h"
#include "conf/config_text.h"
#include "router/base/alloc.h"

TestSuite(config_resources);

static struct config *parse_good(const char *text)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct config *config = config_parse_text(sv_of(text), "t", &errors);

    cr_assert_not_null(config, "%s", errors.data);
    return config;
}

#define APP(directives) "app a { image localhost/a:1; " directives " }"

Test(config_resources, without_the_block_nothing_is_said)
{
    AUTO(config_free) struct config *config = parse_good(APP(""));
    const struct keeper_app *app = &config->lifecycle->apps[0];

    cr_expect_eq(config->lifecycle->resources.cpu_millis, 0U);
    cr_expect_eq(config->lifecycle->resources.memory_bytes, 0U);
    cr_expect_eq(config->lifecycle->resources.gpu_count, 0U);
    cr_expect_eq(app->container.gpu_millis, 0U);
    cr_expect_eq(app->container.gpu_memory_bytes, 0U);
    cr_expect(app->is_evictable);
    cr_expect_eq(app->importance, 0);
}

Test(config_resources, the_block_is_read_whole)
{
    AUTO(config_free) struct config *config = parse_good(
        "resources { cpus 7.5; memory 60g; gpu nvidia.com/gpu=0 memory=80g;"
        " gpu nvidia.com/gpu=GPU-1; gpu nvidia.com/mig=0:1; }");
    const struct resource_settings *resources = &config->lifecycle->resources;

    cr_expect_eq(resources->cpu_millis, 7500U);
    cr_expect_eq(resources->memory_bytes, UINT64_C(60) << 30);
    cr_assert_eq(resources->gpu_count, 3U);
    cr_expect_str_eq(resources->gpus[0].name, "nvidia.com/gpu=0");
    cr_expect_eq(resources->gpus[0].memory_bytes, UINT64_C(80) << 30);
    cr_expect_str_eq(resources->gpus[1].name, "nvidia.com/gpu=GPU-1");
    cr_expect_eq(resources->gpus[1].memory_bytes, 0U);
    cr_expect_str_eq(resources->gpus[2].name, "nvidia.com/mig=0:1");
}

Test(config_resources, an_app_says_what_it_reserves)
{
    AUTO(config_free) struct config *config = parse_good(
        APP("gpus 0.25; gpu_memory 10g; evictable off;"
            "importance -3;") "app b { image localhost/b:1; gpus 2; "
                              "concurrency 5; }"
                              "app c { image localhost/c:1; gpus 1; }");
    const struct keeper_app *apps = config->lifecycle->apps;

    cr_expect_eq(apps[0].container.gpu_millis, 250U);
    cr_expect_eq(apps[0].container.gpu_memory_bytes, UINT64_C(10) << 30);
    cr_expect_not(apps[0].is_evictable);
    cr_expect_eq(apps[0].importance, -3);
    cr_expect_eq(apps[0].app->concurrency, 1U, "the default with gpus");
    cr_expect_eq(apps[1].container.gpu_millis, 2000U);
    cr_expect_eq(apps[1].app->concurrency, 5U, "as it is said");
    cr_expect_eq(apps[2].app->concurrency, 1U);
}

Test(config_resources, a_plain_check_asks_nothing_of_the_machine)
{
    AUTO(config_free) struct config *config =
        parse_good("resources { cpus 1; memory 1g; gpu no.such/gpu=0; }" APP(
            "cpus 8000; memory 900t; gpus 64;"));

    cr_expect_not_null(config);
}

Test(config_resources, what_makes_no_sense_is_told)
{
    static const struct {
        const char *label;
        const char *text;
        const char *error;
    } cases[] = {
        {"no cpus", "resources { cpus 0; }",
         "t:1:18: \"cpus\" takes a number of 0.01 to 8192, such as 6 or 7.5, "
         "not \"0\"\n"},
        {"memory", "resources { memory 90%; }",
         "t:1:20: \"memory\" takes a size of 1m or more, such as 80g, not "
         "\"90%\"\n"},
        {"device", "resources { gpu 0; }",
         "t:1:17: \"gpu\" takes the CDI name of a device, such as "
         "nvidia.com/gpu=0, not \"0\"\n"},
        {"device without vendor", "resources { gpu /gpu=0; }",
         "t:1:17: \"gpu\" takes the CDI name of a device, such as "
         "nvidia.com/gpu=0, not \"/gpu=0\"\n"},
        {"device without name", "resources { gpu a/b=; }",
         "t:1:17: \"gpu\" takes the CDI name of a device, such as "
         "nvidia.com/gpu=0, not \"a/b=\"\n"},
        {"device with a comma", "resources { gpu a/b=c,d; }",
         "t:1:17: \"gpu\" takes the CDI name of a device, such as "
         "nvidia.com/gpu=0, not \"a/b=c,d\"\n"},
        {"twice", "resources { gpu a/b=c; gpu a/b=c memory=1g; }",
         "t:1:24: duplicate gpu \"a/b=c\"; the first is at t:1:13\n"},
        {"something else of a device", "resources { gpu a/b=c mem=1g; }",
         "t:1:23: \"gpu\" takes memory=SIZE here, not \"mem=1g\"\n"},
        {"its memory", "resources { gpu a/b=c memory=1k; }",
         "t:1:23: \"memory\" takes a size of 1m or more, such as 80g, not "
         "\"1k\"\n"},
        {"one and a half", APP("gpus 1.5;"),
         "t:1:35: \"gpus\" takes a whole number up to 64, or a fraction below "
         "1 such as 0.5, not \"1.5\"\n"},
        {"too many", APP("gpus 65;"),
         "t:1:35: \"gpus\" takes a whole number up to 64, or a fraction below "
         "1 such as 0.5, not \"65\"\n"},
        {"memory of no device", APP("gpu_memory 1g;"),
         "t:1:30: \"gpu_memory\" has no meaning without \"gpus\"; write gpus "
         "1, or a fraction such as 0.5\n"},
        {"importance", APP("importance high;"),
         "t:1:41: \"importance\" takes a whole number of -1000000 to 1000000, "
         "not \"high\"\n"},
        {"importance too large", APP("importance 99999999999999999999;"),
         "t:1:41: \"importance\" takes a whole number of -1000000 to 1000000, "
         "not \"99999999999999999999\"\n"},
        {"for an upstream", "app a { upstream 127.0.0.1:1; gpus 1; }",
         "t:1:31: \"gpus\" has no meaning for an app with \"upstream\", which "
         "somebody else runs\n"},
        {"in the wrong block", "resources { image x; }",
         "t:1:13: \"image\" may not stand in resources, only in app or "
         "sidecar\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free)
        struct config *config =
            config_parse_text(sv_of(cases[i].text), "t", &errors);

        cr_expect_null(config, "%s", cases[i].label);
        cr_expect_str_eq(errors.data ? errors.data : "", cases[i].error,
                         "%s:\n%s", cases[i].label, errors.data);
    }
}
