/* app_sleep_test.c: which replica a request takes where some sleep. */
#include "router/app_sleep.h"

#include <criterion/criterion.h>

#include "router/app.h"
#include "router/app_replicas.h"
#include "router/settings.h"

static struct loop *loop;
static struct app_settings settings;
static struct app *app;
static struct replica_ref *replicas[2];
static uint64_t woken[4];
static unsigned woken_count;
static uint64_t now;

static void on_demand(struct app *of, void *arg)
{
    (void)of;
    (void)arg;
}

static void on_wake(struct replica_ref *replica, uint64_t at_us, void *arg)
{
    cr_assert_eq(arg, &woken);
    cr_assert_gt(at_us, 0U);
    woken[woken_count++] = replica->id;
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
    app_set_wake_hook(app, on_wake, &woken);
    for (unsigned i = 0; i < 2; i++) {
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

TestSuite(app_sleep, .init = set_up, .fini = tear_down);

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

static enum acquire try_acquire(struct waiter *waiter)
{
    *waiter = (struct waiter){.loop = loop, .on_resolved = on_resolved};
    return app_acquire(app, waiter, now++);
}

static uint64_t acquire(struct waiter *waiter)
{
    cr_assert_eq(try_acquire(waiter), ACQUIRE_GRANTED);
    return waiter->slot->replica->id;
}

static void release(struct waiter *waiter)
{
    bool parked;

    cr_assert_null(app_release(waiter->slot, NULL, 0, now++, &parked));
}

static bool sleep_now(unsigned i, enum app_sleep how)
{
    uint64_t idle_us;

    return app_sleep(replicas[i], how, 0, now++, &idle_us);
}

Test(app_sleep, one_that_is_awake_is_taken_first)
{
    struct waiter waiters[4];

    cr_assert(sleep_now(0, APP_DOZING));
    cr_expect_eq(acquire(&waiters[0]), 2U);
    cr_expect_eq(acquire(&waiters[1]), 2U);
    settle();
    cr_expect_eq(woken_count, 0U);
    cr_expect_eq(acquire(&waiters[2]), 1U, "it gives its slot at once");
    cr_expect_eq(acquire(&waiters[3]), 1U);
    settle();
    cr_expect_eq(woken_count, 1U, "and is woken once");
    cr_expect_eq(woken[0], 1U);
    cr_expect_eq(app_sleep_of(replicas[0]), APP_AWAKE);
    for (unsigned i = 0; i < 4; i++)
        release(&waiters[i]);
}

Test(app_sleep, the_answer_that_ends_a_start_is_of_who_waited_or_woke_it)
{
    struct waiter waiters[4];

    for (unsigned i = 0; i < 4; i++) { /* nobody waited for these two */
        acquire(&waiters[i]);
        cr_expect_not(waiters[i].slot->ends_start);
    }
    for (unsigned i = 0; i < 4; i++)
        release(&waiters[i]);
    cr_assert(sleep_now(0, APP_DOZING) && sleep_now(1, APP_WITHHELD));
    acquire(&waiters[0]);
    cr_expect(waiters[0].slot->ends_start, "it woke it");
    acquire(&waiters[1]);
    cr_expect_not(waiters[1].slot->ends_start);
    cr_assert_eq(try_acquire(&waiters[2]), ACQUIRE_WAITING);
    cr_assert_eq(try_acquire(&waiters[3]), ACQUIRE_WAITING);
    app_wake(replicas[1], now++);
    settle();
    cr_expect(waiters[2].slot->ends_start, "it waited");
    cr_expect_not(waiters[3].slot->ends_start, "of two, the first");
    for (unsigned i = 0; i < 4; i++)
        release(&waiters[i]);
    acquire(&waiters[0]);
    cr_expect_not(waiters[0].slot->ends_start);
    release(&waiters[0]);
}

Test(app_sleep, a_busy_one_does_not_fall_asleep)
{
    struct waiter waiter;
    struct replica_ref *replica;
    struct waiter *next;
    uint64_t idle_us = 7;
    uint64_t busy = acquire(&waiter);

    cr_expect_not(app_sleep(replicas[busy - 1], APP_DOZING, 0, now, &idle_us));
    cr_expect_eq(idle_us, 0U);
    cr_assert(app_tunnel_begin(waiter.slot, now++, &replica, &next));
    cr_expect_not(app_sleep(replicas[busy - 1], APP_DOZING, 0, now, &idle_us),
                  "a tunnel keeps it awake");
    app_tunnel_end(replica, now++);
    cr_expect(sleep_now((unsigned)busy - 1, APP_DOZING));
}

Test(app_sleep, only_after_it_was_idle_for_long_enough)
{
    struct waiter waiter;
    uint64_t idle_us;
    unsigned used = (unsigned)acquire(&waiter) - 1;

    release(&waiter);
    now += 500;
    cr_expect_not(app_sleep(replicas[used], APP_DOZING, 1000, now, &idle_us));
    cr_expect(idle_us >= 500 && idle_us < 600, "%lu", (unsigned long)idle_us);
    now += 600;
    cr_expect(app_sleep(replicas[used], APP_DOZING, 1000, now, &idle_us));
}

Test(app_sleep, one_that_is_withheld_gives_no_slot_until_it_is_awake)
{
    struct waiter waiters[2];

    cr_assert(sleep_now(0, APP_DOZING));
    cr_assert(sleep_now(0, APP_WITHHELD), "a dozing one may be withheld so");
    cr_assert(sleep_now(1, APP_WITHHELD));
    cr_expect_not(sleep_now(1, APP_DOZING), "it takes no requests");
    cr_expect_eq(try_acquire(&waiters[0]), ACQUIRE_WAITING);
    settle();
    cr_expect_eq(woken_count, 0U);
    app_wake(replicas[0], now++);
    settle();
    cr_assert_not_null(waiters[0].slot, "who waits is served at once");
    cr_expect_eq(waiters[0].slot->replica->id, 1U);
    release(&waiters[0]);
}

Test(app_sleep, the_least_recently_used_go_to_sleep_first)
{
    struct waiter waiter;
    uint64_t used = acquire(&waiter);

    release(&waiter);
    cr_expect_null(app_sleep_next(app, 2, APP_DOZING));
    cr_expect_eq(app_sleep_next(app, 1, APP_DOZING)->id, 3 - used);
    cr_expect_null(app_sleep_next(app, 1, APP_DOZING));
    cr_expect_eq(app_sleep_next(app, 0, APP_DOZING)->id, used);
    cr_expect_null(app_sleep_next(app, 0, APP_DOZING));
}

Test(app_sleep, one_that_is_found_asleep_serves_who_waits)
{
    struct replica_ref *found;
    struct waiter waiter;

    app_remove(replicas[0]);
    app_remove(replicas[1]);
    cr_assert_eq(try_acquire(&waiter), ACQUIRE_WAITING);
    found = app_replica_new(app, 9, SV("r"), CONNECT_DIRECT, NULL, 0);
    app_publish_asleep(found, now++);
    settle();
    cr_assert_not_null(waiter.slot);
    cr_expect_eq(woken_count, 1U);
    cr_expect_eq(woken[0], 9U);
    release(&waiter);
}

Test(app_sleep, one_that_is_removed_as_it_is_woken_is_no_trouble)
{
    struct waiter waiter;

    cr_assert(sleep_now(0, APP_DOZING));
    cr_assert(sleep_now(1, APP_DOZING));
    acquire(&waiter);
    app_remove(waiter.slot->replica);
    release(&waiter);
    settle();
    cr_expect_eq(woken_count, 0U);
}
