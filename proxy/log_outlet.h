/* log_outlet.h - a worker's end of the log writer: gathers lines, and hands
 * them over in batches, at least twice a second. Thread: the worker's.
 */
#ifndef PROXY_LOG_OUTLET_H
#define PROXY_LOG_OUTLET_H

#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct log_outlet; /* opaque; defined in log_outlet.c */
struct log_writer;
struct metrics_registry;
struct timers;

/* Borrows all. Thread: the worker's, or main before that one runs. */
MUST_USE struct log_outlet *log_outlet_new(struct log_writer *writer,
                                           struct timers *timers,
                                           struct metrics_registry *metrics);
/* Hands over what is left. NULL is skipped. Thread: the worker's, or main when
 * that one has ended. */
void log_outlet_free(struct log_outlet **outlet);

/* Where the next line of that file (its number) is appended to; end it with a
 * line feed, then log_outlet_commit(). */
struct strbuf *log_outlet_begin(struct log_outlet *outlet, unsigned file);
void log_outlet_commit(struct log_outlet *outlet, unsigned file);

/* Hand over everything now. */
void log_outlet_flush(struct log_outlet *outlet);

#endif
