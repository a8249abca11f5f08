/* skip_list.c - an intrusive list in the order of two numbers. */
#include "router/base/skip_list.h"

#include <assert.h>

void skip_list_init(struct skip_list *list)
{
    for (unsigned i = 0; i < SKIP_LIST_LANES; i++) {
        list->head.links[i].next = &list->head;
        list->head.links[i].prev = &list->head;
    }
    list->head.lanes = SKIP_LIST_LANES;
    list->random = 0x9e3779b9;
}

/* One lane, and a further one with a chance of a quarter each time. */
static unsigned draw_lanes(struct skip_list *list)
{
    uint32_t random = list->random;
    unsigned lanes = 1;

    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    list->random = random;
    for (; lanes < SKIP_LIST_LANES && (random & 3) == 0; random >>= 2)
        lanes++;
    return lanes;
}

static bool comes_before(const struct skip_node *a, const struct skip_node *b)
{
    return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

static void link_after(struct skip_node *at, struct skip_node *node,
                       unsigned lane)
{
    node->links[lane].prev = at;
    node->links[lane].next = at->links[lane].next;
    at->links[lane].next->links[lane].prev = node;
    at->links[lane].next = node;
}

void skip_list_add(struct skip_list *list, struct skip_node *node, uint64_t key,
                   uint64_t tie)
{
    struct skip_node *head = &list->head;
    struct skip_node *last = head->links[0].prev;
    struct skip_node *at = head;

    assert(node->lanes == 0);
    node->key = key;
    node->tie = tie;
    node->lanes = draw_lanes(list);
    if (last == head || !comes_before(node, last)) {
        for (unsigned i = 0; i < node->lanes; i++)
            link_after(head->links[i].prev, node, i);
        return;
    }
    for (unsigned i = SKIP_LIST_LANES; i-- > 0;) {
        while (at->links[i].next != head &&
               !comes_before(node, at->links[i].next))
            at = at->links[i].next;
        if (i < node->lanes)
            link_after(at, node, i);
    }
}

void skip_list_remove(struct skip_node *node)
{
    assert(node->lanes > 0);
    for (unsigned i = 0; i < node->lanes; i++) {
        node->links[i].prev->links[i].next = node->links[i].next;
        node->links[i].next->links[i].prev = node->links[i].prev;
    }
    node->lanes = 0;
}
