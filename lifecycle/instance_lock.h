/* instance_lock.h - one keeper per namespace: a lock held for life.
 *
 * A flock on berth-NAMESPACE.lock; the kernel gives it back however the
 * process ends. The file stays: removing it would let two berths hold "the"
 * lock on two files of one name. It holds the owner's process number.
 */
#ifndef LIFECYCLE_INSTANCE_LOCK_H
#define LIFECYCLE_INSTANCE_LOCK_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

/* Take the lock of `name` in `dir`. ret_fd: keep it open for as long as the
 * lock is needed (close-on-exec). Fails with ERR_EXISTS (another process has
 * it; the text names it), ERR_DENIED or ERR_NOT_FOUND (dir cannot be written,
 * or is not there), ERR_IO. */
MUST_USE bool instance_lock_take(const char *dir, const char *name, int *ret_fd,
                                 struct err *err);

/* Whether a process has it now; makes nothing. ret_pid: 0 when the file does
 * not say which. */
MUST_USE bool instance_lock_is_taken(const char *dir, const char *name,
                                     long *ret_pid);

#endif
