/* front_supervisor.h - keeps a front running: starts it, speaks with it over
 * the channel, starts the next one when it dies.
 *
 * A front that had reported ready is replaced at once; one that ends before
 * is a loop of crashes, and waits 0.1 s doubling to 5 s. Thread: keeper main.
 */
#ifndef LIFECYCLE_FRONT_SUPERVISOR_H
#define LIFECYCLE_FRONT_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lifecycle/front_process.h"
#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/channel.h"

struct front_supervisor; /* opaque; defined in front_supervisor.c */
struct loop;
struct timers;

struct front_supervisor_options {
    struct loop *loop;
    struct timers *timers;
    const char *exe; /* as front_process_options has them */
    char *const *argv;
    struct front_identity identity;
    /* A new front listens on `channel`: send it all it needs, up to GO. */
    void (*on_start)(void *arg, struct channel *channel);
    /* It answered READY: it has started, or reloaded. */
    void (*on_ready)(void *arg, uint64_t generation);
    /* Any other message; fds as channel_message_fn has them. */
    void (*on_message)(void *arg, enum channel_type type,
                       struct strview payload, int *fds, unsigned fd_count);
    /* It is gone, and its channel with it; another will be started. */
    void (*on_down)(void *arg);
    /* After front_supervisor_drain(): it has ended. May free all. */
    void (*on_finished)(void *arg);
    void *arg;
};

/* Start the first front. NULL when even that is not possible. Copies options
 * but for what they point to; no hook but on_start runs within this call. */
MUST_USE struct front_supervisor *
front_supervisor_new(const struct front_supervisor_options *options,
                     struct err *err);
/* Kills a front that still runs. NULL is skipped. */
void front_supervisor_free(struct front_supervisor **supervisor);

/* NULL while there is no front: sending to it drops the message. */
struct channel *
front_supervisor_channel(const struct front_supervisor *supervisor);
bool front_supervisor_is_ready(const struct front_supervisor *supervisor);
/* 0: none now. */
pid_t front_supervisor_pid(const struct front_supervisor *supervisor);
/* Fronts that ended unasked. */
uint64_t front_supervisor_restarts(const struct front_supervisor *supervisor);

/* Have the front finish what is in flight within timeout_ms, and end; start no
 * other. One that is still there a second later is killed. May be called again
 * with a shorter time. */
void front_supervisor_drain(struct front_supervisor *supervisor,
                            uint64_t timeout_ms);

#endif
