/* sim_heap.c - a binary heap of events. */
#include "tests/bench/autoscale_sim/sim_heap.h"

#include <stdlib.h>

#include "router/base/alloc.h"

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return a->order < b->order;
}

void sim_heap_done(struct sim_heap *heap)
{
    free(heap->events);
    *heap = (struct sim_heap){0};
}

void sim_heap_add(struct sim_heap *heap, struct sim_event event)
{
    uint32_t at = heap->count++;

    if (at == heap->room) {
        heap->room = heap->room ? 2 * heap->room : 256;
        heap->events =
            xrealloc(heap->events, heap->room * sizeof *heap->events);
    }
    event.order = heap->added++;
    while (at > 0 && is_before(&event, &heap->events[(at - 1) / 2])) {
        heap->events[at] = heap->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->events[at] = event;
}

bool sim_heap_take(struct sim_heap *heap, struct sim_event *ret_event)
{
    struct sim_event last;
    uint32_t at = 0;

    if (heap->count == 0)
        return false;
    *ret_event = heap->events[0];
    last = heap->events[--heap->count];
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            is_before(&heap->events[child + 1], &heap->events[child]))
            child++;
        if (!is_before(&heap->events[child], &last))
            break;
        heap->events[at] = heap->events[child];
        at = child;
    }
    if (heap->count > 0)
        heap->events[at] = last;
    return true;
}
