/* podman_containers.c - calls about containers, made to Podman. */
#include "lifecycle/podman_containers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/container_limits.h"
#include "lifecycle/container_spec.h"
#include "lifecycle/freezer.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pod_calls.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"

/* Far beyond what each takes on a loaded host: past it, Podman hangs. */
#define CREATE_TIMEOUT_MS  60000
#define START_TIMEOUT_MS   60000
#define INSPECT_TIMEOUT_MS 15000
#define LIST_TIMEOUT_MS    30000
#define LOGS_TIMEOUT_MS    15000

#define WAIT_MAX_US   5000000
#define WAIT_FIRST_MS 10
#define WAIT_LAST_MS  320

#define SMALL_MAX_BYTES   ((size_t)64 << 10)
#define INSPECT_MAX_BYTES ((size_t)4 << 20)
#define LIST_MAX_BYTES    ((size_t)64 << 20)

/* ------------------------------------------------------------------ create */

static void send_create(struct podman_call *call);

static void on_network_made(struct podman_call *call,
                            const struct podman_answer *answer,
                            const struct err *failure)
{
    struct err err;

    /* ERR_EXISTS: another replica's create was quicker. */
    if (podman_answer_is_good(answer, failure, &err) ||
        err.code == ERR_EXISTS) {
        send_create(call);
        return;
    }
    err_prefix(&err, "private network %s", call->network_name);
    if (err.code == ERR_NOT_FOUND)
        err.code = ERR_FAILED; /* it is not the image that is missing */
    podman_call_fail(call, &err);
}

static void make_network(struct podman_call *call)
{
    AUTO(auto_free) char *body = TAKE(call->network_body);
    struct podman_step step = {
        .method = "POST",
        .path = "/v4.0.0/libpod/networks/create",
        .json = body,
        .timeout_ms = CREATE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_network_made;
    podman_call_send(call, &step);
}

/* The network is made when a create has found it missing: so there is nothing
 * to remember, and no call more in the ordinary case. */
static void on_created(struct podman_call *call,
                       const struct podman_answer *answer,
                       const struct err *failure)
{
    struct err err;
    char id[80];

    if (podman_answer_is_good(answer, failure, &err)) {
        if (podman_json_id(answer->body, id, &err))
            podman_call_finish_id(call, id);
        else
            podman_call_fail(call, &err);
        return;
    }
    if (call->network_body && strstr(err.text, call->network_name) &&
        strstr(err.text, "network not found")) {
        make_network(call);
        return;
    }
    if (err.code == ERR_NOT_FOUND && strstr(err.text, "network not found"))
        err.code = ERR_FAILED;
    podman_call_fail(call, &err);
}

static void send_create(struct podman_call *call)
{
    struct podman_step step = {
        .method = "POST",
        .path = PODMAN_CONTAINERS "create",
        .json = call->body,
        .timeout_ms = CREATE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_created;
    podman_call_send(call, &step);
}

static void fail_with_stream_err(struct podman_call *call)
{
    podman_call_fail(call, &call->stream_err);
}

struct engine_call *podman_create(struct engine *engine,
                                  const struct engine_spec *spec,
                                  engine_id_fn done, void *arg)
{
    struct podman_call *call;

    if (spec->container->sidecar_count > 0)
        return podman_pod_create(engine, spec, done, arg);
    call = podman_call_new(engine, PODMAN_DONE_ID, arg);
    call->done.id = done;
    if (!container_spec_build(spec, &call->podman->limits, &call->body,
                              &call->stream_err)) {
        call->on_timer = fail_with_stream_err;
        podman_call_sleep(call, 1);
        return &call->base;
    }
    if (spec->container->network == NETWORK_PRIVATE) {
        call->network_name = container_spec_network_name(
            spec->labels.namespace_name, spec->labels.app);
        call->network_body = container_spec_network(&spec->labels);
    }
    send_create(call);
    return &call->base;
}

/* ---------------------------------------------------- inspect, start, wait */

static void send_inspect(struct podman_call *call,
                         void (*on_answer)(struct podman_call *call,
                                           const struct podman_answer *answer,
                                           const struct err *err))
{
    struct strbuf path = podman_call_path(call->name, "/json");
    struct podman_step step = {
        .method = "GET",
        .path = path.data,
        .timeout_ms = INSPECT_TIMEOUT_MS,
        .max_body = INSPECT_MAX_BYTES,
    };

    call->on_answer = on_answer;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

/* What Podman does not know: it calls a frozen container running. */
static void look_at_freezer(const struct podman *podman,
                            struct engine_container *container)
{
    if (container->is_running && !container->is_frozen && container->pid > 0)
        container->is_frozen =
            freezer_of_process(podman->cgroup_roots, container->pid,
                               container->id) == FREEZER_FROZEN;
}

/* Nor does it know what it was told since the container was made. */
static void look_at_limits(const struct podman *podman,
                           struct engine_container *container)
{
    if (container->pid > 0)
        container_limits_read(podman->cgroup_roots, container->pid,
                              container->id, &container->limits);
    else
        container_limits_unknown(&container->limits);
}

static bool read_container(struct podman_call *call,
                           const struct podman_answer *answer,
                           const struct err *failure,
                           struct engine_container *ret_container,
                           struct err *err)
{
    if (!podman_answer_is_good(answer, failure, err) ||
        !podman_json_container(answer->body, ret_container, err))
        return false;
    look_at_freezer(call->podman, ret_container);
    return true;
}

static void on_inspected(struct podman_call *call,
                         const struct podman_answer *answer,
                         const struct err *failure)
{
    struct engine_container container;
    struct err err;

    if (read_container(call, answer, failure, &container, &err))
        podman_call_finish_container(call, &container, NULL);
    else
        podman_call_fail(call, &err);
}

static struct podman_call *new_container_call(struct engine *engine,
                                              const char *id,
                                              engine_container_fn done,
                                              void *arg)
{
    struct podman_call *call =
        podman_call_new(engine, PODMAN_DONE_CONTAINER, arg);

    call->done.container = done;
    call->name = xstrdup(id);
    return call;
}

struct engine_call *podman_inspect(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg)
{
    struct podman_call *call = new_container_call(engine, id, done, arg);

    send_inspect(call, on_inspected);
    return &call->base;
}

static void on_started_inspected(struct podman_call *call,
                                 const struct podman_answer *answer,
                                 const struct err *failure)
{
    struct engine_container container;
    struct err err;

    if (!read_container(call, answer, failure, &container, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    if (container.is_running) {
        podman_call_finish_container(call, &container, NULL);
        return;
    }
    err_set(&err, ERR_FAILED, "the app ended at once, with exit code %d",
            container.exit_code);
    podman_call_finish_container(call, &container, &err);
}

static void on_started(struct podman_call *call,
                       const struct podman_answer *answer,
                       const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err))
        send_inspect(call, on_started_inspected);
    else
        podman_call_fail(call, &err);
}

static void on_primed_inspected(struct podman_call *call,
                                const struct podman_answer *answer,
                                const struct err *failure)
{
    struct engine_container container;
    struct err err;

    if (!read_container(call, answer, failure, &container, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    if (container.is_primed) {
        podman_call_finish_container(call, &container, NULL);
        return;
    }
    err_set(&err, ERR_FAILED, "the container ended while it was prepared");
    podman_call_finish_container(call, &container, &err);
}

static void on_primed(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err))
        send_inspect(call, on_primed_inspected);
    else
        podman_call_fail(call, &err);
}

static struct engine_call *
send_up(struct podman_call *call, const char *verb,
        void (*on_answer)(struct podman_call *call,
                          const struct podman_answer *answer,
                          const struct err *err))
{
    struct strbuf path = podman_call_path(call->name, verb);
    struct podman_step step = {
        .method = "POST",
        .path = path.data,
        .timeout_ms = START_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->on_answer = on_answer;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}

struct engine_call *podman_init_one(struct engine *engine, const char *id,
                                    engine_container_fn done, void *arg)
{
    return send_up(new_container_call(engine, id, done, arg), "/init",
                   on_primed);
}

struct engine_call *podman_start_one(struct engine *engine, const char *id,
                                     engine_container_fn done, void *arg)
{
    return send_up(new_container_call(engine, id, done, arg), "/start",
                   on_started);
}

struct engine_call *podman_init(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg)
{
    const struct podman_pod *pod = podman_pod_find(engine, id);

    return pod ? podman_pod_init(engine, pod, done, arg)
               : podman_init_one(engine, id, done, arg);
}

struct engine_call *podman_start(struct engine *engine, const char *id,
                                 engine_container_fn done, void *arg)
{
    const struct podman_pod *pod = podman_pod_find(engine, id);

    return pod ? podman_pod_start(engine, pod, done, arg)
               : podman_start_one(engine, id, done, arg);
}

static void on_wait_inspected(struct podman_call *call,
                              const struct podman_answer *answer,
                              const struct err *failure);

static void wait_again(struct podman_call *call)
{
    send_inspect(call, on_wait_inspected);
}

/* Podman learns of an end from conmon, a few milliseconds later. */
static void on_wait_inspected(struct podman_call *call,
                              const struct podman_answer *answer,
                              const struct err *failure)
{
    struct engine_container container;
    struct err err;

    if (!read_container(call, answer, failure, &container, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    if (!container.is_running) {
        podman_call_finish_container(call, &container, NULL);
        return;
    }
    if (loop_now_us(call->podman->loop) >= call->deadline_us) {
        err_set(&err, ERR_TIMEOUT, "Podman still calls container %.12s running",
                call->name);
        podman_call_fail(call, &err);
        return;
    }
    call->on_timer = wait_again;
    podman_call_sleep(call, call->delay_ms);
    if (call->delay_ms < WAIT_LAST_MS)
        call->delay_ms *= 2;
}

struct engine_call *podman_wait(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg)
{
    struct podman_call *call = new_container_call(engine, id, done, arg);

    call->deadline_us = loop_now_us(call->podman->loop) + WAIT_MAX_US;
    call->delay_ms = WAIT_FIRST_MS;
    send_inspect(call, on_wait_inspected);
    return &call->base;
}

/* ------------------------------------------------------------------ limits */

static void on_limits_changed(struct podman_call *call,
                              const struct podman_answer *answer,
                              const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err))
        podman_call_finish(call);
    else
        podman_call_fail(call, &err);
}

struct engine_call *podman_update(struct engine *engine, const char *id,
                                  const struct container_settings *limits,
                                  engine_done_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE, arg);
    struct strbuf path = podman_call_path(id, "/update");
    struct podman_step step = {
        .method = "POST",
        .path = path.data,
        .timeout_ms = CREATE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    call->done.plain = done;
    call->on_answer = on_limits_changed;
    call->body = container_spec_limits(limits);
    step.json = call->body;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}

/* -------------------------------------------------------------------- list */

static void on_listed(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    AUTO(auto_free) struct engine_container *containers = NULL;
    unsigned count;
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err) ||
        !podman_json_list(answer->body, &containers, &count, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    count = podman_pods_gather(call->podman, containers, count);
    for (unsigned i = 0; i < count; i++) {
        look_at_freezer(call->podman, &containers[i]);
        look_at_limits(call->podman, &containers[i]);
    }
    podman_call_finish_list(call, containers, count);
}

struct engine_call *podman_list(struct engine *engine,
                                struct strview namespace_name,
                                engine_list_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_LIST, arg);
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = LIST_TIMEOUT_MS,
        .max_body = LIST_MAX_BYTES,
    };

    call->done.list = done;
    call->on_answer = on_listed;
    strbuf_add_str(&path, PODMAN_CONTAINERS "json?all=true&filters=");
    podman_call_add_filter(&path, namespace_name, "");
    step.path = path.data;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}

/* -------------------------------------------------------------------- logs */

/* Keeps the newest text_max bytes; trimmed in large steps, so that the cost
 * stays linear. */
static void on_log_text(void *arg, enum log_source source, struct strview bytes)
{
    struct podman_call *call = arg;

    (void)source;
    if (bytes.len > call->text_max)
        bytes = sv_skip(bytes, bytes.len - call->text_max);
    strbuf_add_sv(&call->text, bytes);
    if (call->text.len > 2 * call->text_max + SMALL_MAX_BYTES)
        strbuf_consume(&call->text, call->text.len - call->text_max);
}

static void on_log_bytes(void *arg, struct strview bytes)
{
    struct podman_call *call = arg;

    if (call->stream_err.code == ERR_NONE &&
        !log_stream_feed(&call->logs, bytes, &call->stream_err))
        strbuf_clear(&call->text);
}

static void on_logs_done(struct podman_call *call,
                         const struct podman_answer *answer,
                         const struct err *failure)
{
    struct strview text;
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    if (call->stream_err.code != ERR_NONE) {
        podman_call_fail(call, &call->stream_err);
        return;
    }
    text = strbuf_view(&call->text);
    if (text.len > call->text_max)
        text = sv_skip(text, text.len - call->text_max);
    podman_call_finish_text(call, text);
}

struct engine_call *podman_logs(struct engine *engine, const char *id,
                                unsigned tail_lines, size_t max_bytes,
                                engine_text_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_TEXT, arg);
    struct strbuf path = podman_call_path(id, "/logs?stdout=true&stderr=true");
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = LOGS_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
        .on_bytes = on_log_bytes,
    };

    call->done.text = done;
    call->on_answer = on_logs_done;
    call->text_max = max_bytes;
    call->logs.on_bytes = on_log_text;
    call->logs.arg = call;
    strbuf_printf(&path, "&tail=%u", tail_lines);
    step.path = path.data;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}
