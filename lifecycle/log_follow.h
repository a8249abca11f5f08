/* log_follow.h - the output of an app's containers, as somebody asked for it.
 *
 * Parts are made of records (router/log_record.h). The engine is not read
 * faster than the lines are passed on, so memory is bounded, and who is slow
 * loses nothing. Thread: keeper main.
 */
#ifndef LIFECYCLE_LOG_FOLLOW_H
#define LIFECYCLE_LOG_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/answer.h"
#include "router/base/attr.h"
#include "router/base/err.h"

struct engine;
struct event_log;
struct fleet;
struct loop;

/* A longer line comes in pieces of this. */
#define LOG_LINE_MAX 16384U

struct log_ask {
    const char *replica; /* only this one: "a-3" or "3"; NULL: all. Copied */
    const char *sidecar; /* of this container of the pod; NULL: the app's own */
    bool has_tail;
    uint64_t tail; /* the last lines of each replica; else all that is kept */
    bool follow;   /* and those that come, of replicas to come, too */
};

struct log_host {
    struct loop *loop;
    struct engine *engine; /* NULL: external apps only */
    struct fleet *fleet;
    struct event_log *events; /* which tells when to look for replicas anew */
};

/* Answer question `id` about the app of that number; it frees itself with the
 * stream's end. false: there is nothing to be followed, err says why
 * (ERR_NOT_FOUND), nothing is answered. */
MUST_USE bool log_follow_start(struct answers *answers, uint64_t id,
                               const struct log_host *host, uint32_t app,
                               const struct log_ask *ask, struct err *err);

#endif
