/* settings.c - what keeper and front both know of an app. */
#include "router/settings.h"

#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

/* An address on the wire is its text: a length and at least "unix:/x". */
#define ADDRESS_WIRE_MIN 11

void app_settings_done(struct app_settings *settings)
{
    free(settings->name);
    free(settings->ready_check.path);
    free(settings->ready_check.pattern);
    free(settings->live_check.path);
    free(settings->warmth.on_sleep);
    free(settings->warmth.on_wake);
    free(settings->upstreams);
    *settings = (struct app_settings){0};
}

static void encode_check(const struct ready_check *check, struct strbuf *buf)
{
    wire_put_u32(buf, check->kind);
    wire_put_str(buf, check->path);
    wire_put_u32(buf, check->status_min);
    wire_put_u32(buf, check->status_max);
    wire_put_str(buf, check->pattern);
}

static void encode_warmth(const struct warmth_settings *warmth,
                          struct strbuf *buf)
{
    wire_put_u64(buf, warmth->freeze_after_ms);
    wire_put_u32(buf, warmth->hibernate_when);
    wire_put_u64(buf, warmth->hibernate_after_ms);
    wire_put_u32(buf, warmth->keep_frozen);
    wire_put_u64(buf, warmth->keep_frozen_for_ms);
    wire_put_u32(buf, warmth->keep_primed_auto);
    wire_put_u32(buf, warmth->keep_primed);
    wire_put_u32(buf, warmth->keep_until_pressure);
    wire_put_str(buf, warmth->on_sleep);
    wire_put_str(buf, warmth->on_wake);
}

static void encode_live_check(const struct live_check *check,
                              struct strbuf *buf)
{
    wire_put_u32(buf, check->kind);
    wire_put_str(buf, check->path);
    wire_put_u64(buf, check->interval_ms);
    wire_put_u64(buf, check->timeout_ms);
    wire_put_u32(buf, check->failures);
}

void app_settings_encode(const struct app_settings *settings,
                         struct strbuf *buf)
{
    wire_put_u32(buf, settings->id);
    wire_put_str(buf, settings->name);
    wire_put_u32(buf, settings->concurrency);
    wire_put_u32(buf, settings->replicas_min);
    wire_put_u32(buf, settings->replicas_max);
    wire_put_u32(buf, settings->target_utilization_percent);
    wire_put_u32(buf, settings->has_scale_down_delay);
    wire_put_u64(buf, settings->scale_down_delay_ms);
    wire_put_u32(buf, settings->queue_size);
    wire_put_u64(buf, settings->queue_timeout_ms);
    wire_put_u64(buf, settings->idle_timeout_ms);
    encode_warmth(&settings->warmth, buf);
    wire_put_u64(buf, settings->max_keep_ms);
    wire_put_u64(buf, settings->drain_timeout_ms);
    wire_put_u64(buf, settings->start_timeout_ms);
    wire_put_u32(buf, settings->start_retries);
    wire_put_u32(buf, settings->on_cold_start);
    encode_check(&settings->ready_check, buf);
    encode_live_check(&settings->live_check, buf);
    wire_put_u32(buf, settings->upstream_keepalive);
    wire_put_u32(buf, settings->max_tunnels);
    wire_put_u32(buf, settings->upstream_count);
    for (uint32_t i = 0; i < settings->upstream_count; i++) {
        char text[ADDRESS_TEXT_SIZE];

        address_format(&settings->upstreams[i], text);
        wire_put_str(buf, text);
    }
}

/* A value of 0 to max. */
static uint32_t get_enum(struct wire_reader *reader, uint32_t max)
{
    uint32_t value = wire_get_u32(reader);

    if (value <= max)
        return value;
    reader->failed = true;
    return 0;
}

static void decode_check(struct wire_reader *reader, struct ready_check *check)
{
    check->kind = (enum check_kind)get_enum(reader, CHECK_LOG);
    check->path = wire_get_str(reader);
    check->status_min = wire_get_u32(reader);
    check->status_max = wire_get_u32(reader);
    check->pattern = wire_get_str(reader);
    if (check->kind == CHECK_HTTP && (!check->path || check->path[0] != '/' ||
                                      check->status_min > check->status_max))
        reader->failed = true;
    if (check->kind == CHECK_LOG && !check->pattern)
        reader->failed = true;
}

/* An optional path. */
static char *get_path(struct wire_reader *reader)
{
    char *path = wire_get_str(reader);

    if (path && path[0] != '/')
        reader->failed = true;
    return path;
}

static void decode_warmth(struct wire_reader *reader,
                          struct warmth_settings *warmth)
{
    warmth->freeze_after_ms = wire_get_u64(reader);
    warmth->hibernate_when =
        (enum hibernate_when)get_enum(reader, HIBERNATE_OFF);
    warmth->hibernate_after_ms = wire_get_u64(reader);
    warmth->keep_frozen = wire_get_u32(reader);
    warmth->keep_frozen_for_ms = wire_get_u64(reader);
    warmth->keep_primed_auto = get_enum(reader, 1);
    warmth->keep_primed = wire_get_u32(reader);
    warmth->keep_until_pressure = get_enum(reader, 1);
    warmth->on_sleep = get_path(reader);
    warmth->on_wake = get_path(reader);
}

static void decode_live_check(struct wire_reader *reader,
                              struct live_check *check)
{
    check->kind = (enum live_kind)get_enum(reader, LIVE_HTTP);
    check->path = wire_get_str(reader);
    check->interval_ms = wire_get_u64(reader);
    check->timeout_ms = wire_get_u64(reader);
    check->failures = wire_get_u32(reader);
    if ((check->kind == LIVE_HTTP && (!check->path || check->path[0] != '/')) ||
        (check->kind != LIVE_OFF &&
         (check->interval_ms == 0 || check->timeout_ms == 0 ||
          check->failures == 0)))
        reader->failed = true;
}

static void decode_upstreams(struct wire_reader *reader,
                             struct app_settings *settings)
{
    uint32_t count = wire_get_count(reader, ADDRESS_WIRE_MIN);

    settings->upstream_count = count;
    if (count == 0)
        return;
    settings->upstreams = xcalloc(count, sizeof *settings->upstreams);
    for (uint32_t i = 0; i < count; i++) {
        if (!address_parse(wire_get_sv(reader), &settings->upstreams[i], NULL))
            reader->failed = true;
    }
}

bool app_settings_decode(struct wire_reader *reader,
                         struct app_settings *ret_settings)
{
    struct app_settings settings = {0};

    settings.id = wire_get_u32(reader);
    settings.name = wire_get_str(reader);
    settings.concurrency = wire_get_u32(reader);
    settings.replicas_min = wire_get_u32(reader);
    settings.replicas_max = wire_get_u32(reader);
    settings.target_utilization_percent = wire_get_u32(reader);
    settings.has_scale_down_delay = get_enum(reader, 1);
    settings.scale_down_delay_ms = wire_get_u64(reader);
    settings.queue_size = wire_get_u32(reader);
    settings.queue_timeout_ms = wire_get_u64(reader);
    settings.idle_timeout_ms = wire_get_u64(reader);
    decode_warmth(reader, &settings.warmth);
    settings.max_keep_ms = wire_get_u64(reader);
    settings.drain_timeout_ms = wire_get_u64(reader);
    settings.start_timeout_ms = wire_get_u64(reader);
    settings.start_retries = wire_get_u32(reader);
    settings.on_cold_start = (enum cold_start)get_enum(reader, COLD_START_PAGE);
    decode_check(reader, &settings.ready_check);
    decode_live_check(reader, &settings.live_check);
    settings.upstream_keepalive = get_enum(reader, 1);
    settings.max_tunnels = wire_get_u32(reader);
    decode_upstreams(reader, &settings);
    if (!settings.name || settings.replicas_min > settings.replicas_max)
        reader->failed = true;
    if (reader->failed) {
        app_settings_done(&settings);
        return false;
    }
    *ret_settings = settings;
    return true;
}

struct app_settings *app_settings_copy(const struct app_settings *settings)
{
    AUTO(strbuf_done) struct strbuf encoded = STRBUF_INIT;
    struct app_settings *copy = xcalloc(1, sizeof *copy);
    struct wire_reader reader;

    app_settings_encode(settings, &encoded);
    reader = wire_reader_of(strbuf_view(&encoded));
    if (!app_settings_decode(&reader, copy))
        abort(); /* what was decoded before decodes again */
    return copy;
}
