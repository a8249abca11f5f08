/* How long requests wait for a slot of an app, and who is refused because of
 * it. */
#include "router/app.h"
#include "router/app_replicas.h"

#include <criterion/criterion.h>

#include "router/settings.h"

/* One loop stands for main and the worker. */
static struct loop *loop;
static struct app_settings settings;
static struct app *app;
static unsigned demand_calls;
static uint64_t now = 1000;

struct request {
    struct waiter waiter;
};

static void on_resolved(struct waiter *waiter)
{
    (void)waiter;
}

static void on_demand(struct app *of, void *arg)
{
    (void)of;
    (void)arg;
    demand_calls++;
}

static void set_up(void)
{
    settings = (struct app_settings){
        .concurrency = 2,
        .replicas_max = 4,
        .queue_size = 10,
        .max_tunnels = 2,
    };
    loop = loop_new("test");
    app = app_new(&settings, 7, 1);
    app_set_demand_hook(app, loop, on_demand, NULL);
}

static void tear_down(void)
{
    app_free(&app);
    loop_free(&loop);
}

TestSuite(app_wait, .init = set_up, .fini = tear_down);

static void stop_loop(struct loop_task *task)
{
    (void)task;
    loop_stop(loop);
}

static void settle(void)
{
    struct loop_task stop = {.run = stop_loop};

    loop_post(loop, &stop);
    loop_run(loop);
}

static void add_replica(uint64_t id)
{
    app_publish(app_replica_new(app, id, SV("r"), CONNECT_DIRECT, NULL, 0),
                now);
}

static enum acquire acquire(struct request *request)
{
    request->waiter.loop = loop;
    request->waiter.on_resolved = on_resolved;
    return app_acquire(app, &request->waiter, now++);
}

static enum acquire acquire_as(struct request *request,
                               enum app_priority priority)
{
    request->waiter.priority = priority;
    return acquire(request);
}

static struct waiter *release(struct request *request)
{
    bool is_parked;

    return app_release(request->waiter.slot, NULL, 0, now++, &is_parked);
}

static struct app_counts counts(void)
{
    struct app_counts result;

    app_count(app, now, &result);
    return result;
}

#define SECOND UINT64_C(1000000)

/* Two slots of one replica, each given back after a second, for `seconds`,
 * while `waiting` wait. Returns with both held by `holders`. */
static void serve_slowly(struct request *holders, struct request *waiting,
                         unsigned count, unsigned seconds)
{
    static struct request served[64];

    cr_assert_eq(acquire(&holders[0]), ACQUIRE_GRANTED);
    cr_assert_eq(acquire(&holders[1]), ACQUIRE_GRANTED);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(acquire_as(&waiting[i], PRIORITY_NORMAL), ACQUIRE_WAITING);
    for (unsigned i = 0; i < 2 * seconds; i++) {
        struct request *next = &served[i];

        *next = (struct request){0};
        cr_assert_eq(acquire_as(next, PRIORITY_HIGH), ACQUIRE_WAITING);
        now += SECOND / 2;
        cr_assert_eq(release(&holders[i % 2]), &next->waiter);
        holders[i % 2] = *next;
    }
}

static void let_go(struct request *holders, struct request *waiting,
                   unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        cr_assert(app_leave(app, &waiting[i].waiter, now));
    release(&holders[0]);
    release(&holders[1]);
}

Test(app_wait, who_would_wait_beyond_queue_timeout_is_refused_at_once)
{
    struct request holders[2] = {0};
    struct request waiting[8] = {0};
    struct request late = {.waiter = {.priority = PRIORITY_NORMAL}};
    struct request urgent = {.waiter = {.priority = PRIORITY_HIGH}};
    struct request retried = {.waiter = {.priority = PRIORITY_NORMAL}};
    uint64_t refused;

    settings.queue_timeout_ms = 3500; /* two a second go: seven at most */
    add_replica(1);
    serve_slowly(holders, waiting, 7, 3);
    cr_assert_eq(acquire_as(&waiting[7], PRIORITY_NORMAL), ACQUIRE_WAITING,
                 "seven are ahead");
    cr_expect_float_eq((double)counts().wait_us / 1e6, 4, 0.4);
    refused = counts().refused;
    cr_assert_eq(acquire(&late), ACQUIRE_REFUSED, "eight are");
    cr_assert_eq(late.waiter.refusal, REFUSED_LATE);
    cr_assert_eq(counts().refused, refused + 1, "it counts as demand");
    settle();
    cr_assert_gt(demand_calls, 0);
    cr_assert_eq(acquire(&urgent), ACQUIRE_WAITING, "nobody is before it");
    retried.waiter.arrived_us = now - SECOND;
    cr_assert_eq(acquire(&retried), ACQUIRE_WAITING, "it was here before");
    cr_assert(app_leave(app, &urgent.waiter, now));
    cr_assert(app_leave(app, &retried.waiter, now));
    let_go(holders, waiting, 8);
}

Test(app_wait, nobody_is_refused_for_the_wait_while_a_start_is_under_way)
{
    struct request holders[2] = {0};
    struct request waiting[9] = {0};

    settings.queue_timeout_ms = 3500;
    add_replica(1);
    serve_slowly(holders, waiting, 8, 3);
    app_set_starts(app, now + SECOND);
    cr_assert_eq(acquire_as(&waiting[8], PRIORITY_NORMAL), ACQUIRE_WAITING);
    cr_assert(app_leave(app, &waiting[8].waiter, now));
    now += SECOND; /* it takes longer than it should */
    waiting[8].waiter.arrived_us = 0;
    cr_assert_eq(acquire_as(&waiting[8], PRIORITY_NORMAL), ACQUIRE_REFUSED);
    app_set_starts(app, now + SECOND);
    app_set_starts(app, 0); /* it has ended */
    waiting[8].waiter.arrived_us = 0;
    cr_assert_eq(acquire_as(&waiting[8], PRIORITY_NORMAL), ACQUIRE_REFUSED);
    let_go(holders, waiting, 8);
}

Test(app_wait, a_burst_is_not_refused_before_the_keeper_could_see_it)
{
    struct request holders[2] = {0};
    struct request waiting[8] = {0};
    struct request burst[9] = {0};
    struct request *more = &burst[8];

    settings.queue_timeout_ms = 3500;
    add_replica(1);
    serve_slowly(holders, waiting, 8, 3);
    let_go(holders, waiting, 8); /* nobody waits any more */
    acquire(&holders[0]);
    acquire(&holders[1]);
    for (unsigned i = 0; i < 9; i++)
        cr_assert_eq(acquire(&burst[i]), ACQUIRE_WAITING, "%u", i);
    cr_assert(app_leave(app, &more->waiter, now));
    now += SECOND;
    more->waiter.arrived_us = 0;
    cr_assert_eq(acquire(more), ACQUIRE_REFUSED);
    let_go(holders, burst, 8);
}

Test(app_wait, without_a_replica_the_wait_is_that_for_the_start)
{
    struct request r = {0};

    settings.queue_timeout_ms = 1000;
    acquire(&r);
    cr_assert_eq(counts().wait_us, 0, "not known");
    app_set_starts(app, now + 25 * SECOND);
    cr_assert_eq(counts().wait_us, 25 * SECOND);
    now += 30 * SECOND;
    cr_assert_eq(counts().wait_us, 0);
    cr_assert(app_leave(app, &r.waiter, now));
}

static const struct {
    const char *label;
    uint64_t timeout_ms;
    uint64_t deadline_in_us; /* 0: none */
    uint64_t until_in_us;    /* from its arrival */
} limits_of_waiting[] = {
    {"queue_timeout", 2000, 0, 2 * SECOND},
    {"a nearer deadline", 2000, SECOND, SECOND},
    {"a later deadline", 2000, 9 * SECOND, 2 * SECOND},
    {"a deadline alone", 0, 9 * SECOND, 9 * SECOND},
    {"neither", 0, 0, 0},
};

Test(app_wait, a_request_waits_until_its_deadline_or_queue_timeout)
{
    for (size_t i = 0; i < ARRAY_LEN(limits_of_waiting); i++) {
        struct request r = {0};
        uint64_t at = now;

        settings.queue_timeout_ms = limits_of_waiting[i].timeout_ms;
        if (limits_of_waiting[i].deadline_in_us != 0)
            r.waiter.deadline_us = at + limits_of_waiting[i].deadline_in_us;
        cr_assert_eq(acquire(&r), ACQUIRE_WAITING);
        cr_expect_eq(r.waiter.until_us,
                     limits_of_waiting[i].until_in_us == 0
                         ? UINT64_MAX
                         : at + limits_of_waiting[i].until_in_us,
                     "%s", limits_of_waiting[i].label);
        cr_assert(app_leave(app, &r.waiter, now));
    }
}

Test(app_wait, past_its_deadline_a_request_gets_no_slot)
{
    struct request r[3] = {{.waiter = {.deadline_us = now}},
                           {.waiter = {.deadline_us = now + 1000}}};

    add_replica(1);
    cr_assert_eq(acquire(&r[0]), ACQUIRE_REFUSED);
    cr_assert_eq(r[0].waiter.refusal, REFUSED_LATE);
    cr_assert_eq(acquire(&r[1]), ACQUIRE_GRANTED);
    release(&r[1]);
    now += 1000; /* a retry that comes too late */
    cr_assert_eq(acquire(&r[1]), ACQUIRE_REFUSED);
}

Test(app_wait, nearer_deadlines_are_served_first)
{
    struct request holders[2] = {0};
    struct request none = {0};
    struct request far = {.waiter = {.deadline_us = now + 800}};
    struct request near = {.waiter = {.deadline_us = now + 500}};

    settings.queue_timeout_ms = 1000;
    add_replica(1);
    acquire(&holders[0]);
    acquire(&holders[1]);
    acquire(&none);
    acquire(&far);
    acquire(&near);
    cr_assert_eq(release(&holders[0]), &near.waiter);
    cr_assert_eq(release(&holders[1]), &far.waiter);
    settle();
    cr_assert_eq(release(&near), &none.waiter);
    settle();
    release(&far);
    release(&none);
}
