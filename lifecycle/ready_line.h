/* ready_line.h - waits for the line of a container's log that says that the app
 * is ready (ready_check log REGEX).
 *
 * Reads the log from its start, and reads it anew where it breaks off. Bounded:
 * of a longer line only the first READY_LINE_MAX bytes count. Thread: keeper
 * main.
 */
#ifndef LIFECYCLE_READY_LINE_H
#define LIFECYCLE_READY_LINE_H

#include "lifecycle/engine.h"

struct ready_line; /* opaque; defined in ready_line.c */
struct timers;

#define READY_LINE_MAX 4096U

struct ready_line_events {
    /* Once; it may be freed in it. */
    void (*on_line)(void *arg);
    /* Why it has not come yet, where that is not that nothing matched. */
    void (*on_status)(void *arg, const char *text);
    void *arg;
};

/* id: of a container that runs. pattern: one that line_pattern_new() takes. */
MUST_USE struct ready_line *
ready_line_new(struct engine *engine, struct timers *timers, const char *id,
               const char *pattern, const struct ready_line_events *events);
/* NULL is skipped. */
void ready_line_free(struct ready_line **line);

#endif
