/* podman_call.c - one call of engine.h under way at Podman. */
#include "lifecycle/podman_call.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/build_log.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pod.h"
#include "lifecycle/podman_pull.h"
#include "lifecycle/pull_bytes.h"
#include "lifecycle/reclaim.h"
#include "lifecycle/podman_metric.h"
#include "lifecycle/sidecar_line.h"
#include "lifecycle/sidecar_probe.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/metrics.h"
#include "router/base/loop.h"

static void on_timer(struct timer *timer)
{
    struct podman_call *call = container_of(timer, struct podman_call, timer);

    call->on_timer(call);
}

struct podman_call *podman_call_new(struct engine *engine,
                                    enum podman_done_kind kind, void *arg)
{
    struct podman_call *call = xcalloc(1, sizeof *call);
    struct podman *podman = (struct podman *)engine;

    loop_assert_owner(podman->loop);
    call->base.engine = engine;
    call->podman = podman;
    call->kind = kind;
    call->arg = arg;
    call->timer.on_expire = on_timer;
    list_add_tail(&podman->calls, &call->node);
    return call;
}

static void free_all(char **texts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void call_free(struct podman_call *call)
{
    podman_http_cancel(&call->request);
    timer_stop(&call->timer);
    if (call->alarm)
        event_free(call->alarm);
    reclaim_cancel(&call->reclaim);
    sidecar_probe_cancel(&call->probe);
    sidecar_line_cancel(&call->line);
    podman_pod_free(&call->pod);
    list_remove(&call->node);
    if (call->slot)
        *call->slot = NULL;
    podman_pull_free(&call->pull);
    build_log_free(&call->build);
    pull_bytes_free(&call->bytes);
    strbuf_done(&call->text);
    free_all(call->names, call->name_count);
    free_all(call->keep, call->keep_count);
    free(call->network_body);
    free(call->network_name);
    free(call->body);
    free(call->name);
    free(call);
}

/* ---------------------------------------------------------------- requests */

static void on_done(void *arg, const struct podman_answer *answer,
                    const struct err *err)
{
    struct podman_call *call = arg;

    call->request = NULL;
    if (call->sent_us > 0 && call->podman->cell && answer)
        metrics_observe(call->podman->cell, call->metric,
                        clock_now_us() - call->sent_us);
    call->on_answer(call, answer, err);
}

static void answer_unavailable(struct podman_call *call)
{
    struct err err = call->podman->down_reason;

    if (err.code == ERR_NONE)
        err_set(&err, ERR_UNAVAILABLE, "Podman has not been found yet");
    err.code = ERR_UNAVAILABLE;
    call->on_answer(call, NULL, &err);
}

struct strbuf podman_call_path(const char *id, const char *rest)
{
    struct strbuf path = STRBUF_INIT;

    strbuf_add_str(&path, PODMAN_CONTAINERS);
    podman_http_encode(&path, sv_of(id));
    strbuf_add_str(&path, rest);
    return path;
}

void podman_call_send(struct podman_call *call, const struct podman_step *step)
{
    struct podman_http_call request = {
        .method = step->method,
        .path = step->path,
        .field = step->field,
        .body_fd = step->body_fd,
        .body_bytes = step->body_bytes,
        .body = sv_of(step->json),
        .timeout_ms = step->timeout_ms,
        .max_body = step->max_body,
        .on_bytes = step->on_bytes,
        .on_line = step->on_line,
        .on_done = on_done,
        .arg = call,
    };

    assert(!call->request);
    if (!call->podman->has_socket || call->podman->is_closing) {
        call->on_timer = answer_unavailable;
        podman_call_sleep(call, 1);
        return;
    }
    call->metric = podman_metric_of(step->method, step->path);
    /* What is followed has no end that says anything. */
    call->sent_us = strstr(step->path, "follow=true") ? 0 : clock_now_us();
    call->request = podman_http_send(call->podman->http, &request);
}

void podman_call_sleep(struct podman_call *call, unsigned delay_ms)
{
    timer_start(call->podman->timers, &call->timer, delay_ms ? delay_ms : 1);
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    struct podman_call *call = arg;

    (void)fd;
    (void)what;
    call->on_timer(call);
}

void podman_call_nap(struct podman_call *call, unsigned delay_ms)
{
    struct timeval delay = {.tv_sec = delay_ms / 1000,
                            .tv_usec = (long)(delay_ms % 1000) * 1000};

    if (!call->alarm)
        call->alarm =
            evtimer_new(loop_base(call->podman->loop), on_alarm, call);
    if (!call->alarm || evtimer_add(call->alarm, &delay) != 0)
        abort();
}

void podman_call_add_filter(struct strbuf *path, struct strview namespace_name,
                            const char *more)
{
    struct strbuf label = STRBUF_INIT;
    struct strbuf filters = STRBUF_INIT;

    strbuf_printf(&label, "berth.namespace=%.*s", SV_ARG(namespace_name));
    strbuf_printf(&filters, "{%s\"label\":[", more);
    strbuf_add_json(&filters, strbuf_view(&label));
    strbuf_add_str(&filters, "]}");
    podman_http_encode(path, strbuf_view(&filters));
    strbuf_done(&filters);
    strbuf_done(&label);
}

bool podman_call_keeps(const struct podman_call *call, const char *what)
{
    for (unsigned i = 0; i < call->keep_count; i++) {
        if (strcmp(call->keep[i], what) == 0)
            return true;
    }
    return false;
}

bool podman_answer_is_good(const struct podman_answer *answer,
                           const struct err *failure, struct err *err)
{
    if (failure) {
        *err = *failure;
        return false;
    }
    if (answer->status < 400)
        return true;
    return podman_json_failure(answer->status, answer->body, err);
}

/* ----------------------------------------------------------------- the end */

void podman_call_fail(struct podman_call *call, const struct err *err)
{
    enum podman_done_kind kind = call->kind;
    union podman_done done = call->done;
    void *arg = call->arg;
    struct err copy = *err; /* it may live in what is freed */

    call_free(call);
    switch (kind) {
    case PODMAN_DONE:
        done.plain(arg, &copy);
        break;
    case PODMAN_DONE_ID:
        done.id(arg, NULL, &copy);
        break;
    case PODMAN_DONE_IMAGE:
        done.image(arg, NULL, &copy);
        break;
    case PODMAN_DONE_CONTAINER:
        done.container(arg, NULL, &copy);
        break;
    case PODMAN_DONE_LIST:
        done.list(arg, NULL, 0, &copy);
        break;
    case PODMAN_DONE_TEXT:
        done.text(arg, SV(""), &copy);
        break;
    }
}

void podman_call_finish(struct podman_call *call)
{
    engine_done_fn done = call->done.plain;
    void *arg = call->arg;

    assert(call->kind == PODMAN_DONE);
    call_free(call);
    done(arg, NULL);
}

void podman_call_finish_id(struct podman_call *call, const char *id)
{
    engine_id_fn done = call->done.id;
    void *arg = call->arg;

    assert(call->kind == PODMAN_DONE_ID);
    call_free(call);
    done(arg, id, NULL);
}

void podman_call_finish_image(struct podman_call *call,
                              const struct engine_image *image)
{
    engine_image_fn done = call->done.image;
    void *arg = call->arg;

    assert(call->kind == PODMAN_DONE_IMAGE);
    call_free(call);
    done(arg, image, NULL);
}

void podman_call_finish_container(struct podman_call *call,
                                  const struct engine_container *container,
                                  const struct err *err)
{
    engine_container_fn done = call->done.container;
    void *arg = call->arg;

    assert(call->kind == PODMAN_DONE_CONTAINER);
    call_free(call);
    done(arg, container, err);
}

void podman_call_finish_list(struct podman_call *call,
                             const struct engine_container *containers,
                             unsigned count)
{
    engine_list_fn done = call->done.list;
    void *arg = call->arg;

    assert(call->kind == PODMAN_DONE_LIST);
    call_free(call);
    done(arg, containers, count, NULL);
}

void podman_call_finish_text(struct podman_call *call, struct strview text)
{
    engine_text_fn done = call->done.text;
    void *arg = call->arg;
    struct strbuf copy = call->text; /* text may be a part of it */

    assert(call->kind == PODMAN_DONE_TEXT);
    call->text = STRBUF_INIT;
    call_free(call);
    done(arg, text, NULL);
    strbuf_done(&copy);
}

void podman_call_cancel(struct engine_call *base)
{
    struct podman_call *call = (struct podman_call *)base;
    struct err err;

    loop_assert_owner(call->podman->loop);
    if (call->on_cancel)
        call->on_cancel(call);
    err_set(&err, ERR_CANCELLED, "called off");
    podman_call_fail(call, &err);
}
