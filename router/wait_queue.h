/* wait_queue.h - waiting requests by priority, then by arrival.
 *
 * Intrusive, O(1) to add at the end, to take the head and to remove from
 * anywhere; a retried request (an older arrival) is put where its arrival
 * belongs. Thread: guarded by the app's lock.
 */
#ifndef ROUTER_WAIT_QUEUE_H
#define ROUTER_WAIT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/list.h"

struct waiter;

struct wait_queue {
    struct list by_priority[3]; /* enum app_priority; each by arrival */
    uint32_t count;
};

void wait_queue_init(struct wait_queue *queue);
void wait_queue_add(struct wait_queue *queue, struct waiter *waiter);
void wait_queue_remove(struct wait_queue *queue, struct waiter *waiter);
/* The next to be served, left in the queue, or NULL. */
struct waiter *wait_queue_head(const struct wait_queue *queue);
/* arrived_us of the oldest, 0 when empty. */
uint64_t wait_queue_oldest_us(const struct wait_queue *queue);

#endif
