/* socket_dir.h - the directories in which apps make their Unix sockets.
 *
 * STATE_DIR/sockets may be entered by berth only (0700); the directory of one
 * replica in it is writable for all (0777), since nobody knows which user an
 * app runs as, and is mounted into its container. Thread: any.
 */
#ifndef LIFECYCLE_SOCKET_DIR_H
#define LIFECYCLE_SOCKET_DIR_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

/* Make STATE_DIR/sockets/NAME, empty. name: one plain path component, the
 * container's name. ret_dir: its absolute path, malloc'ed. Fails with
 * ERR_INVALID when STATE_DIR/sockets/NAME/SOCKET would be too long for a
 * socket's address (107 bytes); ERR_DENIED when something else than a
 * directory of ours is in the way. */
MUST_USE bool socket_dir_make(const char *state_dir, const char *name,
                              const char *socket, char **ret_dir,
                              struct err *err);

/* Remove it with what the app left in it, following no links. Best effort. */
void socket_dir_remove(const char *state_dir, const char *name);

/* Remove all but the count names in keep: what a killed berth left behind. */
void socket_dir_sweep(const char *state_dir, const char *const *keep,
                      unsigned count);

#endif
