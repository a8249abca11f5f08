/* suggest.h - the known name that a misspelt one most likely means. */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include "router/base/attr.h"

struct suggestion {
    const char *word;  /* what was written */
    const char *best;  /* NULL: nothing is near enough; borrowed */
    unsigned distance; /* of best */
};

struct suggestion suggestion_of(const char *word);

/* Offer a known name; it is taken when it is nearer than what there is.
 * Borrows the name. Cost: O(length of both multiplied), bounded. */
void suggestion_offer(struct suggestion *suggestion, const char *name);

/* The directive that does what nginx's of this name does; NULL: none does, or
 * it has the same name. Static. */
const char *suggest_for_nginx(const char *word);

/* Edits (insert, delete, replace, swap of neighbours) from one to the other;
 * UINT_MAX for words longer than names are. */
unsigned suggest_distance(const char *a, const char *b);

#endif
