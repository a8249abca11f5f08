/* start_queue.h - bounds how many containers are made and started at a time.
 *
 * Podman makes some twelve a second whatever the parallelism; more at a time
 * only slows down the one that a request waits for. Urgent ones go first; of
 * these, those of apps that have no replica, then by importance, then by how
 * long a request has waited for them, as it is when a turn is free; then by
 * arrival. Thread: keeper main.
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

struct start_rank {
    bool has_replica; /* one that serves, or whose start has had its turn */
    int32_t importance;
    uint64_t oldest_us; /* when the oldest waiting request came; 0: none does */
};

/* The right to one start, embedded in who starts. Zeroed, then on_turn set, and
 * rank where its place may change while it waits. */
struct start_ticket {
    struct start_queue *queue; /* NULL: neither waits nor has a turn */
    bool has_turn;
    struct list node;
    void (*on_turn)(struct start_ticket *ticket);
    struct start_rank (*rank)(const struct start_ticket *ticket);
};

void start_queue_init(struct start_queue *queue, uint32_t limit);

/* true: it is your turn now. false: on_turn will be called, from within
 * another's start_ticket_return(). is_urgent: a request waits for it. */
MUST_USE bool start_queue_enter(struct start_queue *queue,
                                struct start_ticket *ticket, bool is_urgent);

/* Give the turn back, or leave the queue; nothing where neither is so.
 * Cost: O(urgent ones that wait). */
void start_ticket_return(struct start_ticket *ticket);

#endif
