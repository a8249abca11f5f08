/* fleet_bench.c - a fleet between a fake engine and a fake front. */
#include "tests/support/fleet_bench.h"

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/socket_dir.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

static void free_nothing(struct keeper_settings *settings)
{
    (void)settings;
}

static const struct keeper_settings_ops lasting = {.free = free_nothing};

static void free_generation(struct keeper_settings *settings)
{
    free(container_of(settings, struct bench_generation, base));
}

static const struct keeper_settings_ops freed = {.free = free_generation};

struct bench_generation *bench_generation(const struct fleet_bench *bench)
{
    struct bench_generation *next = xcalloc(1, sizeof *next);

    next->settings = bench->settings;
    next->settings.apps = next->keeper_apps;
    memcpy(next->apps, bench->apps, sizeof next->apps);
    memcpy(next->keeper_apps, bench->keeper_apps, sizeof next->keeper_apps);
    for (unsigned i = 0; i < BENCH_APPS; i++)
        next->keeper_apps[i].app = &next->apps[i];
    next->base = (struct keeper_settings){
        .ops = &freed, .refs = 1, .lifecycle = &next->settings};
    return next;
}

char *bench_reload(struct fleet_bench *bench, struct bench_generation *next)
{
    struct keeper_settings *base = &next->base;
    struct strbuf text = STRBUF_INIT;
    cJSON *apps = cJSON_CreateArray();
    const cJSON *app;

    fleet_reload(bench->fleet, base, apps);
    cJSON_ArrayForEach(app, apps)
    {
        strbuf_printf(
            &text, "%s%s=%s", text.len > 0 ? " " : "",
            cJSON_GetObjectItemCaseSensitive(app, "name")->valuestring,
            cJSON_GetObjectItemCaseSensitive(app, "result")->valuestring);
    }
    cJSON_Delete(apps);
    keeper_settings_unref(&base);
    return text.data;
}

void bench_init(struct fleet_bench *bench, unsigned app_count)
{
    static char *names[BENCH_APPS] = {"a", "b", "c"};
    static char *images[BENCH_APPS] = {"localhost/a:1", "localhost/b:1",
                                       "localhost/c:1"};
    static char namespace_name[] = "t";

    memset(bench, 0, sizeof *bench);
    strcpy(bench->state_dir, "/tmp/berth-fleet-XXXXXX");
    if (!mkdtemp(bench->state_dir))
        abort();
    for (unsigned i = 0; i < app_count; i++) {
        bench->apps[i] = (struct app_settings){
            .id = i,
            .name = names[i],
            .concurrency = 4,
            .replicas_max = 1,
            .queue_size = 10,
            .idle_timeout_ms = 60000,
            .drain_timeout_ms = 5000,
            .start_timeout_ms = 5000,
            .start_retries = 3,
        };
        bench->keeper_apps[i].app = &bench->apps[i];
        bench->keeper_apps[i].container = (struct container_settings){
            .image = images[i], .stop_timeout_ms = 1000};
        bench->keeper_apps[i].is_evictable = true;
        bench->keeper_apps[i].update =
            (struct update_settings){.surge = 1, .rollback = true};
    }
    bench->settings = (struct lifecycle_settings){
        .state_dir = bench->state_dir,
        .podman = {.namespace_name = namespace_name,
                   .max_parallel_pulls = 2,
                   .max_parallel_starts = 2,
                   .pull_retries = 0},
        .app_count = app_count,
        .apps = bench->keeper_apps,
    };
    bench->first = (struct keeper_settings){
        .ops = &lasting, .refs = 1, .lifecycle = &bench->settings};
    bench->loop = loop_new("test");
    bench->timers = timers_new(bench->loop);
    bench->metrics = metrics_registry_new();
    bench->engine = fake_engine_new(bench->loop);
}

void bench_make_external(struct fleet_bench *bench, unsigned index,
                         const char *address)
{
    struct app_settings *app = &bench->apps[index];
    struct err err;

    bench->keeper_apps[index].container.image = NULL;
    app->upstreams = xrealloc(app->upstreams, (app->upstream_count + 1) *
                                                  sizeof *app->upstreams);
    if (!address_parse(sv_of(address), &app->upstreams[app->upstream_count],
                       &err))
        abort();
    app->upstream_count++;
}

static bool on_message(void *arg, enum channel_type type,
                       struct strview payload)
{
    struct fleet_bench *bench = arg;

    return fleet_on_message(bench->fleet, type, payload);
}

void bench_front_up(struct fleet_bench *bench)
{
    bench->front = fake_front_new(bench->loop, on_message, bench);
    fleet_on_front_up(bench->fleet, bench->front->keeper);
}

void bench_front_down(struct fleet_bench *bench)
{
    fleet_on_front_down(bench->fleet);
    fake_front_free(&bench->front);
}

void bench_start(struct fleet_bench *bench)
{
    struct fleet_options options = {
        .loop = bench->loop,
        .timers = bench->timers,
        .settings = &bench->first,
        .machine = bench->machine,
        .engine = bench->has_no_engine ? NULL : &bench->engine->base,
        .metrics = bench->metrics,
        .proc = bench->proc,
        .events = bench->events,
    };

    bench->fleet = fleet_new(&options);
    bench_front_up(bench);
    if (!bench->has_no_engine)
        fleet_on_engine_up(bench->fleet);
}

void bench_done(struct fleet_bench *bench)
{
    struct engine *engine = &bench->engine->base;
    char path[96];

    fake_front_free(&bench->front);
    fleet_free(&bench->fleet);
    bench_run_ms(bench, 1); /* what the engine still has in hand */
    engine_free(&engine);
    metrics_registry_free(&bench->metrics);
    timers_free(&bench->timers);
    loop_free(&bench->loop);
    for (unsigned i = 0; i < BENCH_APPS; i++)
        free(bench->apps[i].upstreams);
    socket_dir_sweep(bench->state_dir, NULL, 0);
    snprintf(path, sizeof path, "%s/sockets", bench->state_dir);
    rmdir(path);
    snprintf(path, sizeof path, "%s/learned", bench->state_dir);
    unlink(path);
    rmdir(bench->state_dir);
}

/* --- running --- */

struct watch {
    struct fleet_bench *bench;
    bool (*condition)(void *arg);
    void *arg;
    uint64_t deadline_us;
    bool holds;
};

static void look(evutil_socket_t fd, short what, void *arg)
{
    struct watch *watch = arg;

    (void)fd;
    (void)what;
    watch->holds = watch->condition && watch->condition(watch->arg);
    if (watch->holds || clock_now_us() >= watch->deadline_us)
        loop_stop(watch->bench->loop);
}

bool bench_run_until(struct fleet_bench *bench, bool (*condition)(void *arg),
                     void *arg, unsigned timeout_ms)
{
    struct watch watch = {.bench = bench,
                          .condition = condition,
                          .arg = arg,
                          .deadline_us = clock_now_us() + timeout_ms * 1000U};
    struct timeval every = {.tv_usec = 500};
    struct event *event =
        event_new(loop_base(bench->loop), -1, EV_PERSIST, look, &watch);

    event_add(event, &every);
    loop_run(bench->loop);
    event_free(event);
    return watch.holds;
}

void bench_run_ms(struct fleet_bench *bench, unsigned ms)
{
    bench_run_until(bench, NULL, NULL, ms);
}

struct hearing {
    struct fleet_bench *bench;
    bool of_engine;
    const char *text;
    unsigned count;
};

static bool was_heard(void *arg)
{
    const struct hearing *hearing = arg;
    const struct strbuf *log = hearing->of_engine ? &hearing->bench->engine->log
                                                  : &hearing->bench->front->log;
    unsigned count = 0;

    for (const char *at = log->data; at && (at = strstr(at, hearing->text));
         at += strlen(hearing->text))
        count++;
    return count >= hearing->count;
}

bool bench_front_hears(struct fleet_bench *bench, const char *text,
                       unsigned count)
{
    struct hearing hearing = {bench, false, text, count};

    return bench_run_until(bench, was_heard, &hearing, 10000);
}

bool bench_engine_hears(struct fleet_bench *bench, const char *text,
                        unsigned count)
{
    struct hearing hearing = {bench, true, text, count};

    return bench_run_until(bench, was_heard, &hearing, 10000);
}

void bench_say_ready(struct fleet_bench *bench)
{
    struct channel_replica_ready ready = {.replica = bench->front->last_replica,
                                          .boot_us = 1000,
                                          .ready_us = 2000};

    channel_send_replica_ready(bench->front->channel, &ready, NULL, 0);
}

void bench_make_ready(struct fleet_bench *bench, unsigned index)
{
    char text[32];
    unsigned adds = fake_front_count(bench->front, "add app=");

    snprintf(text, sizeof text, "state app=%u ready", index);
    fake_front_demand(bench->front, index, 1, 0, 1);
    if (!bench_front_hears(bench, "add app=", adds + 1))
        abort();
    bench_say_ready(bench);
    fake_front_demand(bench->front, index, 0, 0, 1);
    if (!bench_front_hears(bench, text, 1))
        abort();
}

char *bench_status(struct fleet_bench *bench, unsigned index)
{
    cJSON *apps = fleet_status_apps(bench->fleet);
    char *printed =
        cJSON_PrintUnformatted(cJSON_GetArrayItem(apps, (int)index));
    char *text = xstrdup(printed);

    cJSON_free(printed);
    cJSON_Delete(apps);
    return text;
}
