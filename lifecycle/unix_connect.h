/* unix_connect.h - connect to a Unix socket in a directory that an app writes.
 *
 * What lies there is the app's doing: a symbolic link could lead to any socket
 * that the keeper, as root, may open. So the name is opened without following
 * links, must be a socket, and is connected through the descriptor. Blocks at
 * most as long as connect() of a non-blocking Unix socket: never. Thread: any.
 */
#ifndef LIFECYCLE_UNIX_CONNECT_H
#define LIFECYCLE_UNIX_CONNECT_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

/* path: dir/NAME, where only the last part is the app's to write (dir is
 * berth's own, see socket_dir.h). ret_fd: connected, non-blocking,
 * close-on-exec, the caller's. Fails with ERR_NOT_FOUND (not there yet),
 * ERR_UNAVAILABLE (nobody listens, or its backlog is full: try again),
 * ERR_DENIED (a link, or no socket), ERR_LIMIT, ERR_INVALID. */
MUST_USE bool unix_connect(const char *path, int *ret_fd, struct err *err);

#endif
