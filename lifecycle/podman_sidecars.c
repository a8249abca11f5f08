/* podman_sidecars.c - the sidecars of a container that is held. */
#include "lifecycle/podman_sidecars.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/backoff.h"
#include "lifecycle/freezer.h"
#include "lifecycle/netns.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_containers.h"
#include "lifecycle/reclaim.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"

#define RESTART_FIRST_MS 250
#define RESTART_MAX_MS   30000
/* One that ran for so long starts anew as one that never failed. */
#define STEADY_US 60000000

struct part {
    struct podman_sidecars *all;
    char id[80];
    char name[40];
    struct netns_process process; /* pidfd -1: does not run */
    struct event *event;
    struct container_cgroup cgroup;
    struct timer timer;       /* before the next start */
    struct engine_call *call; /* the start under way */
    struct backoff backoff;
    uint64_t since_us;
    bool is_due; /* to be started, once it may */
};

struct podman_sidecars {
    struct podman *podman;
    char app_id[80];
    bool is_primed;
    bool is_frozen;
    bool is_ending;
    unsigned count;
    struct part *parts;
};

/* ---------------------------------------------------------------- start again
 */

static bool hold(struct part *part, int pid, struct err *err);

static void tell(const struct part *part, const char *why)
{
    const struct engine_events *events = &part->all->podman->events;

    if (events->on_sidecar)
        events->on_sidecar(events->arg, part->all->app_id, part->name, why);
}

static void start_later(struct part *part, const char *why)
{
    uint64_t delay_ms;
    char text[256];

    /* Primed: the start of the pod starts it, or says why it cannot. */
    if (part->all->is_ending || part->all->is_primed)
        return;
    if (part->since_us && clock_now_us() - part->since_us > STEADY_US)
        backoff_reset(&part->backoff);
    part->since_us = 0;
    delay_ms = backoff_fail(&part->backoff);
    log_warn("podman", "a sidecar does not run and is started again",
             "container=%.12s sidecar=%s in_ms=%" PRIu64 " reason=\"%s\"",
             part->all->app_id, part->name, delay_ms, why);
    timer_start(part->all->podman->timers, &part->timer, delay_ms);
    snprintf(text, sizeof text, "%.160s; the next start is in %" PRIu64 " ms",
             why, delay_ms);
    tell(part, text);
}

/* The pod may be listed or stopped by what is noted of it. */
static void note_pid(const struct part *part, int pid)
{
    struct podman_pod *pod =
        podman_pod_find(&part->all->podman->base, part->all->app_id);

    for (unsigned i = 0; pod && i < pod->count; i++) {
        if (strcmp(pod->sidecars[i].id, part->id) == 0)
            pod->sidecars[i].pid = pid;
    }
}

static void on_started(void *arg, const struct engine_container *container,
                       const struct err *err)
{
    struct part *part = arg;
    struct err hold_err;

    part->call = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    if (err) {
        start_later(part, err->text);
        return;
    }
    if (!hold(part, container->pid, &hold_err)) {
        start_later(part, hold_err.text);
        return;
    }
    log_info("podman", "a sidecar runs again", "container=%.12s sidecar=%s",
             part->all->app_id, part->name);
    tell(part, NULL);
    note_pid(part, container->pid);
    if (part->all->is_frozen && !freezer_freeze(&part->cgroup, &hold_err))
        log_warn("podman", "cannot freeze a sidecar",
                 "container=%.12s sidecar=%s reason=\"%s\"", part->all->app_id,
                 part->name, hold_err.text);
}

static void start(struct part *part)
{
    part->is_due = part->all->is_frozen;
    if (part->is_due || part->all->is_ending || part->call)
        return;
    part->call =
        podman_start_one(&part->all->podman->base, part->id, on_started, part);
}

static void on_timer(struct timer *timer)
{
    start(container_of(timer, struct part, timer));
}

/* ----------------------------------------------------------------------- hold
 */

static void drop(struct part *part)
{
    if (part->event)
        event_free(part->event);
    part->event = NULL;
    netns_process_close(&part->process);
    container_cgroup_done(&part->cgroup);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct part *part = arg;

    (void)fd;
    (void)what;
    drop(part);
    start_later(part, "it has ended");
}

static bool hold(struct part *part, int pid, struct err *err)
{
    const struct podman *podman = part->all->podman;

    if (!netns_process_open(pid, part->id, &part->process, err)) {
        part->process = (struct netns_process){-1, -1, 0};
        return false;
    }
    if (container_cgroup_find(podman->cgroup_roots, pid, part->id,
                              &part->cgroup, NULL))
        reclaim_repair(&part->cgroup);
    part->event = event_new(loop_base(podman->loop), part->process.pidfd,
                            EV_READ, on_ended, part);
    if (!part->event || event_add(part->event, NULL) != 0)
        abort();
    part->since_us = clock_now_us();
    return true;
}

struct podman_sidecars *podman_sidecars_new(struct podman *podman,
                                            const struct podman_pod *pod,
                                            enum podman_sidecars_state state)
{
    struct podman_sidecars *all = xcalloc(1, sizeof *all);
    struct err err;

    all->podman = podman;
    all->is_primed = state == SIDECARS_PRIMED;
    all->is_frozen = state == SIDECARS_FROZEN;
    all->count = pod->count;
    all->parts = xcalloc(pod->count ? pod->count : 1, sizeof *all->parts);
    memcpy(all->app_id, pod->app_id, sizeof all->app_id);
    for (unsigned i = 0; i < all->count; i++) {
        struct part *part = &all->parts[i];

        part->all = all;
        memcpy(part->id, pod->sidecars[i].id, sizeof part->id);
        memcpy(part->name, pod->sidecars[i].name, sizeof part->name);
        part->timer.on_expire = on_timer;
        part->backoff =
            (struct backoff){RESTART_FIRST_MS, RESTART_MAX_MS, 10, 0};
        if (!hold(part, pod->sidecars[i].pid, &err))
            start_later(part, err.text);
        /* A berth that was killed while it froze the pod. */
        else if (!all->is_frozen &&
                 freezer_read(&part->cgroup) != FREEZER_THAWED &&
                 !freezer_thaw(&part->cgroup, &err))
            log_warn("podman", "cannot thaw a sidecar",
                     "container=%.12s sidecar=%s reason=\"%s\"", all->app_id,
                     part->name, err.text);
    }
    return all;
}

void podman_sidecars_free(struct podman_sidecars **sidecars)
{
    struct podman_sidecars *all = TAKE(*sidecars);

    if (!all)
        return;
    for (unsigned i = 0; i < all->count; i++) {
        engine_cancel(&all->parts[i].call);
        timer_stop(&all->parts[i].timer);
        drop(&all->parts[i]);
    }
    free(all->parts);
    free(all);
}

const struct container_cgroup *
podman_sidecars_cgroup(const struct podman_sidecars *sidecars, unsigned index)
{
    return sidecars && index < sidecars->count ? &sidecars->parts[index].cgroup
                                               : NULL;
}

void podman_sidecars_set_frozen(struct podman_sidecars *sidecars,
                                bool is_frozen)
{
    if (!sidecars || sidecars->is_frozen == is_frozen)
        return;
    sidecars->is_frozen = is_frozen;
    for (unsigned i = 0; !is_frozen && i < sidecars->count; i++) {
        if (sidecars->parts[i].is_due)
            start(&sidecars->parts[i]);
    }
}

void podman_sidecars_on_start(struct podman_sidecars *sidecars,
                              const struct podman_pod *pod)
{
    struct err err;

    if (!sidecars || !sidecars->is_primed)
        return;
    sidecars->is_primed = false;
    for (unsigned i = 0; i < sidecars->count && i < pod->count; i++) {
        struct part *part = &sidecars->parts[i];

        if (!part->event && !hold(part, pod->sidecars[i].pid, &err))
            start_later(part, err.text);
    }
}

void podman_sidecars_let_go(struct podman_sidecars *sidecars)
{
    if (!sidecars)
        return;
    sidecars->is_ending = true;
    for (unsigned i = 0; i < sidecars->count; i++) {
        engine_cancel(&sidecars->parts[i].call);
        timer_stop(&sidecars->parts[i].timer);
    }
}
