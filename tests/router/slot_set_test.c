#include "router/slot_set.h"

#include <criterion/criterion.h>

#include "router/app.h"

#define WORKERS 3

static struct slot_set set;
static struct replica_ref replica;

static void set_up(void)
{
    slot_set_init(&set, &replica, 2, WORKERS);
}

static void tear_down(void)
{
    slot_set_done(&set);
}

TestSuite(slot_set, .init = set_up, .fini = tear_down);

Test(slot_set, slots_are_made_when_needed_and_never_more_than_the_limit)
{
    struct slot *a;
    struct slot *b;

    cr_assert_eq(set.made, 0);
    a = slot_set_take(&set, 0);
    cr_assert_eq(a->replica, &replica);
    cr_assert_eq(set.made, 1);
    slot_set_put(&set, a, NULL, 0);
    cr_assert_eq(slot_set_take(&set, 2), a, "a free one is used again");
    b = slot_set_take(&set, 0);
    cr_assert_neq(a, b);
    cr_assert_not(slot_set_has_free(&set));
    slot_set_put(&set, a, NULL, 0);
    cr_assert(slot_set_has_free(&set));
    slot_set_put(&set, b, NULL, 0);
    cr_assert_eq(set.held, 0);
}

Test(slot_set, the_last_used_connection_of_a_worker_is_taken_first)
{
    struct slot *a = slot_set_take(&set, 0);
    struct slot *b = slot_set_take(&set, 0);
    int connections[2];

    slot_set_put(&set, a, &connections[0], 1);
    slot_set_put(&set, b, &connections[1], 1);
    cr_assert_eq(set.parked_count, 2);
    cr_assert_eq(slot_set_take(&set, 1), b);
    /* No slot without one is left, and no more may be made. */
    cr_assert_eq(slot_set_take(&set, 0), a);
    cr_assert_eq(a->parked, &connections[0]);
    cr_assert_eq(a->parked_worker, 1);
    cr_assert_eq(set.parked_count, 0);
    slot_set_put(&set, a, NULL, 0);
    slot_set_put(&set, b, NULL, 0);
}

Test(slot_set, a_connection_is_taken_off_only_while_its_slot_is_free)
{
    struct slot *slot = slot_set_take(&set, 0);
    int connection;

    slot_set_put(&set, slot, &connection, 2);
    cr_assert_not(slot_set_unpark(&set, slot, &set));
    cr_assert_eq(slot_set_take(&set, 2), slot);
    cr_assert_not(slot_set_unpark(&set, slot, &connection));
    slot_set_put(&set, slot, &connection, 2);
    cr_assert(slot_set_unpark(&set, slot, &connection));
    cr_assert_not(slot_set_unpark(&set, slot, &connection));
    slot_set_put(&set, slot_set_take(&set, 0), &connection, 2);
    cr_assert_null(slot_set_unpark_any(&set, 0));
    cr_assert_eq(slot_set_unpark_any(&set, 2), &connection);
    cr_assert_null(slot_set_unpark_any(&set, 2));
    cr_assert_eq(set.parked_count, 0);
}
