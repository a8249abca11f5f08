/* answer.h - what the front is answered: one text, or a stream of parts and
 * then a text.
 *
 * Nobody waits here for a slow reader: a stream may have ANSWER_WINDOW bytes
 * under way, and its source sees to what does not fit (holds back, or leaves
 * out and says so). Thread: keeper main.
 */
#ifndef LIFECYCLE_ANSWER_H
#define LIFECYCLE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/list.h"
#include "router/base/strview.h"
#include "router/channel.h"

struct answers { /* embedded; open for answer.c only */
    struct channel *channel;
    struct list streams;
};

/* A stream, embedded in its source. Zeroed, then the hooks set. */
struct answer {
    struct list node;
    struct answers *answers;
    uint64_t id;
    size_t under_way;
    /* More of it was passed on. */
    void (*on_room)(struct answer *answer);
    /* Who asked is gone: the answer is ended; its source may be freed. */
    void (*on_gone)(struct answer *answer);
};

void answers_init(struct answers *answers);
/* To the front from now on; NULL: it is gone, and all who asked with it. */
void answers_set_channel(struct answers *answers, struct channel *channel);
/* CREDIT, FORGET. false: not whole. */
MUST_USE bool answers_on_message(struct answers *answers,
                                 enum channel_type type,
                                 struct strview payload);

/* All there is to say to question `id`. ok false: text is "CODE MESSAGE". */
void answers_reply(struct answers *answers, uint64_t id, bool ok,
                   struct strview text);

/* Question `id` is answered by a stream; an empty part says so. */
void answer_begin(struct answers *answers, uint64_t id, struct answer *answer);
/* Bytes of a part that may be sent now. */
size_t answer_room(const struct answer *answer);
/* Beyond answer_room() too, where it cannot be made smaller. Copies. */
void answer_part(struct answer *answer, struct strview part);
/* The last word; no hook runs any more. One that has ended is skipped. */
void answer_end(struct answer *answer, bool ok, struct strview text);

#endif
