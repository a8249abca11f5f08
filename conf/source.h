/* source.h - files that a configuration consists of or names, read whole.
 * Thread: any.
 */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"

struct source_limits {
    size_t size_max;
    bool may_be_pipe;   /* `berth check -c <(…)`; else regular files only */
    bool refuse_others; /* that every user may read it is an error */
};

/* Append the file's bytes to *ret_text. ret_stat: of the file that was read.
 * ERR_NOT_FOUND (nothing of that name), ERR_DENIED, ERR_LIMIT (size_max),
 * ERR_INVALID (another kind of file, or readable by all), ERR_IO. */
MUST_USE bool source_read(const char *path, const struct source_limits *limits,
                          struct strbuf *ret_text, struct stat *ret_stat,
                          struct err *err);

#endif
