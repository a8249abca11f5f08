/* sidecar_line.h - whether a sidecar is ready: the line of its log that says so
 * (ready_check log REGEX), for so long as it runs and there is time.
 *
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_SIDECAR_LINE_H
#define LIFECYCLE_SIDECAR_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"

struct engine;
struct sidecar_line; /* opaque; defined in sidecar_line.c */
struct timers;

struct sidecar_line_options {
    struct engine *engine;
    struct timers *timers;
    const char *id;      /* of its container, which runs */
    const char *pattern; /* one that line_pattern_new() takes */
    /* false: its process has ended; err says so. */
    bool (*is_alive)(void *arg, struct err *err);
    /* err NULL: it is ready. ERR_TIMEOUT: not within timeout_ms; else as
     * is_alive() said. Once, never within sidecar_line_start(). */
    void (*done)(void *arg, const struct err *err);
    void *arg;
    uint64_t timeout_ms;
};

/* Copies options; borrows what they point to until it ends. */
MUST_USE struct sidecar_line *
sidecar_line_start(const struct sidecar_line_options *options);
/* done does not run any more. NULL is skipped. */
void sidecar_line_cancel(struct sidecar_line **line);

#endif
