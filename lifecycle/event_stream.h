/* event_stream.h - the events that somebody asked for, as they come.
 *
 * A part has a line for each event, "ID KIND JSON"; where some were lost to a
 * reader that was too slow, or away for too long, one "ID lost {"lost":N}".
 * Nothing is kept for a reader but its place in the log. Thread: keeper main.
 */
#ifndef LIFECYCLE_EVENT_STREAM_H
#define LIFECYCLE_EVENT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/answer.h"

struct event_log;
struct loop;

struct event_ask {
    const char *app; /* only this one's; NULL: all. Copied */
    uint64_t after;  /* the last one that is known already; 0: none */
    bool has_tail;
    uint64_t tail; /* no more than so many of those that are there now */
    bool follow;   /* and then those that come */
};

/* Answer question `id`. It frees itself with the stream's end. */
void event_stream_start(struct answers *answers, uint64_t id, struct loop *loop,
                        struct event_log *log, const struct event_ask *ask);

#endif
