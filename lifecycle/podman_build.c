/* podman_build.c - calls that build images and remove those, made to Podman. */
#include "lifecycle/podman_build.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle/build_log.h"
#include "lifecycle/podman_call.h"
#include "lifecycle/podman_json.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

#define INSPECT_TIMEOUT_MS 15000
#define REMOVE_TIMEOUT_MS  60000
#define SMALL_MAX_BYTES    ((size_t)64 << 10)
#define LIST_MAX_BYTES     ((size_t)64 << 20)

/* ------------------------------------------------------------------- build */

static void on_built_inspected(struct podman_call *call,
                               const struct podman_answer *answer,
                               const struct err *failure)
{
    struct engine_image image;
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) &&
        podman_json_image(answer->body, &image, &err))
        podman_call_finish_image(call, &image);
    else
        podman_call_fail(call, &err);
}

static void inspect_built(struct podman_call *call)
{
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = INSPECT_TIMEOUT_MS,
        .max_body = LIST_MAX_BYTES,
    };

    strbuf_add_str(&path, "/v4.0.0/libpod/images/");
    podman_http_encode(&path, sv_of(call->name));
    strbuf_add_str(&path, "/json");
    step.path = path.data;
    call->on_answer = on_built_inspected;
    podman_call_send(call, &step);
}

/* Last in its caller: what hears of the progress may cancel the call. */
static void on_build_line(void *arg, struct strview line)
{
    struct podman_call *call = arg;

    if (build_log_line(call->build, line) && call->progress)
        call->progress(call->arg, build_log_progress(call->build));
}

static void on_built(struct podman_call *call,
                     const struct podman_answer *answer,
                     const struct err *failure)
{
    struct err err;

    if (podman_answer_is_good(answer, failure, &err) &&
        build_log_result(call->build, &err)) {
        inspect_built(call);
        return;
    }
    if (failure && err.code == ERR_TIMEOUT) {
        err_set(&err, ERR_TIMEOUT,
                "it took longer than pull_timeout allows, and was called off "
                "(what it runs now, Podman lets end by itself)");
        build_log_add_lines(call->build, &err);
    }
    podman_call_fail(call, &err);
}

/* One layer, and no image between that would be left over. */
static void add_query(struct strbuf *path, const struct engine_build *build)
{
    AUTO(strbuf_done) struct strbuf labels = STRBUF_INIT;

    strbuf_add_str(path, "/v4.0.0/libpod/build?dockerfile=Containerfile"
                         "&layers=false&rm=true&forcerm=true&pullpolicy=never"
                         "&t=");
    podman_http_encode(path, sv_of(build->tag));
    strbuf_add_str(&labels, "{\"berth.namespace\":");
    strbuf_add_json(&labels, build->namespace_name);
    strbuf_add_str(&labels, ",\"berth.layer\":\"setup\"}");
    strbuf_add_str(path, "&labels=");
    podman_http_encode(path, strbuf_view(&labels));
}

struct engine_call *podman_build(struct engine *engine,
                                 const struct engine_build *build,
                                 engine_progress_fn progress,
                                 engine_image_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_IMAGE, arg);
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "POST",
        .field = "Content-Type: application/x-tar",
        .body_fd = build->context_fd,
        .body_bytes = build->context_bytes,
        .timeout_ms = build->timeout_ms,
        .max_body = SMALL_MAX_BYTES,
        .on_line = on_build_line,
    };

    call->done.image = done;
    call->progress = progress;
    call->name = xstrdup(build->tag);
    call->build = build_log_new();
    call->on_answer = on_built;
    add_query(&path, build);
    step.path = path.data;
    podman_call_send(call, &step);
    return &call->base;
}

/* ------------------------------------------------------------------- prune */

static void remove_next(struct podman_call *call);

/* One that a container still uses stays; a later call takes it. */
static void on_removed(struct podman_call *call,
                       const struct podman_answer *answer,
                       const struct err *failure)
{
    struct err err;

    if (failure) {
        podman_call_fail(call, failure);
        return;
    }
    if (podman_answer_is_good(answer, NULL, &err))
        log_info("podman", "a layer of setup is removed", "image=%s",
                 call->name);
    else if (err.code != ERR_NOT_FOUND && call->stream_err.code == ERR_NONE)
        err_set(&call->stream_err, ERR_EXISTS, "%s", err.text);
    remove_next(call);
}

static void remove_next(struct podman_call *call)
{
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "DELETE",
        .timeout_ms = REMOVE_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    if (call->name_count == 0) {
        if (call->stream_err.code == ERR_NONE)
            podman_call_finish(call);
        else
            podman_call_fail(call, &call->stream_err);
        return;
    }
    free(call->name);
    call->name = call->names[--call->name_count];
    strbuf_add_str(&path, "/v4.0.0/libpod/images/");
    podman_http_encode(&path, sv_of(call->name));
    step.path = path.data;
    call->on_answer = on_removed;
    podman_call_send(call, &step);
}

/* The filter is by key and value, but what is removed is looked at again. */
static void on_layers(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    AUTO(auto_free) struct podman_layer *layers = NULL;
    unsigned count;
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err) ||
        !podman_json_layers(answer->body, &layers, &count, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    call->names = xcalloc(count, sizeof *call->names);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(layers[i].namespace_name, call->name) == 0 &&
            !podman_call_keeps(call, layers[i].tag))
            call->names[call->name_count++] = xstrdup(layers[i].tag);
    }
    remove_next(call);
}

struct engine_call *podman_prune_layers(struct engine *engine,
                                        struct strview namespace_name,
                                        const char *const *keep_tags,
                                        unsigned count, engine_done_fn done,
                                        void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE, arg);
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = INSPECT_TIMEOUT_MS,
        .max_body = LIST_MAX_BYTES,
    };

    call->done.plain = done;
    call->name = xstrndup(namespace_name.ptr, namespace_name.len);
    call->keep = xcalloc(count, sizeof *call->keep);
    for (unsigned i = 0; i < count; i++)
        call->keep[call->keep_count++] = xstrdup(keep_tags[i]);
    strbuf_add_str(&path, "/v4.0.0/libpod/images/json?filters=");
    podman_call_add_filter(&path, namespace_name, "");
    step.path = path.data;
    call->on_answer = on_layers;
    podman_call_send(call, &step);
    return &call->base;
}
