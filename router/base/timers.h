/* timers.h - many coarse time-outs for the price of a list operation each.
 *
 * Time-outs of one length expire in the order in which they were started, so
 * each distinct length has a FIFO list, and one libevent timer serves all:
 * starting, restarting and stopping touch no heap and no kernel. Accuracy:
 * never early, late by at most a loop turn plus 10 ms (or 1/64 of the length
 * where that is more). Thread: owner loop.
 */
#ifndef ROUTER_BASE_TIMERS_H
#define ROUTER_BASE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"

struct loop;
struct timers; /* opaque: all time-outs of one loop */

/* Embedded in what may time out; zeroed, then on_expire set. */
struct timer {
    struct list node;
    uint64_t deadline_us;
    void (*on_expire)(struct timer *timer); /* stopped already; may free it */
};

MUST_USE struct timers *timers_new(struct loop *loop);
/* No timer may be running. NULL is skipped. */
void timers_free(struct timers **timers);

/* Start, or start anew, for delay_ms from now (of this loop turn); 0 stops,
 * as a time-out that is configured off. Cost: O(distinct lengths). */
void timer_start(struct timers *timers, struct timer *timer, uint64_t delay_ms);
/* A timer that does not run stays as it is. */
void timer_stop(struct timer *timer);
bool timer_is_running(const struct timer *timer);

#endif
