/* podman.h - the engine that talks to Podman's REST API.
 *
 * It looks for Podman by itself (podman_service.h), says on_up when Podman
 * answers and is new enough, on_down when it does not, and goes on trying.
 */
#ifndef LIFECYCLE_PODMAN_H
#define LIFECYCLE_PODMAN_H

#include "lifecycle/engine.h"

struct cgroup_roots;
struct loop;
struct metrics_cell;
struct podman_settings;
struct timers;

/* Everything is borrowed but `events`, which is copied; settings and state_dir
 * must outlive the engine. The first of on_up and on_down comes within 70 s,
 * never within this call. Freed by engine_free(). */
struct podman_options {
    struct loop *loop;
    struct timers *timers;
    const struct podman_settings *settings;
    const char *state_dir; /* exists; the service's socket goes there */
    const struct cgroup_roots *cgroup_roots; /* NULL: the host's */
    struct metrics_cell *cell; /* METRIC_SCOPE_PROCESS; NULL: nothing counts */
    struct engine_events events;
};
MUST_USE struct engine *podman_new(const struct podman_options *options);

#endif
