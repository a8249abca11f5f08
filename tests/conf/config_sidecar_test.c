#include <criterion/criterion.h>
#include <string.h>

#include "conf/config.h"
#include "conf/config_text.h"
#include "router/base/alloc.h"

TestSuite(config_sidecar);

static struct config *parse_good(const char *text)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct config *config = config_parse_text(sv_of(text), "t", &errors);

    cr_assert_not_null(config, "%s", errors.data);
    return config;
}

#define APP(directives) "app a { image localhost/a:1; " directives " }"
#define TWO                                                                    \
    APP("cpus 1; memory 64m; sidecar cache { image localhost/c:1; port 6379; " \
        "ready_check http /up status=200; cpus 0.5; memory 32m; env A b; "     \
        "command --quiet; stop_timeout 3s; setup { run make; } } "             \
        "sidecar log-2 { image localhost/l:1; volume /tmp:/t:ro; pids 7; }")

Test(config_sidecar, is_a_container_of_its_own)
{
    AUTO(config_free) struct config *config = parse_good(TWO);
    const struct container_settings *app =
        &config->lifecycle->apps[0].container;
    const struct sidecar_settings *cache = &app->sidecars[0];
    const struct sidecar_settings *log = &app->sidecars[1];

    cr_assert_eq(app->sidecar_count, 2U);
    cr_expect_str_eq(cache->name, "cache");
    cr_expect_str_eq(cache->container.image, "localhost/c:1");
    cr_expect_eq(cache->container.port, 6379U);
    cr_expect(cache->has_check);
    cr_expect_eq(cache->ready_check.kind, CHECK_HTTP);
    cr_expect_str_eq(cache->ready_check.path, "/up");
    cr_expect_eq(cache->ready_check.status_max, 200U);
    cr_expect_str_eq(cache->container.env.items[0].value, "b");
    cr_expect_eq(cache->container.stop_timeout_ms, 3000U);
    cr_expect_eq(cache->container.setup_count, 1U);
    cr_expect_eq(cache->container.sidecar_count, 0U);
    cr_expect_str_eq(log->name, "log-2");
    cr_expect_not(log->has_check, "it is ready once it runs");
    cr_expect_eq(log->container.stop_timeout_ms, 10000U, "the default");
    cr_expect_eq(log->container.log_bytes, CONTAINER_LOG_BYTES_DEFAULT);
    cr_expect_eq(app->env.count, 0U, "the app has none of it");
    cr_expect_eq(app->port, 0U);
    cr_expect_eq(config->lifecycle->apps[0].app->ready_check.kind, CHECK_TCP);
}

Test(config_sidecar, counts_in_what_its_app_reserves)
{
    AUTO(config_free) struct config *config = parse_good(TWO);
    const struct container_settings *app =
        &config->lifecycle->apps[0].container;

    cr_expect_eq(container_cpu_millis_of_pod(app), 1500U);
    cr_expect_eq(container_memory_bytes_of_pod(app), 96U << 20);
    cr_expect_eq(container_cpu_millis_of_pod(&app->sidecars[1].container), 0U);
}

Test(config_sidecar, is_printed_as_it_is_read)
{
    AUTO(config_free) struct config *config = parse_good(TWO);
    AUTO(config_free) struct config *again = NULL;
    AUTO(strbuf_done) struct strbuf first = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf second = STRBUF_INIT;

    config_print(config, &first);
    again = parse_good(first.data);
    config_print(again, &second);
    cr_expect_str_eq(first.data, second.data);
    cr_expect_not_null(strstr(first.data, "sidecar log-2 {"), "%s", first.data);
    cr_expect_not_null(strstr(first.data, "port 6379;"), "%s", first.data);
    cr_expect_null(strstr(first.data, "port 6379 auto"), "%s", first.data);
}

Test(config_sidecar, what_makes_no_sense_is_told)
{
    static const struct {
        const char *label;
        const char *text;
        const char *error; /* a part of it */
    } cases[] = {
        {"no image", APP("sidecar s { }"), "sidecar \"s\" has no \"image\""},
        {"no name", APP("sidecar { image localhost/a:1; }"), "argument"},
        {"a dot in its name", APP("sidecar a.b { image localhost/a:1; }"),
         "a sidecar's name has small letters"},
        {"capitals", APP("sidecar Aa { image localhost/a:1; }"),
         "a sidecar's name has small letters"},
        {"twice",
         APP("sidecar s { image localhost/a:1; } sidecar s { image "
             "localhost/a:2; }"),
         "s"},
        {"a check without a port",
         APP("sidecar s { image localhost/a:1; ready_check tcp; }"),
         "needs the port"},
        {"a check of its log, broken",
         APP("sidecar s { image localhost/a:1; ready_check log 'a(b'; }"),
         "takes an extended regular expression"},
        {"a port beside a check of its log",
         APP("sidecar s { image localhost/a:1; port 80; ready_check log x; }"),
         "ready_check tcp"},
        {"a port without a check",
         APP("sidecar s { image localhost/a:1; port 80; }"), "ready_check tcp"},
        {"a published port",
         APP("sidecar s { image localhost/a:1; port 80 published; ready_check "
             "tcp; }"),
         "takes a number alone"},
        {"a network of its own",
         APP("sidecar s { image localhost/a:1; network none; }"), "network"},
        {"gpus", APP("sidecar s { image localhost/a:1; gpus 1; }"), "gpus"},
        {"replicas", APP("sidecar s { image localhost/a:1; replicas 1; }"),
         "replicas"},
        {"a sidecar of a sidecar",
         APP("sidecar s { image localhost/a:1; sidecar t { image "
             "localhost/a:1; } }"),
         "sidecar"},
        {"where somebody else runs the app",
         "app a { upstream 127.0.0.1:1; sidecar s { image localhost/a:1; } }",
         "which somebody else runs"},
        {"outside of an app", "sidecar s { image localhost/a:1; }", "sidecar"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free)
        struct config *config =
            config_parse_text(sv_of(cases[i].text), "t", &errors);

        cr_expect_null(config, "%s", cases[i].label);
        cr_expect_not_null(errors.data && strstr(errors.data, cases[i].error)
                               ? errors.data
                               : NULL,
                           "%s: %s", cases[i].label, errors.data);
    }
}
