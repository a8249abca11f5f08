/* engine_world.c - an engine on a loop, for tests. */
#include "tests/support/engine_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/loop.h"

#define CALL_TIMEOUT_MS 90000

static const struct cgroup_roots *roots_to_use;

static void on_died(void *arg, const char *id, int exit_code)
{
    struct engine_world *world = arg;

    world->deaths++;
    world->died_code = exit_code;
    snprintf(world->died_id, sizeof world->died_id, "%s", id);
    loop_stop(world->loop);
}

static void on_sidecar(void *arg, const char *id, const char *sidecar,
                       const char *why)
{
    struct engine_world *world = arg;

    (void)id;
    (void)sidecar;
    (void)why;
    world->sidecar_events++;
}

static void on_down(void *arg, const struct err *err)
{
    struct engine_world *world = arg;

    world->downs++;
    world->down = *err;
    loop_stop(world->loop);
}

static void on_up(void *arg, const struct engine_capabilities *capabilities)
{
    struct engine_world *world = arg;

    (void)capabilities;
    world->ups++;
    loop_stop(world->loop);
}

static void on_watchdog(struct timer *timer)
{
    loop_stop(container_of(timer, struct engine_world, watchdog)->loop);
}

void engine_world_use_roots(const struct cgroup_roots *roots)
{
    roots_to_use = roots;
}

void engine_world_start(struct engine_world *world, const char *socket,
                        bool service_auto, const char *namespace_name,
                        const char *state_dir)
{
    struct podman_options options;

    *world = (struct engine_world){0};
    world->loop = loop_new("world");
    world->timers = timers_new(world->loop);
    world->watchdog.on_expire = on_watchdog;
    world->state_dir = xstrdup(state_dir);
    world->settings = (struct podman_settings){
        .socket = socket ? xstrdup(socket) : NULL,
        .service_auto = service_auto,
        .namespace_name = xstrdup(namespace_name),
    };
    options = (struct podman_options){
        .loop = world->loop,
        .timers = world->timers,
        .settings = &world->settings,
        .state_dir = world->state_dir,
        .cgroup_roots = roots_to_use,
        .events = {.on_died = on_died,
                   .on_sidecar = on_sidecar,
                   .on_down = on_down,
                   .on_up = on_up,
                   .arg = world},
    };
    world->engine = podman_new(&options);
}

void engine_world_end(struct engine_world *world)
{
    engine_free(&world->engine);
    timer_stop(&world->watchdog);
    timers_free(&world->timers);
    loop_free(&world->loop);
    strbuf_done(&world->text);
    free(world->settings.socket);
    free(world->settings.namespace_name);
    free(world->state_dir);
}

void engine_world_run_for(struct engine_world *world, unsigned ms)
{
    uint64_t until_us = clock_now_us() + (uint64_t)ms * 1000;

    while (clock_now_us() < until_us) {
        timer_start(world->timers, &world->watchdog,
                    (until_us - clock_now_us()) / 1000 + 1);
        loop_run(world->loop);
    }
}

void engine_world_until(struct engine_world *world, const unsigned *counter,
                        unsigned least, unsigned timeout_ms)
{
    uint64_t until_us = clock_now_us() + (uint64_t)timeout_ms * 1000;

    while (*counter < least) {
        if (clock_now_us() >= until_us) {
            fprintf(stderr, "engine_world: waited %u ms in vain; down: %s\n",
                    timeout_ms, world->down.text);
            abort();
        }
        timer_start(world->timers, &world->watchdog,
                    (until_us - clock_now_us()) / 1000 + 1);
        loop_run(world->loop);
    }
}

void engine_world_begin(struct engine_world *world)
{
    world->is_done = false;
    world->err.code = ERR_NONE;
    world->err.text[0] = '\0';
    world->has_container = false;
}

bool engine_world_finish(struct engine_world *world)
{
    uint64_t until_us = clock_now_us() + CALL_TIMEOUT_MS * 1000;

    while (!world->is_done) {
        if (clock_now_us() >= until_us)
            abort(); /* a call that never ends is what must not be */
        timer_start(world->timers, &world->watchdog, CALL_TIMEOUT_MS);
        loop_run(world->loop);
    }
    return world->err.code == ERR_NONE;
}

static void note(struct engine_world *world, const struct err *err)
{
    if (world->is_done)
        abort(); /* a callback that comes twice */
    world->is_done = true;
    if (err)
        world->err = *err;
    loop_stop(world->loop);
}

void engine_world_on_done(void *arg, const struct err *err)
{
    note(arg, err);
}

static void on_id(void *arg, const char *id, const struct err *err)
{
    struct engine_world *world = arg;

    if (!err)
        snprintf(world->id, sizeof world->id, "%s", id);
    note(world, err);
}

void engine_world_on_image(void *arg, const struct engine_image *image,
                           const struct err *err)
{
    struct engine_world *world = arg;

    if (!err)
        world->image = *image;
    note(world, err);
}

static void on_container(void *arg, const struct engine_container *container,
                         const struct err *err)
{
    struct engine_world *world = arg;

    world->has_container = container != NULL;
    if (container)
        world->container = *container;
    note(world, err);
}

static void on_list(void *arg, const struct engine_container *containers,
                    unsigned count, const struct err *err)
{
    struct engine_world *world = arg;

    world->list_count = count;
    for (unsigned i = 0; i < count && i < 16; i++)
        world->list[i] = containers[i];
    note(world, err);
}

void engine_world_on_text(void *arg, struct strview text, const struct err *err)
{
    struct engine_world *world = arg;

    strbuf_clear(&world->text);
    strbuf_add_sv(&world->text, text);
    strbuf_add_str(&world->text, "");
    note(world, err);
}

static void on_progress(void *arg, const struct engine_progress *progress)
{
    struct engine_world *world = arg;

    world->progress = *progress;
    world->progress_count++;
}

void engine_world_on_exit(void *arg)
{
    struct engine_world *world = arg;

    world->exits++;
    loop_stop(world->loop);
}

bool engine_world_image(struct engine_world *world, const char *image)
{
    engine_world_begin(world);
    engine_image_inspect(world->engine, image, engine_world_on_image, world);
    return engine_world_finish(world);
}

bool engine_world_pull(struct engine_world *world, const char *image)
{
    struct engine_pull pull = {.image = image, .timeout_ms = 60000};

    engine_world_begin(world);
    engine_pull(world->engine, &pull, on_progress, engine_world_on_image,
                world);
    return engine_world_finish(world);
}

bool engine_world_create(struct engine_world *world,
                         const struct engine_spec *spec)
{
    engine_world_begin(world);
    engine_create(world->engine, spec, on_id, world);
    return engine_world_finish(world);
}

bool engine_world_init(struct engine_world *world, const char *id)
{
    engine_world_begin(world);
    engine_init(world->engine, id, on_container, world);
    return engine_world_finish(world);
}

bool engine_world_start_container(struct engine_world *world, const char *id)
{
    engine_world_begin(world);
    engine_start(world->engine, id, on_container, world);
    return engine_world_finish(world);
}

bool engine_world_stop(struct engine_world *world, const char *id,
                       uint64_t timeout_ms)
{
    engine_world_begin(world);
    engine_stop(world->engine, id, timeout_ms, engine_world_on_done, world);
    return engine_world_finish(world);
}

bool engine_world_remove(struct engine_world *world, const char *id)
{
    engine_world_begin(world);
    engine_remove(world->engine, id, engine_world_on_done, world);
    return engine_world_finish(world);
}

bool engine_world_inspect(struct engine_world *world, const char *id)
{
    engine_world_begin(world);
    engine_inspect(world->engine, id, on_container, world);
    return engine_world_finish(world);
}

bool engine_world_wait(struct engine_world *world, const char *id)
{
    engine_world_begin(world);
    engine_wait(world->engine, id, on_container, world);
    return engine_world_finish(world);
}

bool engine_world_list(struct engine_world *world)
{
    engine_world_begin(world);
    engine_list(world->engine, sv_of(world->settings.namespace_name), on_list,
                world);
    return engine_world_finish(world);
}

bool engine_world_logs(struct engine_world *world, const char *id,
                       unsigned tail_lines, size_t max_bytes)
{
    engine_world_begin(world);
    engine_logs(world->engine, id, tail_lines, max_bytes, engine_world_on_text,
                world);
    return engine_world_finish(world);
}

bool engine_world_prune(struct engine_world *world, const char *const *keep,
                        unsigned count)
{
    engine_world_begin(world);
    engine_prune(world->engine, sv_of(world->settings.namespace_name), keep,
                 count, engine_world_on_done, world);
    return engine_world_finish(world);
}

bool engine_world_freeze(struct engine_world *world,
                         struct engine_handle *handle)
{
    engine_world_begin(world);
    engine_freeze(handle, engine_world_on_done, world);
    return engine_world_finish(world);
}

bool engine_world_thaw(struct engine_world *world, struct engine_handle *handle)
{
    engine_world_begin(world);
    engine_thaw(handle, engine_world_on_done, world);
    return engine_world_finish(world);
}

bool engine_world_hibernate(struct engine_world *world,
                            struct engine_handle *handle)
{
    engine_world_begin(world);
    engine_hibernate(handle, engine_world_on_done, world);
    return engine_world_finish(world);
}
