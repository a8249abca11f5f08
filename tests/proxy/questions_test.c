/* questions_test.c - what the front asks, and who hears the answer. */
#include "proxy/questions.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "router/base/loop.h"
#include "router/base/strbuf.h"
#include "router/base/timers.h"

static struct loop *loop;
static struct timers *timers;
static struct channel *front;
static struct channel *keeper;
static struct questions *questions;
static struct strbuf heard; /* by the keeper */
static struct strbuf told;  /* to who asked */

static void on_question(void *arg UNUSED, enum channel_type type,
                        struct strview payload, int *fds UNUSED,
                        unsigned fd_count UNUSED)
{
    struct channel_query query;
    struct channel_credit credit;
    struct channel_forget forget;

    if ((type == CHANNEL_QUERY || type == CHANNEL_ACTION) &&
        channel_decode_query(payload, &query)) /* both are alike */
        strbuf_printf(&heard, "%s %lu %.*s app=%d %.*s\n",
                      channel_type_name(type), (unsigned long)query.id,
                      SV_ARG(query.what), (int)query.app,
                      SV_ARG(query.argument));
    else if (type == CHANNEL_CREDIT && channel_decode_credit(payload, &credit))
        strbuf_printf(&heard, "credit %lu %u\n", (unsigned long)credit.id,
                      credit.bytes);
    else if (type == CHANNEL_FORGET && channel_decode_forget(payload, &forget))
        strbuf_printf(&heard, "forget %lu\n", (unsigned long)forget.id);
}

static void on_answer(void *arg UNUSED, enum channel_type type,
                      struct strview payload, int *fds UNUSED,
                      unsigned fd_count UNUSED)
{
    cr_assert(questions_on_message(questions, type, payload));
}

static void on_close(void *arg UNUSED, const char *why UNUSED)
{
    cr_assert_fail("both ends are ours");
}

static void set_up(void)
{
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    loop = loop_new("test");
    timers = timers_new(loop);
    front = channel_new(loop, pair[0], on_answer, on_close, NULL);
    keeper = channel_new(loop, pair[1], on_question, on_close, NULL);
    questions = questions_new(&front);
    strbuf_add_str(&heard, "");
    strbuf_add_str(&told, "");
}

static void tear_down(void)
{
    questions_free(&questions);
    channel_free(&front);
    channel_free(&keeper);
    timers_free(&timers);
    loop_free(&loop);
    strbuf_done(&heard);
    strbuf_done(&told);
}

TestSuite(questions, .init = set_up, .fini = tear_down);

static void on_stop(struct timer *timer UNUSED)
{
    loop_stop(loop);
}

static void run(void)
{
    static struct timer timer = {.on_expire = on_stop};

    timer_start(timers, &timer, 20);
    loop_run(loop);
}

static void on_part(void *arg, struct strview body)
{
    strbuf_printf(&told, "%s part %.*s\n", (const char *)arg, SV_ARG(body));
}

static void on_reply(void *arg, bool ok, struct strview body)
{
    strbuf_printf(&told, "%s %s %.*s\n", (const char *)arg,
                  ok ? "ok" : "failed", SV_ARG(body));
}

static uint64_t ask(const char *what, char *name, bool with_parts)
{
    return questions_ask(questions, &(struct question){
                                        .what = what,
                                        .app = UINT32_MAX,
                                        .argument = SV("x"),
                                        .on_part = with_parts ? on_part : NULL,
                                        .on_reply = on_reply,
                                        .arg = name,
                                    });
}

static void reply(uint64_t id, bool ok, const char *text)
{
    const struct channel_reply message = {id, ok, sv_of(text)};

    channel_send_reply(keeper, &message, NULL, 0);
    run();
}

static void part(uint64_t id, const char *text)
{
    const struct channel_reply_part message = {id, sv_of(text)};

    channel_send_reply_part(keeper, &message, NULL, 0);
    run();
}

Test(questions, each_answer_goes_to_who_asked)
{
    static char a[] = "a";
    static char b[] = "b";
    uint64_t first = ask("status", a, false);
    uint64_t second = ask("starts", b, false);

    reply(second, false, "no");
    reply(first, true, "yes");
    reply(first, true, "twice");
    cr_expect_str_eq(told.data, "b failed no\na ok yes\n");
    cr_expect_str_eq(heard.data, "query 1 status app=-1 x\n"
                                 "query 2 starts app=-1 x\n");
}

Test(questions, parts_come_before_the_reply_and_are_credited)
{
    static char a[] = "a";
    uint64_t id = ask("events", a, true);

    part(id, "one");
    questions_credit(questions, id, 3);
    part(id, "two");
    reply(id, true, "end");
    questions_credit(questions, id, 3); /* it is over: nobody wants to know */
    run();
    cr_expect_str_eq(told.data, "a part one\na part two\na ok end\n");
    cr_expect_str_eq(heard.data, "query 1 events app=-1 x\ncredit 1 3\n");
}

Test(questions, parts_that_nobody_wants_are_given_back_at_once)
{
    static char a[] = "a";
    uint64_t id = ask("wake", a, false);

    part(id, "progress");
    cr_expect_str_eq(told.data, "");
    cr_expect_str_eq(heard.data, "query 1 wake app=-1 x\ncredit 1 8\n");
}

Test(questions, who_has_gone_hears_nothing_and_the_keeper_is_told)
{
    static char a[] = "a";
    uint64_t id = ask("events", a, true);

    questions_forget(questions, id);
    questions_forget(questions, id);
    part(id, "late");
    reply(id, true, "late");
    cr_expect_str_eq(told.data, "");
    cr_expect_str_eq(heard.data, "query 1 events app=-1 x\nforget 1\n");
}

Test(questions, without_a_keeper_all_fail)
{
    static char a[] = "a";
    static char b[] = "b";

    ask("status", a, false);
    ask("events", b, true);
    questions_fail(questions, SV("gone"));
    cr_expect_str_eq(told.data, "a failed gone\nb failed gone\n");
}

Test(questions, an_action_is_sent_as_one)
{
    static char a[] = "a";

    questions_ask(questions, &(struct question){.what = "wake",
                                                .is_action = true,
                                                .app = 3,
                                                .argument = SV("{}"),
                                                .on_reply = on_reply,
                                                .arg = a});
    run();
    cr_expect_str_eq(heard.data, "action 1 wake app=3 {}\n");
}

Test(questions, a_message_that_is_not_whole_is_refused)
{
    cr_expect_not(questions_on_message(questions, CHANNEL_REPLY, SV("xy")));
    cr_expect_not(
        questions_on_message(questions, CHANNEL_REPLY_PART, SV("xy")));
}
