/* table.h - aligned columns for people; colour on a terminal only.
 *
 * Text that came from containers and peers is shown here, so controls are
 * replaced: nothing printed can move the cursor or forge a line.
 */
#ifndef PROXY_CLI_TABLE_H
#define PROXY_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/strview.h"

enum colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_DIM,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
};

struct table_column {
    const char *title;
    bool is_right; /* numbers */
};

struct table; /* opaque */

/* Borrows columns. */
MUST_USE struct table *table_new(const struct table_column *columns,
                                 unsigned column_count);
void table_free(struct table **table);

/* The next cell, row by row. The last row may be short. */
void table_cell(struct table *table, enum colour colour, const char *format,
                ...) PRINTF_LIKE(3, 4);

/* Append the table. width: of the terminal in columns, to which the last
 * column is cut; 0: nothing is cut. */
void table_format(const struct table *table, bool has_colour, unsigned width,
                  struct strbuf *buf);

/* table_format() to a stream, as that stream wants it. */
void table_print(const struct table *table, FILE *out);

/* A terminal that shows colours, and NO_COLOR (no-color.org) not set. */
bool colour_is_wanted(FILE *out);

/* Append text in colour, when has_colour, with controls replaced. */
void colour_text(struct strbuf *buf, bool has_colour, enum colour colour,
                 struct strview text);

#endif
