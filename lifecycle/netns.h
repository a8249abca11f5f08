/* netns.h - a container's process and its network namespace, held by
 * descriptors, and sockets that are made inside.
 *
 * A socket belongs to the namespace in which it was made, wherever its user
 * is. So the thread enters the namespace, makes the sockets and comes back
 * (2 us and more); where it could not come back (from a user namespace of its
 * own: podman unshare), another thread goes and ends there (46 us). Thread:
 * any, each with a netns_home of its own.
 */
#ifndef LIFECYCLE_NETNS_H
#define LIFECYCLE_NETNS_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

/* A running process: while pidfd is open, its number means no other one to
 * us, since whoever asks the pidfd first learns whether it still lives. */
struct netns_process {
    int pidfd; /* readable once it has ended */
    int netns; /* -1: may not be opened; why stands in netns_errno */
    int netns_errno;
};

/* Hold process `pid`, which must be that of container `id`: its cgroup or its
 * parent's (conmon's) command line says so. Fails with ERR_NOT_FOUND (it has
 * ended), ERR_DENIED (it is not the container's, or not for us to see). */
MUST_USE bool netns_process_open(int pid, const char *id,
                                 struct netns_process *ret_process,
                                 struct err *err);
void netns_process_close(struct netns_process *process);
bool netns_process_has_ended(const struct netns_process *process);

/* A descriptor of the namespace that the calling thread is in, when it may
 * come back to it; else -1. The caller closes it. */
MUST_USE int netns_home_open(void);

/* Make count TCP sockets of family inside; all or none. Non-blocking and
 * close-on-exec. home: of netns_home_open(), -1 included. Aborts when the way
 * home fails all the same: the process would be lost in the container's
 * network. Fails with ERR_NOT_FOUND, ERR_DENIED, ERR_LIMIT, ERR_IO. */
MUST_USE bool netns_sockets(const struct netns_process *process, int home,
                            int family, unsigned count, int *ret_fds,
                            struct err *err);

/* Whether this process may enter network namespaces at all. */
bool netns_is_permitted(void);

#endif
