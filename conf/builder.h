/* builder.h - from the tree of directives to settings: what all blocks share.
 *
 * Each block goes through the same steps: builder_check() finds every
 * directive's row and tells what does not fit; builder_apply() then calls what
 * reads each. Values are written straight into the settings, over the defaults
 * that were written there before. Internal to conf. Thread: any, one at a time.
 */
#ifndef CONF_BUILDER_H
#define CONF_BUILDER_H

#include <stdbool.h>

#include "conf/config.h"
#include "conf/directives.h"
#include "conf/name_map.h"
#include "conf/parser.h"
#include "conf/report.h"
#include "conf/suggest.h"
#include "router/base/arena.h"
#include "router/base/attr.h"

/* env_file and token_file. */
enum builder_files {
    FILES_REQUIRED,   /* one that is missing is an error */
    FILES_OPTIONAL,   /* it is a warning: another machine's configuration */
    FILES_NEVER_READ, /* not looked at: a text from anywhere (fuzzing) */
};

struct builder {
    struct arena *arena;
    struct report *report;
    struct config *config; /* what is built */
    const char *name;      /* of the file that was given */
    enum builder_files files;
    bool
        is_partial; /* of a broken file: do not say that something is missing */
    struct name_map directives; /* directive_index() */
    struct name_map apps;       /* name → struct app_place (config_app.h) */
    bool *app_is_routed;        /* by app index */
    struct name_map listeners;  /* address → struct listener_place */
    const struct conf_node **servers;            /* by server index */
    struct conf_node *defaults[DIRECTIVE_COUNT]; /* NULL: none */
};

/* One block while it is read. */
struct block {
    unsigned where;               /* one bit */
    const struct conf_node *node; /* NULL: the top level, or not written */
    void *owner[OWNER_COUNT];     /* what its directives write to */
    const struct conf_node *seen[DIRECTIVE_COUNT]; /* the first of each */
    struct name_map names; /* builder_once(); end with name_map_done() */
};

void builder_init(struct builder *builder, struct report *report,
                  struct config *config);
void builder_done(struct builder *builder);

#define builder_error(builder, place, ...)                                     \
    report_error((builder)->report, place, __VA_ARGS__)
#define builder_warning(builder, place, ...)                                   \
    report_warning((builder)->report, place, __VA_ARGS__)

/* "berth.conf:3:5" */
const char *builder_place(struct builder *builder,
                          const struct conf_node *node);

/* Give every child its row, and say which have none, too few or too many
 * arguments, no block or one too many, or stand there twice. Children whose
 * semicolon is missing are taken apart, so that what follows is still read. */
void builder_check(struct builder *builder, struct block *block,
                   struct conf_node *children);

/* Read all children that are no blocks; or those that are the block `id`. */
void builder_apply_simple(struct builder *builder, struct block *block,
                          const struct conf_node *children);
void builder_apply_blocks(struct builder *builder, struct block *block,
                          const struct conf_node *children,
                          enum directive_id id);

/* How many children are of that row. */
uint32_t builder_count(const struct conf_node *children, enum directive_id id);

/* Write the defaults of all rows that may stand in one of `where` and whose
 * struct `block` has. */
void builder_defaults(struct builder *builder, struct block *block,
                      unsigned where);

/* Whether `id` was written in this block. */
static inline bool block_has(const struct block *block, enum directive_id id)
{
    return block->seen[id] != NULL;
}

/* Whether this directive has not named `name` before in this block; if it has,
 * say so. */
MUST_USE bool builder_once(struct builder *builder, struct block *block,
                           const struct conf_node *node, const char *name);

/* A path relative to the file that the directive stands in. */
const char *builder_path(struct builder *builder, const struct conf_node *node,
                         const char *path);

/* Say why a file that the directive names cannot be read; only a warning where
 * files are optional and it is the file that is missing. */
void builder_file_error(struct builder *builder, const struct conf_node *node,
                        const char *path, const struct err *err);

/* An address to listen on or connect to; false after an error. */
MUST_USE bool builder_address(struct builder *builder,
                              const struct conf_node *node, const char *text,
                              struct address *ret_address);

/* `; did you mean "x"?`, or "". */
const char *builder_hint(struct builder *builder,
                         const struct suggestion *suggestion);

/* `"WHAT" takes a, b or c, not "X"; did you mean …`; syntax: "a|b|c". */
void builder_error_word(struct builder *builder, const struct conf_node *node,
                        const char *word, const char *syntax);

/* Replace *text by a copy. */
void builder_set_text(char **text, const char *value);

/* One function a row of the table that has one (directives.def). */
#define SCALAR(id, ...)
#define SPECIAL(id, ...)                                                       \
    void directive_set_##id(struct builder *builder, struct block *block,      \
                            const struct conf_node *node);
#define BLOCK(id, ...)                                                         \
    void directive_set_##id(struct builder *builder, struct block *block,      \
                            const struct conf_node *node);
#include "conf/directives.def"
#undef SCALAR
#undef SPECIAL
#undef BLOCK

#endif
