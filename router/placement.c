/* placement.c - what may start, and what gives way for it.
 *
 * Two pools are kept: what is free now, and what will be free once those that
 * leave are gone, less what was promised to higher ranks. A start must fit in
 * both, so that a lower rank never takes what a higher one waits for.
 */
#include "router/placement.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

/* Against thrashing. Two apps that are both in use and do not fit together
 * share the machine in turns of at least this long (or twice the start), so
 * that it does not spend its time on starts. But a turn in which nothing comes
 * any more helps nobody: who has not been used for half of what a start takes
 * gives way at once. Half: simulated for two to four apps in one place, steady
 * and in bursts, starts of 0.3, 3 and 25 s, the share of time that is spent on
 * starts is that of fixed turns where starts are slow (3 s: 36 % against 32 %),
 * and the waits are a third to a tenth where they are quick (0.3 s: p95 0.9 s
 * against 9.5 s); a quarter costs 44 %, the whole saves no start more, and its
 * waits are a quarter longer. */
#define RESIDENCE_MIN_US UINT64_C(10000000)
#define UNUSED_SHARE     2
#define WORTH_MIN_BYTES  (UINT64_C(1) << 20)

const char *placement_resource_name(enum placement_resource resource)
{
    static const char *const names[] = {
        [PLACEMENT_CPUS] = "cpus",
        [PLACEMENT_MEMORY] = "memory",
        [PLACEMENT_GPUS] = "gpus",
        [PLACEMENT_GPU_MEMORY] = "gpu_memory",
    };

    return names[resource];
}

/* --- pools --- */

/* What is taken of the machine. */
struct pool {
    const struct placement_machine *machine;
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    uint32_t gpu_millis[PLACEMENT_DEVICES];
    uint64_t gpu_memory_bytes[PLACEMENT_DEVICES];
};

struct placement_need placement_held(const struct placement_need *need,
                                     enum placement_hold hold)
{
    struct placement_need held = *need;

    switch (hold) {
    case PLACEMENT_ALL:
        break;
    case PLACEMENT_ASLEEP:
        held.gpu_memory_bytes = 0;
        break;
    case PLACEMENT_DEVICES_ASLEEP:
        held.gpu_memory_bytes = 0;
        held.cpu_millis = 0;
        held.memory_bytes = 0;
        break;
    case PLACEMENT_DEVICES_ALL:
        held.cpu_millis = 0;
        held.memory_bytes = 0;
        break;
    case PLACEMENT_NOTHING:
        held = (struct placement_need){0};
        break;
    }
    return held;
}

static struct placement_need held_of(const struct placement_replica *replica)
{
    return placement_held(&replica->need, replica->hold);
}

static uint32_t millis_a_device(const struct placement_need *need)
{
    return need->gpu_millis < PLACEMENT_WHOLE ? need->gpu_millis
                                              : PLACEMENT_WHOLE;
}

static void take(struct pool *pool, const struct placement_need *need,
                 uint64_t devices)
{
    pool->cpu_millis += need->cpu_millis;
    pool->memory_bytes += need->memory_bytes;
    for (uint32_t i = 0; i < pool->machine->device_count; i++) {
        if (!(devices >> i & 1))
            continue;
        pool->gpu_millis[i] += millis_a_device(need);
        pool->gpu_memory_bytes[i] += need->gpu_memory_bytes;
    }
}

static void give_back(struct pool *pool,
                      const struct placement_replica *replica)
{
    struct placement_need need = held_of(replica);

    pool->cpu_millis -= need.cpu_millis;
    pool->memory_bytes -= need.memory_bytes;
    for (uint32_t i = 0; i < pool->machine->device_count; i++) {
        if (!(replica->devices >> i & 1))
            continue;
        pool->gpu_millis[i] -= millis_a_device(&need);
        pool->gpu_memory_bytes[i] -= need.gpu_memory_bytes;
    }
}

/* --- does it fit? --- */

static bool has_memory(const struct pool *pool, uint32_t device, uint64_t bytes)
{
    uint64_t all = pool->machine->device_memory_bytes[device];

    return all == 0 || bytes == 0 ||
           pool->gpu_memory_bytes[device] + bytes <= all;
}

static uint64_t free_memory(const struct pool *pool, uint32_t device)
{
    uint64_t all = pool->machine->device_memory_bytes[device];

    if (all == 0)
        return UINT64_MAX;
    return all > pool->gpu_memory_bytes[device]
               ? all - pool->gpu_memory_bytes[device]
               : 0;
}

/* Less room on a than on b: of millis, then of memory. */
static bool is_tighter(const struct pool *pool, uint32_t a, uint32_t b)
{
    if (pool->gpu_millis[a] != pool->gpu_millis[b])
        return pool->gpu_millis[a] > pool->gpu_millis[b];
    return free_memory(pool, a) < free_memory(pool, b);
}

/* Its devices: the container has them already. */
static bool fits_pinned(const struct pool *pool,
                        const struct placement_want *want,
                        bool *ret_lacks_memory)
{
    const struct placement_need *need = &want->need;

    for (uint32_t i = 0; i < pool->machine->device_count; i++) {
        if (!(want->pinned >> i & 1))
            continue;
        *ret_lacks_memory = !has_memory(pool, i, need->gpu_memory_bytes);
        if (*ret_lacks_memory ||
            (need->gpu_millis > 0 &&
             pool->gpu_millis[i] + millis_a_device(need) > PLACEMENT_WHOLE))
            return false;
    }
    return true;
}

/* A fraction: the device with the least room that still has enough. */
static bool find_share(const struct pool *pool,
                       const struct placement_need *need, uint64_t *ret_devices,
                       bool *ret_lacks_memory)
{
    uint32_t best = PLACEMENT_DEVICES;

    for (uint32_t i = 0; i < pool->machine->device_count; i++) {
        if (pool->gpu_millis[i] + need->gpu_millis > PLACEMENT_WHOLE)
            continue;
        if (!has_memory(pool, i, need->gpu_memory_bytes)) {
            *ret_lacks_memory = true;
            continue;
        }
        if (best == PLACEMENT_DEVICES || is_tighter(pool, i, best))
            best = i;
    }
    if (best == PLACEMENT_DEVICES)
        return false;
    *ret_devices = UINT64_C(1) << best;
    return true;
}

/* Whole devices: empty ones; the smallest that have the memory. */
static bool find_whole(const struct pool *pool,
                       const struct placement_need *need, uint64_t *ret_devices,
                       bool *ret_lacks_memory)
{
    const uint64_t *all = pool->machine->device_memory_bytes;
    uint64_t devices = 0;

    for (uint32_t n = need->gpu_millis / PLACEMENT_WHOLE; n > 0; n--) {
        uint32_t best = PLACEMENT_DEVICES;

        for (uint32_t i = 0; i < pool->machine->device_count; i++) {
            if (pool->gpu_millis[i] > 0 || (devices >> i & 1))
                continue;
            if (!has_memory(pool, i, need->gpu_memory_bytes))
                *ret_lacks_memory = true;
            else if (best == PLACEMENT_DEVICES || all[i] < all[best])
                best = i;
        }
        if (best == PLACEMENT_DEVICES)
            return false;
        devices |= UINT64_C(1) << best;
    }
    *ret_devices = devices;
    return true;
}

/* false: *ret_lacking says of what there is too little. */
static bool fits(const struct pool *pool, const struct placement_want *want,
                 uint64_t *ret_devices, enum placement_resource *ret_lacking)
{
    const struct placement_need *need = &want->need;
    const struct placement_machine *machine = pool->machine;
    bool lacks_memory = false;
    bool ok = true;

    *ret_devices = want->pinned;
    if (need->cpu_millis > 0 &&
        pool->cpu_millis + need->cpu_millis > machine->cpu_millis) {
        *ret_lacking = PLACEMENT_CPUS;
        return false;
    }
    if (need->memory_bytes > 0 &&
        pool->memory_bytes + need->memory_bytes > machine->memory_bytes) {
        *ret_lacking = PLACEMENT_MEMORY;
        return false;
    }
    if (want->pinned != 0) {
        ok = fits_pinned(pool, want, &lacks_memory);
    } else if (need->gpu_millis >= PLACEMENT_WHOLE) {
        ok = find_whole(pool, need, ret_devices, &lacks_memory);
    } else if (need->gpu_millis > 0) {
        ok = find_share(pool, need, ret_devices, &lacks_memory);
    }
    if (!ok)
        *ret_lacking = lacks_memory ? PLACEMENT_GPU_MEMORY : PLACEMENT_GPUS;
    return ok;
}

/* --- who may give way --- */

double placement_worth(const struct placement_replica *replica)
{
    uint64_t bytes = held_of(replica).memory_bytes;

    if (replica->resident_bytes > bytes)
        bytes = replica->resident_bytes;
    if (bytes < WORTH_MIN_BYTES)
        bytes = WORTH_MIN_BYTES;
    return replica->clock +
           (double)replica->uses * (double)replica->start_us / (double)bytes;
}

struct plan {
    const struct placement_input *in;
    struct placement_output *out;
    struct pool now;    /* taken: all that is there */
    struct pool later;  /* taken, without those that leave, with promises */
    uint32_t *by_worth; /* [replica_count] indices: those that can be hibernated
                           first, then the least worth */
};

struct ranked {
    bool is_stopped; /* not hibernated */
    double worth;
    uint64_t id;
    uint32_t index;
};

static int compare_worth(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->is_stopped != y->is_stopped)
        return x->is_stopped ? 1 : -1;
    if (x->worth != y->worth)
        return x->worth < y->worth ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void rank_replicas(struct plan *plan)
{
    uint32_t count = plan->in->replica_count;
    struct ranked *ranked = xcalloc(count + 1U, sizeof *ranked);

    for (uint32_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){!plan->in->replicas[i].can_hibernate,
                                    placement_worth(&plan->in->replicas[i]),
                                    plan->in->replicas[i].id, i};
    qsort(ranked, count, sizeof *ranked, compare_worth);
    plan->by_worth = xcalloc(count + 1U, sizeof *plan->by_worth);
    for (uint32_t i = 0; i < count; i++)
        plan->by_worth[i] = ranked[i].index;
    free(ranked);
}

/* When it may go at the earliest. */
static uint64_t protected_until_us(const struct placement_replica *replica,
                                   const struct placement_want *want)
{
    uint64_t residence_us = 2 * replica->start_us;
    uint64_t until_us;
    uint64_t unused_us = replica->used_us + replica->start_us / UNUSED_SHARE;

    if (replica->is_starting && want->oldest_us != 0)
        return 0; /* nobody waits for it (it is idle), but for the other */
    if (residence_us < RESIDENCE_MIN_US)
        residence_us = RESIDENCE_MIN_US;
    until_us = replica->since_us + residence_us;
    if (replica->is_starting || replica->used_us == 0)
        return until_us;
    return unused_us < until_us ? unused_us : until_us;
}

static bool may_evict(struct plan *plan, uint32_t index,
                      const struct placement_want *want)
{
    const struct placement_replica *replica = &plan->in->replicas[index];
    uint64_t until_us = protected_until_us(replica, want);
    uint64_t *again_us = &plan->out->again_us;

    if (plan->out->evict[index] || replica->is_leaving || !replica->is_idle ||
        replica->app == want->app || replica->importance > want->importance)
        return false;
    if (!replica->can_hibernate &&
        (!replica->is_evictable ||
         (replica->is_min && replica->importance == want->importance)))
        return false;
    if (until_us > plan->in->now_us && (*again_us == 0 || until_us < *again_us))
        *again_us = until_us;
    return until_us <= plan->in->now_us;
}

static bool fits_without(const struct plan *plan,
                         const struct placement_want *want,
                         const uint32_t *victims, uint32_t count, uint32_t skip)
{
    struct pool pool = plan->later;
    enum placement_resource lacking;
    uint64_t devices;

    for (uint32_t i = 0; i < count; i++) {
        if (i != skip)
            give_back(&pool, &plan->in->replicas[victims[i]]);
    }
    return fits(&pool, want, &devices, &lacking);
}

static double worth_at(const struct plan *plan, uint32_t index)
{
    return placement_worth(&plan->in->replicas[index]);
}

/* Leave out whoever is not needed, the most worth first. */
static uint32_t prune(const struct plan *plan,
                      const struct placement_want *want, uint32_t *victims,
                      uint32_t count)
{
    for (uint32_t i = count; i-- > 0;) {
        if (!fits_without(plan, want, victims, count, i))
            continue;
        memmove(&victims[i], &victims[i + 1],
                (count - i - 1) * sizeof *victims);
        count--;
    }
    return count;
}

/* One that alone makes room may be worth less than several. None is stopped
 * for it where those would only be hibernated. */
static uint32_t prefer_single(struct plan *plan,
                              const struct placement_want *want,
                              uint32_t *victims, uint32_t count)
{
    double worth = 0;
    bool stops = false;

    for (uint32_t i = 0; i < count; i++) {
        worth += worth_at(plan, victims[i]);
        stops |= !plan->in->replicas[victims[i]].can_hibernate;
    }
    for (uint32_t i = 0; i < plan->in->replica_count; i++) {
        uint32_t index = plan->by_worth[i];

        if (!plan->in->replicas[index].can_hibernate && !stops)
            break;
        if (worth_at(plan, index) <= worth && may_evict(plan, index, want) &&
            fits_without(plan, want, &index, 1, UINT32_MAX)) {
            victims[0] = index;
            return 1;
        }
    }
    return count;
}

/* 0: no set of them makes room. */
static uint32_t find_victims(struct plan *plan,
                             const struct placement_want *want,
                             uint32_t *victims)
{
    struct pool pool = plan->later;
    enum placement_resource lacking;
    uint64_t devices;
    uint32_t count = 0;
    bool ok = false;

    for (uint32_t i = 0; i < plan->in->replica_count && !ok; i++) {
        uint32_t index = plan->by_worth[i];

        if (!may_evict(plan, index, want))
            continue;
        victims[count++] = index;
        give_back(&pool, &plan->in->replicas[index]);
        ok = fits(&pool, want, &devices, &lacking);
    }
    if (!ok)
        return 0;
    count = prune(plan, want, victims, count);
    return count > 1 ? prefer_single(plan, want, victims, count) : count;
}

/* --- all of it --- */

static void promise(struct plan *plan, const struct placement_want *want,
                    struct placement_answer *answer)
{
    enum placement_resource lacking;
    uint64_t devices;

    if (fits(&plan->later, want, &devices, &lacking))
        take(&plan->later, &want->need, devices);
    answer->verdict = PLACEMENT_SOON;
}

static void evict(struct plan *plan, const uint32_t *victims, uint32_t count,
                  uint32_t want)
{
    for (uint32_t i = 0; i < count; i++) {
        double worth = worth_at(plan, victims[i]);

        plan->out->evict[victims[i]] = true;
        if (plan->out->evict_for)
            plan->out->evict_for[victims[i]] = want;
        give_back(&plan->later, &plan->in->replicas[victims[i]]);
        if (worth > plan->out->clock)
            plan->out->clock = worth;
    }
}

bool placement_fits_empty(const struct placement_machine *machine,
                          const struct placement_need *need,
                          enum placement_resource *ret_lacking)
{
    struct pool empty = {.machine = machine};
    const struct placement_want want = {.need = *need};
    uint64_t devices;

    return fits(&empty, &want, &devices, ret_lacking);
}

static bool fits_machine(const struct plan *plan,
                         const struct placement_want *want,
                         enum placement_resource *ret_lacking)
{
    struct pool empty = {.machine = plan->in->machine};
    uint64_t devices;

    return fits(&empty, want, &devices, ret_lacking);
}

/* What is free must be so in both pools, devices one by one. */
static bool may_start(const struct plan *plan,
                      const struct placement_want *want, uint64_t *ret_devices)
{
    enum placement_resource lacking;
    struct pool both = plan->now;

    for (uint32_t i = 0; i < plan->in->machine->device_count; i++) {
        if (plan->later.gpu_millis[i] > both.gpu_millis[i])
            both.gpu_millis[i] = plan->later.gpu_millis[i];
        if (plan->later.gpu_memory_bytes[i] > both.gpu_memory_bytes[i])
            both.gpu_memory_bytes[i] = plan->later.gpu_memory_bytes[i];
    }
    if (plan->later.cpu_millis > both.cpu_millis)
        both.cpu_millis = plan->later.cpu_millis;
    if (plan->later.memory_bytes > both.memory_bytes)
        both.memory_bytes = plan->later.memory_bytes;
    return fits(&both, want, ret_devices, &lacking);
}

static void answer(struct plan *plan, uint32_t index, uint32_t *victims)
{
    const struct placement_want *want = &plan->in->wants[index];
    struct placement_answer *reply = &plan->out->answers[index];
    enum placement_resource lacking;
    uint64_t devices;
    uint32_t count;

    *reply = (struct placement_answer){.verdict = PLACEMENT_WAIT};
    if (may_start(plan, want, &devices)) {
        reply->verdict = PLACEMENT_START;
        reply->devices = devices;
        take(&plan->now, &want->need, devices);
        take(&plan->later, &want->need, devices);
        return;
    }
    if (fits(&plan->later, want, &devices, &lacking)) {
        promise(plan, want, reply);
        return;
    }
    reply->lacking = lacking;
    if (!fits_machine(plan, want, &reply->lacking)) {
        reply->verdict = PLACEMENT_NEVER;
        return;
    }
    count = find_victims(plan, want, victims);
    if (count == 0)
        return;
    evict(plan, victims, count, index);
    promise(plan, want, reply);
}

struct wanted {
    const struct placement_want *want;
    uint32_t index;
};

static int compare_rank(const void *a, const void *b)
{
    const struct wanted *x = a;
    const struct wanted *y = b;
    /* 0, nobody waits, becomes the largest. */
    uint64_t x_us = x->want->oldest_us - 1;
    uint64_t y_us = y->want->oldest_us - 1;

    if (x->want->has_none != y->want->has_none)
        return x->want->has_none ? -1 : 1;
    if (x->want->importance != y->want->importance)
        return x->want->importance > y->want->importance ? -1 : 1;
    if (x_us != y_us)
        return x_us < y_us ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void placement_decide(const struct placement_input *in,
                      struct placement_output *ret)
{
    struct plan plan = {.in = in,
                        .out = ret,
                        .now = {.machine = in->machine},
                        .later = {.machine = in->machine}};
    struct wanted *wanted = xcalloc(in->want_count + 1U, sizeof *wanted);
    uint32_t *victims = xcalloc(in->replica_count + 1U, sizeof *victims);

    assert(in->machine->device_count <= PLACEMENT_DEVICES);
    ret->clock = in->clock;
    ret->again_us = 0;
    for (uint32_t i = 0; i < in->replica_count; i++) {
        struct placement_need need = held_of(&in->replicas[i]);

        ret->evict[i] = false;
        take(&plan.now, &need, in->replicas[i].devices);
        if (!in->replicas[i].is_leaving)
            take(&plan.later, &need, in->replicas[i].devices);
    }
    rank_replicas(&plan);
    for (uint32_t i = 0; i < in->want_count; i++)
        wanted[i] = (struct wanted){&in->wants[i], i};
    qsort(wanted, in->want_count, sizeof *wanted, compare_rank);
    for (uint32_t i = 0; i < in->want_count; i++)
        answer(&plan, wanted[i].index, victims);
    free(plan.by_worth);
    free(victims);
    free(wanted);
}
