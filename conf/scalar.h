/* scalar.h - directives of one argument that their row alone describes: read,
 * printed and compared by type. Internal to conf. Thread: any.
 */
#ifndef CONF_SCALAR_H
#define CONF_SCALAR_H

#include <stdbool.h>

#include "conf/builder.h"
#include "router/base/strbuf.h"

/* Store node's argument, or say what is wrong with it. */
void scalar_set(struct builder *builder, struct block *block,
                const struct conf_node *node);

/* As scalar_set() would read it; false when it is not set (a NULL text).
 * owner: the struct that the row names. */
bool scalar_format(const struct directive *row, const void *owner,
                   struct strbuf *ret_text);

/* Whether both structs hold the same value. */
bool scalar_equal(const struct directive *row, const void *a, const void *b);

/* A whole number of min to max; false after an error. For the specials. */
MUST_USE bool scalar_count(struct builder *builder,
                           const struct conf_node *node, const char *text,
                           const uint64_t range[2], uint64_t *ret_value);

/* Add a word as the lexer reads it back: quoted where it must be. */
void scalar_add_word(struct strbuf *buf, const char *word);

/* Bytes that may stand in a name: letters, digits, _ . - */
bool scalar_is_name(const char *text);
/* As an app's name: small letters, digits, _ . -, not first of _ . - */
bool scalar_is_label(const char *text);
/* It begins with '/', and holds no control character. */
bool scalar_is_path(const char *text);

#endif
