#include "router/wait_queue.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "router/app.h"

static struct wait_queue queue;

static void set_up(void)
{
    wait_queue_init(&queue);
}

TestSuite(wait_queue, .init = set_up);

static void add(struct waiter *waiter, enum app_priority priority,
                uint64_t arrived_us)
{
    waiter->priority = priority;
    waiter->arrived_us = arrived_us;
    wait_queue_add(&queue, waiter);
}

Test(wait_queue, an_empty_queue_has_no_head_and_no_oldest)
{
    struct waiter waiter = {0};

    cr_assert_null(wait_queue_head(&queue, 5));
    cr_assert_eq(wait_queue_oldest_us(&queue), 0);
    add(&waiter, PRIORITY_LOW, 7);
    cr_assert_eq(wait_queue_head(&queue, 8), &waiter);
    cr_assert_eq(queue.count, 1);
    cr_assert_eq(wait_queue_oldest_us(&queue), 7);
    wait_queue_remove(&queue, &waiter);
    cr_assert_null(wait_queue_head(&queue, 8));
    cr_assert_eq(queue.count, 0);
}

Test(wait_queue, a_waiter_moves_up_one_priority_every_ten_seconds)
{
    struct waiter low = {0};
    struct waiter normal = {0};
    struct waiter high = {0};
    uint64_t step = WAIT_QUEUE_STEP_US;

    add(&low, PRIORITY_LOW, 1);
    add(&normal, PRIORITY_NORMAL, 2);
    cr_assert_eq(wait_queue_head(&queue, step), &normal);
    /* Both have moved up: normal to high, low to normal. */
    cr_assert_eq(wait_queue_head(&queue, 2 + step), &normal);
    /* Twice: both are high now, and the older one is first. */
    cr_assert_eq(wait_queue_head(&queue, 2 + 2 * step), &low);
    add(&high, PRIORITY_HIGH, 2 * step);
    cr_assert_eq(wait_queue_head(&queue, 2 + 2 * step), &low);
    cr_assert_eq(wait_queue_oldest_us(&queue), 1);
}

/* The model: an array, searched. */
struct model {
    struct waiter *waiters[500];
    unsigned count;
};

static struct waiter *model_head(const struct model *model)
{
    struct waiter *best = NULL;

    for (unsigned i = 0; i < model->count; i++) {
        struct waiter *w = model->waiters[i];

        if (!best || w->priority < best->priority ||
            (w->priority == best->priority && w->arrived_us < best->arrived_us))
            best = w;
    }
    return best;
}

static void model_remove(struct model *model, const struct waiter *waiter)
{
    for (unsigned i = 0; i < model->count; i++) {
        if (model->waiters[i] == waiter) {
            model->waiters[i] = model->waiters[--model->count];
            return;
        }
    }
    cr_assert_fail("not in the model");
}

Test(wait_queue, it_serves_as_a_search_of_all_would)
{
    static struct waiter waiters[500];
    struct model model = {.count = 0};
    uint64_t clock = 1000;

    srandom(7);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned choice = (unsigned)random() % 10;
        struct waiter *waiter = &waiters[(unsigned)random() % 500];

        if (choice < 5 && !list_is_linked(&waiter->node)) {
            /* Each time differs, some are of long ago: a retry. */
            uint64_t arrived = choice == 0 ? clock / 2 : clock;

            clock += 2;
            add(waiter, (enum app_priority)(random() % 3), arrived | 1);
            model.waiters[model.count++] = waiter;
        } else if (choice < 7 && list_is_linked(&waiter->node)) {
            wait_queue_remove(&queue, waiter);
            model_remove(&model, waiter);
        } else if (model.count > 0) {
            struct waiter *head = wait_queue_head(&queue, clock);
            struct waiter *expected = model_head(&model);

            cr_assert_eq(head->priority, expected->priority);
            cr_assert_eq(head->arrived_us, expected->arrived_us);
            wait_queue_remove(&queue, head);
            model_remove(&model, head);
        }
        cr_assert_eq(queue.count, model.count);
    }
}
