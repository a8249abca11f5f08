/* wait_queue.h - waiting requests by priority, then by when they must have been
 * served, then by arrival.
 *
 * Intrusive: allocates nothing. O(1) to add at the end and to remove from
 * anywhere; O(log n) to add elsewhere (a retried request is older than others,
 * a peer's deadline is nearer). A waiter moves up one priority for every 10
 * seconds that it has waited, so that nobody starves. Thread: guarded by the
 * app's lock.
 */
#ifndef ROUTER_WAIT_QUEUE_H
#define ROUTER_WAIT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/skip_list.h"

struct waiter;

#define WAIT_QUEUE_PRIORITIES 3
#define WAIT_QUEUE_STEP_US    10000000

struct wait_queue {
    uint32_t count;
    /* By the priority (enum app_priority) that they have moved up to. */
    uint32_t counts[WAIT_QUEUE_PRIORITIES];
    struct skip_list by_deadline[WAIT_QUEUE_PRIORITIES];
    /* By the one they came with, and the one they moved up to. */
    struct skip_list by_arrival[WAIT_QUEUE_PRIORITIES][WAIT_QUEUE_PRIORITIES];
};

/* What the queue keeps in each waiter; zeroed: it is in none. */
struct wait_queue_place {
    struct skip_node by_deadline;
    struct skip_node by_arrival;
    unsigned rank; /* the priority that it has moved up to */
};

void wait_queue_init(struct wait_queue *queue);
/* By waiter->priority, until_us and arrived_us; after its equals. */
void wait_queue_add(struct wait_queue *queue, struct waiter *waiter);
void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter);
/* The next to be served, left in the queue, or NULL. Cost: O(1), and
 * O(log n) for each that moves up since the last call: twice in its life. */
struct waiter *wait_queue_head(struct wait_queue *queue, uint64_t now_us);
/* How many are at this priority, and above it. Cost: as wait_queue_head(). */
uint32_t wait_queue_count_from(struct wait_queue *queue, unsigned priority,
                               uint64_t now_us);
/* arrived_us of the oldest, 0 when empty. */
uint64_t wait_queue_oldest_us(const struct wait_queue *queue);

#endif
