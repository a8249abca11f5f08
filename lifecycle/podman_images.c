/* podman_images.c - calls about images and networks, made to Podman. */
#include "lifecycle/podman_images.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/podman_call.h"
#include "lifecycle/podman_json.h"
#include "lifecycle/podman_pull.h"
#include "lifecycle/podman_failure.h"
#include "lifecycle/pull_bytes.h"
#include "lifecycle/registry_auth.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

#define INSPECT_TIMEOUT_MS 15000
#define PULL_SAMPLE_MS     250
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

/* Last in its caller: what hears of it may cancel the call. */
static void tell_progress(struct podman_call *call)
{
    struct engine_progress progress = *podman_pull_progress(call->pull);

    progress.bytes = pull_bytes_now(call->bytes);
    if (call->progress)
        call->progress(call->arg, &progress);
}

static void on_pull_line(void *arg, struct strview line)
{
    struct podman_call *call = arg;

    if (podman_pull_line(call->pull, line))
        tell_progress(call);
}

static void on_pull_timer(struct podman_call *call)
{
    uint64_t before = call->bytes_told;

    podman_call_sleep(call, PULL_SAMPLE_MS);
    call->bytes_told = pull_bytes_now(call->bytes);
    if (call->bytes_told != before)
        tell_progress(call);
}

/* What to do about it, where that is known. */
static void add_cure(const char *image, bool is_rootless, struct err *err)
{
    int host_len = (int)strcspn(image, "/");
    char cure[512] = "";

    if (strstr(err->text, "x509:"))
        snprintf(cure, sizeof cure,
                 "put the certificate of its CA into %s/certs.d/%.*s/ca.crt",
                 is_rootless ? "~/.config/containers" : "/etc/containers",
                 host_len, image);
    else if (strstr(err->text, "HTTP response to HTTPS client"))
        snprintf(cure, sizeof cure,
                 "it speaks plain HTTP: Podman uses it only where "
                 "registries.conf says insecure = true for %.*s",
                 host_len, image);
    else if (strstr(err->text, "no space left on device"))
        snprintf(cure, sizeof cure,
                 "see `podman system df`, and what `podman image prune` frees");
    else if (err->code == ERR_DENIED)
        snprintf(cure, sizeof cure,
                 "log in with `podman login %.*s`, or name credentials by "
                 "`podman { auth_file … }`",
                 host_len, image);
    if (cure[0]) {
        struct err told = *err;

        err_set(err, told.code, "%.700s (%.300s)", told.text, cure);
    }
}

static void on_pulled(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    struct err err;

    timer_stop(&call->timer);
    if (!podman_answer_is_good(answer, failure, &err)) {
        if (!failure && err.code != ERR_PROTOCOL)
            err.code = podman_failure_pull_code(answer->status, err.text);
        else if (err.code == ERR_TIMEOUT)
            err_set(&err, ERR_TIMEOUT,
                    "the pull took longer than pull_timeout allows");
    } else if (podman_pull_result(call->pull, &err)) {
        send_image_inspect(call);
        return;
    }
    add_cure(call->name, call->podman->base.capabilities.rootless, &err);
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

static void fail_later(struct podman_call *call)
{
    podman_call_fail(call, &call->stream_err);
}

/* Credentials go along where there are some; else Podman uses its own. */
static bool add_credentials(const struct engine_pull *pull,
                            struct strbuf *ret_field, struct err *err)
{
    if (!pull->auth_file)
        return true;
    strbuf_add_str(ret_field, "X-Registry-Auth: ");
    if (!registry_auth_read(pull->auth_file, pull->image, ret_field, err))
        return false;
    if (ret_field->len == strlen("X-Registry-Auth: "))
        strbuf_clear(ret_field);
    return true;
}

struct engine_call *podman_pull_image(struct engine *engine,
                                      const struct engine_pull *pull,
                                      engine_progress_fn progress,
                                      engine_image_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_IMAGE, arg);
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf field = STRBUF_INIT;
    struct podman_step step = {
        .method = "POST",
        .timeout_ms = pull->timeout_ms,
        .max_body = SMALL_MAX_BYTES,
        .on_line = on_pull_line,
    };

    call->done.image = done;
    call->name = xstrdup(pull->image);
    call->progress = progress;
    if (strncmp(pull->image, "localhost/", 10) == 0) {
        call->on_timer = fail_local;
        podman_call_sleep(call, 1);
        return &call->base;
    }
    if (!add_credentials(pull, &field, &call->stream_err)) {
        call->on_timer = fail_later;
        podman_call_sleep(call, 1);
        return &call->base;
    }
    step.field = field.len > 0 ? field.data : NULL;
    call->pull = podman_pull_new();
    call->bytes =
        pull_bytes_new(&call->podman->pulls, engine->capabilities.pull_dir);
    call->on_answer = on_pulled;
    strbuf_add_str(&path, "/images/create?fromImage=");
    podman_http_encode(&path, sv_of(pull->image));
    step.path = path.data;
    podman_call_send(call, &step);
    if (field.data)
        explicit_bzero(field.data, field.capacity);
    if (call->request) {
        call->on_timer = on_pull_timer;
        podman_call_sleep(call, PULL_SAMPLE_MS);
    }
    return &call->base;
}

/* ----------------------------------------------------------------- secrets */

static void ask_next_secret(struct podman_call *call);

static void on_secret(struct podman_call *call,
                      const struct podman_answer *answer,
                      const struct err *failure)
{
    char id[80];
    struct err err;

    if (!podman_answer_is_good(answer, failure, &err) ||
        !podman_json_secret(answer->body, id, &err)) {
        if (err.code == ERR_NOT_FOUND)
            err_set(&err, ERR_NOT_FOUND,
                    "there is no secret \"%s\" on this host: make it with "
                    "`podman secret create %s FILE`, as the user whose Podman "
                    "berth uses",
                    call->name, call->name);
        podman_call_fail(call, &err);
        return;
    }
    strbuf_printf(&call->text, "%s\n", id);
    ask_next_secret(call);
}

static void ask_next_secret(struct podman_call *call)
{
    AUTO(strbuf_done) struct strbuf path = STRBUF_INIT;
    struct podman_step step = {
        .method = "GET",
        .timeout_ms = INSPECT_TIMEOUT_MS,
        .max_body = SMALL_MAX_BYTES,
    };

    if (call->name_next == call->name_count) {
        podman_call_finish_text(call, strbuf_view(&call->text));
        return;
    }
    free(call->name);
    call->name = xstrdup(call->names[call->name_next++]);
    strbuf_add_str(&path, "/v4.0.0/libpod/secrets/");
    podman_http_encode(&path, sv_of(call->name));
    strbuf_add_str(&path, "/json");
    step.path = path.data;
    call->on_answer = on_secret;
    podman_call_send(call, &step);
}

struct engine_call *podman_secrets(struct engine *engine,
                                   const char *const *names, unsigned count,
                                   engine_text_fn done, void *arg)
{
    struct podman_call *call = podman_call_new(engine, PODMAN_DONE_TEXT, arg);

    call->done.text = done;
    call->names = xcalloc(count, sizeof *call->names);
    for (unsigned i = 0; i < count; i++)
        call->names[call->name_count++] = xstrdup(names[i]);
    assert(count > 0);
    ask_next_secret(call);
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
            !podman_call_keeps(call, it->app))
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
