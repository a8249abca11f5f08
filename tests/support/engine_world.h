/* engine_world.h - an engine on a loop, for tests: each call is made and
 * waited for, and what its callback got is kept.
 */
#ifndef TESTS_SUPPORT_ENGINE_WORLD_H
#define TESTS_SUPPORT_ENGINE_WORLD_H

#include "lifecycle/engine.h"
#include "lifecycle/settings.h"
#include "router/base/timers.h"

struct cgroup_roots;
struct loop;
struct timers;

struct engine_world {
    struct loop *loop;
    struct timers *timers;
    struct engine *engine;
    struct podman_settings settings;
    char *state_dir;

    /* events, counted */
    unsigned ups;
    unsigned downs;
    struct err down;
    unsigned deaths;
    char died_id[80];
    int died_code;
    unsigned exits; /* of on_exit */
    unsigned sidecar_events;

    /* the last call's result; err.code ERR_NONE: success */
    bool is_done;
    struct err err;
    char id[80];
    struct engine_image image;
    struct engine_container container;
    bool has_container;
    struct engine_container list[16];
    unsigned list_count;
    struct strbuf text;
    struct engine_progress progress;
    unsigned progress_count;

    struct timer watchdog;
};

/* socket NULL: the standard one. Does not wait for on_up. */
void engine_world_start(struct engine_world *world, const char *socket,
                        bool service_auto, const char *namespace_name,
                        const char *state_dir);
/* Cgroups for the engines that are started after this, in place of the host's.
 * Borrowed. */
void engine_world_use_roots(const struct cgroup_roots *roots);
void engine_world_end(struct engine_world *world);

/* Run the loop until *counter is at least `least`; aborts after timeout_ms. */
void engine_world_until(struct engine_world *world, const unsigned *counter,
                        unsigned least, unsigned timeout_ms);
/* Run it for so long. */
void engine_world_run_for(struct engine_world *world, unsigned ms);

/* Each true when it succeeded. */
bool engine_world_image(struct engine_world *world, const char *image);
bool engine_world_pull(struct engine_world *world, const char *image);
bool engine_world_create(struct engine_world *world,
                         const struct engine_spec *spec);
bool engine_world_init(struct engine_world *world, const char *id);
bool engine_world_start_container(struct engine_world *world, const char *id);
bool engine_world_stop(struct engine_world *world, const char *id,
                       uint64_t timeout_ms);
bool engine_world_remove(struct engine_world *world, const char *id);
bool engine_world_inspect(struct engine_world *world, const char *id);
bool engine_world_wait(struct engine_world *world, const char *id);
bool engine_world_list(struct engine_world *world);
bool engine_world_logs(struct engine_world *world, const char *id,
                       unsigned tail_lines, size_t max_bytes);
bool engine_world_prune(struct engine_world *world, const char *const *keep,
                        unsigned count);

bool engine_world_freeze(struct engine_world *world,
                         struct engine_handle *handle);
bool engine_world_thaw(struct engine_world *world,
                       struct engine_handle *handle);
bool engine_world_hibernate(struct engine_world *world,
                            struct engine_handle *handle);

/* The callbacks that the calls above are made with, and a wait for them. */
void engine_world_begin(struct engine_world *world);
bool engine_world_finish(struct engine_world *world);
void engine_world_on_done(void *arg, const struct err *err);
void engine_world_on_image(void *arg, const struct engine_image *image,
                           const struct err *err);
void engine_world_on_text(void *arg, struct strview text,
                          const struct err *err);
/* For engine_attach(): counts `exits`. */
void engine_world_on_exit(void *arg);

#endif
