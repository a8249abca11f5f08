/* report.h - what is wrong with a configuration: every error of every file,
 * each with its place, collected so that one run shows all of them.
 *
 * Thread: any, one at a time.
 */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/arena.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* More than this many are counted, not shown: one slip near the top of a
 * generated file can make an error of every line. */
#define REPORT_ERRORS_MAX 100

struct conf_place {
    const char *file; /* as the user named it; borrowed */
    uint32_t order;   /* of the file among all that were read */
    uint32_t line;    /* from 1; 0: the file as a whole */
    uint32_t column;  /* from 1, in bytes */
};

struct report_entry;

struct report {
    struct arena *arena; /* borrowed; holds the texts */
    struct report_entry *entries;
    unsigned count;
    unsigned error_count;
    unsigned unshown; /* errors beyond REPORT_ERRORS_MAX */
};

void report_init(struct report *report, struct arena *arena);

/* Copies the text. */
void report_error(struct report *report, struct conf_place place,
                  const char *format, ...) PRINTF_LIKE(3, 4);
void report_warning(struct report *report, struct conf_place place,
                    const char *format, ...) PRINTF_LIKE(3, 4);

/* No more is shown: costly explanations can be spared. */
bool report_is_full(const struct report *report);

/* "berth.conf:3:5", in `arena`. */
const char *report_place(struct arena *arena, struct conf_place place);

/* A line each, in the order of files and lines; warnings only where there is
 * no error. Control characters in a text
 * are escaped, so that a file cannot forge a line or move the cursor. */
void report_write(const struct report *report, struct strbuf *ret_text);

#endif
