/* answer.c - what the front is answered. */
#include "lifecycle/answer.h"

void answers_init(struct answers *answers)
{
    answers->channel = NULL;
    list_init(&answers->streams);
}

static void end_as_gone(struct answer *answer)
{
    list_remove(&answer->node);
    answer->on_gone(answer);
}

void answers_set_channel(struct answers *answers, struct channel *channel)
{
    answers->channel = channel;
    while (!channel && !list_is_empty(&answers->streams))
        end_as_gone(container_of(answers->streams.next, struct answer, node));
}

static struct answer *find(const struct answers *answers, uint64_t id)
{
    LIST_FOREACH (&answers->streams, node) {
        struct answer *answer = container_of(node, struct answer, node);

        if (answer->id == id)
            return answer;
    }
    return NULL;
}

bool answers_on_message(struct answers *answers, enum channel_type type,
                        struct strview payload)
{
    struct channel_credit credit;
    struct channel_forget forget;
    struct answer *answer;

    if (type == CHANNEL_FORGET) {
        if (!channel_decode_forget(payload, &forget))
            return false;
        answer = find(answers, forget.id);
        if (answer)
            end_as_gone(answer);
        return true;
    }
    if (!channel_decode_credit(payload, &credit))
        return false;
    answer = find(answers, credit.id);
    if (!answer) /* it has ended meanwhile */
        return true;
    answer->under_way -=
        credit.bytes < answer->under_way ? credit.bytes : answer->under_way;
    if (answer->on_room)
        answer->on_room(answer);
    return true;
}

void answers_reply(struct answers *answers, uint64_t id, bool ok,
                   struct strview text)
{
    const struct channel_reply message = {.id = id, .ok = ok, .body = text};

    channel_send_reply(answers->channel, &message, NULL, 0);
}

void answer_begin(struct answers *answers, uint64_t id, struct answer *answer)
{
    answer->answers = answers;
    answer->id = id;
    answer->under_way = 0;
    list_add_tail(&answers->streams, &answer->node);
    answer_part(answer, SV(""));
}

size_t answer_room(const struct answer *answer)
{
    return answer->under_way < ANSWER_WINDOW ? ANSWER_WINDOW - answer->under_way
                                             : 0;
}

void answer_part(struct answer *answer, struct strview part)
{
    const struct channel_reply_part message = {answer->id, part};

    answer->under_way += part.len;
    channel_send_reply_part(answer->answers->channel, &message, NULL, 0);
}

void answer_end(struct answer *answer, bool ok, struct strview text)
{
    if (!list_is_linked(&answer->node))
        return;
    list_remove(&answer->node);
    answers_reply(answer->answers, answer->id, ok, text);
}
