/* log_fields.h - the `key=value` pairs of a log line.
 *
 * In a value in quotes, `"` and `\` are written as `\"` and `\\`; in one
 * without, a space or a quote becomes `_`. So whatever a peer sends stays
 * within the field that it is the value of. Thread: any.
 */
#ifndef ROUTER_BASE_LOG_FIELDS_H
#define ROUTER_BASE_LOG_FIELDS_H

#include <stdarg.h>

#include "router/base/strbuf.h"

/* Append what printf() would, every %s escaped as its place asks for. Knows
 * d i u x X o c s f g e p, with h hh l ll z j t, widths (not of %s) and
 * precisions; another conversion is a bug of the caller and aborts. */
void log_fields_format(struct strbuf *fields, const char *format, va_list args);

/* Split off the first pair of a formatted text: its key, and its value as it
 * was before it was escaped (set anew). Returns what follows, "" at the end. */
const char *log_fields_next(const char *fields, struct strview *ret_key,
                            struct strbuf *value);

#endif
