#include "router/base/timers.h"

#include <criterion/criterion.h>

#include "router/base/clock.h"
#include "router/base/loop.h"

static struct loop *loop;
static struct timers *timers;

struct probe {
    struct timer timer;
    uint64_t expired_us;
    unsigned count;
    unsigned order;
    unsigned restarts; /* starts itself again so often */
};

static unsigned expired;
static unsigned stop_after;

static void on_expire(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);

    cr_assert_not(timer_is_running(timer));
    probe->expired_us = clock_now_us();
    probe->count++;
    probe->order = ++expired;
    if (probe->restarts > 0) {
        probe->restarts--;
        timer_start(timers, timer, 5);
    }
    if (expired == stop_after)
        loop_stop(loop);
}

static void set_up(void)
{
    loop = loop_new("test");
    timers = timers_new(loop);
}

static void tear_down(void)
{
    timers_free(&timers);
    cr_assert_null(timers);
    timers_free(&timers);
    loop_free(&loop);
}

TestSuite(timers, .init = set_up, .fini = tear_down);

static void begin(struct probe *probe, uint64_t delay_ms)
{
    probe->timer.on_expire = on_expire;
    timer_start(timers, &probe->timer, delay_ms);
}

Test(timers, they_expire_by_length_never_early_and_not_much_later)
{
    static const uint64_t delays[] = {60, 20, 150, 1, 20, 100};
    static const unsigned order[] = {4, 2, 6, 1, 3, 5};
    struct probe probes[6] = {0};
    uint64_t start = clock_now_us();

    for (unsigned i = 0; i < 6; i++)
        begin(&probes[i], delays[i]);
    stop_after = 6;
    loop_run(loop);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t took = probes[i].expired_us - start;

        cr_assert_eq(probes[i].order, order[i], "%u was number %u", i,
                     probes[i].order);
        cr_assert_geq(took, delays[i] * 1000);
        /* 10 ms of slack, and a busy machine. */
        cr_assert_lt(took, delays[i] * 1000 + 500000);
    }
}

Test(timers, restarting_begins_anew_and_stopping_ends_it)
{
    struct probe restarted = {0};
    struct probe stopped = {0};
    struct probe off = {0};
    struct probe last = {0};

    begin(&restarted, 10);
    begin(&stopped, 10);
    begin(&off, 10);
    begin(&restarted, 30);
    timer_stop(&stopped.timer);
    timer_stop(&stopped.timer);
    timer_start(timers, &off.timer, 0); /* a time-out that is off */
    cr_assert_not(timer_is_running(&stopped.timer));
    cr_assert_not(timer_is_running(&off.timer));
    cr_assert(timer_is_running(&restarted.timer));
    begin(&last, 60);
    stop_after = 2;
    loop_run(loop);
    cr_assert_eq(restarted.order, 1);
    cr_assert_eq(restarted.count, 1);
    cr_assert_eq(stopped.count + off.count, 0);
    cr_assert_eq(last.order, 2);
}

Test(timers, a_timer_may_start_itself_again_when_it_expires)
{
    struct probe probe = {.restarts = 3};

    begin(&probe, 1);
    stop_after = 4;
    loop_run(loop);
    cr_assert_eq(probe.count, 4);
}

Test(timers, a_shorter_one_started_later_is_not_kept_waiting)
{
    struct probe longer = {0};
    struct probe shorter = {0};
    uint64_t start = clock_now_us();

    begin(&longer, 5000);
    begin(&shorter, 5);
    stop_after = 1;
    loop_run(loop);
    cr_assert_eq(shorter.count, 1);
    cr_assert_lt(clock_now_us() - start, 2000000);
    timer_stop(&longer.timer);
}

Test(timers, many_lengths_keep_their_order)
{
    struct probe probes[40] = {0};

    for (unsigned i = 0; i < 40; i++)
        begin(&probes[i], 41 - i);
    stop_after = 40;
    loop_run(loop);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_eq(probes[i].count, 1);
}
