/* engine.h - what runs containers, as the fleet sees it.
 *
 * Podman is behind it here; another engine may come later, so nothing here
 * assumes a local process, a path or Podman's JSON. Replicas are named by the
 * engine's opaque ids. Every call is asynchronous: it returns at once, and its
 * callback runs on the keeper's loop, exactly once, also after a time-out or
 * engine_cancel() (ERR_CANCELLED, then within the call). Thread: keeper main.
 */
#ifndef LIFECYCLE_ENGINE_H
#define LIFECYCLE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct engine;
struct engine_call; /* one call under way; NULL once its callback ran */
struct container_settings;

/* What this engine can do on this host. */
struct engine_capabilities {
    char name[32];    /* "podman" */
    char version[32]; /* "4.3.1" */
    bool sockets_inside; /* engine_sockets() works: `port inside` */
    bool can_raise_nothing; /* RLIMIT hard limits cap what containers get */
    bool rootless;
};

/* The labels that make a container berth's; the only record there is. */
struct engine_labels {
    struct strview namespace_name;
    struct strview app;
    struct strview revision; /* hex */
    struct strview replica;  /* decimal id, unique in the namespace */
};

/* What is made from an app's settings. All borrowed for the call. */
struct engine_spec {
    const struct container_settings *container;
    struct engine_labels labels;
    const char *name;       /* of the container: berth-NS-APP-ID */
    uint32_t port;          /* resolved: what the app shall listen on */
    bool publish;           /* on a free port of 127.0.0.1 */
    const char *socket_dir; /* host directory to mount, or NULL */
};

struct engine_image {
    char id[80];
    uint32_t exposed_port; /* the one EXPOSE; 0: none or several */
};

/* A container as it is now. */
struct engine_container {
    char id[80];
    char name[128];
    char app[128];      /* from its labels */
    char revision[80];
    uint64_t replica;   /* 0: label missing */
    bool is_running;
    bool is_created;    /* created or initialised, never started */
    int pid;            /* 0: not running */
    int exit_code;
    uint32_t port;      /* label: what the app listens on inside */
    uint32_t host_port; /* published on 127.0.0.1; 0: none */
    bool inside;        /* label: reached inside its network namespace */
    char socket_path[108]; /* label: Unix socket on the host; "": none */
    char image_id[80];
};

typedef void (*engine_done_fn)(void *arg, const struct err *err);
typedef void (*engine_id_fn)(void *arg, const char *id,
                             const struct err *err);
typedef void (*engine_image_fn)(void *arg, const struct engine_image *image,
                                const struct err *err);
typedef void (*engine_container_fn)(void *arg,
                                    const struct engine_container *container,
                                    const struct err *err);
typedef void (*engine_list_fn)(void *arg,
                               const struct engine_container *containers,
                               unsigned count, const struct err *err);
/* err NULL: success, here and above. */

/* ERR_NOT_FOUND: there is no such image locally. */
struct engine_call *engine_image_inspect(struct engine *engine,
                                         const char *image,
                                         engine_image_fn done, void *arg);
/* progress: "layers done/known" text, may be NULL. */
struct engine_call *engine_pull(struct engine *engine, const char *image,
                                uint64_t timeout_ms,
                                void (*progress)(void *arg, const char *text),
                                engine_image_fn done, void *arg);
struct engine_call *engine_create(struct engine *engine,
                                  const struct engine_spec *spec,
                                  engine_id_fn done, void *arg);
/* After it the container runs: done gets its pid and published port. */
struct engine_call *engine_start(struct engine *engine, const char *id,
                                 engine_container_fn done, void *arg);
/* Its stop signal, then kill after timeout_ms. Not running is success. */
struct engine_call *engine_stop(struct engine *engine, const char *id,
                                uint64_t timeout_ms, engine_done_fn done,
                                void *arg);
/* Kill and remove. Not there is success. */
struct engine_call *engine_remove(struct engine *engine, const char *id,
                                  engine_done_fn done, void *arg);
struct engine_call *engine_inspect(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg);
/* All containers of the namespace, running or not. */
struct engine_call *engine_list(struct engine *engine,
                                struct strview namespace_name,
                                engine_list_fn done, void *arg);
/* The last lines of both streams, at most max_bytes, in order. */
struct engine_call *engine_logs(struct engine *engine, const char *id,
                                unsigned tail_lines, size_t max_bytes,
                                void (*done)(void *arg, struct strview text,
                                             const struct err *err),
                                void *arg);
void engine_cancel(struct engine_call **call);

/* Make count sockets of family inside the running container's network
 * namespace; ret_fds has room. Synchronous, microseconds. Fails with
 * ERR_DENIED, ERR_NOT_FOUND (it is gone). */
MUST_USE bool engine_sockets(struct engine *engine,
                             const struct engine_container *container,
                             int family, unsigned count, int *ret_fds,
                             struct err *err);

/* Events: a container of the namespace died; the engine went away or came
 * back (then everything must be listed again). */
struct engine_events {
    void (*on_died)(void *arg, const char *id, int exit_code);
    void (*on_down)(void *arg, const struct err *err);
    void (*on_up)(void *arg, const struct engine_capabilities *capabilities);
    void *arg;
};

#endif
