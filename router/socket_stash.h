/* socket_stash.h - sockets for one replica that the keeper made ahead of need,
 * and who waits for one.
 *
 * It decides how many to ask for: with a stash (CONNECT_INSIDE) whenever it
 * runs low, one ask at a time; without (CONNECT_KEEPER) one for each waiter.
 * Thread: guarded by the app's lock.
 */
#ifndef ROUTER_SOCKET_STASH_H
#define ROUTER_SOCKET_STASH_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/replica_ref.h"

struct socket_waiter;

#define SOCKET_STASH_MAX    64
#define SOCKET_STASH_TARGET 16
#define SOCKET_STASH_LOW    8
#define SOCKET_ASK_MAX      64 /* descriptors that one message carries */

struct socket_stash {
    enum connect_kind connect;
    unsigned count;
    int fds[SOCKET_STASH_MAX]; /* the newest last */
    struct list waiters;
    uint32_t waiter_count;
    uint32_t unasked; /* CONNECT_KEEPER: waiters that none was asked for */
    bool is_asking;   /* CONNECT_INSIDE: an answer is awaited */
    bool is_low;      /* CONNECT_INSIDE: one was taken since the last ask */
};

void socket_stash_init(struct socket_stash *stash, enum connect_kind connect);

/* A socket, or -1 and the waiter is in the list. */
int socket_stash_take(struct socket_stash *stash, struct socket_waiter *waiter);
/* A waiter that is in the list leaves it. */
void socket_stash_leave(struct socket_stash *stash,
                        struct socket_waiter *waiter);

/* How many should be asked for now, 0: none; socket_stash_ask() says that they
 * will be. */
uint32_t socket_stash_wanted(const struct socket_stash *stash);
uint32_t socket_stash_ask(struct socket_stash *stash);

/* One answer came, or a first stash. Takes fds. Calls resolve(waiter) for each
 * waiter that got a socket (fd) or failed (fd -1, errno_value), unlinked.
 * Those of no use are closed. */
void socket_stash_add(struct socket_stash *stash, const int *fds,
                      unsigned fd_count, int errno_value,
                      void (*resolve)(struct socket_waiter *waiter));
/* All waiters fail. */
void socket_stash_fail(struct socket_stash *stash, int errno_value,
                       void (*resolve)(struct socket_waiter *waiter));
/* Empty it into ret_fds[SOCKET_STASH_MAX]; returns how many there were. */
unsigned socket_stash_empty(struct socket_stash *stash, int *ret_fds);
/* Close what was emptied: not under the lock. */
void socket_stash_close(const int *fds, unsigned count);

#endif
