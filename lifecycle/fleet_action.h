/* fleet_action.h - what operators have done to apps: pull, wake, restart,
 * scale, freeze, hibernate.
 *
 * Each is answered when it is done or has failed; until then its parts are
 * lines of JSON, {"text", …}, whenever there is something new to say. Who
 * asked may go: the action goes on. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_ACTION_H
#define LIFECYCLE_FLEET_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/answer.h"
#include "router/base/attr.h"

struct event_log;
struct fleet;
struct fleet_actions; /* opaque; defined in fleet_action.c */
struct loop;
struct timers;

enum fleet_action_kind {
#define FLEET_ACTION(NAME, name) ACTION_##NAME,
#include "lifecycle/fleet_action.def"
#undef FLEET_ACTION
    ACTION_KIND_COUNT
};
const char *fleet_action_name(enum fleet_action_kind kind);

struct fleet_actions_options {
    struct loop *loop;
    struct timers *timers;
    struct fleet *fleet;
    struct event_log *events;
};

struct fleet_action_ask {
    enum fleet_action_kind kind;
    uint32_t app;
    uint64_t keep_ms;  /* WAKE: kept for so long at least; 0: as any request */
    uint32_t replicas; /* SCALE */
};

/* Copies options, borrows what they point to. */
MUST_USE struct fleet_actions *
fleet_actions_new(const struct fleet_actions_options *options);
/* Actions under way end without an answer. NULL is skipped. */
void fleet_actions_free(struct fleet_actions **actions);

/* Begin it, and answer question `id` when it ends: {"done": true, "text", …},
 * or why it failed ("CODE MESSAGE"). */
void fleet_action_start(struct fleet_actions *actions, struct answers *answers,
                        uint64_t id, const struct fleet_action_ask *ask);

#endif
