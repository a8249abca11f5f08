/* pull_bytes.h - how many bytes a pull has brought so far.
 *
 * Podman does not tell. It collects the blobs of each pull in a folder of its
 * own below store.imageCopyTmpDir, which is gone when the pull ends: the sum of
 * the files in it is what has come. Which folder is whose is a guess where
 * several pulls begin at once (first come, first taken); the sum over all is
 * right. Thread: keeper main.
 */
#ifndef LIFECYCLE_PULL_BYTES_H
#define LIFECYCLE_PULL_BYTES_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"

struct pull_bytes; /* opaque: one pull */

/* Before the pull begins. all: the pulls under way (list_init()). dir: the
 * folder of folders, copied; one that cannot be read leaves all at 0. */
MUST_USE struct pull_bytes *pull_bytes_new(struct list *all, const char *dir);
void pull_bytes_free(struct pull_bytes **pull); /* NULL is skipped */

/* The most that was seen until now. Reads two folders. */
uint64_t pull_bytes_now(struct pull_bytes *pull);

#endif
