/* rate_limit.c - how often each key may come.
 *
 * Keys are kept as keyed hashes (SipHash-2-4) of 64 bits: nobody outside can
 * make two that are the same. Entries are in a hash table by chains, and in a
 * list by last use; both by index, so that an entry is 32 bytes.
 */
#include "router/rate_limit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "router/base/alloc.h"
#include "router/base/mutex.h"

#define NONE UINT32_MAX

struct entry {
    uint64_t hash;
    uint64_t arrival_ns; /* when the next one is due, as GCRA has it */
    uint32_t chain;      /* next of the same bucket */
    uint32_t newer;
    uint32_t older;
};

struct rate_limit {
    unsigned users; /* main's */
    uint64_t interval_ns;
    uint64_t tolerance_ns; /* burst * interval_ns */
    uint64_t seed[2];
    uint32_t keys_max;
    uint32_t bucket_mask;
    struct mutex lock;
    struct {
        uint32_t count;
        uint32_t newest;
        uint32_t oldest;
        uint32_t *buckets;
        struct entry *entries;
    } locked; /* by lock */
};

/* --- SipHash-2-4 (Aumasson, Bernstein) ---------------------------------------
 */

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t sip_hash(const uint64_t seed[2], struct strview text)
{
    uint64_t v[4] = {
        seed[0] ^ 0x736f6d6570736575ULL,
        seed[1] ^ 0x646f72616e646f6dULL,
        seed[0] ^ 0x6c7967656e657261ULL,
        seed[1] ^ 0x7465646279746573ULL,
    };
    uint64_t last = (uint64_t)text.len << 56;

    for (; text.len >= 8; text = sv_skip(text, 8)) {
        uint64_t word;

        memcpy(&word, text.ptr, sizeof word);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < text.len; i++)
        last |= (uint64_t)(unsigned char)text.ptr[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- life
 * --------------------------------------------------------------------- */

struct rate_limit *rate_limit_new(uint32_t requests, uint32_t period_s,
                                  uint32_t burst, uint32_t keys_max)
{
    struct rate_limit *limit = xcalloc(1, sizeof *limit);
    uint32_t bucket_count = 16;

    while (bucket_count < keys_max)
        bucket_count *= 2;
    limit->users = 1;
    limit->interval_ns = period_s * 1000000000ULL / requests;
    limit->tolerance_ns = limit->interval_ns * burst;
    limit->keys_max = keys_max;
    limit->bucket_mask = bucket_count - 1;
    if (getrandom(limit->seed, sizeof limit->seed, 0) !=
        (ssize_t)sizeof limit->seed)
        abort();
    mutex_init(&limit->lock);
    mutex_lock(&limit->lock);
    limit->locked.newest = NONE;
    limit->locked.oldest = NONE;
    limit->locked.entries = xcalloc(keys_max, sizeof(struct entry));
    limit->locked.buckets = xcalloc(bucket_count, sizeof(uint32_t));
    for (uint32_t i = 0; i < bucket_count; i++)
        limit->locked.buckets[i] = NONE;
    mutex_unlock(&limit->lock);
    return limit;
}

struct rate_limit *rate_limit_ref(struct rate_limit *limit)
{
    if (limit)
        limit->users++;
    return limit;
}

void rate_limit_unref(struct rate_limit **limit_ptr)
{
    struct rate_limit *limit = *limit_ptr;

    *limit_ptr = NULL;
    if (!limit || --limit->users > 0)
        return;
    free(limit->locked.buckets);
    free(limit->locked.entries);
    mutex_done(&limit->lock);
    free(limit);
}

/* --- the table
 * ---------------------------------------------------------------- */

static void unlink_use(struct rate_limit *limit, uint32_t index)
    REQUIRES(limit->lock)
{
    struct entry *entries = limit->locked.entries;
    struct entry *entry = &entries[index];

    if (entry->newer != NONE)
        entries[entry->newer].older = entry->older;
    else
        limit->locked.newest = entry->older;
    if (entry->older != NONE)
        entries[entry->older].newer = entry->newer;
    else
        limit->locked.oldest = entry->newer;
}

static void link_newest(struct rate_limit *limit, uint32_t index)
    REQUIRES(limit->lock)
{
    struct entry *entry = &limit->locked.entries[index];

    entry->newer = NONE;
    entry->older = limit->locked.newest;
    if (entry->older != NONE)
        limit->locked.entries[entry->older].newer = index;
    else
        limit->locked.oldest = index;
    limit->locked.newest = index;
}

static void unlink_chain(struct rate_limit *limit, uint32_t index)
    REQUIRES(limit->lock)
{
    struct entry *entries = limit->locked.entries;
    uint32_t *at =
        &limit->locked.buckets[entries[index].hash & limit->bucket_mask];

    while (*at != index)
        at = &entries[*at].chain;
    *at = entries[index].chain;
}

/* An entry that nobody needs, or the one that is not used longest. */
static uint32_t take_entry(struct rate_limit *limit, uint64_t now_ns,
                           bool *ret_evicted) REQUIRES(limit->lock)
{
    uint32_t index = limit->locked.oldest;

    if (limit->locked.count < limit->keys_max)
        return limit->locked.count++;
    *ret_evicted = limit->locked.entries[index].arrival_ns > now_ns;
    unlink_use(limit, index);
    unlink_chain(limit, index);
    return index;
}

static uint32_t find(struct rate_limit *limit, uint64_t hash)
    REQUIRES(limit->lock)
{
    uint32_t index = limit->locked.buckets[hash & limit->bucket_mask];

    while (index != NONE && limit->locked.entries[index].hash != hash)
        index = limit->locked.entries[index].chain;
    return index;
}

static struct entry *entry_of(struct rate_limit *limit, uint64_t hash,
                              uint64_t now_ns, bool *ret_evicted)
    REQUIRES(limit->lock)
{
    uint32_t index = find(limit, hash);
    struct entry *entry;

    if (index != NONE) {
        unlink_use(limit, index);
        link_newest(limit, index);
        return &limit->locked.entries[index];
    }
    index = take_entry(limit, now_ns, ret_evicted);
    entry = &limit->locked.entries[index];
    entry->hash = hash;
    entry->arrival_ns = now_ns;
    entry->chain = limit->locked.buckets[hash & limit->bucket_mask];
    limit->locked.buckets[hash & limit->bucket_mask] = index;
    link_newest(limit, index);
    return entry;
}

enum rate_verdict rate_limit_take(struct rate_limit *limit, struct strview key,
                                  uint64_t now_us, uint64_t *ret_wait_ms)
{
    uint64_t hash = sip_hash(limit->seed, key);
    uint64_t now_ns = now_us * 1000;
    bool evicted = false;
    uint64_t wait_ns = 0;
    struct entry *entry;
    uint64_t arrival_ns;

    mutex_lock(&limit->lock);
    entry = entry_of(limit, hash, now_ns, &evicted);
    arrival_ns = entry->arrival_ns > now_ns ? entry->arrival_ns : now_ns;
    if (arrival_ns - now_ns > limit->tolerance_ns)
        wait_ns = arrival_ns - now_ns - limit->tolerance_ns;
    else
        entry->arrival_ns = arrival_ns + limit->interval_ns;
    mutex_unlock(&limit->lock);
    if (wait_ns == 0)
        return evicted ? RATE_ALLOWED_EVICTED : RATE_ALLOWED;
    *ret_wait_ms = (wait_ns + 999999) / 1000000;
    return RATE_REFUSED;
}
