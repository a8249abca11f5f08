/* build_log.h - what Podman says while it builds an image, line by line.
 * Pure. Thread: any.
 */
#ifndef LIFECYCLE_BUILD_LOG_H
#define LIFECYCLE_BUILD_LOG_H

#include <stdbool.h>

#include "lifecycle/engine.h"

struct build_log; /* opaque */

MUST_USE struct build_log *build_log_new(void);
void build_log_free(struct build_log **log); /* NULL is skipped */

/* Take one line of JSON. True when the progress changed. One that is no JSON
 * counts as a failure of the build. */
bool build_log_line(struct build_log *log, struct strview line);

/* Steps done, of steps. */
const struct engine_progress *build_log_progress(const struct build_log *log);

/* At the stream's end: false, with the reason and the last lines of output,
 * when it has failed. */
MUST_USE bool build_log_result(const struct build_log *log, struct err *err);

/* The last lines, behind what err says already. */
void build_log_add_lines(const struct build_log *log, struct err *err);

#endif
