/* sim_heap.h - what is to happen, by virtual time; ties in the order of adding.
 */
#ifndef BENCH_SIM_HEAP_H
#define BENCH_SIM_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct sim_event {
    uint64_t at_us;
    uint64_t order; /* the heap's */
    uint32_t kind;
    uint32_t subject;
    uint64_t stamp; /* to tell an event that is out of date */
};

struct sim_heap {
    struct sim_event *events;
    uint32_t count;
    uint32_t room;
    uint64_t added;
};

void sim_heap_done(struct sim_heap *heap);
void sim_heap_add(struct sim_heap *heap, struct sim_event event);
/* false: it is empty. */
bool sim_heap_take(struct sim_heap *heap, struct sim_event *ret_event);

#endif
