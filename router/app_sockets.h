/* app_sockets.h - sockets for connections to replicas, made by the keeper:
 * unconnected ones of the replica's network namespace, or connected ones.
 *
 * Thread: any, unless told.
 */
#ifndef ROUTER_APP_SOCKETS_H
#define ROUTER_APP_SOCKETS_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/replica_ref.h"

struct app;

struct socket_waiter { /* embedded; alive until on_socket ran or cancelled */
    struct loop *loop;
    void (*on_socket)(struct socket_waiter *waiter);
    int fd; /* -1: failed; errno_value says why */
    int errno_value;
    /* app.c's: */
    struct replica_ref *replica;
    bool is_waiting;
    struct list node;
    struct loop_task task;
};

/* A socket of the replica's stash, or -1 when it has none: then the waiter
 * gets the next one that arrives. Asks for more through the hook when the
 * stash runs low (CONNECT_INSIDE) or one for this waiter (CONNECT_KEEPER,
 * which has no stash: an unused connection would be one of the app's).
 * Whoever takes must hold a slot or tunnel of the replica, or be main. */
int app_take_socket(struct replica_ref *replica, struct socket_waiter *waiter);
/* As app_leave(). Main, where it waits without a slot, leaves before it removes
 * the replica. */
MUST_USE bool app_leave_socket(struct socket_waiter *waiter);
/* From the channel: the answer to one ask, or a first stash. Takes fds;
 * fd_count 0: errno_value goes to one waiter (CONNECT_KEEPER) or all.
 * Thread: main. */
void app_add_sockets(struct replica_ref *replica, const int *fds,
                     unsigned fd_count, int errno_value);
/* Close what is in the stash (sockets of the wrong family). Thread: main. */
void app_drop_sockets(struct replica_ref *replica);
/* Called on main's loop when sockets are wanted: send SOCKETS_WANTED.
 * Thread: main, before workers run. */
void app_set_socket_hook(struct app *app,
                         void (*hook)(struct replica_ref *replica,
                                      unsigned count, void *arg),
                         void *arg);

#endif
