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

Test(wait_queue, of_one_priority_the_nearest_deadline_is_served_first)
{
    struct waiter waiters[4] = {{.until_us = 900},
                                {.until_us = 300},
                                {.until_us = 600},
                                {.until_us = 300}};
    static const unsigned order[] = {1, 3, 2, 0};
    struct waiter high = {.until_us = UINT64_MAX};

    for (unsigned i = 0; i < 4; i++)
        add(&waiters[i], PRIORITY_NORMAL, 10 + i);
    add(&high, PRIORITY_HIGH, 20);
    cr_assert_eq(wait_queue_head(&queue, 30), &high, "priority comes first");
    wait_queue_remove(&queue, &high);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(wait_queue_head(&queue, 30), &waiters[order[i]]);
        wait_queue_remove(&queue, &waiters[order[i]]);
    }
}

/* Else a stream of near deadlines would keep it waiting for ever. */
Test(wait_queue, who_has_waited_for_ten_seconds_is_before_nearer_deadlines)
{
    struct waiter patient = {.until_us = UINT64_MAX};
    struct waiter hurried = {0};
    uint64_t step = WAIT_QUEUE_STEP_US;

    add(&patient, PRIORITY_NORMAL, 1);
    hurried.until_us = step + 500;
    add(&hurried, PRIORITY_NORMAL, step);
    cr_assert_eq(wait_queue_head(&queue, step), &hurried);
    cr_assert_eq(wait_queue_head(&queue, step + 1), &patient);
}

Test(wait_queue, who_is_at_a_priority_or_above_it_is_counted)
{
    struct waiter waiters[6] = {0};
    uint64_t later;

    for (unsigned i = 0; i < 6; i++)
        add(&waiters[i], i < 3 ? PRIORITY_LOW : i < 5 ? 1 : 0, 10);
    cr_assert_eq(wait_queue_count_from(&queue, PRIORITY_HIGH, 20), 1);
    cr_assert_eq(wait_queue_count_from(&queue, PRIORITY_NORMAL, 20), 3);
    cr_assert_eq(wait_queue_count_from(&queue, PRIORITY_LOW, 20), 6);
    later = 10 + WAIT_QUEUE_STEP_US; /* all have moved up */
    cr_assert_eq(wait_queue_count_from(&queue, PRIORITY_HIGH, later), 3);
    cr_assert_eq(wait_queue_count_from(&queue, PRIORITY_NORMAL, later), 6);
    wait_queue_remove(&queue, &waiters[0]);
    cr_assert_eq(wait_queue_count_from(&queue, PRIORITY_LOW, later), 5);
}

/* The model: an array, searched. */
struct model {
    struct waiter *waiters[500];
    unsigned count;
};

static uint64_t model_rank(const struct waiter *waiter, uint64_t now_us)
{
    uint64_t steps = (now_us - waiter->arrived_us) / WAIT_QUEUE_STEP_US;

    return steps < waiter->priority ? waiter->priority - steps : 0;
}

static bool model_is_before(const struct waiter *a, const struct waiter *b,
                            uint64_t now_us)
{
    uint64_t rank_a = model_rank(a, now_us);
    uint64_t rank_b = model_rank(b, now_us);

    if (rank_a != rank_b)
        return rank_a < rank_b;
    if (a->until_us != b->until_us)
        return a->until_us < b->until_us;
    return a->arrived_us < b->arrived_us;
}

static struct waiter *model_head(const struct model *model, uint64_t now_us)
{
    struct waiter *best = NULL;

    for (unsigned i = 0; i < model->count; i++) {
        if (!best || model_is_before(model->waiters[i], best, now_us))
            best = model->waiters[i];
    }
    return best;
}

static uint64_t model_oldest(const struct model *model)
{
    uint64_t oldest = 0;

    for (unsigned i = 0; i < model->count; i++) {
        if (oldest == 0 || model->waiters[i]->arrived_us < oldest)
            oldest = model->waiters[i]->arrived_us;
    }
    return oldest;
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

/* Each arrival has a time of its own; some are of long ago: a retry. */
static void add_any(struct model *model, struct waiter *waiter, uint64_t *clock)
{
    uint64_t arrived = *clock;

    if (random() % 5 == 0)
        arrived -= (uint64_t)random() % (3 * WAIT_QUEUE_STEP_US);
    *clock += 2 + 2 * ((uint64_t)random() % 100000);
    waiter->until_us = random() % 3 == 0
                           ? *clock + (uint64_t)random() % WAIT_QUEUE_STEP_US
                           : arrived + 6 * (uint64_t)WAIT_QUEUE_STEP_US;
    add(waiter, (enum app_priority)(random() % 3), arrived);
    model->waiters[model->count++] = waiter;
}

Test(wait_queue, it_serves_as_a_search_of_all_would)
{
    static struct waiter waiters[500];
    struct model model = {.count = 0};
    uint64_t clock = 100 * (uint64_t)WAIT_QUEUE_STEP_US;

    srandom(7);
    for (unsigned step = 0; step < 40000; step++) {
        unsigned choice = (unsigned)random() % 10;
        struct waiter *waiter = &waiters[(unsigned)random() % 500];
        bool is_in = skip_node_is_linked(&waiter->place.by_deadline);

        if (choice < 5 && !is_in) {
            add_any(&model, waiter, &clock);
        } else if (choice < 6 && is_in) {
            wait_queue_remove(&queue, waiter);
            model_remove(&model, waiter);
        } else if (model.count > 0) {
            struct waiter *head = wait_queue_head(&queue, clock);
            struct waiter *expected = model_head(&model, clock);

            cr_assert(!model_is_before(head, expected, clock) &&
                      !model_is_before(expected, head, clock));
            wait_queue_remove(&queue, head);
            model_remove(&model, head);
        }
        cr_assert_eq(queue.count, model.count);
        cr_assert_eq(wait_queue_oldest_us(&queue), model_oldest(&model));
    }
}
