/* engine.c - hand each call to the engine that was made. */
#include "lifecycle/engine.h"

#include <assert.h>

#include "lifecycle/engine_ops.h"

void engine_free(struct engine **engine)
{
    if (!*engine)
        return;
    (*engine)->ops->free(*engine);
    *engine = NULL;
}

bool engine_is_up(const struct engine *engine)
{
    return engine->is_up;
}

const struct engine_capabilities *
engine_capabilities(const struct engine *engine)
{
    return &engine->capabilities;
}

void engine_check(struct engine *engine,
                  const struct container_settings *container,
                  struct strbuf *ret_warnings)
{
    engine->ops->check(engine, container, ret_warnings);
}

struct engine_call *engine_image_inspect(struct engine *engine,
                                         const char *image,
                                         engine_image_fn done, void *arg)
{
    return engine->ops->image_inspect(engine, image, done, arg);
}

struct engine_call *engine_pull(struct engine *engine,
                                const struct engine_pull *pull,
                                engine_progress_fn progress,
                                engine_image_fn done, void *arg)
{
    return engine->ops->pull(engine, pull, progress, done, arg);
}

struct engine_call *engine_build(struct engine *engine,
                                 const struct engine_build *build,
                                 engine_progress_fn progress,
                                 engine_image_fn done, void *arg)
{
    return engine->ops->build(engine, build, progress, done, arg);
}

struct engine_call *engine_prune_layers(struct engine *engine,
                                        struct strview namespace_name,
                                        const char *const *keep_tags,
                                        unsigned count, engine_done_fn done,
                                        void *arg)
{
    return engine->ops->prune_layers(engine, namespace_name, keep_tags, count,
                                     done, arg);
}

struct engine_call *engine_secrets(struct engine *engine,
                                   const char *const *names, unsigned count,
                                   engine_text_fn done, void *arg)
{
    return engine->ops->secrets(engine, names, count, done, arg);
}

struct engine_call *engine_create(struct engine *engine,
                                  const struct engine_spec *spec,
                                  engine_id_fn done, void *arg)
{
    return engine->ops->create(engine, spec, done, arg);
}

struct engine_call *engine_init(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg)
{
    return engine->ops->init(engine, id, done, arg);
}

struct engine_call *engine_start(struct engine *engine, const char *id,
                                 engine_container_fn done, void *arg)
{
    return engine->ops->start(engine, id, done, arg);
}

struct engine_call *engine_update(struct engine *engine, const char *id,
                                  const struct container_settings *limits,
                                  engine_done_fn done, void *arg)
{
    return engine->ops->update(engine, id, limits, done, arg);
}

struct engine_call *engine_stop(struct engine *engine, const char *id,
                                uint64_t timeout_ms, engine_done_fn done,
                                void *arg)
{
    return engine->ops->stop(engine, id, timeout_ms, done, arg);
}

struct engine_call *engine_remove(struct engine *engine, const char *id,
                                  engine_done_fn done, void *arg)
{
    return engine->ops->remove(engine, id, done, arg);
}

struct engine_call *engine_inspect(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg)
{
    return engine->ops->inspect(engine, id, done, arg);
}

struct engine_call *engine_wait(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg)
{
    return engine->ops->wait(engine, id, done, arg);
}

struct engine_call *engine_list(struct engine *engine,
                                struct strview namespace_name,
                                engine_list_fn done, void *arg)
{
    return engine->ops->list(engine, namespace_name, done, arg);
}

const char *engine_sidecar(struct engine *engine, const char *id,
                           const char *sidecar)
{
    return engine->ops->sidecar(engine, id, sidecar);
}

struct engine_call *engine_logs(struct engine *engine, const char *id,
                                unsigned tail_lines, size_t max_bytes,
                                engine_text_fn done, void *arg)
{
    return engine->ops->logs(engine, id, tail_lines, max_bytes, done, arg);
}

struct engine_call *engine_follow_logs(struct engine *engine, const char *id,
                                       uint32_t tail_lines, bool follow,
                                       const struct engine_log_reader *reader)
{
    return engine->ops->follow_logs(engine, id, tail_lines, follow, reader);
}

void engine_hold_logs(struct engine_call *call, bool is_held)
{
    call->engine->ops->hold_logs(call, is_held);
}

struct engine_call *engine_prune(struct engine *engine,
                                 struct strview namespace_name,
                                 const char *const *keep_apps, unsigned count,
                                 engine_done_fn done, void *arg)
{
    return engine->ops->prune(engine, namespace_name, keep_apps, count, done,
                              arg);
}

void engine_cancel(struct engine_call **call)
{
    struct engine_call *it = TAKE(*call);

    if (it)
        it->engine->ops->cancel(it);
}

struct engine_handle *engine_attach(struct engine *engine,
                                    const struct engine_container *container,
                                    void (*on_exit)(void *arg), void *arg,
                                    struct err *err)
{
    return engine->ops->attach(engine, container, on_exit, arg, err);
}

void engine_release(struct engine_handle **handle)
{
    struct engine_handle *it = TAKE(*handle);

    if (it)
        it->engine->ops->release(it);
}

bool engine_sockets(struct engine_handle *handle, int family, unsigned count,
                    int *ret_fds, struct err *err)
{
    assert(count >= 1 && count <= ENGINE_MAX_SOCKETS);
    return handle->engine->ops->sockets(handle, family, count, ret_fds, err);
}

struct engine_call *engine_freeze(struct engine_handle *handle,
                                  engine_done_fn done, void *arg)
{
    return handle->engine->ops->freeze(handle, done, arg);
}

struct engine_call *engine_thaw(struct engine_handle *handle,
                                engine_done_fn done, void *arg)
{
    return handle->engine->ops->thaw(handle, done, arg);
}

struct engine_call *engine_hibernate(struct engine_handle *handle,
                                     engine_done_fn done, void *arg)
{
    return handle->engine->ops->hibernate(handle, done, arg);
}

bool engine_memory(struct engine_handle *handle,
                   struct engine_memory *ret_memory, struct err *err)
{
    return handle->engine->ops->memory(handle, ret_memory, err);
}

unsigned engine_oom_kills(const struct engine_handle *handle)
{
    return handle->engine->ops->oom_kills(handle);
}
