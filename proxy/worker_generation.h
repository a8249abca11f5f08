/* worker_generation.h - one worker's part of a generation: what it needs for
 * itself alone, so that it touches nobody else's cache lines.
 *
 * Counted by what began with it: requests, handshakes under way, listeners
 * that are gone but have a client. Idle connections do not count: their next
 * request takes the generation that the worker has then.
 */
#ifndef PROXY_WORKER_GENERATION_H
#define PROXY_WORKER_GENERATION_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/loop.h"

struct generation;
struct metrics_cell;
struct metrics_registry;
struct metrics_requests;
struct worker;
struct worker_events;
struct worker_tls;

struct worker_generation {
    struct generation *shared; /* only main changes anything there */
    unsigned index;            /* of the worker */
    unsigned users;            /* the worker's loop's */
    struct worker_tls *tls;
    struct metrics_cell **app_cells;    /* by app */
    struct metrics_requests **requests; /* by route; the last: no route */
    struct worker *worker;              /* once it has it */
    const struct worker_events *events; /* once it is over: for the task */
    struct loop_task ended_task;        /* to main */
};

/* Of a generation that is otherwise complete. Thread: main. */
MUST_USE struct worker_generation *
worker_generation_new(struct generation *shared, unsigned index,
                      struct metrics_registry *metrics);
/* After its last user is gone, or its thread. Thread: main. */
void worker_generation_free(struct worker_generation **part,
                            struct metrics_registry *metrics);

/* --- Thread: owner loop --- */

static inline struct worker_generation *
worker_generation_ref(struct worker_generation *part)
{
    part->users++;
    return part;
}

/* The last user is gone: main is told to free it. */
void worker_generation_end(struct worker_generation *part);

/* Sets NULL; NULL is skipped. */
static inline void worker_generation_unref(struct worker_generation **part_ptr)
{
    struct worker_generation *part = *part_ptr;

    *part_ptr = NULL;
    if (part && --part->users == 0)
        worker_generation_end(part);
}

#endif
