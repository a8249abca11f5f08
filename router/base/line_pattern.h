/* line_pattern.h - an extended regular expression for lines of text.
 *
 * What it may cost is bounded when it is made: no back-references (their time
 * is exponential), and repetitions are counted for what they are written out.
 * Thread: one at a time.
 */
#ifndef ROUTER_BASE_LINE_PATTERN_H
#define ROUTER_BASE_LINE_PATTERN_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"

struct line_pattern; /* opaque; defined in line_pattern.c */

#define LINE_PATTERN_MAX_BYTES 512U
/* Characters and sets, with every {m,n} written out. */
#define LINE_PATTERN_MAX_ATOMS 1024U

/* Copies. NULL with ERR_INVALID: the text is no such expression, or costs too
 * much; the reason follows on "the expression". */
MUST_USE struct line_pattern *line_pattern_new(const char *text,
                                               struct err *err);
/* NULL is skipped. */
void line_pattern_free(struct line_pattern **pattern);

/* Whether any part of the line does. Bytes, not characters. */
bool line_pattern_matches(struct line_pattern *pattern, const char *line);

#endif
