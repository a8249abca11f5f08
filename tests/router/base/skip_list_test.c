/* A skip list: always what a sorted array would be. */
#include "router/base/skip_list.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define NODES 600

struct item {
    struct skip_node node;
};

static struct skip_list list;
static struct item items[NODES];
static struct item *sorted[NODES];
static unsigned count;

static void set_up(void)
{
    skip_list_init(&list);
}

TestSuite(skip_list, .init = set_up);

static bool is_behind(const struct item *a, uint64_t key, uint64_t tie)
{
    return a->node.key > key || (a->node.key == key && a->node.tie > tie);
}

static void add(struct item *item, uint64_t key, uint64_t tie)
{
    unsigned at = count++;

    for (; at > 0 && is_behind(sorted[at - 1], key, tie); at--)
        sorted[at] = sorted[at - 1];
    sorted[at] = item;
    skip_list_add(&list, &item->node, key, tie);
}

static void take_out(struct item *item)
{
    unsigned at = 0;

    while (sorted[at] != item)
        at++;
    for (count--; at < count; at++)
        sorted[at] = sorted[at + 1];
    skip_list_remove(&item->node);
}

/* Forwards and backwards in each lane: each is a part of the one below it. */
static void check(void)
{
    for (unsigned lane = 0; lane < SKIP_LIST_LANES; lane++) {
        const struct skip_node *node = &list.head;
        unsigned at = 0;

        for (;;) {
            const struct skip_node *next = node->links[lane].next;

            cr_assert_eq(next->links[lane].prev, node);
            if (next == &list.head)
                break;
            while (at < count && &sorted[at]->node != next)
                at++;
            cr_assert_lt(at, count, "out of order in lane %u", lane);
            if (lane == 0)
                cr_assert_eq(&sorted[at]->node, next);
            node = next;
        }
        if (lane == 0)
            cr_assert_eq(at, count ? count - 1 : 0);
    }
}

Test(skip_list, an_empty_one_has_no_first)
{
    cr_assert_null(skip_list_first(&list));
    add(&items[0], 1, 2);
    cr_assert_eq(skip_list_first(&list), &items[0].node);
    cr_assert(skip_node_is_linked(&items[0].node));
    take_out(&items[0]);
    cr_assert_null(skip_list_first(&list));
    cr_assert_not(skip_node_is_linked(&items[0].node));
}

Test(skip_list, it_is_what_a_sorted_array_would_be)
{
    srandom(11);
    for (unsigned step = 0; step < 20000; step++) {
        struct item *item = &items[(unsigned)random() % NODES];
        unsigned range =
            step < 10000 ? 20 : 1000000; /* many equals, then few */

        if (!skip_node_is_linked(&item->node))
            add(item, (uint64_t)random() % range, (uint64_t)random() % 3);
        else
            take_out(item);
        if (step % 64 == 0)
            check();
    }
    while (count > 0) {
        cr_assert_eq(skip_list_first(&list), &sorted[0]->node);
        take_out(sorted[0]);
    }
    check();
}

/* What makes adding in the middle O(log n). */
Test(skip_list, each_lane_has_about_a_quarter_of_the_nodes_below_it)
{
    static struct item many[65536];
    unsigned in_lane[SKIP_LIST_LANES] = {0};

    for (unsigned i = 0; i < 65536; i++) {
        skip_list_add(&list, &many[i].node, i, 0);
        for (unsigned lane = 0; lane < many[i].node.lanes; lane++)
            in_lane[lane]++;
    }
    cr_assert_eq(in_lane[0], 65536);
    for (unsigned lane = 1; lane < 6; lane++) {
        unsigned expected = 65536U >> (2 * lane);

        cr_assert_gt(in_lane[lane], expected / 2, "lane %u", lane);
        cr_assert_lt(in_lane[lane], expected * 2, "lane %u", lane);
    }
}
