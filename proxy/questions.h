/* questions.h - what the front asks the keeper, and who waits for the answer.
 *
 * An answer is one text, or a stream of parts and then a text. The parts that
 * an asker has not passed on yet are bounded (ANSWER_WINDOW): it says by
 * questions_credit() when they have left. Thread: main.
 */
#ifndef PROXY_QUESTIONS_H
#define PROXY_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"
#include "router/channel.h"

struct questions; /* opaque; defined in questions.c */

struct question {
    const char *what; /* a row of lifecycle/front_desk.c */
    bool is_action;   /* something is to be done, not only told */
    uint32_t app;     /* its number; UINT32_MAX: none */
    struct strview argument;
    /* A part of a stream; NULL: parts are not wanted. It may forget the
     * question. body is borrowed for the call, here and below. */
    void (*on_part)(void *arg, struct strview body);
    /* Once, the last. ok false: it failed, or the keeper is gone. */
    void (*on_reply)(void *arg, bool ok, struct strview body);
    void *arg;
};

/* *channel: NULL while there is no keeper; borrowed. */
MUST_USE struct questions *questions_new(struct channel **channel);
/* Nobody is answered any more. NULL is skipped. */
void questions_free(struct questions **questions);

/* Ask. Copies *question, borrows its texts for the call. Its functions run
 * later, on main's loop, until the id was given to questions_forget(). */
uint64_t questions_ask(struct questions *questions,
                       const struct question *question);
/* So many bytes of its parts have left. */
void questions_credit(struct questions *questions, uint64_t id, size_t bytes);
/* The asker goes. An id that was answered is skipped. */
void questions_forget(struct questions *questions, uint64_t id);
/* The keeper is gone: all are answered, by `why`. */
void questions_fail(struct questions *questions, struct strview why);

/* REPLY and REPLY_PART. false: not whole. */
MUST_USE bool questions_on_message(struct questions *questions,
                                   enum channel_type type,
                                   struct strview payload);

#endif
