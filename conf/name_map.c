/* name_map.c - open addressing with linear probing; nothing is ever removed. */
#include "conf/name_map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

void name_map_done(struct name_map *map)
{
    free(map->entries);
    *map = (struct name_map){NULL, 0, 0};
}

/* FNV-1a. The names come from whoever runs berth, so nobody aims at its
 * collisions. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3ULL;
    return hash;
}

/* Where `name` is, or the free entry where it belongs. */
static struct name_entry *entry_of(const struct name_map *map, const char *name)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)hash_of(name) & mask;

    while (map->entries[i].name && strcmp(map->entries[i].name, name) != 0)
        i = (i + 1) & mask;
    return &map->entries[i];
}

void *name_map_find(const struct name_map *map, const char *name)
{
    return map->count == 0 ? NULL : entry_of(map, name)->value;
}

static void grow(struct name_map *map)
{
    struct name_map old = *map;

    map->capacity = old.capacity ? old.capacity * 2 : 64;
    map->entries = xcalloc(map->capacity, sizeof *map->entries);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].name)
            *entry_of(map, old.entries[i].name) = old.entries[i];
    free(old.entries);
}

void *name_map_add(struct name_map *map, const char *name, const void *value)
{
    struct name_entry *entry;

    if (map->count * 2 >= map->capacity)
        grow(map);
    entry = entry_of(map, name);
    if (entry->name)
        return entry->value;
    *entry = (struct name_entry){name, (void *)(uintptr_t)value};
    map->count++;
    return NULL;
}
