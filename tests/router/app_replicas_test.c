/* Several replicas of an app: which of them serves, and which goes first. */
#include "router/app_replicas.h"

#include <criterion/criterion.h>

#include "router/app.h"
#include "router/settings.h"

#define REPLICAS 3

static struct loop *loop;
static struct app_settings settings;
static struct app *app;
static struct replica_ref *replicas[REPLICAS];
static uint64_t drained[REPLICAS + 1];
static unsigned drained_count;
static uint64_t now;

static void on_drained(struct replica_ref *replica, void *arg)
{
    cr_assert_eq(arg, &drained_count);
    drained[drained_count++] = replica->id;
}

static void on_demand(struct app *of, void *arg)
{
    (void)of;
    (void)arg;
}

static void set_up(void)
{
    now = 1000;
    settings = (struct app_settings){.concurrency = 2,
                                     .replicas_max = 4,
                                     .queue_size = 10,
                                     .max_tunnels = 2};
    loop = loop_new("test");
    app = app_new(&settings, 0, 1);
    app_set_demand_hook(app, loop, on_demand, NULL);
    for (unsigned i = 0; i < REPLICAS; i++) {
        replicas[i] =
            app_replica_new(app, i + 1, SV("r"), CONNECT_DIRECT, NULL, 0);
        app_publish(replicas[i], now);
    }
}

static void tear_down(void)
{
    app_free(&app);
    loop_free(&loop);
}

TestSuite(app_replicas, .init = set_up, .fini = tear_down);

static void stop_loop(struct loop_task *task)
{
    (void)task;
    loop_stop(loop);
}

static void settle(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct loop_task stop = {.run = stop_loop};

        loop_post(loop, &stop);
        loop_run(loop);
    }
}

static void on_resolved(struct waiter *waiter)
{
    (void)waiter;
}

/* The id of the replica that serves it. */
static uint64_t acquire(struct waiter *waiter)
{
    *waiter = (struct waiter){.loop = loop, .on_resolved = on_resolved};
    cr_assert_eq(app_acquire(app, waiter, now++), ACQUIRE_GRANTED);
    return waiter->slot->replica->id;
}

static void release(struct waiter *waiter)
{
    bool parked;

    cr_assert_null(app_release(waiter->slot, NULL, 0, now++, &parked));
}

static void shrink(uint32_t keep)
{
    app_shrink(app, keep, on_drained, &drained_count);
    settle();
}

Test(app_replicas, one_at_which_an_attempt_failed_serves_only_when_no_other_can)
{
    struct waiter held[6];

    app_suspect(replicas[1], now);
    for (unsigned i = 0; i < 4; i++)
        cr_expect_neq(acquire(&held[i]), 2U, "request %u", i);
    cr_expect_eq(acquire(&held[4]), 2U, "better than to wait");
    now += 1100000;
    cr_expect_eq(acquire(&held[5]), 2U, "a second later it is as the others");
    for (unsigned i = 0; i < 6; i++)
        release(&held[i]);
}

Test(app_replicas, a_suspect_one_is_not_taken_for_having_the_fewest_in_flight)
{
    struct waiter held[2];
    uint64_t first = acquire(&held[0]);

    for (unsigned i = 0; i < REPLICAS; i++)
        if (replicas[i]->id != first)
            app_suspect(replicas[i], now);
    cr_expect_eq(acquire(&held[1]), first);
    release(&held[0]);
    release(&held[1]);
}

Test(app_replicas, shrinking_takes_the_least_recently_used_first)
{
    struct waiter held[REPLICAS];
    uint64_t order[REPLICAS];

    for (unsigned i = 0; i < REPLICAS; i++)
        order[i] = acquire(&held[i]);
    for (unsigned i = 0; i < REPLICAS; i++)
        release(&held[REPLICAS - 1 - i]);
    shrink(2);
    cr_assert_eq(drained_count, 1U);
    cr_expect_eq(drained[0], order[2]);
    shrink(2);
    cr_expect_eq(drained_count, 1U, "the same again does nothing");
    shrink(1);
    cr_assert_eq(drained_count, 2U);
    cr_expect_eq(drained[1], order[1]);
    cr_expect_eq(acquire(&held[0]), order[0]);
    release(&held[0]);
}

Test(app_replicas, shrinking_never_takes_one_with_requests_or_tunnels)
{
    struct waiter held[REPLICAS];
    struct waiter *next;
    struct replica_ref *tunnelled;

    for (unsigned i = 0; i < REPLICAS; i++)
        acquire(&held[i]);
    cr_assert(app_tunnel_begin(held[2].slot, now++, &tunnelled, &next));
    cr_assert_null(next);
    shrink(0);
    cr_expect_eq(drained_count, 0U);
    release(&held[0]);
    shrink(0);
    cr_expect_eq(drained_count, 1U);
    app_tunnel_end(tunnelled, now++);
    release(&held[1]);
    shrink(0);
    cr_expect_eq(drained_count, 3U);
}

Test(app_replicas, what_was_shrunk_serves_again_once_it_is_resumed)
{
    struct waiter held;
    uint64_t only;

    shrink(1);
    cr_assert_eq(drained_count, 2U);
    only = acquire(&held);
    cr_expect(only != drained[0] && only != drained[1]);
    app_resume(app_find_replica(app, drained[0]), now);
    shrink(2);
    cr_expect_eq(drained_count, 2U, "two serve, two are kept");
    shrink(1);
    cr_expect_eq(drained_count, 3U);
    release(&held);
}

/* --- making room for another app --- */

static bool evict(unsigned index)
{
    bool ok = app_evict(replicas[index], on_drained, &drained_count);

    settle();
    return ok;
}

Test(app_replicas, one_without_requests_makes_room)
{
    struct waiter held;

    cr_expect(evict(1));
    cr_assert_eq(drained_count, 1U);
    cr_expect_eq(drained[0], 2U);
    for (unsigned i = 0; i < 2 * REPLICAS; i++) {
        cr_expect_neq(acquire(&held), 2U);
        release(&held);
    }
    app_resume(replicas[1], now);
    cr_expect(evict(1), "and a second time after it was called off");
    cr_expect_eq(drained_count, 2U);
}

Test(app_replicas, one_that_is_busy_makes_no_room)
{
    struct waiter held[2];
    struct waiter *next;
    struct replica_ref *tunnelled;

    acquire(&held[0]);
    acquire(&held[1]);
    cr_assert(app_tunnel_begin(held[1].slot, now++, &tunnelled, &next));
    for (unsigned i = 0; i < REPLICAS; i++) {
        bool is_busy =
            replicas[i] == held[0].slot->replica || replicas[i] == tunnelled;

        cr_expect_eq(evict(i), !is_busy, "replica %u", i);
    }
    cr_expect_eq(drained_count, 1U);
    release(&held[0]);
    app_tunnel_end(tunnelled, now++);
}

/* Replicas 1 and 3 are of the first revision, 2 is of the next. */
static void make_second_newer(void)
{
    replicas[0]->serial = replicas[2]->serial = 1;
    replicas[1]->serial = 2;
}

Test(app_replicas, a_newer_revision_takes_all_that_its_slots_can_before_others)
{
    struct waiter held[4];

    make_second_newer();
    cr_expect_eq(acquire(&held[0]), 2U);
    cr_expect_eq(acquire(&held[1]), 2U, "though it has more in flight");
    cr_expect_neq(acquire(&held[2]), 2U, "it has no free slot");
    release(&held[0]);
    cr_expect_eq(acquire(&held[3]), 2U);
    release(&held[1]);
    release(&held[2]);
    release(&held[3]);
}

Test(app_replicas, without_a_limit_a_newer_revision_bears_no_more_than_others)
{
    struct waiter held[4];

    settings.concurrency = 0;
    (void)!app_update(app, &settings, now);
    make_second_newer();
    cr_expect_eq(acquire(&held[0]), 2U, "the first among equals");
    cr_expect_neq(acquire(&held[1]), 2U);
    cr_expect_neq(acquire(&held[2]), 2U);
    cr_expect_eq(acquire(&held[3]), 2U, "all have one");
    for (unsigned i = 0; i < ARRAY_LEN(held); i++)
        release(&held[i]);
}

Test(app_replicas, a_newer_revision_that_drains_or_is_suspect_comes_not_first)
{
    struct waiter held;

    make_second_newer();
    app_suspect(replicas[1], now);
    cr_expect_neq(acquire(&held), 2U, "an attempt at it failed");
    release(&held);
    now += 1100000;
    app_drain(replicas[1], on_drained, &drained_count);
    settle();
    cr_expect_neq(acquire(&held), 2U, "it drains");
    release(&held);
    app_resume(replicas[1], now);
    cr_expect_eq(acquire(&held), 2U);
    release(&held);
}
