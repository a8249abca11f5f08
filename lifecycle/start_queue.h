/* start_queue.h - bounds how many containers are made and started at a time.
 *
 * Podman makes some twelve a second whatever the parallelism; more at a time
 * only slows down the one that a request waits for. Urgent ones go first, then
 * by arrival. Thread: keeper main.
 */
#ifndef LIFECYCLE_START_QUEUE_H
#define LIFECYCLE_START_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"

struct start_queue {
    uint32_t limit; /* may be lowered at any time; 0: no more starts */
    uint32_t active;
    struct list urgent;
    struct list others;
};

/* The right to one start, embedded in who starts. Zeroed, then on_turn set. */
struct start_ticket {
    struct start_queue *queue; /* NULL: neither waits nor has a turn */
    bool has_turn;
    struct list node;
    void (*on_turn)(struct start_ticket *ticket);
};

void start_queue_init(struct start_queue *queue, uint32_t limit);

/* true: it is your turn now. false: on_turn will be called, from within
 * another's start_ticket_return(). is_urgent: a request waits for it. */
MUST_USE bool start_queue_enter(struct start_queue *queue,
                                struct start_ticket *ticket, bool is_urgent);

/* Give the turn back, or leave the queue; nothing where neither is so. */
void start_ticket_return(struct start_ticket *ticket);

#endif
