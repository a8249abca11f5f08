/* id_map.c - open addressing with linear probing; a removal moves back what
 * follows, so that nothing is ever marked as deleted. */
#include "router/base/id_map.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "router/base/alloc.h"

#define FIRST_CAPACITY 16

struct id_map_entry {
    uint64_t id;
    void *value; /* NULL: free */
};

/* Ids are given out one after the other: spread them (Fibonacci hashing). */
static size_t home_of(const struct id_map *map, uint64_t id)
{
    return (size_t)((id * 0x9E3779B97F4A7C15U) >> 32) & (map->capacity - 1);
}

/* Where it is, or the free place where it would be. */
static size_t place_of(const struct id_map *map, uint64_t id)
{
    size_t at = home_of(map, id);

    while (map->entries[at].value && map->entries[at].id != id)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

void id_map_done(struct id_map *map)
{
    free(map->entries);
    *map = (struct id_map){0};
}

static void grow(struct id_map *map)
{
    struct id_map old = *map;

    map->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    map->entries = xcalloc(map->capacity, sizeof *map->entries);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].value)
            map->entries[place_of(map, old.entries[i].id)] = old.entries[i];
    free(old.entries);
}

void id_map_put(struct id_map *map, uint64_t id, void *value)
{
    struct id_map_entry *entry;

    assert(value);
    if ((map->count + 1) * 4 > map->capacity * 3)
        grow(map);
    entry = &map->entries[place_of(map, id)];
    if (!entry->value)
        map->count++;
    *entry = (struct id_map_entry){id, value};
}

void *id_map_get(const struct id_map *map, uint64_t id)
{
    return map->capacity ? map->entries[place_of(map, id)].value : NULL;
}

/* Whether what lies at `at` may move to the free place: its home is not
 * between the two. */
static bool may_move(const struct id_map *map, size_t at, size_t free_place)
{
    size_t mask = map->capacity - 1;
    size_t home = home_of(map, map->entries[at].id);

    return ((at - home) & mask) >= ((at - free_place) & mask);
}

void *id_map_remove(struct id_map *map, uint64_t id)
{
    size_t place;
    void *value;

    if (!map->capacity)
        return NULL;
    place = place_of(map, id);
    value = map->entries[place].value;
    if (!value)
        return NULL;
    map->count--;
    for (size_t at = (place + 1) & (map->capacity - 1); map->entries[at].value;
         at = (at + 1) & (map->capacity - 1)) {
        if (!may_move(map, at, place))
            continue;
        map->entries[place] = map->entries[at];
        place = at;
    }
    map->entries[place].value = NULL;
    return value;
}
