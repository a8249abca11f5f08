/* log_files.h - the log files that the configuration names: opened here,
 * because the front may open nothing, and opened anew after a rotation.
 *
 * /dev/stdout and /dev/stderr are the keeper's own. Thread: keeper main.
 */
#ifndef LIFECYCLE_LOG_FILES_H
#define LIFECYCLE_LOG_FILES_H

#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct log_files; /* opaque; defined in log_files.c */

/* Open all, for appending; what is not there is made (0640). A line for each
 * that cannot be opened goes to *errors, and nothing is given back then.
 * Borrows paths. */
MUST_USE struct log_files *log_files_open(const struct string_list *paths,
                                          struct strbuf *errors);
/* NULL is skipped. */
void log_files_free(struct log_files **files);

unsigned log_files_count(const struct log_files *files);
/* Stays the same over log_files_reopen(). */
int log_files_fd(const struct log_files *files, unsigned index);

/* Open what stands at the paths now, in place of what is open. One that cannot
 * be opened goes on as it was, with a line in *errors. */
void log_files_reopen(struct log_files *files, struct strbuf *errors);

#endif
