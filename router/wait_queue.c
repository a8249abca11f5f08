/* wait_queue.c - waiting requests by priority, then by arrival. */
#include "router/wait_queue.h"

#include <assert.h>

#include "router/app.h"

static struct waiter *waiter_of(struct list *node)
{
    return container_of(node, struct waiter, node);
}

/* NULL: none of this priority waits. */
static struct waiter *first_of(const struct wait_queue *queue,
                               unsigned priority)
{
    const struct list *head = &queue->by_priority[priority];

    return list_is_empty(head) ? NULL : waiter_of(head->next);
}

void wait_queue_init(struct wait_queue *queue)
{
    for (unsigned i = 0; i < WAIT_QUEUE_PRIORITIES; i++)
        list_init(&queue->by_priority[i]);
    queue->count = 0;
}

void wait_queue_add(struct wait_queue *queue, struct waiter *waiter)
{
    struct list *head;
    struct list *after;

    assert((unsigned)waiter->priority < WAIT_QUEUE_PRIORITIES);
    head = &queue->by_priority[waiter->priority];
    queue->count++;
    /* A retried request is older than most: often than all. */
    if (!list_is_empty(head) &&
        waiter->arrived_us < waiter_of(head->next)->arrived_us) {
        list_add_head(head, &waiter->node);
        return;
    }
    after = head->prev;
    while (after != head && waiter_of(after)->arrived_us > waiter->arrived_us)
        after = after->prev;
    list_insert_before(after->next, &waiter->node);
}

void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter)
{
    assert(list_is_linked(&waiter->node) && queue->count > 0);
    list_remove(&waiter->node);
    queue->count--;
}

static uint64_t rank_of(const struct waiter *waiter, uint64_t now_us)
{
    uint64_t waited_us =
        now_us > waiter->arrived_us ? now_us - waiter->arrived_us : 0;
    uint64_t steps = waited_us / WAIT_QUEUE_STEP_US;
    uint64_t priority = (uint64_t)waiter->priority;

    return steps < priority ? priority - steps : 0;
}

struct waiter *wait_queue_head(const struct wait_queue *queue, uint64_t now_us)
{
    struct waiter *best = NULL;

    /* The oldest of each priority has moved up furthest of its own. */
    for (unsigned i = 0; i < WAIT_QUEUE_PRIORITIES; i++) {
        struct waiter *waiter = first_of(queue, i);

        if (!waiter)
            continue;
        if (!best || rank_of(waiter, now_us) < rank_of(best, now_us) ||
            (rank_of(waiter, now_us) == rank_of(best, now_us) &&
             waiter->arrived_us < best->arrived_us))
            best = waiter;
    }
    return best;
}

uint64_t wait_queue_oldest_us(const struct wait_queue *queue)
{
    uint64_t oldest = 0;

    for (unsigned i = 0; i < WAIT_QUEUE_PRIORITIES; i++) {
        const struct waiter *waiter = first_of(queue, i);

        if (waiter && (oldest == 0 || waiter->arrived_us < oldest))
            oldest = waiter->arrived_us;
    }
    return oldest;
}
