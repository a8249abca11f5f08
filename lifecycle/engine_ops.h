/* engine_ops.h - what an engine implements: podman.c, and fakes in tests.
 *
 * One function for each call of engine.h, of the same contract. An engine
 * embeds `struct engine` as its first member, and so do its calls and handles
 * with theirs.
 */
#ifndef LIFECYCLE_ENGINE_OPS_H
#define LIFECYCLE_ENGINE_OPS_H

#include "lifecycle/engine.h"

struct engine {
    const struct engine_ops *ops;
    struct engine_capabilities capabilities;
    bool is_up;
};

struct engine_call {
    struct engine *engine;
};

struct engine_handle {
    struct engine *engine;
};

struct engine_ops {
    void (*free)(struct engine *engine);
    void (*check)(struct engine *engine,
                  const struct container_settings *container,
                  struct strbuf *ret_warnings);
    struct engine_call *(*image_inspect)(struct engine *engine,
                                         const char *image,
                                         engine_image_fn done, void *arg);
    struct engine_call *(*pull)(struct engine *engine,
                                const struct engine_pull *pull,
                                engine_progress_fn progress,
                                engine_image_fn done, void *arg);
    struct engine_call *(*build)(struct engine *engine,
                                 const struct engine_build *build,
                                 engine_progress_fn progress,
                                 engine_image_fn done, void *arg);
    struct engine_call *(*prune_layers)(struct engine *engine,
                                        struct strview namespace_name,
                                        const char *const *keep_tags,
                                        unsigned count, engine_done_fn done,
                                        void *arg);
    struct engine_call *(*secrets)(struct engine *engine,
                                   const char *const *names, unsigned count,
                                   engine_text_fn done, void *arg);
    struct engine_call *(*create)(struct engine *engine,
                                  const struct engine_spec *spec,
                                  engine_id_fn done, void *arg);
    struct engine_call *(*init)(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg);
    struct engine_call *(*start)(struct engine *engine, const char *id,
                                 engine_container_fn done, void *arg);
    struct engine_call *(*update)(struct engine *engine, const char *id,
                                  const struct container_settings *limits,
                                  engine_done_fn done, void *arg);
    struct engine_call *(*stop)(struct engine *engine, const char *id,
                                uint64_t timeout_ms, engine_done_fn done,
                                void *arg);
    struct engine_call *(*remove)(struct engine *engine, const char *id,
                                  engine_done_fn done, void *arg);
    struct engine_call *(*inspect)(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg);
    struct engine_call *(*wait)(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg);
    struct engine_call *(*list)(struct engine *engine,
                                struct strview namespace_name,
                                engine_list_fn done, void *arg);
    const char *(*sidecar)(struct engine *engine, const char *id,
                           const char *sidecar);
    struct engine_call *(*logs)(struct engine *engine, const char *id,
                                unsigned tail_lines, size_t max_bytes,
                                engine_text_fn done, void *arg);
    struct engine_call *(*follow_logs)(struct engine *engine, const char *id,
                                       uint32_t tail_lines, bool follow,
                                       const struct engine_log_reader *reader);
    void (*hold_logs)(struct engine_call *call, bool is_held);
    struct engine_call *(*prune)(struct engine *engine,
                                 struct strview namespace_name,
                                 const char *const *keep_apps, unsigned count,
                                 engine_done_fn done, void *arg);
    void (*cancel)(struct engine_call *call);
    struct engine_handle *(*attach)(struct engine *engine,
                                    const struct engine_container *container,
                                    void (*on_exit)(void *arg), void *arg,
                                    struct err *err);
    void (*release)(struct engine_handle *handle);
    bool (*sockets)(struct engine_handle *handle, int family, unsigned count,
                    int *ret_fds, struct err *err);
    struct engine_call *(*freeze)(struct engine_handle *handle,
                                  engine_done_fn done, void *arg);
    struct engine_call *(*thaw)(struct engine_handle *handle,
                                engine_done_fn done, void *arg);
    struct engine_call *(*hibernate)(struct engine_handle *handle,
                                     engine_done_fn done, void *arg);
    bool (*memory)(struct engine_handle *handle,
                   struct engine_memory *ret_memory, struct err *err);
    unsigned (*oom_kills)(const struct engine_handle *handle);
};

#endif
