/* questions.c - what the front asks the keeper. */
#include "proxy/questions.h"

#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/list.h"

struct asked {
    struct list node;
    uint64_t id;
    void (*on_part)(void *arg, struct strview body);
    void (*on_reply)(void *arg, bool ok, struct strview body);
    void *arg;
};

struct questions {
    struct channel **channel;
    struct list asked;
    uint64_t last_id;
};

struct questions *questions_new(struct channel **channel)
{
    struct questions *questions = xcalloc(1, sizeof *questions);

    questions->channel = channel;
    list_init(&questions->asked);
    return questions;
}

static void drop(struct asked *asked)
{
    list_remove(&asked->node);
    free(asked);
}

void questions_free(struct questions **questions)
{
    if (!*questions)
        return;
    LIST_FOREACH_SAFE (&(*questions)->asked, node)
        drop(container_of(node, struct asked, node));
    free(*questions);
    *questions = NULL;
}

static struct asked *find(const struct questions *questions, uint64_t id)
{
    LIST_FOREACH (&questions->asked, node) {
        struct asked *asked = container_of(node, struct asked, node);

        if (asked->id == id)
            return asked;
    }
    return NULL;
}

static void send_question(struct questions *questions, uint64_t id,
                          const struct question *question)
{
    const struct channel_query query = {.id = id,
                                        .what = sv_of(question->what),
                                        .app = question->app,
                                        .argument = question->argument};
    const struct channel_action action = {.id = id,
                                          .what = sv_of(question->what),
                                          .app = question->app,
                                          .argument = question->argument};

    if (question->is_action)
        channel_send_action(*questions->channel, &action, NULL, 0);
    else
        channel_send_query(*questions->channel, &query, NULL, 0);
}

uint64_t questions_ask(struct questions *questions,
                       const struct question *question)
{
    struct asked *asked = xcalloc(1, sizeof *asked);

    asked->id = ++questions->last_id;
    asked->on_part = question->on_part;
    asked->on_reply = question->on_reply;
    asked->arg = question->arg;
    list_add_tail(&questions->asked, &asked->node);
    send_question(questions, asked->id, question);
    return asked->id;
}

void questions_credit(struct questions *questions, uint64_t id, size_t bytes)
{
    const struct channel_credit message = {id, (uint32_t)bytes};

    if (find(questions, id))
        channel_send_credit(*questions->channel, &message, NULL, 0);
}

void questions_forget(struct questions *questions, uint64_t id)
{
    const struct channel_forget message = {id};
    struct asked *asked = find(questions, id);

    if (!asked)
        return;
    drop(asked);
    channel_send_forget(*questions->channel, &message, NULL, 0);
}

static void answer(struct asked *asked, bool ok, struct strview body)
{
    list_remove(&asked->node);
    asked->on_reply(asked->arg, ok, body);
    free(asked);
}

void questions_fail(struct questions *questions, struct strview why)
{
    while (!list_is_empty(&questions->asked))
        answer(container_of(questions->asked.next, struct asked, node), false,
               why);
}

/* A part that nobody wants has left at once. */
static void on_part(struct questions *questions,
                    const struct channel_reply_part *message)
{
    struct asked *asked = find(questions, message->id);

    if (asked && asked->on_part)
        asked->on_part(asked->arg, message->body);
    else
        questions_credit(questions, message->id, message->body.len);
}

bool questions_on_message(struct questions *questions, enum channel_type type,
                          struct strview payload)
{
    struct channel_reply_part part;
    struct channel_reply reply;
    struct asked *asked;

    if (type == CHANNEL_REPLY_PART) {
        if (!channel_decode_reply_part(payload, &part))
            return false;
        on_part(questions, &part);
        return true;
    }
    if (!channel_decode_reply(payload, &reply))
        return false;
    asked = find(questions, reply.id); /* else its asker is gone */
    if (asked)
        answer(asked, reply.ok, reply.body);
    return true;
}
