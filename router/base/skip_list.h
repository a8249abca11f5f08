/* skip_list.h - an intrusive list in the order of two numbers, small first.
 *
 * Taking a node out, from anywhere, and adding one at the end are O(1), adding
 * elsewhere is O(log n), all as expected over the list's own random numbers:
 * it allocates nothing, and no order of additions makes it slow.
 * Thread: whoever guards the list.
 */
#ifndef ROUTER_BASE_SKIP_LIST_H
#define ROUTER_BASE_SKIP_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define SKIP_LIST_LANES 8 /* each lane has a quarter of the nodes below it */

struct skip_node {
    uint64_t key;
    uint64_t tie;   /* among those with an equal key */
    unsigned lanes; /* that it is in; 0: in no list */
    struct {
        struct skip_node *next;
        struct skip_node *prev;
    } links[SKIP_LIST_LANES];
};

struct skip_list {
    struct skip_node head; /* of the circle of each lane */
    uint32_t random;
};

void skip_list_init(struct skip_list *list);

/* Behind its equals. The node must be in no list. */
void skip_list_add(struct skip_list *list, struct skip_node *node, uint64_t key,
                   uint64_t tie);
void skip_list_remove(struct skip_node *node);

/* NULL: it is empty. */
static inline struct skip_node *skip_list_first(const struct skip_list *list)
{
    struct skip_node *first = list->head.links[0].next;

    return first == &list->head ? (struct skip_node *)0 : first;
}

static inline bool skip_node_is_linked(const struct skip_node *node)
{
    return node->lanes > 0;
}

#endif
