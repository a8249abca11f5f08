/* tls_sni.c - which server a TLS connection is for: a hash of names. */
#include "tls/tls_sni.h"

#include <stdint.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "tls/tls_context.h"

#define NAME_MAX_LEN 255

struct entry {
    char *name; /* a wildcard without its '*': ".example.com" */
    size_t len;
    struct tls_context *context;
};

struct tls_sni {
    struct tls_context *standard;
    struct entry *entries; /* open addressing, a power of two */
    size_t size;
    size_t count;
};

static uint32_t hash_of(struct strview name)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619U;
    return hash;
}

static struct entry *slot_for(const struct tls_sni *sni, struct strview name)
{
    size_t at = hash_of(name) & (sni->size - 1);

    while (sni->entries[at].name &&
           !sv_eq(sv_make(sni->entries[at].name, sni->entries[at].len), name))
        at = (at + 1) & (sni->size - 1);
    return &sni->entries[at];
}

struct tls_sni *tls_sni_new(struct tls_context *standard)
{
    struct tls_sni *sni = xcalloc(1, sizeof *sni);

    sni->standard = tls_context_ref(standard);
    sni->size = 8;
    sni->entries = xcalloc(sni->size, sizeof *sni->entries);
    return sni;
}

void tls_sni_free(struct tls_sni **sni_ptr)
{
    struct tls_sni *sni = *sni_ptr;

    if (!sni)
        return;
    for (size_t i = 0; i < sni->size; i++) {
        free(sni->entries[i].name);
        tls_context_unref(&sni->entries[i].context);
    }
    tls_context_unref(&sni->standard);
    free(sni->entries);
    free(sni);
    *sni_ptr = NULL;
}

static void grow(struct tls_sni *sni)
{
    struct entry *old = sni->entries;
    size_t old_size = sni->size;

    sni->size *= 2;
    sni->entries = xcalloc(sni->size, sizeof *sni->entries);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].name)
            *slot_for(sni, sv_make(old[i].name, old[i].len)) = old[i];
    }
    free(old);
}

void tls_sni_add(struct tls_sni *sni, struct strview name,
                 struct tls_context *context)
{
    struct entry *entry;

    if (name.len > 0 && name.ptr[0] == '*')
        name = sv_skip(name, 1);
    if ((sni->count + 1) * 2 > sni->size)
        grow(sni);
    entry = slot_for(sni, name);
    if (entry->name)
        return;
    entry->name = xstrndup(name.ptr, name.len);
    entry->len = name.len;
    entry->context = tls_context_ref(context);
    sni->count++;
}

static void replace(struct tls_context **at, const struct tls_context *from,
                    struct tls_context *to)
{
    if (*at != from)
        return;
    tls_context_unref(at);
    *at = tls_context_ref(to);
}

void tls_sni_replace(struct tls_sni *sni, const struct tls_context *from,
                     struct tls_context *to)
{
    replace(&sni->standard, from, to);
    for (size_t i = 0; i < sni->size; i++) {
        if (sni->entries[i].name)
            replace(&sni->entries[i].context, from, to);
    }
}

struct tls_context *tls_sni_find(const struct tls_sni *sni, struct strview name)
{
    char lower[NAME_MAX_LEN];

    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > sizeof lower)
        return sni->standard;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    /* The whole name, then from each dot on: the longest wildcard first. */
    for (size_t i = 0; i < name.len; i++) {
        const struct entry *entry;

        if (i > 0 && lower[i] != '.')
            continue;
        entry = slot_for(sni, sv_make(lower + i, name.len - i));
        if (entry->name && (i > 0 || lower[0] != '.'))
            return entry->context;
    }
    return sni->standard;
}
