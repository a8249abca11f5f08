/* split.h - one of several targets, by weights: the same one for the same key,
 * or, without a key, in turn.
 *
 * By key: weighted rendezvous hashing. A target whose weight changes, that
 * comes or goes, moves no key between the others, and of its own no more than
 * the weights say; so does one that is left out for a while. In turn: smooth
 * weighted round robin, whose counts are exact after each round of the weights.
 * `out`: a bit for each target that is left out; the caller leaves at least one
 * in whose weight is not 0.
 */
#ifndef ROUTER_SPLIT_H
#define ROUTER_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

#define SPLIT_TARGETS_MAX 64
#define SPLIT_WEIGHT_MAX  1000000U

struct split; /* opaque; defined in split.c */

/* Names tell the targets apart, whatever their order: 1 to SPLIT_TARGETS_MAX,
 * each one different. Copies. Weights: 0 to SPLIT_WEIGHT_MAX, not all 0. */
MUST_USE struct split *split_new(const char *const *names,
                                 const uint32_t *weights, unsigned count);
/* NULL is skipped. */
void split_free(struct split **split);

/* Thread: any. Cost: O(targets). */
unsigned split_by_key(const struct split *split, struct strview key,
                      uint64_t out);
/* Thread: any; the threads take turns. Cost: O(targets). */
unsigned split_in_turn(struct split *split, uint64_t out);

/* Whether `out` leaves none. */
bool split_is_exhausted(const struct split *split, uint64_t out);

#endif
