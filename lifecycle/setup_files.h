/* setup_files.h - setup_context_pack() on a helper thread of its own.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_SETUP_FILES_H
#define LIFECYCLE_SETUP_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/container_settings.h"
#include "router/base/attr.h"
#include "router/base/digest.h"
#include "router/base/err.h"

struct loop;
struct setup_files; /* opaque: one reading under way */

struct setup_packed {
    char digest[DIGEST_HEX_SIZE];
    int fd;         /* of the archive, at its beginning; -1: none was wanted */
    uint64_t bytes; /* of the archive */
};

/* Once; never within the call. The callee owns packed->fd. The object is gone
 * when it runs. */
typedef void (*setup_files_fn)(void *arg, const struct setup_packed *packed,
                               const struct err *err);

/* base NULL: only the digest; else an archive too, in a file without a name on
 * disk. Borrows steps until done has run. */
MUST_USE struct setup_files *setup_files_read(struct loop *loop,
                                              const struct setup_step *steps,
                                              uint32_t step_count,
                                              const char *base,
                                              setup_files_fn done, void *arg);
/* Waits for the thread to stop; done does not run. NULL is skipped. */
void setup_files_cancel(struct setup_files **files);

#endif
