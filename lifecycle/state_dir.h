/* state_dir.h - the directory in which berth keeps its sockets. Thread: any. */
#ifndef LIFECYCLE_STATE_DIR_H
#define LIFECYCLE_STATE_DIR_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

/* Make `path` (0711 for root, 0700 otherwise; its parent must be there), or
 * see that the one that is there can be trusted: a directory, ours, and not
 * writable by others. Fails with ERR_DENIED, ERR_NOT_FOUND or ERR_IO and says
 * what to do. */
MUST_USE bool state_dir_prepare(const char *path, struct err *err);

/* Whether state_dir_prepare() would succeed; makes nothing. */
MUST_USE bool state_dir_check(const char *path, struct err *err);

#endif
