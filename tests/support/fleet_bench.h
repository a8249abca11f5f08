/* fleet_bench.h - a fleet between a fake engine and a fake front, and a loop
 * that runs until something has happened.
 */
#ifndef TESTS_SUPPORT_FLEET_BENCH_H
#define TESTS_SUPPORT_FLEET_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/fleet.h"
#include "lifecycle/settings.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_front.h"

#define BENCH_APPS 3

struct fleet_bench {
    struct loop *loop;
    struct timers *timers;
    struct metrics_registry *metrics;
    struct fake_engine *engine;
    struct fake_front *front; /* NULL while it is down */
    struct fleet *fleet;
    struct event_log *events; /* NULL unless a test sets it; its own */
    struct lifecycle_settings settings;
    struct app_settings apps[BENCH_APPS];
    struct keeper_app keeper_apps[BENCH_APPS];
    const struct machine *machine; /* NULL: nothing is bounded */
    bool has_no_engine;            /* until bench_engine_comes() */
    char state_dir[64];
    const char *proc;             /* of the fleet's options */
    struct keeper_settings first; /* what fleet_new() gets: the above */
};

/* Another configuration, to be changed before it is applied. */
struct bench_generation {
    struct keeper_settings base;
    struct lifecycle_settings settings;
    struct app_settings apps[BENCH_APPS];
    struct keeper_app keeper_apps[BENCH_APPS];
};

/* Apps "a", "b" (images) with short times, which tests may change before
 * bench_start(). */
void bench_init(struct fleet_bench *bench, unsigned app_count);
/* Make app `index` one that runs at this address. */
void bench_make_external(struct fleet_bench *bench, unsigned index,
                         const char *address);
/* The fleet, its list of what runs, a front. */
void bench_start(struct fleet_bench *bench);
void bench_done(struct fleet_bench *bench);

/* As the bench's settings are now. */
struct bench_generation *bench_generation(const struct fleet_bench *bench);
/* Reload with it (taken): what fleet_reload() says of each app, as "a=changed
 * b=unchanged". malloc'ed. */
char *bench_reload(struct fleet_bench *bench, struct bench_generation *next);

void bench_front_up(struct fleet_bench *bench);
void bench_front_down(struct fleet_bench *bench);

/* Run until condition(arg) holds; false: it did not within timeout_ms. */
bool bench_run_until(struct fleet_bench *bench, bool (*condition)(void *arg),
                     void *arg, unsigned timeout_ms);
/* Run until the front was told, or the engine asked, `count` times of what
 * `text` says. */
bool bench_front_hears(struct fleet_bench *bench, const char *text,
                       unsigned count);
bool bench_engine_hears(struct fleet_bench *bench, const char *text,
                        unsigned count);
void bench_run_ms(struct fleet_bench *bench, unsigned ms);

/* The front says that the replica it was told of last is ready. */
void bench_say_ready(struct fleet_bench *bench);
/* A demand, a start, and ready: app `index` serves. */
void bench_make_ready(struct fleet_bench *bench, unsigned index);

/* Status of app `index`, as text. malloc'ed. */
char *bench_status(struct fleet_bench *bench, unsigned index);

#endif
