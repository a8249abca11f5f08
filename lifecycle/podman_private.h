/* podman_private.h - the engine that podman.c and podman_*.c are of; everybody
 * else knows engine.h.
 */
#ifndef LIFECYCLE_PODMAN_PRIVATE_H
#define LIFECYCLE_PODMAN_PRIVATE_H

#include "lifecycle/engine_ops.h"
#include "lifecycle/rlimits.h"
#include "router/base/list.h"
#include "router/base/timers.h"

struct cgroup_roots;
struct loop;
struct metrics_cell;
struct podman_events;
struct podman_http;
struct podman_request;
struct podman_service;
struct reclaimer;

enum podman_state {
    PODMAN_FINDING, /* a socket on which somebody listens */
    PODMAN_PROBING, /* what listens there, and is it new enough? */
    PODMAN_UP,
    PODMAN_WAITING, /* before the next attempt */
};

struct podman {
    struct engine base; /* first: an engine is cast to it */
    struct loop *loop;
    struct timers *timers;
    struct engine_events events;
    struct rlimits limits;
    int netns_home; /* netns.h; -1: none */

    struct podman_service *service;
    struct podman_http *http;
    bool has_socket; /* one was found, so that calls can be tried */
    struct podman_events *stream;
    struct podman_request *probe; /* version, info, ping */
    enum podman_state state;
    bool was_told_down;      /* on_down was the last that was said */
    unsigned attempts;       /* that failed in a row */
    unsigned probe_timeouts; /* in a row */
    struct timer timer;      /* next attempt, or next ping */
    struct timer stream_timer;
    struct engine_capabilities found; /* while probing */
    struct err down_reason;

    struct list calls;
    struct list handles;
    struct list pods; /* podman_pod.h */
    const struct cgroup_roots *cgroup_roots;
    struct metrics_cell *cell; /* NULL: nothing counts */
    struct reclaimer *reclaimer;
    struct list pulls; /* pull_bytes.h */
    bool is_closing;
};

#endif
