/* front_process.h - the front's process: started anew from this very binary,
 * stripped of every right it does not need, and watched.
 *
 * Nothing is inherited by accident: an own session, default signals, few
 * variables of the environment, and these descriptors: 0 and 1 /dev/null,
 * 2 the keeper's stderr, FRONT_CHANNEL_FD the channel. Thread: keeper main,
 * the only thread of its process.
 */
#ifndef LIFECYCLE_FRONT_PROCESS_H
#define LIFECYCLE_FRONT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "router/base/attr.h"
#include "router/base/err.h"

#define FRONT_CHANNEL_FD 3

struct loop;
struct front_process; /* opaque; defined in front_process.c */

/* Whom the front runs as. */
struct front_identity {
    bool changes_user; /* false: as this process (it is not root) */
    uid_t uid;
    gid_t gid;
};

/* user: a name; NULL: `berth` where there is such a user, else `nobody`. Not
 * root, or root of a user namespace that does not map that user: stays who it
 * is. Fails with ERR_NOT_FOUND, or ERR_INVALID where user is root. */
MUST_USE bool front_identity_find(const char *user,
                                  struct front_identity *ret_identity,
                                  struct err *err);

struct front_process_options {
    struct loop *loop;
    const char *exe;   /* NULL: /proc/self/exe */
    char *const *argv; /* NULL-terminated */
    struct front_identity identity;
    /* It ended; how: "exited with code 1", "killed by signal 9 (Killed)".
     * Never within a call of ours. The process may be freed in it. */
    void (*on_exit)(void *arg, const char *how);
    void *arg;
};

/* Start it; returns once it has exec'ed (milliseconds). ret_channel_fd: our
 * end of the channel, the caller's. NULL: err says which step failed. Copies
 * options but for what they point to. */
MUST_USE struct front_process *
front_process_start(const struct front_process_options *options,
                    int *ret_channel_fd, struct err *err);

pid_t front_process_pid(const struct front_process *process);

/* SIGKILL; on_exit follows. */
void front_process_kill(struct front_process *process);

/* Forget it; one that still runs is killed, and waited for. NULL is skipped.
 */
void front_process_free(struct front_process **process);

#endif
