/* podman_stop.c - calls that end containers, made to Podman.
 *
 * A frozen app cannot hear its stop signal, and Podman refuses to stop what it
 * has paused: so it is thawed first, through its handle where it is held, else
 * by what an inspect tells.
 */
#include "lifecycle/podman_stop.h"

#include <inttypes.h>
#include <string.h>

#include "lifecycle/freezer.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_handle.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pod_calls.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

#define STOP_EXTRA_MS      30000 /* beyond the grace of the app */
#define REMOVE_TIMEOUT_MS  60000
#define INSPECT_TIMEOUT_MS 15000
#define UNPAUSE_TIMEOUT_MS 30000

#define SMALL_MAX_BYTES   ((size_t)64 << 10)
#define INSPECT_MAX_BYTES ((size_t)4 << 20)

/* -------------------------------------------------------------------- stop */

static void send_stop(struct podman_call *call);

/* Whether it could or not: the stop that follows says what is the matter. */
static void on_unpaused(struct podman_call *call,
                        const struct podman_answer *answer,
                        const struct err *failure)
{
    (void)answer;
    (void)failure;
    send_stop(call);
}

static void send_unpause(struct podman_call *call)
{
    struct strbuf path = podman_call_path(call->name, "/unpause");
    struct podman_step step = {
        .method = "POST",
        .path = path.data,
        .timeout_ms = UNPAUSE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_unpaused;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

/* 304, not running, is no failure; nor is it when there is none any more. */
static void on_stopped(struct podman_call *call,
                       const struct podman_answer *answer,
                       const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) ||
        err.code == ERR_NOT_FOUND) {
        podman_call_finish(call);
    } else if (strstr(err.text, "paused") && !call->was_unpaused) {
        call->was_unpaused = true;
        send_unpause(call);
    } else {
        podman_call_fail(call, &err);
    }
}

static void send_stop(struct podman_call *call)
{
    struct strbuf path = podman_call_path(call->name, "/stop");
    struct podman_step step = {
        .method = "POST",
        .timeout_ms = call->stop_s * 1000 + STOP_EXTRA_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    strbuf_printf(&path, "?timeout=%" PRIu64, call->stop_s);
    step.path = path.data;
    call->on_answer = on_stopped;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

/* What Podman paused is for Podman to thaw, and is found out by the stop. Where
 * a thaw fails, the stop kills after its time-out. */
static void thaw(const struct container_cgroup *cgroup)
{
    struct err err;

    if (freezer_read(cgroup) != FREEZER_THAWED && !freezer_thaw(cgroup, &err))
        log_warn("podman", "cannot thaw a container that is stopped",
                 "reason=\"%s\"", err.text);
}

static void on_inspected(struct podman_call *call,
                         const struct podman_answer *answer,
                         const struct err *failure)
{
    struct engine_container container;
    struct container_cgroup cgroup;
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) &&
        podman_json_container(answer->body, &container, &err) &&
        container.is_running && !container.is_paused && container.pid > 0 &&
        container_cgroup_find(call->podman->cgroup_roots, container.pid,
                              container.id, &cgroup, NULL)) {
        thaw(&cgroup);
        container_cgroup_done(&cgroup);
    }
    send_stop(call);
}

static void send_inspect(struct podman_call *call)
{
    struct strbuf path = podman_call_path(call->name, "/json");
    struct podman_step step = {
        .method = "GET",
        .path = path.data,
        .timeout_ms = INSPECT_TIMEOUT_MS,
        .max_body = INSPECT_MAX_BYTES,
    };

    call->on_answer = on_inspected;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

struct engine_call *podman_stop_one(struct engine *engine, const char *id,
                                    uint64_t timeout_ms, engine_done_fn done,
                                    void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE, arg);
    const struct podman_handle *handle = podman_handle_find(engine, id);

    call->done.plain = done;
    call->name = xstrdup(id);
    call->stop_s = timeout_ms / 1000 + (timeout_ms % 1000 != 0);
    if (!handle) {
        send_inspect(call);
        return &call->base;
    }
    if (!handle->is_paused)
        thaw(&handle->cgroup);
    send_stop(call);
    return &call->base;
}

struct engine_call *podman_stop(struct engine *engine, const char *id,
                                uint64_t timeout_ms, engine_done_fn done,
                                void *arg)
{
    const struct podman_pod *pod = podman_pod_find(engine, id);

    podman_handle_let_go(engine, id);
    return pod ? podman_pod_stop(engine, pod, timeout_ms, done, arg)
               : podman_stop_one(engine, id, timeout_ms, done, arg);
}

/* ------------------------------------------------------------------ remove */

static void send_remove(struct podman_call *call);

/* One that ends while Podman is about to kill it cannot be killed any more,
 * says Podman; it is removed when one asks again. */
static bool ended_meanwhile(const struct err *err)
{
    return strstr(err->text, "container state improper") != NULL;
}

static void on_removed(struct podman_call *call,
                       const struct podman_answer *answer,
                       const struct err *failure)
{
    struct err err;

    if ((podman_answer_is_good(answer, failure, &err) &&
         podman_json_removed(answer->body, &err)) ||
        err.code == ERR_NOT_FOUND) {
        podman_call_finish(call);
    } else if (!call->is_again && ended_meanwhile(&err)) {
        call->is_again = true;
        send_remove(call);
    } else {
        podman_call_fail(call, &err);
    }
}

static void send_remove(struct podman_call *call)
{
    struct strbuf path =
        podman_call_path(call->name, "?force=true&timeout=0&v=true");
    struct podman_step step = {
        .method = "DELETE",
        .path = path.data,
        .timeout_ms = REMOVE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_removed;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

struct engine_call *podman_remove(struct engine *engine, const char *id,
                                  engine_done_fn done, void *arg)
{
    const struct podman_pod *pod = podman_pod_find(engine, id);
    struct podman_call *call;

    podman_handle_let_go(engine, id);
    if (pod)
        return podman_pod_remove(engine, pod, done, arg);
    call = podman_call_new(engine, PODMAN_DONE, arg);
    call->done.plain = done;
    call->name = xstrdup(id);
    send_remove(call);
    return &call->base;
}
