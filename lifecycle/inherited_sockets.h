/* inherited_sockets.h - listening sockets that were passed to this process
 * when it was started (socket activation: sd_listen_fds(3)).
 *
 * The list is the process's own, as the environment is that it comes from.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_INHERITED_SOCKETS_H
#define LIFECYCLE_INHERITED_SOCKETS_H

#include "router/base/address.h"
#include "router/base/strbuf.h"

#define INHERITED_SOCKETS_FIRST 3 /* sd_listen_fds(3): SD_LISTEN_FDS_START */

/* Read LISTEN_PID and LISTEN_FDS, whose descriptors begin with first_fd, and
 * remove the variables, so that no child takes them for its own. Until then,
 * and where they are not for this process, there are none. Call it once. */
void inherited_sockets_read(int first_fd);

/* The listening stream socket that is bound to `address`, non-blocking and
 * close-on-exec; the caller owns it. 0.0.0.0 also finds the dual-stack socket
 * of [::], which is what `ListenStream=80` makes. -1: there is none. */
int inherited_sockets_take(const struct address *address);

/* Close those that nobody took, and say of each, in a line, what it was. */
void inherited_sockets_close_rest(struct strbuf *ret_lines);

#endif
