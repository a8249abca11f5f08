/* event_log.h - what happened lately: every change of state of replicas and
 * apps, and what else moves them (pulls, evictions, reloads, the front's and
 * the engine's life), with reasons and durations.
 *
 * A ring of EVENT_LOG_MAX events; each text is cut at EVENT_TEXT_MAX bytes, so
 * the memory is bounded. Readers hold the number of the last event that they
 * saw; one that is overtaken by the ring is told how many it missed.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_EVENT_LOG_H
#define LIFECYCLE_EVENT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/base/strbuf.h"

#define EVENT_LOG_MAX  2048U
#define EVENT_TEXT_MAX 512U

enum event_kind {
#define EVENT_KIND(NAME, text, meaning) EVENT_##NAME,
#include "lifecycle/event_kind.def"
#undef EVENT_KIND
    EVENT_KIND_COUNT
};

/* Texts that say nothing are NULL or "". */
struct event {
    uint64_t id;         /* set by the log: one more than the event before */
    uint64_t at_unix_ms; /* 0: set by the log */
    enum event_kind kind;
    const char *app;     /* its name; none: about berth itself */
    const char *replica; /* its name, APP-ID */
    const char *from;    /* the state before */
    const char *to;      /* the state now, or what became of it: "failed" */
    const char *reason;
    const char *image;  /* PULL: what was pulled */
    const char *by;     /* EVICTION: the app that needed the room */
    uint64_t before_ms; /* how long it was in the state before */
    uint64_t took_ms;   /* how long what ends now took; 0: nothing ends */
};

struct event_log; /* opaque; defined in event_log.c */

MUST_USE struct event_log *event_log_new(void);
void event_log_free(struct event_log **log); /* NULL is skipped */

/* Copies. log NULL: nobody keeps it. */
void event_log_add(struct event_log *log, const struct event *event);

/* Of the newest; 0: there was none. Ids grow over restarts, too: the first is
 * the time at which the log was made. */
uint64_t event_log_last_id(const struct event_log *log);
/* The oldest that came after `id`; NULL: there is none. Borrowed until the
 * next event_log_add(). Cost: O(1). */
const struct event *event_log_after(const struct event_log *log, uint64_t id);
/* How many came after `id` and are not kept any more. */
uint64_t event_log_lost_after(const struct event_log *log, uint64_t id);

/* Embedded in who wants to know; zeroed, then on_event set. */
struct event_watcher {
    struct list node;
    /* One was added. It may add none itself, and unwatch nobody. */
    void (*on_event)(struct event_watcher *watcher);
};
void event_log_watch(struct event_log *log, struct event_watcher *watcher);
void event_watcher_stop(struct event_watcher *watcher); /* or did not watch */

const char *event_kind_name(enum event_kind kind);
/* {"id", "at_unix_ms", "kind", …}, without what says nothing. */
void event_write_json(const struct event *event, struct strbuf *buf);

#endif
