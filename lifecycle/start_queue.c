/* start_queue.c - bounds how many containers are started at a time. */
#include "lifecycle/start_queue.h"

#include <assert.h>

void start_queue_init(struct start_queue *queue, uint32_t limit)
{
    queue->limit = limit > 0 ? limit : 1;
    queue->active = 0;
    list_init(&queue->urgent);
    list_init(&queue->others);
}

bool start_queue_enter(struct start_queue *queue, struct start_ticket *ticket,
                       bool is_urgent)
{
    assert(!ticket->queue);
    ticket->queue = queue;
    ticket->has_turn = queue->active < queue->limit;
    if (ticket->has_turn) {
        queue->active++;
        return true;
    }
    list_add_tail(is_urgent ? &queue->urgent : &queue->others, &ticket->node);
    return false;
}

static struct start_ticket *next_ticket(struct start_queue *queue)
{
    struct list *node = list_pop_head(&queue->urgent);

    if (!node)
        node = list_pop_head(&queue->others);
    return node ? container_of(node, struct start_ticket, node) : NULL;
}

void start_ticket_return(struct start_ticket *ticket)
{
    struct start_queue *queue = ticket->queue;
    struct start_ticket *next;

    if (!queue)
        return;
    ticket->queue = NULL;
    if (!ticket->has_turn) {
        list_remove(&ticket->node);
        return;
    }
    ticket->has_turn = false;
    queue->active--;
    next = queue->active < queue->limit ? next_ticket(queue) : NULL;
    if (!next)
        return;
    queue->active++;
    next->has_turn = true;
    next->on_turn(next);
}
