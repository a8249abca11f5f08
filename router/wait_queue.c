/* wait_queue.c - waiting requests by priority, deadline and arrival. */
#include "router/wait_queue.h"

#include <assert.h>

#include "router/app.h"

static struct waiter *by_deadline(struct skip_node *node)
{
    return container_of(node, struct waiter, place.by_deadline);
}

static struct waiter *by_arrival(struct skip_node *node)
{
    return container_of(node, struct waiter, place.by_arrival);
}

void wait_queue_init(struct wait_queue *queue)
{
    queue->count = 0;
    for (unsigned i = 0; i < WAIT_QUEUE_PRIORITIES; i++) {
        queue->counts[i] = 0;
        skip_list_init(&queue->by_deadline[i]);
        for (unsigned k = 0; k < WAIT_QUEUE_PRIORITIES; k++)
            skip_list_init(&queue->by_arrival[i][k]);
    }
}

static void put(struct wait_queue *queue, struct waiter *waiter, unsigned rank)
{
    struct wait_queue_place *place = &waiter->place;

    place->rank = rank;
    queue->counts[rank]++;
    skip_list_add(&queue->by_deadline[rank], &place->by_deadline,
                  waiter->until_us, waiter->arrived_us);
    skip_list_add(&queue->by_arrival[waiter->priority][rank],
                  &place->by_arrival, waiter->arrived_us, 0);
}

static void take(struct wait_queue *queue, struct waiter *waiter)
{
    struct wait_queue_place *place = &waiter->place;

    queue->counts[place->rank]--;
    skip_list_remove(&place->by_deadline);
    skip_list_remove(&place->by_arrival);
}

void wait_queue_add(struct wait_queue *queue, struct waiter *waiter)
{
    assert((unsigned)waiter->priority < WAIT_QUEUE_PRIORITIES);
    queue->count++;
    put(queue, waiter, (unsigned)waiter->priority);
}

void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter)
{
    assert(queue->count > 0);
    queue->count--;
    take(queue, waiter);
}

/* Those that came with `priority` and are at `rank`, as far as they have waited
 * long enough for the next one. */
static void move_up_from(struct wait_queue *queue, unsigned priority,
                         unsigned rank, uint64_t now_us)
{
    const struct skip_list *list = &queue->by_arrival[priority][rank];
    uint64_t after_us = (uint64_t)WAIT_QUEUE_STEP_US * (priority - rank + 1);
    struct skip_node *node;

    while ((node = skip_list_first(list))) {
        struct waiter *waiter = by_arrival(node);

        if (now_us < waiter->arrived_us + after_us)
            return;
        take(queue, waiter);
        put(queue, waiter, rank - 1);
    }
}

static void move_up(struct wait_queue *queue, uint64_t now_us)
{
    for (unsigned priority = 1; priority < WAIT_QUEUE_PRIORITIES; priority++) {
        for (unsigned rank = priority; rank > 0; rank--)
            move_up_from(queue, priority, rank, now_us);
    }
}

struct waiter *wait_queue_head(struct wait_queue *queue, uint64_t now_us)
{
    if (queue->count == 0)
        return NULL;
    move_up(queue, now_us);
    for (unsigned rank = 0; rank < WAIT_QUEUE_PRIORITIES; rank++) {
        struct skip_node *node = skip_list_first(&queue->by_deadline[rank]);

        if (node)
            return by_deadline(node);
    }
    return NULL;
}

uint32_t wait_queue_count_from(struct wait_queue *queue, unsigned priority,
                               uint64_t now_us)
{
    uint32_t count = 0;

    move_up(queue, now_us);
    for (unsigned rank = 0; rank <= priority; rank++)
        count += queue->counts[rank];
    return count;
}

uint64_t wait_queue_oldest_us(const struct wait_queue *queue)
{
    uint64_t oldest = 0;

    for (unsigned priority = 0; priority < WAIT_QUEUE_PRIORITIES; priority++) {
        for (unsigned rank = 0; rank <= priority; rank++) {
            struct skip_node *node =
                skip_list_first(&queue->by_arrival[priority][rank]);

            if (node && (oldest == 0 || node->key < oldest))
                oldest = node->key;
        }
    }
    return oldest;
}
