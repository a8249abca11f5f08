/* arena.c - memory that is given back all at once. */
#include "router/base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"

#define CHUNK_BYTES 4096

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){NULL, NULL, NULL};
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
}

void arena_done(struct arena *arena)
{
    free_chunks(arena->chunks);
    arena_init(arena);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = arena->chunks;

    while (keep && keep->size != CHUNK_BYTES) {
        struct arena_chunk *next = keep->next;

        free(keep);
        keep = next;
    }
    if (!keep) {
        arena_init(arena);
        return;
    }
    free_chunks(keep->next);
    keep->next = NULL;
    arena->chunks = keep;
    arena->at = keep->data;
    arena->end = keep->data + keep->size;
}

size_t arena_bytes(const struct arena *arena)
{
    size_t sum = 0;

    for (struct arena_chunk *c = arena->chunks; c; c = c->next)
        sum += sizeof *c + c->size;
    return sum;
}

static void *alloc_chunk(struct arena *arena, size_t size)
{
    size_t want = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct arena_chunk *chunk = xrealloc(NULL, sizeof *chunk + want);

    chunk->size = want;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = chunk->data + size;
    arena->end = chunk->data + want;
    return chunk->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t align = alignof(max_align_t);
    char *at;

    size = (size + align - 1) & ~(align - 1);
    if (!arena->at || size > (size_t)(arena->end - arena->at))
        return alloc_chunk(arena, size);
    at = arena->at;
    arena->at += size;
    return at;
}

char *arena_copy(struct arena *arena, struct strview text)
{
    char *copy = arena_alloc(arena, text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    int need;
    char *text;

    va_start(args, format);
    va_copy(again, args);
    need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = arena_alloc(arena, (size_t)(need < 0 ? 0 : need) + 1);
    text[0] = '\0';
    if (need > 0)
        vsnprintf(text, (size_t)need + 1, format, again);
    va_end(again);
    return text;
}
