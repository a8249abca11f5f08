/* engine.h - what runs containers, as the fleet sees it.
 *
 * Podman is behind it here; another engine may come later, so nothing here
 * assumes a local process, a path or Podman's JSON. Containers are named by
 * the engine's opaque ids. Thread: keeper main, for all of it.
 *
 * Calls that return an engine_call are asynchronous: they return at once, and
 * their callback runs on the keeper's loop, exactly once and never within the
 * call that starts it; each ends by a time-out of its own. In the callback
 * err is NULL on success; what it is given is borrowed until it returns. The
 * caller forgets its engine_call pointer there: it is no longer valid.
 *
 * Longer than a header should be, so that whoever writes another engine finds
 * the whole contract in one place; the values are in engine_types.h.
 */
#ifndef LIFECYCLE_ENGINE_H
#define LIFECYCLE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine_types.h"
#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

struct engine;        /* engine_ops.h; made by podman_new() */
struct engine_call;   /* one call under way */
struct engine_handle; /* one container that runs or is primed, held */

/* Stop what the engine runs for itself (not the containers), end all calls
 * (ERR_CANCELLED), then free. Handles must be released before. */
void engine_free(struct engine **engine);

/* Between on_up and on_down. Calls may be made at any time: while it is down
 * they fail, mostly at once, with ERR_UNAVAILABLE. */
bool engine_is_up(const struct engine *engine);
/* As of the last on_up. Borrowed. */
const struct engine_capabilities *
engine_capabilities(const struct engine *engine);

/* What of these settings cannot be had on this host and is lowered instead
 * (ulimits), as lines of text; nothing is added when all is well. */
void engine_check(struct engine *engine,
                  const struct container_settings *container,
                  struct strbuf *ret_warnings);

/* ERR_NOT_FOUND: there is no such image locally. */
struct engine_call *engine_image_inspect(struct engine *engine,
                                         const char *image,
                                         engine_image_fn done, void *arg);
/* pull: copied. progress: may be NULL. ERR_NOT_FOUND: the registry has no such
 * image; ERR_DENIED: it wants other credentials. One attempt, no retries. */
struct engine_call *engine_pull(struct engine *engine,
                                const struct engine_pull *pull,
                                engine_progress_fn progress,
                                engine_image_fn done, void *arg);
/* Reads build->context_fd until done has run; copies the rest. What failed, and
 * the last lines that it said, are err's text. */
struct engine_call *engine_build(struct engine *engine,
                                 const struct engine_build *build,
                                 engine_progress_fn progress,
                                 engine_image_fn done, void *arg);
/* Remove the images that engine_build() made for the namespace, but for the
 * tags named. ERR_EXISTS: some are still in use; the others are gone. */
struct engine_call *engine_prune_layers(struct engine *engine,
                                        struct strview namespace_name,
                                        const char *const *keep_tags,
                                        unsigned count, engine_done_fn done,
                                        void *arg);
/* Ids of secrets, a line each, in the order of names (copied): one that is
 * made anew has another. ERR_NOT_FOUND: there is none of a name. */
struct engine_call *engine_secrets(struct engine *engine,
                                   const char *const *names, unsigned count,
                                   engine_text_fn done, void *arg);
/* ERR_NOT_FOUND: the image is not there; ERR_EXISTS: the name is taken. With
 * sidecars: all or none of the pod is made, and the calls below are about the
 * pod as a whole: sidecars are started and ready before the app and stopped
 * after it, and are started again when they die while the app is held. */
struct engine_call *engine_create(struct engine *engine,
                                  const struct engine_spec *spec,
                                  engine_id_fn done, void *arg);
/* Everything but the app's process: namespaces, cgroup, network, port. done
 * gets its pid, which is that of the app later, so it can be held already. A
 * container whose init failed is to be removed. */
struct engine_call *engine_init(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg);
/* After it the container runs, primed before or not: done gets its pid and
 * published port. When it ended at once: ERR_FAILED, and container is there
 * too, with its exit code. A container that failed to start is to be removed,
 * not started again. */
struct engine_call *engine_start(struct engine *engine, const char *id,
                                 engine_container_fn done, void *arg);
/* Give a container other cpus, memory and pids, as `limits` has them (0: none),
 * while it runs. ERR_NOT_FOUND: it is gone. */
struct engine_call *engine_update(struct engine *engine, const char *id,
                                  const struct container_settings *limits,
                                  engine_done_fn done, void *arg);
/* Its stop signal, then kill after timeout_ms (whole seconds, rounded up). One
 * that is frozen is thawed first. Not running, or not there, is success. */
struct engine_call *engine_stop(struct engine *engine, const char *id,
                                uint64_t timeout_ms, engine_done_fn done,
                                void *arg);
/* Kill and remove, frozen or not. Not there is success. */
struct engine_call *engine_remove(struct engine *engine, const char *id,
                                  engine_done_fn done, void *arg);
struct engine_call *engine_inspect(struct engine *engine, const char *id,
                                   engine_container_fn done, void *arg);
/* After on_exit: inspect again until the engine knows the end (at most 5 s,
 * then ERR_TIMEOUT); done gets the exit code. */
struct engine_call *engine_wait(struct engine *engine, const char *id,
                                engine_container_fn done, void *arg);
/* All containers of the namespace, running or not. */
struct engine_call *engine_list(struct engine *engine,
                                struct strview namespace_name,
                                engine_list_fn done, void *arg);
/* The container of a sidecar, for engine_logs() and engine_follow_logs(). id:
 * the app's. NULL: there is none of that name. Borrowed until the next call. */
const char *engine_sidecar(struct engine *engine, const char *id,
                           const char *sidecar);
/* The last lines of both streams, at most max_bytes (the newest), in order. */
struct engine_call *engine_logs(struct engine *engine, const char *id,
                                unsigned tail_lines, size_t max_bytes,
                                engine_text_fn done, void *arg);
/* The output of a container as it comes: the last tail_lines (UINT32_MAX: all
 * that is kept), and where follow is set, what comes until it ends. done: it
 * has ended, or cannot be read. No time-out but the caller's. */
struct engine_call *engine_follow_logs(struct engine *engine, const char *id,
                                       uint32_t tail_lines, bool follow,
                                       const struct engine_log_reader *reader);
/* Of a call of engine_follow_logs(): read no more until it is let go. What has
 * been read already may still come. May be called from within on_text. */
void engine_hold_logs(struct engine_call *call, bool is_held);
/* Remove what the engine keeps for apps beside containers (their private
 * networks), but for the apps named: after adoption, and when a reload has
 * removed an app and its containers are gone. What is still in use stays. */
struct engine_call *engine_prune(struct engine *engine,
                                 struct strview namespace_name,
                                 const char *const *keep_apps, unsigned count,
                                 engine_done_fn done, void *arg);
/* The callback runs, with ERR_CANCELLED, before this returns; *call is NULL
 * then. NULL is skipped. What was asked for may happen all the same. */
void engine_cancel(struct engine_call **call);

/* Hold a running or primed container: on_exit runs once, the moment its main
 * process ends (never within this call; the engine may not know of the end yet,
 * see engine_wait()). Synchronous, microseconds. on_exit may release the
 * handle. NULL with ERR_NOT_FOUND: it has ended already; ERR_DENIED: not
 * permitted. */
MUST_USE struct engine_handle *
engine_attach(struct engine *engine, const struct engine_container *container,
              void (*on_exit)(void *arg), void *arg, struct err *err);
/* Ends the handle's calls first (ERR_CANCELLED). NULL is skipped. A frozen
 * container stays frozen. */
void engine_release(struct engine_handle **handle);

/* Freeze, of a running container: done once all of it stands still; also
 * success where it was frozen before. ERR_TIMEOUT: something in it cannot be
 * frozen now; it has been thawed again. Cancelled: thaw it, to be sure. Where
 * capabilities.freezes_by_cgroup, freeze and thaw are begun within the call:
 * when engine_thaw() returns, the app is already waking up.
 * One call of a handle at a time, but that engine_thaw() ends (ERR_CANCELLED)
 * a freeze or a hibernation under way. */
struct engine_call *engine_freeze(struct engine_handle *handle,
                                  engine_done_fn done, void *arg);
struct engine_call *engine_thaw(struct engine_handle *handle,
                                engine_done_fn done, void *arg);
/* Write the memory of a frozen container out to swap; it stays frozen. A small
 * part that cannot be written out stays resident, which is no failure.
 * ERR_LIMIT: swap has no room for it, and nothing, or only a part, was done;
 * ERR_DENIED: not possible here; ERR_INVALID: it is not frozen. Takes as long
 * as the writing (ERR_TIMEOUT: minutes); cancelled: stops soon, and what was
 * written out stays there until it is touched. */
struct engine_call *engine_hibernate(struct engine_handle *handle,
                                     engine_done_fn done, void *arg);
/* Synchronous, microseconds. ERR_DENIED, ERR_NOT_FOUND. */
MUST_USE bool engine_memory(struct engine_handle *handle,
                            struct engine_memory *ret_memory, struct err *err);
/* How many of its processes the kernel has killed for want of memory; from
 * on_exit on, as of the end. 0 also where that cannot be seen. */
unsigned engine_oom_kills(const struct engine_handle *handle);

/* Make count (1 to ENGINE_MAX_SOCKETS) unconnected TCP sockets of family
 * (AF_INET, AF_INET6) inside the container's network namespace, non-blocking,
 * close-on-exec. All or none; the caller owns ret_fds. Synchronous,
 * microseconds. Fails with ERR_DENIED, ERR_NOT_FOUND (it has ended),
 * ERR_LIMIT (out of descriptors). */
#define ENGINE_MAX_SOCKETS 64
MUST_USE bool engine_sockets(struct engine_handle *handle, int family,
                             unsigned count, int *ret_fds, struct err *err);

/* Given to the engine when it is made. None runs within a call of ours. */
struct engine_events {
    /* A container of the namespace died. May come late, more than once, and
     * for containers long removed. exit_code: -1 when it is not known. */
    void (*on_died)(void *arg, const char *id, int exit_code);
    /* A sidecar of a container that is held has ended and will be started again
     * (why says when and what), or runs again (why is NULL). Nobody has to do
     * anything about it; may be NULL. */
    void (*on_sidecar)(void *arg, const char *id, const char *sidecar,
                       const char *why);
    /* The engine cannot be used (for now), and why and what to do about it;
     * once, also when the first attempt to reach it fails. */
    void (*on_down)(void *arg, const struct err *err);
    /* It can be used (again): everything must be listed anew. */
    void (*on_up)(void *arg, const struct engine_capabilities *capabilities);
    void *arg;
};

#endif
