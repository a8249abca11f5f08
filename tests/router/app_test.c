/* An app on one thread: who gets a slot, when, and what becomes of it.
 * (app_threads_test.c does the same on many threads, at random.) */
#include "router/app.h"
#include "router/app_replicas.h"
#include "router/app_sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/settings.h"

#define WORKERS 3

/* One loop stands for main and all workers. */
static struct loop *loop;
static struct app_settings settings;
static struct app *app;
static unsigned demand_calls;
static unsigned ask_calls;
static uint32_t asked;
static unsigned drained_calls;
static struct replica_ref *drained;
static uint64_t now = 1000;

struct request {
    struct waiter waiter;
    unsigned resolved;
};

static void on_resolved(struct waiter *waiter)
{
    container_of(waiter, struct request, waiter)->resolved++;
}

static void on_demand(struct app *of, void *arg)
{
    cr_assert_eq(of, app);
    cr_assert_eq(arg, &demand_calls);
    demand_calls++;
}

static void on_ask(struct replica_ref *replica, unsigned count, void *arg)
{
    (void)replica;
    cr_assert_eq(arg, &ask_calls);
    ask_calls++;
    asked += count;
}

static void on_drained(struct replica_ref *replica, void *arg)
{
    cr_assert_eq(arg, &drained_calls);
    drained_calls++;
    drained = replica;
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
    app = app_new(&settings, 7, WORKERS);
    app_set_demand_hook(app, loop, on_demand, &demand_calls);
    app_set_socket_hook(app, on_ask, &ask_calls);
}

static void tear_down(void)
{
    app_free(&app);
    loop_free(&loop);
}

TestSuite(app, .init = set_up, .fini = tear_down);

static void stop_loop(struct loop_task *task)
{
    (void)task;
    loop_stop(loop);
}

/* Run what is posted, and what that posts. */
static void settle(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct loop_task stop = {.run = stop_loop};

        loop_post(loop, &stop);
        loop_run(loop);
    }
}

static struct replica_ref *add_replica(uint64_t id)
{
    struct replica_ref *replica =
        app_replica_new(app, id, SV("r"), CONNECT_DIRECT, NULL, 0);

    app_publish(replica, now);
    return replica;
}

static enum acquire acquire(struct request *request, unsigned worker)
{
    request->waiter.loop = loop;
    request->waiter.worker = worker;
    request->waiter.on_resolved = on_resolved;
    return app_acquire(app, &request->waiter, now++);
}

static enum acquire acquire_as(struct request *request,
                               enum app_priority priority)
{
    request->waiter.priority = priority;
    return acquire(request, 0);
}

/* Closes the connection; the next waiter is told. */
static struct waiter *release(struct request *request)
{
    bool is_parked = true;
    struct waiter *next = app_release(
        request->waiter.slot, NULL, request->waiter.worker, now++, &is_parked);

    cr_assert_not(is_parked);
    if (next)
        waiter_deliver(next);
    return next;
}

static struct waiter *release_parked(struct request *request, void *parked)
{
    bool is_parked = false;
    struct waiter *next =
        app_release(request->waiter.slot, parked, request->waiter.worker, now++,
                    &is_parked);

    cr_assert(is_parked);
    if (next)
        waiter_deliver(next);
    return next;
}

static struct app_counts counts(void)
{
    struct app_counts result;

    app_count(app, now, &result);
    return result;
}

Test(app, a_request_waits_until_a_replica_is_published)
{
    struct request request = {0};

    cr_assert_eq(acquire(&request, 0), ACQUIRE_WAITING);
    cr_assert_eq(counts().queued, 1);
    settle();
    cr_assert_eq(demand_calls, 1);
    cr_assert_eq(request.resolved, 0);
    add_replica(1);
    cr_assert_eq(request.resolved, 0, "resolved from within app_publish()");
    settle();
    cr_assert_eq(request.resolved, 1);
    cr_assert_eq(request.waiter.refusal, REFUSED_NOT);
    cr_assert_eq(request.waiter.slot->replica->id, 1);
    cr_assert_eq(counts().in_flight, 1);
    release(&request);
    cr_assert_eq(counts().in_flight, 0);
}

Test(app, no_more_than_concurrency_are_at_a_replica)
{
    struct request requests[5] = {0};

    add_replica(1);
    add_replica(2);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(acquire(&requests[i], 0), ACQUIRE_GRANTED);
    cr_assert_eq(acquire(&requests[4], 0), ACQUIRE_WAITING);
    cr_assert_eq(counts().in_flight, 4);
    cr_assert_eq(counts().slots, 4);
    cr_assert_eq(counts().replicas, 2);
    /* The head of the queue takes a slot at once, whoever releases it. */
    cr_assert_eq(release(&requests[2]), &requests[4].waiter);
    cr_assert_eq(counts().in_flight, 4);
    settle();
    cr_assert_eq(requests[4].resolved, 1);
    for (unsigned i = 0; i < 5; i++) {
        if (i != 2)
            release(&requests[i]);
    }
}

Test(app, concurrency_off_never_waits)
{
    struct request requests[300] = {0};

    settings.concurrency = 0;
    add_replica(1);
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(acquire(&requests[i], 0), ACQUIRE_GRANTED);
    cr_assert_eq(counts().slots, UINT32_MAX);
    for (unsigned i = 0; i < 300; i++)
        release(&requests[i]);
}

Test(app, the_replica_with_fewest_in_flight_is_taken_then_the_last_used)
{
    struct request requests[4] = {0};
    struct request last = {0};

    settings.concurrency = 4;
    add_replica(1);
    add_replica(2);
    acquire(&requests[0], 0);
    acquire(&requests[1], 0);
    cr_assert_neq(requests[0].waiter.slot->replica,
                  requests[1].waiter.slot->replica);
    release(&requests[0]);
    release(&requests[1]); /* the last used one */
    acquire(&last, 0);
    cr_assert_eq(last.waiter.slot->replica, requests[1].waiter.slot->replica);
    release(&last);
}

Test(app, the_queue_is_served_by_priority_then_by_arrival)
{
    struct request holder[2] = {0};
    struct request r[6] = {0};
    static const enum app_priority priorities[] = {
        PRIORITY_NORMAL, PRIORITY_LOW,  PRIORITY_HIGH,
        PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITY_LOW};
    static const unsigned order[] = {2, 4, 0, 3, 1, 5};
    struct request *last = &holder[0];

    add_replica(1);
    acquire(&holder[0], 0);
    acquire(&holder[1], 0);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(acquire_as(&r[i], priorities[i]), ACQUIRE_WAITING);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(release(last), &r[order[i]].waiter, "turn %u", i);
        settle();
        last = &r[order[i]];
    }
    release(last);
    release(&holder[1]);
}

Test(app, a_retried_request_keeps_its_place_and_counts_once)
{
    struct request holder[2] = {0};
    struct request r[3] = {0};

    add_replica(1);
    acquire(&holder[0], 0);
    acquire(&holder[1], 0);
    acquire(&r[0], 0);
    acquire(&r[1], 0);
    cr_assert_eq(release(&holder[0]), &r[0].waiter);
    settle();
    /* Its replica failed it: again, before the one that came later. */
    cr_assert_eq(release(&r[0]), &r[1].waiter);
    settle();
    acquire(&r[2], 0);
    cr_assert_eq(acquire(&r[0], 0), ACQUIRE_WAITING);
    cr_assert_eq(counts().arrivals, 5);
    cr_assert_eq(release(&holder[1]), &r[0].waiter);
    settle();
    cr_assert_eq(release(&r[1]), &r[2].waiter);
    settle();
    release(&r[0]);
    release(&r[2]);
}

Test(app, a_full_queue_refuses_also_a_retried_request)
{
    struct request r[12] = {0};

    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(acquire(&r[i], 0), ACQUIRE_WAITING);
    cr_assert_eq(acquire(&r[10], 0), ACQUIRE_REFUSED);
    cr_assert_eq(r[10].waiter.refusal, REFUSED_QUEUE_FULL);
    r[11].waiter.arrived_us = 1;
    cr_assert_eq(acquire(&r[11], 0), ACQUIRE_REFUSED);
    cr_assert_eq(r[11].waiter.refusal, REFUSED_QUEUE_FULL);
    cr_assert_eq(counts().refused, 2);
    for (unsigned i = 0; i < 10; i++)
        cr_assert(app_leave(app, &r[i].waiter, now));
    settle();
    for (unsigned i = 0; i < 12; i++)
        cr_assert_eq(r[i].resolved, 0);
}

Test(app, leaving_fails_once_a_slot_was_granted)
{
    struct request holder[2] = {0};
    struct request r = {0};

    add_replica(1);
    acquire(&holder[0], 0);
    acquire(&holder[1], 0);
    acquire(&r, 0);
    release(&holder[0]);
    cr_assert_not(app_leave(app, &r.waiter, now));
    settle();
    cr_assert_eq(r.resolved, 1);
    release(&r);
    release(&holder[1]);
}

Test(app, a_failed_app_refuses_all_who_wait_and_all_who_come)
{
    struct request r[3] = {0};
    struct app_failure failure;

    acquire(&r[0], 0);
    acquire(&r[1], 1);
    app_set_state(app, APP_FAILED, SV("start_failed"), SV("exit code 3"), 500);
    cr_assert_not(app_leave(app, &r[0].waiter, now));
    settle();
    cr_assert_eq(r[0].resolved, 1);
    cr_assert_eq(r[1].resolved, 1);
    cr_assert_eq(r[0].waiter.refusal, REFUSED_FAILED);
    cr_assert_null(r[0].waiter.slot);
    app_failure(app, &failure);
    cr_assert_str_eq(failure.code, "start_failed");
    cr_assert_str_eq(failure.reason, "exit code 3");
    cr_assert_eq(failure.retry_after_ms, 500);
    cr_assert_eq(acquire(&r[2], 0), ACQUIRE_REFUSED);
    cr_assert_eq(r[2].waiter.refusal, REFUSED_FAILED);
    cr_assert_eq(counts().arrivals, 3, "a refused one is no demand");
    cr_assert_eq(counts().state, APP_FAILED);
    demand_calls = 0;
    settle();
    cr_assert_eq(demand_calls, 1);
    app_set_state(app, APP_STARTING, SV(""), SV(""), 0);
    r[2] = (struct request){0};
    cr_assert_eq(acquire(&r[2], 0), ACQUIRE_WAITING);
    cr_assert(app_leave(app, &r[2].waiter, now));
}

Test(app, a_closed_app_refuses_with_draining)
{
    struct request r[2] = {0};

    acquire(&r[0], 0);
    app_close(app);
    settle();
    cr_assert_eq(r[0].waiter.refusal, REFUSED_DRAINING);
    add_replica(1);
    cr_assert_eq(acquire(&r[1], 0), ACQUIRE_REFUSED);
    cr_assert_eq(r[1].waiter.refusal, REFUSED_DRAINING);
}

Test(app, on_cold_start_reject_refuses_while_no_replica_is_there)
{
    struct request r[4] = {0};

    settings.on_cold_start = COLD_START_REJECT;
    cr_assert_eq(acquire(&r[0], 0), ACQUIRE_REFUSED);
    cr_assert_eq(r[0].waiter.refusal, REFUSED_STARTING);
    settle();
    cr_assert_eq(demand_calls, 1, "nothing would ever start it");
    add_replica(1);
    cr_assert_eq(acquire(&r[1], 0), ACQUIRE_GRANTED);
    cr_assert_eq(acquire(&r[2], 0), ACQUIRE_GRANTED);
    cr_assert_eq(acquire(&r[3], 0), ACQUIRE_WAITING);
    cr_assert(app_leave(app, &r[3].waiter, now));
    release(&r[1]);
    release(&r[2]);
}

Test(app, the_demand_hook_is_called_once_for_a_burst)
{
    struct request r[6] = {0};

    for (unsigned i = 0; i < 5; i++)
        acquire(&r[i], i % WORKERS);
    settle();
    cr_assert_eq(demand_calls, 1);
    acquire(&r[5], 0);
    settle();
    cr_assert_eq(demand_calls, 2);
    for (unsigned i = 0; i < 6; i++)
        cr_assert(app_leave(app, &r[i].waiter, now));
}

Test(app, hushed_demand_is_noted_and_posts_nothing)
{
    struct request r[4] = {0};

    cr_assert_not(app_hush_demand(app, true), "nobody came");
    acquire(&r[0], 0);
    acquire(&r[1], 1);
    settle();
    cr_assert_eq(demand_calls, 0);
    cr_assert(app_hush_demand(app, true), "two came");
    cr_assert_not(app_hush_demand(app, true), "that was told already");
    acquire(&r[2], 0);
    cr_assert(app_hush_demand(app, false));
    settle();
    cr_assert_eq(demand_calls, 0, "told by the call");
    acquire(&r[3], 0);
    settle();
    cr_assert_eq(demand_calls, 1, "it is heard again");
    cr_assert_not(app_hush_demand(app, false));
    for (unsigned i = 0; i < 4; i++)
        cr_assert(app_leave(app, &r[i].waiter, now));
}

Test(app, a_slot_with_a_connection_of_the_same_worker_is_preferred)
{
    struct request r[4] = {0};
    int connections[3];

    settings.concurrency = 3;
    add_replica(1);
    for (unsigned i = 0; i < 2; i++)
        acquire(&r[i], i);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_null(release_parked(&r[i], &connections[i]));
    acquire(&r[0], 1);
    cr_assert_eq(r[0].waiter.slot->parked, &connections[1]);
    /* Then one without: the third slot was never used. */
    acquire(&r[1], 1);
    cr_assert_null(r[1].waiter.slot->parked);
    /* Then another worker's. */
    acquire(&r[2], 1);
    cr_assert_eq(r[2].waiter.slot->parked, &connections[0]);
    cr_assert_eq(r[2].waiter.slot->parked_worker, 0);
    for (unsigned i = 0; i < 3; i++)
        release(&r[i]);
}

Test(app, a_waiter_gets_the_connection_with_the_slot)
{
    struct request holder[2] = {0};
    struct request r = {0};
    int connection;

    add_replica(1);
    acquire(&holder[0], 1);
    acquire(&holder[1], 0);
    acquire(&r, 2);
    cr_assert_eq(release_parked(&holder[0], &connection), &r.waiter);
    settle();
    cr_assert_eq(r.waiter.slot->parked, &connection);
    cr_assert_eq(r.waiter.slot->parked_worker, 1);
    release(&r);
    release(&holder[1]);
}

Test(app, unparking_works_until_the_slot_is_taken)
{
    struct request r = {0};
    struct slot *slot;
    int connection;
    int other;

    add_replica(1);
    acquire(&r, 0);
    slot = r.waiter.slot;
    release_parked(&r, &connection);
    cr_assert_not(app_unpark(slot, &other));
    cr_assert(app_unpark(slot, &connection));
    cr_assert_not(app_unpark(slot, &connection));
    acquire(&r, 0);
    cr_assert_null(r.waiter.slot->parked);
    slot = r.waiter.slot;
    release_parked(&r, &connection);
    acquire(&r, 1);
    acquire(&(struct request){0}, 1); /* the other slot is preferred */
    cr_assert_eq(counts().in_flight, 2);
    cr_assert_not(app_unpark(slot, &connection));
    cr_assert_eq(slot->parked, &connection);
    {
        bool is_parked;

        cr_assert_null(app_release(slot, NULL, 1, now, &is_parked));
    }
    release(&r);
}

static unsigned unparked;

static void on_unpark(void *arg, void *parked)
{
    cr_assert_eq(arg, &unparked);
    cr_assert_not_null(parked);
    unparked++;
}

Test(app, every_connection_of_a_worker_can_be_asked_for)
{
    struct request r[4] = {0};
    struct replica_ref *first = add_replica(1);
    int connections[4];

    add_replica(2);
    for (unsigned i = 0; i < 4; i++)
        acquire(&r[i], i / 2);
    for (unsigned i = 0; i < 4; i++)
        release_parked(&r[i], &connections[i]);
    app_unpark_all(app, first, 0, on_unpark, &unparked);
    cr_assert_eq(unparked, 1);
    app_unpark_all(app, NULL, 0, on_unpark, &unparked);
    cr_assert_eq(unparked, 2);
    app_unpark_all(app, NULL, 2, on_unpark, &unparked);
    cr_assert_eq(unparked, 2);
    app_unpark_all(app, NULL, 1, on_unpark, &unparked);
    cr_assert_eq(unparked, 4);
}

Test(app, a_draining_replica_takes_none_and_tells_when_it_is_empty)
{
    struct replica_ref *replica = add_replica(1);
    struct request r[2] = {0};
    int connection;
    bool is_parked = true;

    acquire(&r[0], 0);
    app_drain(replica, on_drained, &drained_calls);
    settle();
    cr_assert_eq(drained_calls, 0);
    cr_assert_eq(counts().replicas, 0);
    cr_assert_eq(acquire(&r[1], 0), ACQUIRE_WAITING);
    /* The slot goes to nobody, and the connection cannot stay. */
    cr_assert_null(
        app_release(r[0].waiter.slot, &connection, 0, now, &is_parked));
    cr_assert_not(is_parked);
    cr_assert_eq(drained_calls, 0, "called from within app_release()");
    settle();
    cr_assert_eq(drained_calls, 1);
    cr_assert_eq(drained, replica);
    cr_assert_eq(r[1].resolved, 0);
    app_resume(replica, now);
    settle();
    cr_assert_eq(r[1].resolved, 1);
    release(&r[1]);
    cr_assert_eq(drained_calls, 1);
}

Test(app, an_idle_replica_is_drained_at_once_but_not_when_resumed_before)
{
    struct replica_ref *replica = add_replica(1);

    app_drain(replica, on_drained, &drained_calls);
    cr_assert_eq(drained_calls, 0, "called from within app_drain()");
    app_resume(replica, now);
    settle();
    cr_assert_eq(drained_calls, 0);
    app_drain(replica, on_drained, &drained_calls);
    settle();
    cr_assert_eq(drained_calls, 1);
    app_drain(replica, on_drained, &drained_calls);
    app_remove(replica);
    settle();
    cr_assert_eq(drained_calls, 1);
}

Test(app, a_tunnel_frees_its_slot_but_keeps_its_replica)
{
    struct replica_ref *replica = add_replica(1);
    struct replica_ref *tunnels[2];
    struct waiter *next;
    struct request r[4] = {0};

    acquire(&r[0], 0);
    acquire(&r[1], 0);
    acquire(&r[2], 0);
    cr_assert(app_tunnel_begin(r[0].waiter.slot, now, &tunnels[0], &next));
    cr_assert_eq(tunnels[0], replica);
    cr_assert_eq(next, &r[2].waiter);
    waiter_deliver(next);
    settle();
    cr_assert(app_tunnel_begin(r[1].waiter.slot, now, &tunnels[1], &next));
    cr_assert_null(next);
    cr_assert_not(app_tunnel_begin(r[2].waiter.slot, now, &tunnels[0], &next));
    cr_assert_eq(counts().tunnels, 2);
    cr_assert_eq(counts().in_flight, 1);
    release(&r[2]);
    app_drain(replica, on_drained, &drained_calls);
    app_tunnel_end(tunnels[0], 5000);
    settle();
    cr_assert_eq(drained_calls, 0);
    app_tunnel_end(tunnels[1], 6000);
    cr_assert_eq(counts().last_end_us, 6000);
    settle();
    cr_assert_eq(drained_calls, 1);
}

Test(app, a_removed_replica_lives_until_the_last_slot_tunnel_and_connection)
{
    struct replica_ref *replica = add_replica(1);
    struct replica_ref *tunnel;
    struct request r[2] = {0};
    struct waiter *next;
    struct slot *parked_slot;
    bool is_parked = true;
    int connection;

    settings.concurrency = 3;
    acquire(&r[0], 0);
    acquire(&r[1], 0);
    cr_assert(app_tunnel_begin(r[1].waiter.slot, now, &tunnel, &next));
    acquire(&r[1], 0);
    parked_slot = r[1].waiter.slot;
    release_parked(&r[1], &connection);
    app_remove(replica);
    cr_assert_null(app_find_replica(app, 1));
    cr_assert_str_eq(r[0].waiter.slot->replica->name, "r");
    cr_assert_null(
        app_release(r[0].waiter.slot, &connection, 0, now, &is_parked));
    cr_assert_not(is_parked);
    cr_assert_eq(acquire(&r[0], 0), ACQUIRE_WAITING);
    app_tunnel_end(tunnel, now);
    cr_assert(app_unpark(parked_slot, &connection));
    cr_assert(app_leave(app, &r[0].waiter, now));
    cr_assert_eq(counts().in_flight, 0);
}

Test(app, counts_tell_what_happened)
{
    struct request r[3] = {0};
    uint64_t first;

    add_replica(1);
    cr_assert_eq(counts().last_end_us, 0);
    acquire(&r[0], 0);
    acquire(&r[1], 0);
    first = now;
    acquire(&r[2], 0);
    cr_assert_eq(counts().queued, 1);
    cr_assert_eq(counts().waited_us_max, now - first);
    app_set_state(app, APP_READY, SV(""), SV(""), 0);
    cr_assert_eq(counts().state, APP_READY);
    cr_assert(app_leave(app, &r[2].waiter, now));
    release(&r[0]);
    release(&r[1]);
    cr_assert_eq(counts().last_end_us, now - 1);
    cr_assert_eq(counts().waited_us_max, 0);
    cr_assert_eq(app_index(app), 7);
    cr_assert_eq(app_settings_now(app), &settings);
    cr_assert_str_eq(app_state_name(APP_ASLEEP), "asleep");
}

Test(app, freeing_waits_for_what_is_posted)
{
    struct request r = {0};

    acquire(&r, 0); /* posts the demand hook */
    cr_assert(app_leave(app, &r.waiter, now));
    app_drain(add_replica(1), on_drained, &drained_calls);
    app_free(&app);
    cr_assert_null(app);
    settle();
    cr_assert_eq(demand_calls + drained_calls, 0);
}

/* --- sockets --- */

struct taker {
    struct socket_waiter waiter;
    unsigned got;
};

static void on_socket(struct socket_waiter *waiter)
{
    container_of(waiter, struct taker, waiter)->got++;
}

static int take(struct replica_ref *replica, struct taker *taker)
{
    *taker = (struct taker){.waiter = {.loop = loop, .on_socket = on_socket}};
    return app_take_socket(replica, &taker->waiter);
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_geq(fd, 0);
    return fd;
}

static struct replica_ref *add_with(enum connect_kind connect)
{
    struct replica_ref *replica =
        app_replica_new(app, 1, SV("r"), connect, NULL, 80);

    app_publish(replica, now);
    return replica;
}

static bool is_open(int fd)
{
    int type;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

Test(app, a_stash_is_refilled_before_it_is_empty)
{
    struct replica_ref *replica = add_with(CONNECT_INSIDE);
    struct taker taker;
    int fds[12];
    unsigned i;

    for (i = 0; i < 12; i++)
        fds[i] = new_socket();
    app_add_sockets(replica, fds, 12, 0);
    settle();
    cr_assert_eq(ask_calls, 0);
    for (i = 0; i < 11 && ask_calls == 0; i++) {
        cr_assert_geq(take(replica, &taker), 0);
        settle();
    }
    cr_assert_eq(ask_calls, 1);
    cr_assert_lt(i, 10, "asked for when only %u were left", 12 - i);
    cr_assert_gt(asked, 4);
    /* One answer is awaited: nothing more is asked for. */
    for (; i < 12; i++)
        cr_assert_geq(take(replica, &taker), 0);
    settle();
    cr_assert_eq(ask_calls, 1);
    for (i = 0; i < 12; i++)
        close(fds[i]);
}

Test(app, who_finds_no_socket_gets_the_next_in_order)
{
    struct replica_ref *replica = add_with(CONNECT_INSIDE);
    struct taker takers[3];
    int fds[3];

    for (unsigned i = 0; i < 3; i++) {
        fds[i] = new_socket();
        cr_assert_eq(take(replica, &takers[i]), -1);
    }
    settle();
    cr_assert_eq(ask_calls, 1);
    cr_assert(app_leave_socket(&takers[1].waiter));
    app_add_sockets(replica, fds, 1, 0);
    cr_assert_not(app_leave_socket(&takers[0].waiter));
    settle();
    cr_assert_eq(takers[0].got, 1);
    cr_assert_eq(takers[0].waiter.fd, fds[0]);
    cr_assert_eq(ask_calls, 2, "one still waits: more must be asked for");
    app_add_sockets(replica, fds + 1, 2, 0);
    settle();
    cr_assert_eq(takers[1].got, 0);
    cr_assert_eq(takers[2].waiter.fd, fds[1]);
    cr_assert_eq(take(replica, &takers[0]), fds[2]);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
}

Test(app, a_failure_of_a_stash_goes_to_all_and_the_next_asks_again)
{
    struct replica_ref *replica = add_with(CONNECT_INSIDE);
    struct taker takers[3];

    take(replica, &takers[0]);
    take(replica, &takers[1]);
    settle();
    app_add_sockets(replica, NULL, 0, EMFILE);
    settle();
    cr_assert_eq(ask_calls, 1);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(takers[i].got, 1);
        cr_assert_eq(takers[i].waiter.fd, -1);
        cr_assert_eq(takers[i].waiter.errno_value, EMFILE);
    }
    take(replica, &takers[2]);
    settle();
    cr_assert_eq(ask_calls, 2);
    cr_assert(app_leave_socket(&takers[2].waiter));
}

Test(app, a_keeper_connected_socket_is_asked_for_each_waiter)
{
    struct replica_ref *replica = add_with(CONNECT_KEEPER);
    struct taker takers[3];
    int fds[2] = {new_socket(), new_socket()};

    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(take(replica, &takers[i]), -1);
    settle();
    cr_assert_eq(asked, 3);
    app_add_sockets(replica, NULL, 0, ECONNREFUSED);
    settle();
    cr_assert_eq(takers[0].waiter.errno_value, ECONNREFUSED);
    cr_assert_eq(takers[1].got, 0, "one failure is one waiter's");
    app_add_sockets(replica, fds, 1, 0);
    cr_assert(app_leave_socket(&takers[2].waiter));
    settle();
    cr_assert_eq(takers[1].waiter.fd, fds[0]);
    /* Nobody waits for the third: it would be one of the app's connections. */
    app_add_sockets(replica, fds + 1, 1, 0);
    cr_assert_not(is_open(fds[1]));
    settle();
    cr_assert_eq(asked, 3);
    close(fds[0]);
}

Test(app, more_than_one_message_carries_are_asked_for_in_turn)
{
    struct replica_ref *replica = add_with(CONNECT_KEEPER);
    struct taker takers[100];

    for (unsigned i = 0; i < 100; i++)
        take(replica, &takers[i]);
    settle();
    cr_assert_eq(asked, 100);
    cr_assert_eq(ask_calls, 2);
    for (unsigned i = 0; i < 100; i++)
        cr_assert(app_leave_socket(&takers[i].waiter));
}

Test(app, removing_fails_socket_waiters_and_closes_the_stash)
{
    struct replica_ref *replica = add_with(CONNECT_INSIDE);
    struct request r = {0};
    struct taker takers[2];
    int fd = new_socket();

    acquire(&r, 0);
    take(replica, &takers[0]);
    app_remove(replica);
    take(replica, &takers[1]);
    settle();
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(takers[i].got, 1);
        cr_assert_eq(takers[i].waiter.fd, -1);
        cr_assert_eq(takers[i].waiter.errno_value, ECONNRESET);
    }
    cr_assert_eq(ask_calls, 0);
    release(&r);
    replica = add_with(CONNECT_INSIDE);
    app_add_sockets(replica, &fd, 1, 0);
    app_remove(replica);
    cr_assert_not(is_open(fd));
    fd = new_socket();
    replica = add_with(CONNECT_INSIDE);
    app_add_sockets(replica, &fd, 1, 0);
    app_drop_sockets(replica);
    cr_assert_not(is_open(fd));
}
