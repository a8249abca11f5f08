/* start_queue_test.c */
#include "lifecycle/start_queue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char order[32];

struct starter {
    struct start_ticket ticket;
    char name;
};

static void on_turn(struct start_ticket *ticket)
{
    const struct starter *starter =
        container_of(ticket, struct starter, ticket);
    size_t len = strlen(order);

    order[len] = starter->name;
    order[len + 1] = '\0';
}

static struct starter starter_of(char name)
{
    return (struct starter){.ticket = {.on_turn = on_turn}, .name = name};
}

Test(start_queue, lets_as_many_as_its_limit_start)
{
    struct start_queue queue;
    struct starter a = starter_of('a');
    struct starter b = starter_of('b');
    struct starter c = starter_of('c');

    start_queue_init(&queue, 2);
    cr_assert(start_queue_enter(&queue, &a.ticket, false));
    cr_assert(start_queue_enter(&queue, &b.ticket, false));
    cr_assert_not(start_queue_enter(&queue, &c.ticket, false));
    cr_assert_str_eq(order, "", "nobody is called within enter");
    start_ticket_return(&a.ticket);
    cr_assert_str_eq(order, "c");
    start_ticket_return(&b.ticket);
    start_ticket_return(&c.ticket);
    cr_assert_eq(queue.active, 0U);
}

Test(start_queue, those_that_requests_wait_for_go_first)
{
    struct start_queue queue;
    struct starter now = starter_of('0');
    struct starter warm1 = starter_of('w');
    struct starter warm2 = starter_of('x');
    struct starter urgent1 = starter_of('u');
    struct starter urgent2 = starter_of('v');

    start_queue_init(&queue, 1);
    cr_assert(start_queue_enter(&queue, &now.ticket, false));
    cr_assert_not(start_queue_enter(&queue, &warm1.ticket, false));
    cr_assert_not(start_queue_enter(&queue, &urgent1.ticket, true));
    cr_assert_not(start_queue_enter(&queue, &warm2.ticket, false));
    cr_assert_not(start_queue_enter(&queue, &urgent2.ticket, true));
    start_ticket_return(&now.ticket);
    start_ticket_return(&urgent1.ticket);
    start_ticket_return(&urgent2.ticket);
    start_ticket_return(&warm1.ticket);
    cr_assert_str_eq(order, "uvwx");
}

Test(start_queue, who_leaves_while_waiting_is_not_called)
{
    struct start_queue queue;
    struct starter a = starter_of('a');
    struct starter b = starter_of('b');
    struct starter c = starter_of('c');

    start_queue_init(&queue, 1);
    cr_assert(start_queue_enter(&queue, &a.ticket, true));
    cr_assert_not(start_queue_enter(&queue, &b.ticket, true));
    cr_assert_not(start_queue_enter(&queue, &c.ticket, true));
    start_ticket_return(&b.ticket);
    start_ticket_return(&b.ticket); /* twice is as good as once */
    start_ticket_return(&a.ticket);
    cr_assert_str_eq(order, "c");
}

Test(start_queue, gives_no_more_turns_when_it_is_closed)
{
    struct start_queue queue;
    struct starter a = starter_of('a');
    struct starter b = starter_of('b');

    start_queue_init(&queue, 1);
    cr_assert(start_queue_enter(&queue, &a.ticket, true));
    cr_assert_not(start_queue_enter(&queue, &b.ticket, true));
    queue.limit = 0;
    start_ticket_return(&a.ticket);
    cr_assert_str_eq(order, "");
    start_ticket_return(&b.ticket);
}

struct ranked {
    struct starter starter;
    struct start_rank rank;
};

static struct start_rank rank_of(const struct start_ticket *ticket)
{
    return container_of(ticket, struct ranked, starter.ticket)->rank;
}

Test(start_queue, of_the_urgent_ones_who_needs_it_most_goes_first)
{
    struct start_queue queue;
    struct starter now = starter_of('0');
    struct starter warm = starter_of('w');
    struct ranked many[] = {
        {starter_of('f'), {.has_replica = true, .importance = 9}},
        {starter_of('e'), {.importance = -1, .oldest_us = 5}},
        {starter_of('d'), {.oldest_us = 0}},
        {starter_of('b'), {.oldest_us = 20}},
        {starter_of('c'), {.oldest_us = 20}},
        {starter_of('a'), {.oldest_us = 30}},
        {starter_of('g'), {.has_replica = true}},
    };

    start_queue_init(&queue, 1);
    cr_assert(start_queue_enter(&queue, &now.ticket, true));
    cr_assert_not(start_queue_enter(&queue, &warm.ticket, false));
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i].starter.ticket.rank = rank_of;
        cr_assert_not(start_queue_enter(&queue, &many[i].starter.ticket, true));
    }
    many[5].rank.oldest_us = 10; /* as it is when the turn comes */
    start_ticket_return(&now.ticket);
    for (const char *turn = "abcdefg"; *turn; turn++) {
        for (size_t i = 0; i < ARRAY_LEN(many); i++) {
            if (many[i].starter.name == *turn)
                start_ticket_return(&many[i].starter.ticket);
        }
    }
    cr_assert_str_eq(order, "abcdefgw");
}
