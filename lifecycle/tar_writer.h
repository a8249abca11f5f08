/* tar_writer.h - writes a tar archive (POSIX ustar, with pax headers for what
 * does not fit) to a file. Thread: one at a time.
 */
#ifndef LIFECYCLE_TAR_WRITER_H
#define LIFECYCLE_TAR_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"

struct tar_writer {
    int fd;
    uint64_t bytes;    /* written so far, with what is in buf */
    uint64_t left;     /* of the entry that was begun last */
    struct strbuf buf; /* not written yet */
};

/* Borrows fd. */
void tar_writer_init(struct tar_writer *tar, int fd);
void tar_writer_done(struct tar_writer *tar);

/* Begin an entry: kind and mode from st (of a file, folder or link), size for
 * files. name: relative, no NUL. link: of a symbolic link, else NULL. The
 * owner is root. Fails as err_set_errno() says (ERR_LIMIT: the disk is full).
 */
MUST_USE bool tar_writer_begin(struct tar_writer *tar, const char *name,
                               const struct stat *st, const char *link,
                               struct err *err);
/* A part of a file's bytes: st_size of them in all. */
MUST_USE bool tar_writer_add(struct tar_writer *tar, const void *data,
                             size_t len, struct err *err);
/* A whole file of that text. */
MUST_USE bool tar_writer_file(struct tar_writer *tar, const char *name,
                              struct strview text, struct err *err);
/* The end of the archive; what is left is written. */
MUST_USE bool tar_writer_finish(struct tar_writer *tar, struct err *err);

#endif
