/* log_writer.h - the one thread that writes access logs, so that a slow disk
 * or a reader that stands still never holds a worker up.
 *
 * What waits to be written is bounded: beyond it, and where a write fails (a
 * full disk), lines are dropped and counted.
 */
#ifndef PROXY_LOG_WRITER_H
#define PROXY_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct log_writer; /* opaque; defined in log_writer.c */
struct metrics_registry;

/* What may wait to be written, all files together. */
#define LOG_WRITER_BACKLOG_MAX (16U << 20)

/* Starts the thread. Thread: main. */
MUST_USE struct log_writer *log_writer_new(struct metrics_registry *metrics);
/* Writes what was posted, and ends the thread. Nobody may post any more. NULL
 * is skipped. Thread: main. */
void log_writer_free(struct log_writer **writer);

/* The number of the file of that name: the same for all who open it, so that
 * what an old configuration still logs goes where the new one does. It has no
 * descriptor before log_writer_set_file(). Copies name. Thread: main. */
MUST_USE unsigned log_writer_open(struct log_writer *writer, const char *name);
/* Once for each log_writer_open(): the last one closes it, when all that was
 * posted before is written. Thread: main. */
void log_writer_close(struct log_writer *writer, unsigned file);

/* Takes fd, open for appending: what is posted from now on goes there.
 * Thread: main. */
void log_writer_set_file(struct log_writer *writer, unsigned file, int fd);

/* Write whole lines to that file. Takes what *lines holds, and leaves it
 * empty. false: too much waits already; they are dropped, for the caller to
 * count. Thread: any. */
MUST_USE bool log_writer_post(struct log_writer *writer, unsigned file,
                              struct strbuf *lines);

#endif
