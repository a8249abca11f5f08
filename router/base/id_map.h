/* id_map.h - from a number to whatever has it, in O(1).
 *
 * Open, so that it can be embedded; zeroed: empty. Thread: whoever guards it.
 */
#ifndef ROUTER_BASE_ID_MAP_H
#define ROUTER_BASE_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

struct id_map_entry;

struct id_map {
    struct id_map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Frees what it needed itself. */
void id_map_done(struct id_map *map);

/* value: not NULL; borrowed. An id that is there already gets the new value. */
void id_map_put(struct id_map *map, uint64_t id, void *value);
/* NULL: it is not there. */
void *id_map_get(const struct id_map *map, uint64_t id);
/* Returns what it was, or NULL. */
void *id_map_remove(struct id_map *map, uint64_t id);

#endif
