/* front_desk.h - what the front asks of the keeper on behalf of the admin API:
 * the questions that are about apps and events, and the answers to them.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_FRONT_DESK_H
#define LIFECYCLE_FRONT_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/answer.h"
#include "router/base/attr.h"
#include "router/channel.h"

struct event_log;
struct fleet;
struct front_desk; /* opaque; defined in front_desk.c */
struct loop;
struct timers;

struct front_desk_options {
    struct loop *loop;
    struct timers *timers;
    struct fleet *fleet;
    struct event_log *events;
};

/* Copies options, borrows what they point to. */
MUST_USE struct front_desk *
front_desk_new(const struct front_desk_options *options);
void front_desk_free(struct front_desk **desk); /* NULL is skipped */

/* The front that asks from now on; NULL: it is gone. */
void front_desk_set_channel(struct front_desk *desk, struct channel *channel);

/* Answers, at once or later. What it does not know is refused. */
void front_desk_query(struct front_desk *desk,
                      const struct channel_query *query);
void front_desk_action(struct front_desk *desk,
                       const struct channel_action *action);
/* CREDIT, FORGET. false: not whole. */
MUST_USE bool front_desk_on_message(struct front_desk *desk,
                                    enum channel_type type,
                                    struct strview payload);

#endif
