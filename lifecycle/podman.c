/* podman.c - the engine that talks to Podman: finding it, and noticing that it
 * went away or came back. The calls are in podman_*.c.
 */
#include "lifecycle/podman.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/container_spec.h"
#include "lifecycle/freezer.h"
#include "lifecycle/netns.h"
#include "lifecycle/podman_build.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_containers.h"
#include "lifecycle/podman_events.h"
#include "lifecycle/podman_handle.h"
#include "lifecycle/podman_images.h"
#include "lifecycle/podman_logs.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pod.h"
#include "lifecycle/podman_service.h"
#include "lifecycle/podman_stop.h"
#include "lifecycle/podman_warmth.h"
#include "lifecycle/reclaim.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/loop.h"

#define PROBE_TIMEOUT_MS 5000
/* Podman 5 asks the package manager for the versions of its helpers, for
 * /version and for /info: seconds on a slow or a busy host. Whether it hangs is
 * told by a ping. */
#define INFO_TIMEOUT_MS 30000
#define PING_EVERY_MS   10000
#define PING_TIMEOUT_MS 5000
#define RETRY_FIRST_MS  100
#define RETRY_MAX_MS    5000
#define STREAM_RETRY_MS 30000
#define PROBE_MAX_BYTES ((size_t)1 << 20)
#define HUNG_PROBES     2 /* then a service of our own is replaced */

static void find(struct podman *podman)
{
    podman->state = PODMAN_FINDING;
    podman_service_find(podman->service);
}

/* ------------------------------------------------------------- down and up */

static unsigned retry_delay_ms(unsigned attempts)
{
    unsigned delay = RETRY_FIRST_MS;

    while (attempts-- > 1 && delay < RETRY_MAX_MS)
        delay *= 2;
    return delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS;
}

/* Try again later; say so once. Last in its caller: on_down may do anything
 * but free the engine. */
static void go_down(struct podman *podman, const struct err *err)
{
    podman_http_cancel(&podman->probe);
    podman_events_disconnect(podman->stream);
    timer_stop(&podman->stream_timer);
    podman->base.is_up = false;
    podman->down_reason = *err;
    podman->state = PODMAN_WAITING;
    podman->attempts++;
    timer_start(podman->timers, &podman->timer,
                retry_delay_ms(podman->attempts));
    if (podman->was_told_down)
        return;
    podman->was_told_down = true;
    podman->events.on_down(podman->events.arg, err);
}

/* Swap may be added or taken away at any time. */
static void look_at_swap(struct podman *podman)
{
    struct engine_capabilities *can = &podman->base.capabilities;

    can->hibernate_text[0] = '\0';
    can->can_hibernate = reclaim_is_possible(
        podman->cgroup_roots, can->hibernate_text, sizeof can->hibernate_text);
}

static void look_at_freezer(struct podman *podman)
{
    struct engine_capabilities *can = &podman->base.capabilities;

    can->freezes_by_cgroup =
        freezer_is_permitted(podman->cgroup_roots, can->rootless,
                             can->freeze_text, sizeof can->freeze_text);
}

static void go_up(struct podman *podman)
{
    podman->state = PODMAN_UP;
    podman->base.is_up = true;
    podman->base.capabilities = podman->found;
    look_at_freezer(podman);
    look_at_swap(podman);
    podman->attempts = 0;
    podman->probe_timeouts = 0;
    podman->was_told_down = false;
    timer_start(podman->timers, &podman->timer, PING_EVERY_MS);
    /* Before the fleet lists: what dies in between is in the stream. */
    podman_events_connect(podman->stream);
    podman->events.on_up(podman->events.arg, &podman->base.capabilities);
}

/* ----------------------------------------------------------------- probing */

static void
send_probe(struct podman *podman, const char *path, uint64_t timeout_ms,
           void (*on_done)(void *arg, const struct podman_answer *answer,
                           const struct err *err))
{
    struct podman_http_call call = {
        .method = "GET",
        .path = path,
        .timeout_ms = timeout_ms,
        .max_body = PROBE_MAX_BYTES,
        .on_done = on_done,
        .arg = podman,
    };

    podman->probe = podman_http_send(podman->http, &call);
}

/* A service of our own that accepts connections and answers none. */
static void note_hung(struct podman *podman, const struct err *err)
{
    if (err->code != ERR_TIMEOUT) {
        podman->probe_timeouts = 0;
        return;
    }
    if (++podman->probe_timeouts < HUNG_PROBES ||
        podman_service_pid(podman->service) == 0)
        return;
    log_warn("podman", "its service hangs: starting another", "pid=%d",
             podman_service_pid(podman->service));
    podman_service_kill(podman->service);
    podman->probe_timeouts = 0;
}

static bool probe_is_good(struct podman *podman,
                          const struct podman_answer *answer,
                          const struct err *failure, struct err *ret_err)
{
    podman->probe = NULL;
    if (podman_answer_is_good(answer, failure, ret_err))
        return true;
    note_hung(podman, ret_err);
    return false;
}

static void on_info(void *arg, const struct podman_answer *answer,
                    const struct err *failure)
{
    struct podman *podman = arg;
    struct err err;

    if (probe_is_good(podman, answer, failure, &err) &&
        podman_json_info(answer->body, &podman->found, &err))
        go_up(podman);
    else
        go_down(podman, &err);
}

static void on_version(void *arg, const struct podman_answer *answer,
                       const struct err *failure)
{
    struct podman *podman = arg;
    struct err err;

    if (probe_is_good(podman, answer, failure, &err) &&
        podman_json_version(answer->body, &podman->found, &err))
        send_probe(podman, "/v4.0.0/libpod/info", INFO_TIMEOUT_MS, on_info);
    else
        go_down(podman, &err);
}

static void on_first_pong(void *arg, const struct podman_answer *answer,
                          const struct err *failure)
{
    struct podman *podman = arg;
    struct err err;

    if (probe_is_good(podman, answer, failure, &err))
        send_probe(podman, "/v4.0.0/libpod/version", INFO_TIMEOUT_MS,
                   on_version);
    else
        go_down(podman, &err);
}

static void on_pong(void *arg, const struct podman_answer *answer,
                    const struct err *failure)
{
    struct podman *podman = arg;
    struct err err;

    if (!probe_is_good(podman, answer, failure, &err)) {
        go_down(podman, &err);
        return;
    }
    look_at_swap(podman);
    timer_start(podman->timers, &podman->timer, PING_EVERY_MS);
}

static void on_found(void *arg, const char *socket_path, const struct err *err)
{
    struct podman *podman = arg;

    if (err) {
        go_down(podman, err);
        return;
    }
    podman_http_set_socket(podman->http, socket_path);
    podman->has_socket = true;
    podman->state = PODMAN_PROBING;
    send_probe(podman, "/v4.0.0/libpod/_ping", PROBE_TIMEOUT_MS, on_first_pong);
}

static void on_timer(struct timer *timer)
{
    struct podman *podman = container_of(timer, struct podman, timer);

    if (podman->state == PODMAN_WAITING)
        find(podman);
    else if (podman->state == PODMAN_UP)
        send_probe(podman, "/v4.0.0/libpod/_ping", PING_TIMEOUT_MS, on_pong);
}

/* ------------------------------------------------------------------ events */

static void on_died(void *arg, const char *id, int exit_code)
{
    struct podman *podman = arg;

    podman->events.on_died(podman->events.arg, id, exit_code);
}

/* A service that ends closes its streams; one that answers but has no events
 * (events_logger none) is no reason to call it down: ends are seen anyway. */
static void on_stream_lost(void *arg, const struct err *err)
{
    struct podman *podman = arg;

    if (err->code == ERR_UNAVAILABLE || err->code == ERR_DENIED) {
        go_down(podman, err);
        return;
    }
    log_warn("podman", "no events", "reason=\"%s\"", err->text);
    timer_start(podman->timers, &podman->stream_timer, STREAM_RETRY_MS);
}

static void on_stream_timer(struct timer *timer)
{
    struct podman *podman = container_of(timer, struct podman, stream_timer);

    podman_events_connect(podman->stream);
}

/* ---------------------------------------------------------- life of it all */

static void podman_free(struct engine *engine)
{
    struct podman *podman = (struct podman *)engine;

    loop_assert_owner(podman->loop);
    assert(list_is_empty(&podman->handles));
    podman->is_closing = true;
    podman->base.is_up = false;
    while (!list_is_empty(&podman->calls))
        podman_call_cancel(
            &container_of(podman->calls.next, struct podman_call, node)->base);
    podman_pods_forget(podman);
    timer_stop(&podman->timer);
    timer_stop(&podman->stream_timer);
    podman_http_cancel(&podman->probe);
    podman_events_free(&podman->stream);
    podman_http_free(&podman->http);
    podman_service_free(&podman->service);
    reclaimer_free(&podman->reclaimer);
    auto_close(&podman->netns_home);
    free(podman);
}

static void podman_check(struct engine *engine,
                         const struct container_settings *container,
                         struct strbuf *ret_warnings)
{
    struct podman *podman = (struct podman *)engine;

    container_spec_check(container, &podman->limits, ret_warnings);
}

static const struct engine_ops podman_ops = {
    .free = podman_free,
    .check = podman_check,
    .image_inspect = podman_image_inspect,
    .pull = podman_pull_image,
    .secrets = podman_secrets,
    .build = podman_build,
    .prune_layers = podman_prune_layers,
    .create = podman_create,
    .init = podman_init,
    .start = podman_start,
    .update = podman_update,
    .stop = podman_stop,
    .remove = podman_remove,
    .inspect = podman_inspect,
    .wait = podman_wait,
    .list = podman_list,
    .sidecar = podman_sidecar,
    .logs = podman_logs,
    .follow_logs = podman_follow_logs,
    .hold_logs = podman_hold_logs,
    .prune = podman_prune,
    .cancel = podman_call_cancel,
    .attach = podman_attach,
    .release = podman_release,
    .sockets = podman_sockets,
    .freeze = podman_freeze,
    .thaw = podman_thaw,
    .hibernate = podman_hibernate,
    .memory = podman_memory,
    .oom_kills = podman_oom_kills,
};

struct engine *podman_new(const struct podman_options *options)
{
    struct podman *podman = xcalloc(1, sizeof *podman);
    struct podman_events_handler handler = {on_died, on_stream_lost, podman};

    loop_assert_owner(options->loop);
    podman->base.ops = &podman_ops;
    podman->loop = options->loop;
    podman->timers = options->timers;
    podman->events = options->events;
    podman->cell = options->cell;
    list_init(&podman->calls);
    list_init(&podman->handles);
    list_init(&podman->pods);
    podman->cgroup_roots =
        options->cgroup_roots ? options->cgroup_roots : cgroup_roots_of_host();
    podman->reclaimer =
        reclaimer_new(options->loop, options->timers, podman->cgroup_roots);
    list_init(&podman->pulls);
    rlimits_of_process(&podman->limits);
    podman->netns_home = netns_home_open();
    podman->found.sockets_inside = netns_is_permitted();
    podman->found.can_raise_limits = podman->limits.can_raise;
    podman->timer.on_expire = on_timer;
    podman->stream_timer.on_expire = on_stream_timer;
    podman->http = podman_http_new(options->loop, "");
    podman->stream = podman_events_new(
        podman->http, options->settings->namespace_name, &handler);
    podman->service = podman_service_new(options->loop, options->settings,
                                         options->state_dir, on_found, podman);
    find(podman);
    return &podman->base;
}
