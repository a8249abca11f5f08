/* generation.h - one configuration as the front serves by it.
 *
 * A reload makes a new one, which all workers change to; what began with an
 * old one goes on with it, so several may live side by side. Nothing in it
 * changes once it is made, so workers read it without a lock. Each worker has a
 * part of its own (worker_generation.h); when all parts are gone, so is it.
 */
#ifndef PROXY_GENERATION_H
#define PROXY_GENERATION_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"

struct access_logs;
struct app;
struct front_app;
struct front_apps;
struct log_writer;
struct metrics_registry;
struct password_helper;
struct proxy_settings;
struct routes;
struct worker_generation;

struct generation {
    uint64_t number;
    struct proxy_settings *settings;
    struct routes *routes;
    struct access_logs *access_logs;
    struct log_writer *log_writer;           /* NULL: there is no access log */
    struct password_helper *password_helper; /* NULL: no route needs it */
    /* Main's: */
    struct list node;
    struct front_app **front_apps;    /* by index of settings->apps */
    struct app **apps;                /* likewise */
    unsigned *log_files;              /* log_writer's numbers, by index */
    struct worker_generation **parts; /* by worker; NULL: that one is gone */
    unsigned part_count;
};

/* What generations have in common; borrowed. */
struct generation_base {
    struct front_apps *apps;
    struct metrics_registry *metrics;
    struct log_writer *log_writer;
    struct password_helper *password_helper;
    const struct generation *before; /* whose rate limits are kept */
};

/* Takes settings, whose certificates were checked. Makes the apps that are not
 * there yet, and everything that each worker needs. Thread: main. */
MUST_USE struct generation *generation_new(const struct generation_base *base,
                                           uint64_t number,
                                           struct proxy_settings *settings);
/* Part `worker` is gone (worker_generation_free()). Frees the generation, and
 * sets NULL, when it was the last one. Thread: main. */
void generation_part_gone(struct generation **generation, unsigned worker);

#endif
