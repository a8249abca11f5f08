/* podman_images.c - calls about images and networks, made to Podman. */
#include "lifecycle/podman_images.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pull.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

#define INSPECT_TIMEOUT_MS 15000
#define NETWORK_TIMEOUT_MS 30000
#define SMALL_MAX_BYTES    ((size_t)64 << 10)
#define INSPECT_MAX_BYTES  ((size_t)8 << 20)

/* ------------------------------------------------------------------ images */

static void on_image_inspected(struct podman_call *call,
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

static void send_image_inspect(struct podman_call *call)
{
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = INSPECT_TIMEOUT_MS,
        .max_body = INSPECT_MAX_BYTES,
    };

    strbuf_add_str(&path, "/v4.0.0/libpod/images/");
    podman_http_encode(&path, sv_of(call->name));
    strbuf_add_str(&path, "/json");
    step.path = path.data;
    call->on_answer = on_image_inspected;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

struct engine_call *podman_image_inspect(struct engine *engine,
                                         const char *image,
                                         engine_image_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_IMAGE, arg);

    call->done.image = done;
    call->name = xstrdup(image);
    send_image_inspect(call);
    return &call->base;
}

static void on_pull_line(void *arg, struct strview line)
{
    struct podman_call *call = arg;

    /* Last: it may cancel the call. */
    if (podman_pull_line(call->pull, line) && call->progress)
        call->progress(call->arg, podman_pull_progress(call->pull));
}

static void on_pulled(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err)) {
        if (!failure && err.code != ERR_PROTOCOL)
            err.code = podman_json_pull_code(answer->status, err.text);
        else if (err.code == ERR_TIMEOUT)
            err_set(&err, ERR_TIMEOUT,
                    "the pull took longer than pull_timeout allows");
    } else if (podman_pull_result(call->pull, &err)) {
        send_image_inspect(call);
        return;
    }
    podman_call_fail(call, &err);
}

static void fail_local(struct podman_call *call)
{
    struct err err;

    err_set(&err, ERR_NOT_FOUND,
            "there is no image %s on this host, and a name that begins with "
            "localhost/ is in no registry: build it (podman build -t %s …), "
            "as the user whose Podman berth uses",
            call->name, call->name);
    podman_call_fail(call, &err);
}

struct engine_call *podman_pull_image(struct engine *engine, const char *image,
                                      uint64_t timeout_ms,
                                      engine_progress_fn progress,
                                      engine_image_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_IMAGE, arg);
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "POST",
        .timeout_ms = timeout_ms,
        .max_body = SMALL_MAX_BYTES,
        .on_line = on_pull_line,
    };

    call->done.image = done;
    call->name = xstrdup(image);
    call->progress = progress;
    if (strncmp(image, "localhost/", 10) == 0) {
        call->on_timer = fail_local;
        podman_call_sleep(call, 1);
        return &call->base;
    }
    call->pull = podman_pull_new();
    call->on_answer = on_pulled;
    strbuf_add_str(&path, "/images/create?fromImage=");
    podman_http_encode(&path, sv_of(image));
    step.path = path.data;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}

/* ---------------------------------------------------------------- networks */

static void remove_next(struct podman_call *call);

/* A network that something still uses stays; a later prune takes it. */
static void on_network_removed(struct podman_call *call,
                               const struct podman_answer *answer,
                               const struct err *failure)
{
    struct err err;

    if (failure) {
        podman_call_fail(call, failure);
        return;
    }
    if (!podman_answer_is_good(answer, NULL, &err) && err.code != ERR_NOT_FOUND)
        log_info("podman", "a network stays for now",
                 "network=%s reason=\"%s\"", call->name, err.text);
    remove_next(call);
}

static void remove_next(struct podman_call *call)
{
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "DELETE",
        .timeout_ms = NETWORK_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    if (call->name_count == 0) {
        podman_call_finish(call);
        return;
    }
    free(call->name);
    call->name = call->names[--call->name_count];
    strbuf_add_str(&path, "/v4.0.0/libpod/networks/");
    podman_http_encode(&path, sv_of(call->name));
    step.path = path.data;
    call->on_answer = on_network_removed;
    podman_call_send(call, &step);
    strbuf_done(&path);
}

static bool is_kept(const struct podman_call *call, const char *app)
{
    for (unsigned i = 0; i < call->keep_count; i++) {
        if (strcmp(call->keep[i], app) == 0)
            return true;
    }
    return false;
}

/* The filter is by key and value, but what is removed is looked at again. */
static void on_networks(struct podman_call *call,
                        const struct podman_answer *answer,
                        const struct err *failure)
{
    AUTO(auto_free) struct podman_network *networks = NULL;
    unsigned count;
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err) ||
        !podman_json_networks(answer->body, &networks, &count, &err)) {
        podman_call_fail(call, &err);
        return;
    }
    call->names = xcalloc(count, sizeof *call->names);
    for (unsigned i = 0; i < count; i++) {
        const struct podman_network *it = &networks[i];

        if (strcmp(it->namespace_name, call->name) == 0 && it->app[0] != '\0' &&
            !is_kept(call, it->app))
            call->names[call->name_count++] = xstrdup(it->name);
    }
    remove_next(call);
}

struct engine_call *podman_prune(struct engine *engine,
                                 struct strview namespace_name,
                                 const char *const *keep_apps, unsigned count,
                                 engine_done_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE, arg);
    struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = NETWORK_TIMEOUT_MS,
        .max_body = INSPECT_MAX_BYTES,
    };

    call->done.plain = done;
    call->name = xstrndup(namespace_name.ptr, namespace_name.len);
    call->keep = xcalloc(count, sizeof *call->keep);
    for (unsigned i = 0; i < count; i++)
        call->keep[call->keep_count++] = xstrdup(keep_apps[i]);
    strbuf_add_str(&path, "/v4.0.0/libpod/networks/json?filters=");
    podman_call_add_filter(&path, namespace_name, "");
    step.path = path.data;
    call->on_answer = on_networks;
    podman_call_send(call, &step);
    strbuf_done(&path);
    return &call->base;
}
