/* name_map.h - a hash from names to pointers, so that a file of ten thousand
 * routes is checked in linear time. Thread: any, one at a time.
 */
#ifndef CONF_NAME_MAP_H
#define CONF_NAME_MAP_H

#include <stddef.h>

#include "router/base/attr.h"

struct name_entry {
    const char *name; /* NULL: free */
    void *value;
};

struct name_map {
    struct name_entry *entries; /* NULL until the first is added */
    size_t capacity;            /* a power of two */
    size_t count;
};

void name_map_done(struct name_map *map);

/* The value of `name`, or NULL. */
void *name_map_find(const struct name_map *map, const char *name);

/* Add it, unless it is there: then nothing changes, and the value that is
 * there is returned. NULL: added. Borrows both; value may not be NULL, and is
 * given back as it was, const or not. */
void *name_map_add(struct name_map *map, const char *name, const void *value);

#endif
