/* parser.h - a configuration file, and what it includes, as a tree of
 * directives. It knows the grammar, not what any directive means.
 *
 * The tree lives in the report's arena. What is wrong goes to the report, and
 * the rest is still parsed: the tree is what could be understood.
 * Thread: any, one at a time.
 */
#ifndef CONF_PARSER_H
#define CONF_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/report.h"
#include "router/base/attr.h"
#include "router/base/strview.h"

#define PARSER_ARGS_MAX     1024 /* of one directive */
#define PARSER_BLOCKS_MAX   16   /* within one another */
#define PARSER_INCLUDES_MAX 16   /* within one another */
#define PARSER_FILES_MAX    10000
#define PARSER_BYTES_MAX    (64U << 20) /* of all files together */

struct conf_arg {
    const char *text;
    bool is_quoted;
    bool is_first_on_line;
    struct conf_place place;
};

struct directive;

struct conf_node {
    const struct directive *row; /* the builder's; NULL: not understood */
    const char *name;
    struct conf_place place;
    unsigned arg_count;
    struct conf_arg *args;
    bool has_block;
    struct conf_node *children; /* in order; of included files too */
    struct conf_node *next;
};

/* Parse the file; `include PATTERN;` is replaced by what it names (relative to
 * the file that says it), in any block. */
struct conf_node *parser_parse_file(const char *path, struct report *report);

/* Parse a text; an include stays a directive in the tree. */
struct conf_node *parser_parse_text(struct strview text, const char *name,
                                    struct report *report);

/* "directive args", cut to a readable length, in the arena; for messages. */
const char *parser_node_title(struct arena *arena,
                              const struct conf_node *node);

#endif
