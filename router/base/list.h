/* list.h - intrusive doubly linked list; a node knows whether it is linked.
 *
 * Thread: whoever guards the list. All operations are O(1).
 */
#ifndef ROUTER_BASE_LIST_H
#define ROUTER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/attr.h"

struct list {
    struct list *next;
    struct list *prev; /* both NULL: a node that is in no list */
};

#define LIST_FOREACH(head, it)                                                 \
    for (struct list *it = (head)->next; it != (head); it = it->next)

/* The current node may be removed in the body. */
#define LIST_FOREACH_SAFE(head, it)                                            \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);  \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_is_linked(const struct list *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_add_tail(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_add_head(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

/* Unlink; a node that is in no list stays as it is. */
static inline void list_remove(struct list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
    node->prev = NULL;
}

/* First node, unlinked, or NULL. */
static inline struct list *list_pop_head(struct list *head)
{
    struct list *node = head->next;

    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

#endif
