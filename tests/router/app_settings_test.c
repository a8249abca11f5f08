/* router/settings.c (proxy has a settings.c too, and test names are unique):
 * an app's settings over the channel. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/settings.h"

static struct app_settings make_settings(void)
{
    struct app_settings settings = {
        .id = 70000,
        .name = xstrdup("sentiment"),
        .concurrency = 4,
        .replicas_min = 1,
        .replicas_max = 3,
        .queue_size = 1000,
        .queue_timeout_ms = 60000,
        .idle_timeout_ms = 300000,
        .warmth = {.freeze_after_ms = 10000,
                   .hibernate_when = HIBERNATE_AFTER,
                   .hibernate_after_ms = 60000,
                   .keep_frozen = 2,
                   .keep_frozen_for_ms = 3600000,
                   .keep_primed_auto = true,
                   .keep_until_pressure = true,
                   .on_sleep = xstrdup("/sleep"),
                   .on_wake = xstrdup("/wake")},
        .max_keep_ms = 3600000,
        .drain_timeout_ms = 30000,
        .start_timeout_ms = 120000,
        .start_retries = 5,
        .on_cold_start = COLD_START_REJECT,
        .ready_check = {.kind = CHECK_HTTP,
                        .path = xstrdup("/health"),
                        .status_min = 200,
                        .status_max = 399},
        .upstream_keepalive = true,
        .max_tunnels = 1000,
        .upstream_count = 2,
        .upstreams = xcalloc(2, sizeof(struct address)),
    };

    cr_assert(address_parse(SV("127.0.0.1:80"), &settings.upstreams[0], NULL));
    cr_assert(address_parse(SV("unix:/a"), &settings.upstreams[1], NULL));
    return settings;
}

static bool decode(struct strview payload, struct app_settings *ret_settings)
{
    struct wire_reader reader = wire_reader_of(payload);

    return app_settings_decode(&reader, ret_settings);
}

Test(app_settings, everything_comes_out_as_it_was_put)
{
    struct app_settings in = make_settings();
    struct app_settings out;
    struct strbuf payload = STRBUF_INIT;
    struct strbuf again = STRBUF_INIT;

    app_settings_encode(&in, &payload);
    cr_assert(decode(strbuf_view(&payload), &out));
    app_settings_encode(&out, &again);
    cr_assert(sv_eq(strbuf_view(&payload), strbuf_view(&again)));
    cr_assert_eq(out.id, 70000);
    cr_assert_str_eq(out.name, "sentiment");
    cr_assert_eq(out.concurrency, 4);
    cr_assert_eq(out.replicas_min, 1);
    cr_assert_eq(out.replicas_max, 3);
    cr_assert_eq(out.queue_size, 1000);
    cr_assert_eq(out.queue_timeout_ms, 60000);
    cr_assert_eq(out.idle_timeout_ms, 300000);
    cr_assert_eq(out.warmth.freeze_after_ms, 10000);
    cr_assert_eq(out.warmth.hibernate_when, HIBERNATE_AFTER);
    cr_assert_eq(out.warmth.hibernate_after_ms, 60000);
    cr_assert_eq(out.warmth.keep_frozen, 2);
    cr_assert_eq(out.warmth.keep_frozen_for_ms, 3600000);
    cr_assert(out.warmth.keep_primed_auto);
    cr_assert(out.warmth.keep_until_pressure);
    cr_assert_str_eq(out.warmth.on_sleep, "/sleep");
    cr_assert_str_eq(out.warmth.on_wake, "/wake");
    cr_assert_eq(out.max_keep_ms, 3600000);
    cr_assert_eq(out.drain_timeout_ms, 30000);
    cr_assert_eq(out.start_timeout_ms, 120000);
    cr_assert_eq(out.start_retries, 5);
    cr_assert_eq(out.on_cold_start, COLD_START_REJECT);
    cr_assert_eq(out.ready_check.kind, CHECK_HTTP);
    cr_assert_str_eq(out.ready_check.path, "/health");
    cr_assert_eq(out.ready_check.status_min, 200);
    cr_assert_eq(out.ready_check.status_max, 399);
    cr_assert(out.upstream_keepalive);
    cr_assert_eq(out.max_tunnels, 1000);
    cr_assert_eq(out.upstream_count, 2);
    cr_assert(address_equal(&out.upstreams[0], &in.upstreams[0]));
    cr_assert(address_equal(&out.upstreams[1], &in.upstreams[1]));
    app_settings_done(&in);
    app_settings_done(&out);
    cr_assert_null(out.name);
    app_settings_done(&out); /* of nothing */
    strbuf_done(&payload);
    strbuf_done(&again);
}

Test(app_settings, a_message_cut_anywhere_is_refused_and_leaves_nothing)
{
    struct app_settings in = make_settings();
    struct app_settings out = {.concurrency = 99};
    struct strbuf payload = STRBUF_INIT;

    app_settings_encode(&in, &payload);
    for (size_t len = 0; len < payload.len; len++)
        cr_assert_not(decode(sv_make(payload.data, len), &out),
                      "cut to %zu bytes", len);
    cr_assert_eq(out.concurrency, 99, "touched on failure");
    app_settings_done(&in);
    strbuf_done(&payload);
}

static void no_name(struct app_settings *s)
{
    free(s->name);
    s->name = NULL;
}

static void bad_range(struct app_settings *s)
{
    s->replicas_min = 4;
}

static void bad_check(struct app_settings *s)
{
    s->ready_check.kind = (enum check_kind)3;
}

static void bad_check_log(struct app_settings *s)
{
    s->ready_check.kind = CHECK_LOG; /* of nothing */
}

static void bad_check_path(struct app_settings *s)
{
    s->ready_check.path[0] = 'x';
}

static void bad_check_status(struct app_settings *s)
{
    s->ready_check.status_max = 100;
}

static void bad_cold_start(struct app_settings *s)
{
    s->on_cold_start = (enum cold_start)7;
}

static void bad_upstream(struct app_settings *s)
{
    s->upstreams[1] = (struct address){0};
}

static const struct {
    const char *label;
    void (*spoil)(struct app_settings *settings);
} bad_cases[] = {
    {"no name", no_name},
    {"more replicas at least than at most", bad_range},
    {"an unknown check", bad_check},
    {"a check of no line", bad_check_log},
    {"a check's path without a slash", bad_check_path},
    {"a check's status the wrong way round", bad_check_status},
    {"an unknown on_cold_start", bad_cold_start},
    {"no address", bad_upstream},
};

Test(app_settings, values_out_of_their_range_are_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
        struct app_settings in = make_settings();
        struct app_settings out;
        struct strbuf payload = STRBUF_INIT;

        bad_cases[i].spoil(&in);
        app_settings_encode(&in, &payload);
        cr_assert_not(decode(strbuf_view(&payload), &out), "%s",
                      bad_cases[i].label);
        app_settings_done(&in);
        strbuf_done(&payload);
    }
}
