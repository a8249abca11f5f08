/* split.c - one of several targets, by weights. */
#include "router/split.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/mutex.h"

struct target {
    uint64_t name_hash;
    uint32_t weight;
};

struct split {
    struct mutex lock;
    struct {
        int64_t credits[SPLIT_TARGETS_MAX]; /* of each target's turn */
    } locked;                               /* by lock */
    uint64_t never;
    unsigned count;
    struct target targets[];
};

/* FNV-1a. */
static uint64_t hash_of(struct strview text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++) {
        hash ^= (unsigned char)text.ptr[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

/* The finalizer of SplitMix64: every bit of the input changes half of all. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

struct split *split_new(const char *const *names, const uint32_t *weights,
                        unsigned count)
{
    struct split *split =
        xcalloc(1, sizeof *split + count * sizeof split->targets[0]);

    assert(count >= 1 && count <= SPLIT_TARGETS_MAX);
    mutex_init(&split->lock);
    split->count = count;
    for (unsigned i = 0; i < count; i++) {
        split->targets[i].name_hash = mix(hash_of(sv_of(names[i])));
        split->targets[i].weight = weights[i];
        if (weights[i] == 0)
            split->never |= UINT64_C(1) << i;
    }
    return split;
}

void split_free(struct split **split_ptr)
{
    struct split *split = *split_ptr;

    if (!split)
        return;
    mutex_done(&split->lock);
    free(split);
    *split_ptr = NULL;
}

static bool is_out(const struct split *split, uint64_t out, unsigned index)
{
    return ((out | split->never) >> index) & 1;
}

bool split_is_exhausted(const struct split *split, uint64_t out)
{
    for (unsigned i = 0; i < split->count; i++) {
        if (!is_out(split, out, i))
            return false;
    }
    return true;
}

/* Of exponential variables with these rates the smallest is the target's with
 * a chance of its share of the rates. */
static double arrival_of(const struct target *target, uint64_t key_hash)
{
    uint64_t hash = mix(key_hash ^ target->name_hash);
    double uniform = ((double)(hash >> 11) + 0.5) * 0x1p-53; /* in (0, 1) */

    return -log(uniform) / target->weight;
}

unsigned split_by_key(const struct split *split, struct strview key,
                      uint64_t out)
{
    uint64_t key_hash = hash_of(key);
    double soonest = INFINITY;
    unsigned best = 0;

    for (unsigned i = 0; i < split->count; i++) {
        double arrival;

        if (is_out(split, out, i))
            continue;
        arrival = arrival_of(&split->targets[i], key_hash);
        if (arrival < soonest) {
            soonest = arrival;
            best = i;
        }
    }
    return best;
}

/* All that are in get their weight, the one with the most is taken and pays for
 * all of it. */
unsigned split_in_turn(struct split *split, uint64_t out)
{
    int64_t total = 0;
    int64_t *credits;
    unsigned best = SPLIT_TARGETS_MAX;

    mutex_lock(&split->lock);
    credits = split->locked.credits;
    for (unsigned i = 0; i < split->count; i++) {
        if (is_out(split, out, i))
            continue;
        credits[i] += split->targets[i].weight;
        total += split->targets[i].weight;
        if (best == SPLIT_TARGETS_MAX || credits[i] > credits[best])
            best = i;
    }
    assert(best < SPLIT_TARGETS_MAX);
    credits[best] -= total;
    mutex_unlock(&split->lock);
    return best;
}
