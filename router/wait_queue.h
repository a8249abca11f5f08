/* wait_queue.h - waiting requests by priority, then by arrival.
 *
 * Intrusive, O(1) to add at the end, to take the head and to remove from
 * anywhere; a retried request (an older arrival) is put where its arrival
 * belongs. A waiter moves up one priority for every 10 seconds that it has
 * waited, so that nobody starves. Thread: guarded by the app's lock.
 */
#ifndef ROUTER_WAIT_QUEUE_H
#define ROUTER_WAIT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/list.h"

struct waiter;

#define WAIT_QUEUE_PRIORITIES 3
#define WAIT_QUEUE_STEP_US    10000000

struct wait_queue {
    /* enum app_priority; each by arrival */
    struct list by_priority[WAIT_QUEUE_PRIORITIES];
    uint32_t count;
};

void wait_queue_init(struct wait_queue *queue);
/* By waiter->priority and waiter->arrived_us; after its equals. */
void wait_queue_add(struct wait_queue *queue, struct waiter *waiter);
void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter);
/* The next to be served, left in the queue, or NULL. */
struct waiter *wait_queue_head(const struct wait_queue *queue, uint64_t now_us);
/* arrived_us of the oldest, 0 when empty. */
uint64_t wait_queue_oldest_us(const struct wait_queue *queue);

#endif
