/* fake_engine.c - an engine without containers. */
#include "tests/support/fake_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lifecycle/container_limits.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"
#include "router/base/loop.h"

struct fake_call {
    struct engine_call base;
    struct list node;
    enum fake_kind kind;
    char id[128]; /* container or image */
    struct engine_spec spec;
    char reserved[1024]; /* of it, copied */
    char devices[256];   /* "a b" */
    char app[128];
    char revision[80];
    uint64_t replica;
    void (*done)(void); /* of the type that `kind` says */
    void *arg;
    struct engine_log_reader reader; /* FAKE_FOLLOW */
    bool is_held;
    struct loop_task task;
    bool is_finished;
};

struct fake_handle {
    struct engine_handle base;
    struct fake_engine *fake;
    char id[80];
    void (*on_exit)(void *arg);
    void *arg;
    struct loop_task task;
};

static struct fake_engine *fake_of(struct engine *engine)
{
    return container_of(engine, struct fake_engine, base);
}

struct fake_container *fake_engine_find(struct fake_engine *fake,
                                        const char *id)
{
    for (unsigned i = 0; i < FAKE_CONTAINERS; i++) {
        if (fake->containers[i].container.id[0] &&
            strcmp(fake->containers[i].container.id, id) == 0)
            return &fake->containers[i];
    }
    return NULL;
}

unsigned fake_engine_count(const struct fake_engine *fake)
{
    unsigned count = 0;

    for (unsigned i = 0; i < FAKE_CONTAINERS; i++)
        count += fake->containers[i].container.id[0] != '\0';
    return count;
}

static struct fake_container *container_new(struct fake_engine *fake)
{
    for (unsigned i = 0; i < FAKE_CONTAINERS; i++) {
        struct fake_container *at = &fake->containers[i];

        if (at->container.id[0])
            continue;
        memset(at, 0, sizeof *at);
        snprintf(at->container.id, sizeof at->container.id, "c%u",
                 fake->next_id++);
        snprintf(at->container.image_id, sizeof at->container.image_id, "%s",
                 fake->image_id);
        return at;
    }
    abort();
}

struct fake_container *fake_engine_add(struct fake_engine *fake,
                                       const char *app, uint64_t replica,
                                       const char *revision, bool is_running)
{
    struct fake_container *at = container_new(fake);

    snprintf(at->container.app, sizeof at->container.app, "%s", app);
    snprintf(at->container.name, sizeof at->container.name, "berth-t-%s-%lu",
             app, (unsigned long)replica);
    snprintf(at->container.revision, sizeof at->container.revision, "%s",
             revision);
    at->container.replica = replica;
    at->container.is_running = is_running;
    at->container.pid = is_running ? 4242 : 0;
    at->memory.resident_bytes = is_running ? fake->resident_bytes : 0;
    at->container.inside = true;
    at->container.port = 8000;
    container_limits_unknown(&at->container.limits);
    return at;
}

/* --- answering --- */

static void answer_image(struct fake_engine *fake, struct fake_call *call,
                         const struct err *err)
{
    struct engine_image image = {.exposed_port = 0};
    struct err missing = {.code = ERR_NOT_FOUND, .text = "no such image"};
    bool is_layer = strncmp(call->id, "localhost/berth-setup/", 22) == 0;

    snprintf(image.id, sizeof image.id, "%s", fake->image_id);
    if (!err && call->kind == FAKE_PULL)
        fake->image_is_there = true;
    if (!err && call->kind == FAKE_BUILD)
        fake->layer_is_there = true;
    if (!err && !(is_layer ? fake->layer_is_there : fake->image_is_there))
        err = &missing;
    ((engine_image_fn)call->done)(call->arg, err ? NULL : &image, err);
}

static void answer_create(struct fake_engine *fake, struct fake_call *call,
                          const struct err *err)
{
    const struct err missing = {.code = ERR_NOT_FOUND,
                                .text = "image not known"};
    const char *image = call->spec.image ? call->spec.image : fake->image_id;
    struct fake_container *at;

    if (!err && (!fake->image_is_there || strcmp(image, fake->pruned_id) == 0))
        err = &missing;
    if (err) {
        ((engine_id_fn)call->done)(call->arg, NULL, err);
        return;
    }
    at = fake_engine_add(fake, call->app, call->replica, call->revision, false);
    snprintf(at->container.image_id, sizeof at->container.image_id, "%s",
             image);
    at->container.is_created = true;
    at->container.inside = call->spec.inside;
    at->container.port = call->spec.port;
    snprintf(at->container.reserved, sizeof at->container.reserved, "%s",
             call->reserved);
    snprintf(at->devices, sizeof at->devices, "%s", call->devices);
    ((engine_id_fn)call->done)(call->arg, at->container.id, NULL);
}

static void answer_start(struct fake_engine *fake, struct fake_call *call,
                         const struct err *err)
{
    struct fake_container *at = fake_engine_find(fake, call->id);
    struct err ended = {.code = ERR_FAILED, .text = "it ended at once"};

    if (!err && at && fake->exit_at_start >= 0) {
        at->container.exit_code = fake->exit_at_start;
        ((engine_container_fn)call->done)(call->arg, &at->container, &ended);
        return;
    }
    if (!err && at) {
        at->container.is_running = true;
        at->container.is_created = false;
        at->container.is_primed = false;
        at->container.pid = 4242;
        at->memory.resident_bytes = fake->resident_bytes;
        if (call->spec.publish)
            at->container.host_port = 40000;
    }
    ((engine_container_fn)call->done)(call->arg, err ? NULL : &at->container,
                                      err);
}

static void answer_init(struct fake_engine *fake, struct fake_call *call,
                        const struct err *err)
{
    struct fake_container *at = fake_engine_find(fake, call->id);

    if (!err && at) {
        at->container.is_primed = true;
        at->container.pid = 4242;
    }
    ((engine_container_fn)call->done)(call->arg, err ? NULL : &at->container,
                                      err);
}

static void answer_warmth(struct fake_engine *fake, struct fake_call *call,
                          const struct err *err)
{
    struct fake_container *at = fake_engine_find(fake, call->id);

    if (!err && at && call->kind == FAKE_FREEZE)
        at->container.is_frozen = true;
    if (!err && at && call->kind == FAKE_HIBERNATE) {
        at->memory.swapped_bytes += at->memory.resident_bytes;
        at->memory.resident_bytes = 0;
    }
    ((engine_done_fn)call->done)(call->arg, err);
}

static void answer_stop(struct fake_engine *fake, struct fake_call *call,
                        const struct err *err)
{
    struct fake_container *at = fake_engine_find(fake, call->id);

    if (!err && at) {
        at->container.is_running = false;
        at->container.is_frozen = false;
        if (call->kind == FAKE_REMOVE)
            at->container.id[0] = '\0';
    }
    ((engine_done_fn)call->done)(call->arg, err);
}

static void answer_inspect(struct fake_engine *fake, struct fake_call *call,
                           const struct err *err)
{
    struct fake_container *at = fake_engine_find(fake, call->id);
    struct err missing = {.code = ERR_NOT_FOUND, .text = "no such container"};

    if (!err && !at)
        err = &missing;
    ((engine_container_fn)call->done)(call->arg, err ? NULL : &at->container,
                                      err);
}

static void answer_list(struct fake_engine *fake, struct fake_call *call,
                        const struct err *err)
{
    struct engine_container list[FAKE_CONTAINERS];
    unsigned count = 0;

    for (unsigned i = 0; i < FAKE_CONTAINERS; i++) {
        if (fake->containers[i].container.id[0])
            list[count++] = fake->containers[i].container;
    }
    ((engine_list_fn)call->done)(call->arg, list, err ? 0 : count, err);
}

static void answer_logs(struct fake_engine *fake, struct fake_call *call,
                        const struct err *err)
{
    ((engine_text_fn)call->done)(call->arg, sv_of(fake->container_log), err);
}

static void finish(struct fake_engine *fake, struct fake_call *call,
                   const struct err *err)
{
    list_remove(&call->node);
    call->is_finished = true;
    switch (call->kind) {
    case FAKE_IMAGE:
    case FAKE_PULL:
    case FAKE_BUILD:
        answer_image(fake, call, err);
        break;
    case FAKE_CREATE:
        answer_create(fake, call, err);
        break;
    case FAKE_INIT:
        answer_init(fake, call, err);
        break;
    case FAKE_START:
        answer_start(fake, call, err);
        break;
    case FAKE_UPDATE:
        ((engine_done_fn)call->done)(call->arg, err);
        break;
    case FAKE_STOP:
    case FAKE_REMOVE:
        answer_stop(fake, call, err);
        break;
    case FAKE_INSPECT:
    case FAKE_WAIT:
        answer_inspect(fake, call, err);
        break;
    case FAKE_LIST:
        answer_list(fake, call, err);
        break;
    case FAKE_SECRETS:
        ((engine_text_fn)call->done)(
            call->arg, sv_of(fake->secret_ids ? fake->secret_ids : "id-1\n"),
            err);
        break;
    case FAKE_LOGS:
        answer_logs(fake, call, err);
        break;
    case FAKE_FREEZE:
    case FAKE_THAW:
    case FAKE_HIBERNATE:
        answer_warmth(fake, call, err);
        break;
    default:
        ((engine_done_fn)call->done)(call->arg, err);
        break;
    }
}

static void run_call(struct loop_task *task)
{
    struct fake_call *call = container_of(task, struct fake_call, task);
    struct fake_engine *fake = fake_of(call->base.engine);

    if (call->is_finished) {
        free(call); /* cancelled meanwhile */
        return;
    }
    if (fake->hold[call->kind])
        return;
    if (fake->fail_count[call->kind] > 0) {
        fake->fail_count[call->kind]--;
        finish(fake, call, &fake->fail_with[call->kind]);
    } else {
        finish(fake, call, NULL);
    }
    free(call);
}

static struct fake_call *call_new(struct engine *engine, enum fake_kind kind,
                                  const char *verb, const char *id)
{
    struct fake_engine *fake = fake_of(engine);
    struct fake_call *call = xcalloc(1, sizeof *call);

    call->base.engine = engine;
    call->kind = kind;
    call->task.run = run_call;
    snprintf(call->id, sizeof call->id, "%s", id);
    fake->counts[kind]++;
    strbuf_printf(&fake->log, "%s %s\n", verb, id);
    list_add_tail(&fake->calls, &call->node);
    loop_post(fake->loop, &call->task);
    return call;
}

static struct engine_call *with_done(struct fake_call *call, void (*done)(void),
                                     void *arg)
{
    call->done = done;
    call->arg = arg;
    return &call->base;
}
#define WITH_DONE(call) with_done(call, (void (*)(void))done, arg)

/* --- the operations --- */

static void op_free(struct engine *engine)
{
    struct fake_engine *fake = fake_of(engine);

    strbuf_done(&fake->log);
    strbuf_done(&fake->kept_layers);
    free(fake);
}

static void op_check(struct engine *engine,
                     const struct container_settings *container,
                     struct strbuf *ret_warnings)
{
    (void)engine;
    (void)container;
    (void)ret_warnings;
}

static struct engine_call *op_image(struct engine *engine, const char *image,
                                    engine_image_fn done, void *arg)
{
    return WITH_DONE(call_new(engine, FAKE_IMAGE, "image", image));
}

static struct engine_call *op_pull(struct engine *engine,
                                   const struct engine_pull *pull,
                                   engine_progress_fn progress,
                                   engine_image_fn done, void *arg)
{
    (void)progress;
    return WITH_DONE(call_new(engine, FAKE_PULL, "pull", pull->image));
}

static struct engine_call *op_secrets(struct engine *engine,
                                      const char *const *names, unsigned count,
                                      engine_text_fn done, void *arg)
{
    (void)count;
    return WITH_DONE(call_new(engine, FAKE_SECRETS, "secrets", names[0]));
}

static struct engine_call *op_build(struct engine *engine,
                                    const struct engine_build *build,
                                    engine_progress_fn progress,
                                    engine_image_fn done, void *arg)
{
    (void)progress;
    return WITH_DONE(call_new(engine, FAKE_BUILD, "build", build->tag));
}

static struct engine_call *op_prune_layers(struct engine *engine,
                                           struct strview namespace_name,
                                           const char *const *keep_tags,
                                           unsigned count, engine_done_fn done,
                                           void *arg)
{
    struct fake_engine *fake = fake_of(engine);

    (void)namespace_name;
    strbuf_clear(&fake->kept_layers);
    for (unsigned i = 0; i < count; i++)
        strbuf_printf(&fake->kept_layers, "%s\n", keep_tags[i]);
    return WITH_DONE(call_new(engine, FAKE_PRUNE_LAYERS, "prune_layers", ""));
}

static struct engine_call *op_create(struct engine *engine,
                                     const struct engine_spec *spec,
                                     engine_id_fn done, void *arg)
{
    struct fake_call *call =
        call_new(engine, FAKE_CREATE, "create", spec->name);

    call->spec = *spec;
    snprintf(call->app, sizeof call->app, "%.*s", SV_ARG(spec->labels.app));
    snprintf(call->revision, sizeof call->revision, "%.*s",
             SV_ARG(spec->labels.revision));
    if (!sv_to_u64(spec->labels.replica, UINT64_MAX, &call->replica))
        abort();
    snprintf(call->reserved, sizeof call->reserved, "%s",
             spec->reserved ? spec->reserved : "");
    for (unsigned i = 0; spec->devices && spec->devices[i]; i++)
        snprintf(call->devices + strlen(call->devices),
                 sizeof call->devices - strlen(call->devices), "%s%s",
                 i ? " " : "", spec->devices[i]);
    return WITH_DONE(call);
}

static struct engine_call *op_init(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg)
{
    return WITH_DONE(call_new(engine, FAKE_INIT, "init", id));
}

static struct engine_call *op_start(struct engine *engine, const char *id,
                                    engine_container_fn done, void *arg)
{
    return WITH_DONE(call_new(engine, FAKE_START, "start", id));
}

static struct engine_call *op_stop(struct engine *engine, const char *id,
                                   uint64_t timeout_ms, engine_done_fn done,
                                   void *arg)
{
    (void)timeout_ms;
    return WITH_DONE(call_new(engine, FAKE_STOP, "stop", id));
}

static struct engine_call *op_remove(struct engine *engine, const char *id,
                                     engine_done_fn done, void *arg)
{
    return WITH_DONE(call_new(engine, FAKE_REMOVE, "remove", id));
}

static struct engine_call *op_update(struct engine *engine, const char *id,
                                     const struct container_settings *limits,
                                     engine_done_fn done, void *arg)
{
    AUTO(auto_free)
    char *text = xasprintf("update memory=%lu pids=%lu",
                           (unsigned long)limits->memory_bytes,
                           (unsigned long)limits->pids);

    return WITH_DONE(call_new(engine, FAKE_UPDATE, text, id));
}

static struct engine_call *op_inspect(struct engine *engine, const char *id,
                                      engine_container_fn done, void *arg)
{
    return WITH_DONE(call_new(engine, FAKE_INSPECT, "inspect", id));
}

static struct engine_call *op_wait(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg)
{
    return WITH_DONE(call_new(engine, FAKE_WAIT, "wait", id));
}

static struct engine_call *op_list(struct engine *engine,
                                   struct strview namespace_name,
                                   engine_list_fn done, void *arg)
{
    (void)namespace_name;
    return WITH_DONE(call_new(engine, FAKE_LIST, "list", ""));
}

/* Of every container: one of that name, with the app's own id. */
static const char *op_sidecar(struct engine *engine, const char *id,
                              const char *sidecar)
{
    const struct fake_container *at = fake_engine_find(fake_of(engine), id);

    return at && strcmp(sidecar, "sidecar") == 0 ? at->container.id : NULL;
}

static struct engine_call *op_logs(struct engine *engine, const char *id,
                                   unsigned tail_lines, size_t max_bytes,
                                   engine_text_fn done, void *arg)
{
    (void)tail_lines;
    (void)max_bytes;
    return WITH_DONE(call_new(engine, FAKE_LOGS, "logs", id));
}

static struct engine_call *
op_follow_logs(struct engine *engine, const char *id, uint32_t tail_lines,
               bool follow, const struct engine_log_reader *reader)
{
    char verb[64];
    struct fake_call *call;

    snprintf(verb, sizeof verb, "follow tail=%d%s", (int)tail_lines,
             follow ? " on" : "");
    call = call_new(engine, FAKE_FOLLOW, verb, id);
    call->reader = *reader;
    return with_done(call, (void (*)(void))reader->done, reader->arg);
}

static void op_hold_logs(struct engine_call *base, bool is_held)
{
    container_of(base, struct fake_call, base)->is_held = is_held;
}

unsigned fake_engine_say(struct fake_engine *fake, const char *id,
                         bool is_stderr, const char *text)
{
    unsigned count = 0;

    LIST_FOREACH_SAFE (&fake->calls, node) {
        struct fake_call *call = container_of(node, struct fake_call, node);

        if (call->kind != FAKE_FOLLOW || call->is_held ||
            strcmp(call->id, id) != 0)
            continue;
        call->reader.on_text(call->reader.arg, is_stderr, sv_of(text));
        count++;
    }
    return count;
}

void fake_engine_end_logs(struct fake_engine *fake, const char *id,
                          const struct err *err)
{
    LIST_FOREACH_SAFE (&fake->calls, node) {
        struct fake_call *call = container_of(node, struct fake_call, node);
        bool is_queued = loop_task_is_pending(&call->task);

        if (call->kind != FAKE_FOLLOW || strcmp(call->id, id) != 0)
            continue;
        finish(fake, call, err);
        if (!is_queued)
            free(call);
    }
}

static struct engine_call *op_prune(struct engine *engine,
                                    struct strview namespace_name,
                                    const char *const *keep_apps,
                                    unsigned count, engine_done_fn done,
                                    void *arg)
{
    (void)namespace_name;
    (void)keep_apps;
    (void)count;
    return WITH_DONE(call_new(engine, FAKE_PRUNE, "prune", ""));
}

static void op_cancel(struct engine_call *base)
{
    struct fake_call *call = container_of(base, struct fake_call, base);
    struct fake_engine *fake = fake_of(base->engine);
    struct err err = {.code = ERR_CANCELLED, .text = "cancelled"};
    bool is_queued = loop_task_is_pending(&call->task);

    finish(fake, call, &err);
    if (!is_queued)
        free(call); /* else run_call() does */
}

static struct engine_handle *op_attach(struct engine *engine,
                                       const struct engine_container *container,
                                       void (*on_exit)(void *arg), void *arg,
                                       struct err *err)
{
    struct fake_engine *fake = fake_of(engine);
    struct fake_container *at = fake_engine_find(fake, container->id);
    struct fake_handle *handle;

    if (!at || !(at->container.is_running || at->container.is_primed)) {
        err_set(err, ERR_NOT_FOUND, "it has ended");
        return NULL;
    }
    if (fake->no_handles) {
        err_set(err, ERR_DENIED, "not permitted");
        return NULL;
    }
    handle = xcalloc(1, sizeof *handle);
    handle->base.engine = engine;
    handle->fake = fake;
    snprintf(handle->id, sizeof handle->id, "%s", container->id);
    handle->on_exit = on_exit;
    handle->arg = arg;
    at->handle = &handle->base;
    return &handle->base;
}

/* At most one at a time, that engine_thaw() and engine_release() end. */
static void cancel_warmth(struct fake_handle *handle)
{
    LIST_FOREACH (&handle->fake->calls, node) {
        struct fake_call *call = container_of(node, struct fake_call, node);

        if ((call->kind == FAKE_FREEZE || call->kind == FAKE_THAW ||
             call->kind == FAKE_HIBERNATE) &&
            strcmp(call->id, handle->id) == 0) {
            op_cancel(&call->base);
            return;
        }
    }
}

static void op_release(struct engine_handle *base)
{
    struct fake_handle *handle = container_of(base, struct fake_handle, base);
    struct fake_container *at = fake_engine_find(handle->fake, handle->id);

    cancel_warmth(handle);
    if (at)
        at->handle = NULL;
    free(handle);
}

static bool op_sockets(struct engine_handle *handle, int family, unsigned count,
                       int *ret_fds, struct err *err)
{
    (void)handle;
    for (unsigned i = 0; i < count; i++) {
        ret_fds[i] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (ret_fds[i] < 0)
            return err_set(err, ERR_LIMIT, "no socket");
    }
    return true;
}

static struct engine_call *warmth_call(struct engine_handle *base,
                                       enum fake_kind kind, const char *verb,
                                       engine_done_fn done, void *arg)
{
    struct fake_handle *handle = container_of(base, struct fake_handle, base);

    return WITH_DONE(call_new(base->engine, kind, verb, handle->id));
}

static struct engine_call *op_freeze(struct engine_handle *base,
                                     engine_done_fn done, void *arg)
{
    return warmth_call(base, FAKE_FREEZE, "freeze", done, arg);
}

/* The app runs from the call on. */
static struct engine_call *op_thaw(struct engine_handle *base,
                                   engine_done_fn done, void *arg)
{
    struct fake_handle *handle = container_of(base, struct fake_handle, base);
    struct fake_container *at = fake_engine_find(handle->fake, handle->id);

    cancel_warmth(handle);
    if (at && handle->fake->fail_count[FAKE_THAW] == 0)
        at->container.is_frozen = false;
    return warmth_call(base, FAKE_THAW, "thaw", done, arg);
}

static struct engine_call *op_hibernate(struct engine_handle *base,
                                        engine_done_fn done, void *arg)
{
    return warmth_call(base, FAKE_HIBERNATE, "hibernate", done, arg);
}

static bool op_memory(struct engine_handle *base,
                      struct engine_memory *ret_memory, struct err *err)
{
    struct fake_handle *handle = container_of(base, struct fake_handle, base);
    struct fake_container *at = fake_engine_find(handle->fake, handle->id);

    if (!at)
        return err_set(err, ERR_NOT_FOUND, "it has ended");
    *ret_memory = at->memory;
    return true;
}

static unsigned op_oom_kills(const struct engine_handle *base)
{
    const struct fake_handle *handle =
        container_of(base, const struct fake_handle, base);
    const struct fake_container *at =
        fake_engine_find(handle->fake, handle->id);

    return at ? at->oom_kills : 0;
}

static const struct engine_ops fake_ops = {
    .free = op_free,
    .check = op_check,
    .image_inspect = op_image,
    .pull = op_pull,
    .secrets = op_secrets,
    .build = op_build,
    .prune_layers = op_prune_layers,
    .create = op_create,
    .init = op_init,
    .start = op_start,
    .update = op_update,
    .stop = op_stop,
    .remove = op_remove,
    .inspect = op_inspect,
    .wait = op_wait,
    .list = op_list,
    .sidecar = op_sidecar,
    .logs = op_logs,
    .follow_logs = op_follow_logs,
    .hold_logs = op_hold_logs,
    .prune = op_prune,
    .cancel = op_cancel,
    .attach = op_attach,
    .release = op_release,
    .sockets = op_sockets,
    .freeze = op_freeze,
    .thaw = op_thaw,
    .hibernate = op_hibernate,
    .memory = op_memory,
    .oom_kills = op_oom_kills,
};

/* --- what tests do --- */

struct fake_engine *fake_engine_new(struct loop *loop)
{
    struct fake_engine *fake = xcalloc(1, sizeof *fake);

    fake->base.ops = &fake_ops;
    fake->base.is_up = true;
    fake->base.capabilities.sockets_inside = true;
    fake->base.capabilities.freezes_by_cgroup = true;
    fake->base.capabilities.can_hibernate = true;
    fake->loop = loop;
    fake->image_is_there = true;
    fake->exit_at_start = -1;
    fake->container_log = "";
    fake->hold[FAKE_FOLLOW] = true;
    snprintf(fake->image_id, sizeof fake->image_id, "sha256:1");
    list_init(&fake->calls);
    return fake;
}

void fake_engine_fail(struct fake_engine *fake, enum fake_kind kind,
                      unsigned count, enum err_code code, const char *text)
{
    fake->fail_count[kind] = count;
    err_set(&fake->fail_with[kind], code, "%s", text);
}

void fake_engine_release(struct fake_engine *fake, enum fake_kind kind)
{
    fake->hold[kind] = false;
    LIST_FOREACH (&fake->calls, node) {
        struct fake_call *call = container_of(node, struct fake_call, node);

        if (call->kind == kind && !loop_task_is_pending(&call->task))
            loop_post(fake->loop, &call->task);
    }
}

void fake_engine_exit(struct fake_engine *fake, const char *id, int exit_code)
{
    struct fake_container *at = fake_engine_find(fake, id);
    struct fake_handle *handle;

    if (!at)
        abort();
    at->container.is_running = false;
    at->container.pid = 0;
    at->container.exit_code = exit_code;
    if (!at->handle)
        return;
    handle = container_of(at->handle, struct fake_handle, base);
    handle->on_exit(handle->arg);
}
