/* slot_set.c - the slots of one replica. */
#include "router/slot_set.h"

#include <assert.h>
#include <stdlib.h>

#include "router/app.h"
#include "router/base/alloc.h"

void slot_set_init(struct slot_set *set, struct replica_ref *replica,
                   uint32_t limit, unsigned worker_count)
{
    assert(worker_count > 0);
    *set = (struct slot_set){
        .replica = replica,
        .limit = limit,
        .worker_count = worker_count,
        .parked = xcalloc(worker_count, sizeof *set->parked),
    };
    list_init(&set->plain);
    for (unsigned i = 0; i < worker_count; i++)
        list_init(&set->parked[i]);
}

void slot_set_done(struct slot_set *set)
{
    struct list *node;

    assert(set->held == 0 && set->parked_count == 0);
    while ((node = list_pop_head(&set->plain))) {
        free(container_of(node, struct slot, node));
        set->made--;
    }
    assert(set->made == 0); /* else one was lost */
    free(set->parked);
    set->parked = NULL;
}

bool slot_set_has_free(const struct slot_set *set)
{
    return set->limit == 0 || set->held < set->limit;
}

bool slot_set_is_over(const struct slot_set *set)
{
    return set->limit != 0 && set->held > set->limit;
}

bool slot_set_has_surplus(const struct slot_set *set)
{
    return set->limit != 0 && set->made > set->limit;
}

static struct slot *pop(struct list *head)
{
    struct list *node = list_pop_head(head);

    return node ? container_of(node, struct slot, node) : NULL;
}

static struct slot *make_slot(struct slot_set *set)
{
    struct slot *slot;

    if (set->limit != 0 && set->made >= set->limit)
        return NULL;
    slot = xcalloc(1, sizeof *slot);
    slot->replica = set->replica;
    set->made++;
    return slot;
}

static struct slot *pop_parked(struct slot_set *set, unsigned worker)
{
    struct slot *slot = pop(&set->parked[worker]);

    if (slot)
        set->parked_count--;
    return slot;
}

struct slot *slot_set_take(struct slot_set *set, unsigned worker)
{
    struct slot *slot;

    assert(worker < set->worker_count && slot_set_has_free(set));
    slot = pop_parked(set, worker);
    if (!slot)
        slot = pop(&set->plain);
    if (!slot)
        slot = make_slot(set);
    for (unsigned i = 1; !slot && i < set->worker_count; i++)
        slot = pop_parked(set, (worker + i) % set->worker_count);
    assert(slot);
    set->held++;
    return slot;
}

/* One that carries nothing any more. */
static void put_plain(struct slot_set *set, struct slot *slot)
{
    slot->parked = NULL;
    if (slot_set_has_surplus(set)) {
        free(slot);
        set->made--;
    } else {
        list_add_head(&set->plain, &slot->node);
    }
}

void slot_set_put(struct slot_set *set, struct slot *slot, void *parked,
                  unsigned worker)
{
    assert(!list_is_linked(&slot->node) && set->held > 0);
    set->held--;
    slot->parked = parked;
    slot->parked_worker = worker;
    if (!parked) {
        put_plain(set, slot);
        return;
    }
    assert(worker < set->worker_count && !slot_set_has_surplus(set));
    list_add_head(&set->parked[worker], &slot->node);
    set->parked_count++;
}

/* While a slot is held, its holder alone may look at what it carries. */
bool slot_set_unpark(struct slot_set *set, struct slot *slot,
                     const void *parked)
{
    if (!list_is_linked(&slot->node) || slot->parked != parked)
        return false;
    list_remove(&slot->node);
    set->parked_count--;
    put_plain(set, slot);
    return true;
}

void *slot_set_unpark_any(struct slot_set *set, unsigned worker)
{
    struct slot *slot = pop_parked(set, worker);
    void *parked;

    if (!slot)
        return NULL;
    parked = slot->parked;
    put_plain(set, slot);
    return parked;
}

void slot_set_limit(struct slot_set *set, uint32_t limit)
{
    struct slot *slot;

    set->limit = limit;
    while (slot_set_has_surplus(set) && (slot = pop(&set->plain))) {
        free(slot);
        set->made--;
    }
}

void *slot_set_trim(struct slot_set *set, unsigned worker)
{
    struct slot *slot =
        slot_set_has_surplus(set) ? pop_parked(set, worker) : NULL;
    void *parked;

    if (!slot)
        return NULL;
    parked = slot->parked;
    free(slot);
    set->made--;
    return parked;
}
