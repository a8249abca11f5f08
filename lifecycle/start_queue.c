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

static struct start_ticket *ticket_of(struct list *node)
{
    return container_of(node, struct start_ticket, node);
}

static struct start_rank rank_of(const struct start_ticket *ticket)
{
    return ticket->rank ? ticket->rank(ticket) : (struct start_rank){0};
}

static bool comes_before(const struct start_rank *a, const struct start_rank *b)
{
    if (a->has_replica != b->has_replica)
        return !a->has_replica;
    if (a->importance != b->importance)
        return a->importance > b->importance;
    return a->oldest_us != 0 &&
           (b->oldest_us == 0 || a->oldest_us < b->oldest_us);
}

static struct start_ticket *most_urgent(const struct start_queue *queue)
{
    struct start_ticket *best = NULL;
    struct start_rank best_rank = {0};

    LIST_FOREACH (&queue->urgent, node) {
        struct start_ticket *ticket = ticket_of(node);
        struct start_rank rank = rank_of(ticket);

        if (best && !comes_before(&rank, &best_rank))
            continue;
        best = ticket;
        best_rank = rank;
    }
    return best;
}

static struct start_ticket *next_ticket(struct start_queue *queue)
{
    struct start_ticket *ticket = most_urgent(queue);

    if (!ticket && !list_is_empty(&queue->others))
        ticket = ticket_of(queue->others.next);
    if (ticket)
        list_remove(&ticket->node);
    return ticket;
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
