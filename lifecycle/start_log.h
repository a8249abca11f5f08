/* start_log.h - the last starts of an app: each phase with its time, what made
 * room for it, and why it failed or ended, for `berth why`.
 *
 * START_LOG_MAX of them; the last lines of each that failed are cut at
 * START_LOG_BYTES. Thread: keeper main.
 */
#ifndef LIFECYCLE_START_LOG_H
#define LIFECYCLE_START_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/replica.h"
#include "router/base/attr.h"

#define START_LOG_MAX   16U
#define START_LOG_THAWS 6U /* no more of them are thaws */
#define START_LOG_BYTES 4096U

struct cJSON;
struct event_log;
struct strbuf;
struct start_log; /* opaque; defined in start_log.c */

MUST_USE struct start_log *start_log_new(void);
void start_log_free(struct start_log **log); /* NULL is skipped */

/* A start that has ended; all borrowed for the call. */
struct start_end {
    const char *app;
    const struct replica_view *view;
    const char *from; /* the rung that it came from; a literal */
    bool was_urgent;  /* a request waited for it */
    /* NULL: it is ready. Else why it failed: as a start that was under way, or
     * as a replica that had been ready, which is told of its start. */
    const struct replica_failure *failure;
    const struct event_log *events; /* who made room for it; NULL: not known */
};
void start_log_add(struct start_log *log, const struct start_end *end);

/* Its newest start that ended ready: the phase after it, by which total_us
 * grows. */
void start_log_first_byte(struct start_log *log, const char *replica,
                          uint64_t first_byte_us);

/* The newest first, as an array of
 * {"replica", "at_unix_ms", "from", "why", "ok", "total_us",
 *  "phases": [{"name", "us"}], "evicted": [{"replica", "app"}],
 *  "error": {"code", "message", "log": [line…]},
 *  "ended": {"at_unix_ms", "code", "message", "log": [line…]}}
 * where "error" is that of a start that failed, and "ended" of a replica that
 * failed after it. For cJSON_Delete(). */
MUST_USE struct cJSON *start_log_json(const struct start_log *log);
/* The newest alone, NULL (JSON's) when there is none. */
MUST_USE struct cJSON *start_log_last_json(const struct start_log *log);

/* The phases that were gone through, as an array of {"name", "us"}. */
MUST_USE struct cJSON *start_phases_json(const struct replica_phases *phases);
/* The same as text: "create 8.2 ms, start 61.0 ms". */
void start_phases_write(const struct replica_phases *phases,
                        struct strbuf *buf);

#endif
