/* arena.h - memory that is given back all at once.
 *
 * One arena per exchange; reset, not freed, between the requests of a
 * connection, so that the steady state allocates nothing. Thread: owner only.
 */
#ifndef ROUTER_BASE_ARENA_H
#define ROUTER_BASE_ARENA_H

#include <stddef.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *at;
    char *end;
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena); /* frees everything */

/* Give everything back; keeps one chunk of ordinary size for the next use. */
void arena_reset(struct arena *arena);

/* Bytes held from malloc. */
size_t arena_bytes(const struct arena *arena);

/* Uninitialised memory, aligned for any type; never NULL. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);

/* A NUL-terminated copy. */
MUST_USE char *arena_copy(struct arena *arena, struct strview text);

MUST_USE char *arena_printf(struct arena *arena, const char *format, ...)
    PRINTF_LIKE(2, 3);

#endif
