#include "router/base/list.h"

#include <criterion/criterion.h>

struct item {
    int value;
    struct list node;
};

static int value_of(struct list *node)
{
    return container_of(node, struct item, node)->value;
}

Test(list, nodes_come_in_the_order_of_their_places)
{
    struct list head;
    struct item items[4] = {
        {.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};
    int sum = 0;

    list_init(&head);
    cr_assert(list_is_empty(&head));
    list_add_tail(&head, &items[1].node);
    list_add_tail(&head, &items[3].node);
    list_add_head(&head, &items[0].node);
    list_insert_before(&items[3].node, &items[2].node);
    LIST_FOREACH (&head, it) {
        sum = sum * 10 + value_of(it);
    }
    cr_assert_eq(sum, 1234);
    cr_assert_eq(value_of(list_pop_head(&head)), 1);
    cr_assert_eq(value_of(list_pop_head(&head)), 2);
}

Test(list, a_node_knows_whether_it_is_linked)
{
    struct list head;
    struct item item = {0};

    list_init(&head);
    cr_assert_not(list_is_linked(&item.node));
    list_remove(&item.node); /* as it is */
    list_add_tail(&head, &item.node);
    cr_assert(list_is_linked(&item.node));
    list_remove(&item.node);
    cr_assert_not(list_is_linked(&item.node));
    cr_assert(list_is_empty(&head));
    cr_assert_null(list_pop_head(&head));
}

Test(list, the_current_node_may_be_removed_in_a_safe_walk)
{
    struct list head;
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    unsigned seen = 0;

    list_init(&head);
    for (unsigned i = 0; i < 3; i++)
        list_add_tail(&head, &items[i].node);
    LIST_FOREACH_SAFE (&head, it) {
        seen++;
        list_remove(it);
    }
    cr_assert_eq(seen, 3);
    cr_assert(list_is_empty(&head));
}
