/* An app on several threads, at random, against what must always hold: no slot
 * is given twice or lost, never more than `concurrency` in flight at a
 * replica, every waiter resolved exactly once, a connection always with one
 * owner, a drained replica empty. Run under TSan and ASan.
 * (app_model_test.c: the order, too, on one thread.) */
#include "router/app.h"
#include "router/app_replicas.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/settings.h"

#define WORKERS     4
#define CLIENTS     24    /* of each worker */
#define ACTIONS     12000 /* of each worker */
#define CONCURRENCY 3
#define REPLICAS    4096 /* at most, over the run */
#define MAX_TUNNELS 2
#define DEADLINE_US 1000 /* at most, of every fourth request */

/* A failed assertion of Criterion ends its own thread only. */
#define HOLDS(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,   \
                    #condition);                                               \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* A parked connection: looked at by the worker that it is parked on only, and
 * by whoever that gave it to. */
struct connection {
    struct list node; /* in worker->parked */
    struct slot *slot;
    bool is_broken;
};

enum client_state {
    CLIENT_IDLE,
    CLIENT_WAITING,
    CLIENT_LEAVING, /* it left too late: on_resolved is under way */
    CLIENT_HOLDING,
    CLIENT_ASKING, /* for the connection of its slot, of another worker */
    CLIENT_TUNNEL,
};

struct worker;

struct client {
    struct worker *worker;
    enum client_state state;
    struct waiter waiter;
    struct slot *slot;
    struct connection *connection;
    struct replica_ref *tunnel;
    struct loop_task handover;
    struct worker *handover_from;
};

struct worker {
    struct test *test;
    struct loop *loop;
    pthread_t thread;
    unsigned index;
    unsigned random;
    unsigned actions;
    bool is_finishing;
    bool is_done;
    struct list parked;
    struct loop_task drive;
    struct client clients[CLIENTS];
    uint64_t granted;
    uint64_t waited;
    uint64_t refused;
    uint64_t late;
    uint64_t timed_out;
    uint64_t left;
    uint64_t tunnels;
    uint64_t handovers;
    uint64_t retries;
};

struct model_replica { /* counted by the clients: a slot less than the app's */
    struct replica_ref *ref; /* main's; NULL: removed */
    bool is_draining;
    unsigned held;
    unsigned tunnels;
};

struct test {
    struct app_settings settings;
    struct app *app;
    struct loop *main_loop;
    struct loop_task drive;
    unsigned random;
    unsigned made;
    unsigned finishing; /* atomic: workers that did all their actions */
    unsigned done;      /* atomic: workers whose clients are all idle */
    bool is_last_published;
    unsigned drained;
    unsigned demands;
    struct model_replica replicas[REPLICAS];
    struct worker workers[WORKERS];
    pthread_mutex_t lock; /* of the slots that are held now */
    struct slot *held[WORKERS * CLIENTS];
    unsigned held_count;
};

static unsigned random_below(unsigned *state, unsigned limit)
{
    *state = *state * 1103515245U + 12345U;
    return (*state >> 8) % limit;
}

/* --- the model ------------------------------------------------------------ */

static void model_take(struct test *test, struct slot *slot)
{
    struct model_replica *replica = &test->replicas[slot->replica->id];

    pthread_mutex_lock(&test->lock);
    for (unsigned i = 0; i < test->held_count; i++)
        HOLDS(test->held[i] != slot); /* given twice */
    HOLDS(test->held_count < WORKERS * CLIENTS);
    test->held[test->held_count++] = slot;
    replica->held++;
    HOLDS(replica->held <= CONCURRENCY);
    pthread_mutex_unlock(&test->lock);
}

/* Before it is given back: from then on another may have it. */
static void model_give(struct test *test, struct slot *slot)
{
    struct model_replica *replica = &test->replicas[slot->replica->id];
    bool found = false;

    pthread_mutex_lock(&test->lock);
    for (unsigned i = 0; i < test->held_count && !found; i++) {
        if (test->held[i] == slot) {
            test->held[i] = test->held[--test->held_count];
            found = true;
        }
    }
    HOLDS(found);
    replica->held--;
    pthread_mutex_unlock(&test->lock);
}

static void model_tunnel(struct test *test, const struct replica_ref *replica,
                         unsigned change)
{
    pthread_mutex_lock(&test->lock);
    test->replicas[replica->id].tunnels += change;
    HOLDS(test->replicas[replica->id].tunnels <= MAX_TUNNELS);
    pthread_mutex_unlock(&test->lock);
}

/* --- clients -------------------------------------------------------------- */

static void release(struct client *client, struct connection *connection);

static void on_handover_done(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, handover);

    HOLDS(client->state == CLIENT_ASKING);
    client->state = CLIENT_HOLDING;
    if (client->connection->is_broken) {
        free(client->connection);
        client->connection = NULL;
    }
}

/* On the worker that has the connection. */
static void on_handover(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, handover);

    list_remove(&client->connection->node);
    task->run = on_handover_done;
    loop_post(client->worker->loop, task);
}

static void hold(struct client *client, struct slot *slot)
{
    struct worker *worker = client->worker;

    client->slot = slot;
    client->connection = slot->parked;
    client->state = CLIENT_HOLDING;
    slot->parked = NULL;
    worker->granted++;
    if (!client->connection)
        return;
    HOLDS(client->connection->slot == slot);
    if (slot->parked_worker == worker->index) {
        list_remove(&client->connection->node);
        if (client->connection->is_broken) {
            free(client->connection);
            client->connection = NULL;
        }
        return;
    }
    worker->handovers++;
    client->state = CLIENT_ASKING;
    client->handover.run = on_handover;
    loop_post(worker->test->workers[slot->parked_worker].loop,
              &client->handover);
}

static void on_resolved(struct waiter *waiter)
{
    struct client *client = container_of(waiter, struct client, waiter);
    enum client_state state = client->state;

    HOLDS(state == CLIENT_WAITING || state == CLIENT_LEAVING);
    HOLDS(!waiter->is_waiting);
    HOLDS((waiter->slot != NULL) == (waiter->refusal == REFUSED_NOT));
    client->state = CLIENT_IDLE;
    if (!waiter->slot) {
        HOLDS(waiter->refusal == REFUSED_FAILED);
        client->worker->refused++;
        return;
    }
    model_take(client->worker->test, waiter->slot);
    hold(client, waiter->slot);
    if (state == CLIENT_LEAVING && client->state == CLIENT_HOLDING)
        release(client, client->connection);
}

static void acquire(struct client *client, uint64_t arrived_us)
{
    struct worker *worker = client->worker;
    uint64_t now_us = clock_now_us();

    client->waiter = (struct waiter){
        .loop = worker->loop,
        .worker = worker->index,
        .priority = (enum app_priority)random_below(&worker->random, 3),
        .deadline_us = random_below(&worker->random, 4) == 0
                           ? now_us + random_below(&worker->random, DEADLINE_US)
                           : 0,
        .on_resolved = on_resolved,
        .arrived_us = arrived_us,
    };
    switch (app_acquire(worker->test->app, &client->waiter, now_us)) {
    case ACQUIRE_GRANTED:
        model_take(worker->test, client->waiter.slot);
        hold(client, client->waiter.slot);
        break;
    case ACQUIRE_WAITING:
        client->state = CLIENT_WAITING;
        worker->waited++;
        break;
    case ACQUIRE_REFUSED:
        HOLDS(client->waiter.refusal == REFUSED_QUEUE_FULL ||
              client->waiter.refusal == REFUSED_FAILED ||
              client->waiter.refusal == REFUSED_LATE);
        worker->late += client->waiter.refusal == REFUSED_LATE;
        worker->refused++;
        break;
    }
}

/* connection: it stays open, and is parked where the slot is not passed on. */
static void release(struct client *client, struct connection *connection)
{
    struct worker *worker = client->worker;
    struct slot *slot = client->slot;
    struct waiter *next;
    bool is_kept;

    if (connection) {
        connection->slot = slot;
        list_add_tail(&worker->parked, &connection->node);
    }
    client->state = CLIENT_IDLE;
    client->slot = NULL;
    client->connection = NULL;
    model_give(worker->test, slot);
    next =
        app_release(slot, connection, worker->index, clock_now_us(), &is_kept);
    HOLDS(connection || !is_kept);
    if (connection && !is_kept) {
        list_remove(&connection->node);
        free(connection);
    }
    if (next)
        waiter_deliver(next);
}

static void begin_tunnel(struct client *client)
{
    struct test *test = client->worker->test;
    struct waiter *next = NULL;

    /* Counted first: it must not be seen empty while it is being made. The
     * slot stays the client's where there are too many already. */
    model_give(test, client->slot);
    if (!app_tunnel_begin(client->slot, clock_now_us(), &client->tunnel,
                          &next)) {
        model_take(test, client->slot);
        return;
    }
    model_tunnel(test, client->tunnel, 1);
    client->worker->tunnels++;
    free(client->connection);
    client->connection = NULL;
    client->slot = NULL;
    client->state = CLIENT_TUNNEL;
    if (next)
        waiter_deliver(next);
}

static void end_tunnel(struct client *client)
{
    struct replica_ref *replica = client->tunnel;

    client->state = CLIENT_IDLE;
    model_tunnel(client->worker->test, replica, -1U);
    app_tunnel_end(replica, clock_now_us());
}

static void end_holding(struct client *client)
{
    unsigned choice = random_below(&client->worker->random, 10);

    if (choice == 0 && !client->worker->is_finishing) {
        begin_tunnel(client);
        return;
    }
    if (choice < 4) {
        free(client->connection);
        release(client, NULL);
        if (choice == 1) { /* its connection broke: again, in its old place */
            client->worker->retries++;
            acquire(client, client->waiter.arrived_us);
        }
        return;
    }
    if (!client->connection)
        client->connection = xcalloc(1, sizeof *client->connection);
    release(client, client->connection);
}

static void act(struct client *client)
{
    struct worker *worker = client->worker;

    switch (client->state) {
    case CLIENT_IDLE:
        if (!worker->is_finishing)
            acquire(client, 0);
        break;
    case CLIENT_WAITING:
        if (clock_now_us() >= client->waiter.until_us)
            worker->timed_out++; /* as its exchange's timer does */
        else if (worker->is_finishing || random_below(&worker->random, 4) != 0)
            break;
        worker->left++;
        client->state =
            app_leave(worker->test->app, &client->waiter, clock_now_us())
                ? CLIENT_IDLE
                : CLIENT_LEAVING;
        break;
    case CLIENT_HOLDING:
        end_holding(client);
        break;
    case CLIENT_TUNNEL:
        end_tunnel(client);
        break;
    case CLIENT_LEAVING:
    case CLIENT_ASKING:
        break;
    }
}

/* The app closed a connection that is parked here. */
static void break_one(struct worker *worker)
{
    struct connection *connection;

    if (list_is_empty(&worker->parked))
        return;
    connection = container_of(worker->parked.next, struct connection, node);
    if (connection->is_broken)
        return;
    if (app_unpark(connection->slot, connection)) {
        list_remove(&connection->node);
        free(connection);
    } else {
        connection->is_broken = true; /* it will be asked for */
    }
}

static bool is_idle(const struct worker *worker)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (worker->clients[i].state != CLIENT_IDLE)
            return false;
    }
    return true;
}

static void on_worker_drive(struct loop_task *task)
{
    struct worker *worker = container_of(task, struct worker, drive);
    struct test *test = worker->test;

    if (!worker->is_finishing) {
        for (unsigned i = 0; i < 4; i++)
            act(&worker->clients[random_below(&worker->random, CLIENTS)]);
        if (random_below(&worker->random, 8) == 0)
            break_one(worker);
        worker->actions += 4;
        if (worker->actions >= ACTIONS) {
            worker->is_finishing = true;
            __atomic_add_fetch(&test->finishing, 1, __ATOMIC_RELAXED);
        }
    } else {
        for (unsigned i = 0; i < CLIENTS; i++)
            act(&worker->clients[i]);
        if (is_idle(worker)) {
            /* Its loop runs on: others may ask for what is parked here. */
            __atomic_add_fetch(&test->done, 1, __ATOMIC_RELAXED);
            return;
        }
    }
    loop_post(worker->loop, task);
}

/* --- main ----------------------------------------------------------------- */

struct order {
    struct loop_task task;
    struct worker *worker;
    struct replica_ref *replica; /* NULL: of all */
};

static void on_unpark(void *arg, void *parked)
{
    struct connection *connection = parked;

    (void)arg;
    list_remove(&connection->node);
    free(connection);
}

static void on_unpark_order(struct loop_task *task)
{
    struct order *order = container_of(task, struct order, task);
    struct worker *worker = order->worker;

    app_unpark_all(worker->test->app, order->replica, worker->index, on_unpark,
                   NULL);
    free(order);
}

static void order_unpark(struct test *test, struct replica_ref *replica)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct order *order = xcalloc(1, sizeof *order);

        order->task.run = on_unpark_order;
        order->worker = &test->workers[i];
        order->replica = replica;
        loop_post(order->worker->loop, &order->task);
    }
}

static void on_demand(struct app *app, void *arg)
{
    struct test *test = arg;
    struct app_counts counts;

    test->demands++;
    app_count(app, clock_now_us(), &counts);
    HOLDS(counts.queued <= test->settings.queue_size);
    HOLDS(counts.in_flight <= WORKERS * CLIENTS);
}

static void on_drained(struct replica_ref *replica, void *arg)
{
    struct test *test = arg;
    struct model_replica *model = &test->replicas[replica->id];

    HOLDS(model->ref == replica && model->is_draining);
    pthread_mutex_lock(&test->lock);
    HOLDS(model->held == 0 && model->tunnels == 0);
    pthread_mutex_unlock(&test->lock);
    test->drained++;
}

static void add_replica(struct test *test)
{
    char name[32];
    struct model_replica *model = &test->replicas[test->made];

    snprintf(name, sizeof name, "r%u", test->made);
    model->ref = app_replica_new(test->app, test->made++, sv_of(name),
                                 CONNECT_DIRECT, NULL, 0);
    app_publish(model->ref, clock_now_us());
}

static unsigned count_living(struct test *test, unsigned *ret_any)
{
    unsigned count = 0;
    unsigned skip = random_below(&test->random, 8);

    for (unsigned i = 0; i < test->made; i++) {
        if (!test->replicas[i].ref)
            continue;
        if (count == 0 || count <= skip)
            *ret_any = i;
        count++;
    }
    return count;
}

static void remove_replica(struct test *test, unsigned index)
{
    struct model_replica *model = &test->replicas[index];
    struct replica_ref *replica = model->ref;

    model->ref = NULL;
    /* Before or after: what can no longer be parked is asked for once. */
    if (index % 2) {
        app_remove(replica);
        order_unpark(test, NULL);
    } else {
        order_unpark(test, replica);
        app_remove(replica);
    }
}

static void disturb(struct test *test)
{
    unsigned any = 0;
    unsigned living = count_living(test, &any);
    unsigned choice = random_below(&test->random, 100);
    struct model_replica *model = &test->replicas[any];

    if ((living < 2 || (choice < 10 && living < 6)) && test->made < REPLICAS) {
        add_replica(test);
    } else if (choice < 20) {
        remove_replica(test, any);
    } else if (choice < 50) {
        model->is_draining = true;
        app_drain(model->ref, on_drained, test);
        order_unpark(test, model->ref);
    } else if (choice < 90) {
        model->is_draining = false;
        app_resume(model->ref, clock_now_us());
    } else if (choice < 92) {
        app_set_state(test->app, APP_FAILED, SV("start_failed"), SV("x"), 1);
    } else {
        app_set_state(test->app, APP_READY, SV(""), SV(""), 0);
    }
}

static void on_main_drive(struct loop_task *task)
{
    struct test *test = container_of(task, struct test, drive);

    if (__atomic_load_n(&test->finishing, __ATOMIC_RELAXED) < WORKERS) {
        if (random_below(&test->random, 4) == 0)
            disturb(test);
    } else if (!test->is_last_published) {
        /* Whoever still waits must get a slot of this one. */
        test->is_last_published = true;
        for (unsigned i = 0; i < test->made; i++) {
            if (test->replicas[i].ref)
                remove_replica(test, i);
        }
        app_set_state(test->app, APP_READY, SV(""), SV(""), 0);
        add_replica(test);
    } else if (__atomic_load_n(&test->done, __ATOMIC_RELAXED) == WORKERS) {
        loop_stop(test->main_loop);
        return;
    }
    loop_post(test->main_loop, task);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;

    loop_run(worker->loop);
    return NULL;
}

static void start(struct test *test)
{
    test->settings = (struct app_settings){
        .concurrency = CONCURRENCY,
        .replicas_max = 8,
        .queue_size = 40,
        .queue_timeout_ms = 60000,
        .max_tunnels = MAX_TUNNELS,
    };
    pthread_mutex_init(&test->lock, NULL);
    test->main_loop = loop_new("main");
    test->app = app_new(&test->settings, 0, WORKERS);
    app_set_demand_hook(test->app, test->main_loop, on_demand, test);
    test->drive.run = on_main_drive;
    loop_post(test->main_loop, &test->drive);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &test->workers[i];

        worker->test = test;
        worker->index = i;
        worker->random = test->random + i * 7919;
        worker->loop = loop_new("worker");
        worker->drive.run = on_worker_drive;
        list_init(&worker->parked);
        for (unsigned k = 0; k < CLIENTS; k++)
            worker->clients[k].worker = worker;
        loop_post(worker->loop, &worker->drive);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_create(&test->workers[i].thread, NULL, run_worker,
                       &test->workers[i]);
}

static void stop(struct test *test)
{
    order_unpark(test, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        loop_stop(test->workers[i].loop);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(test->workers[i].thread, NULL);
        loop_free(&test->workers[i].loop);
        cr_assert(list_is_empty(&test->workers[i].parked));
    }
}

struct totals {
    uint64_t granted, waited, refused, left, tunnels, handovers, retries;
    uint64_t late, timed_out;
    uint64_t replicas, drained, demands;
};

static void add_totals(const struct test *test, struct totals *totals)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        totals->granted += test->workers[i].granted;
        totals->waited += test->workers[i].waited;
        totals->refused += test->workers[i].refused;
        totals->late += test->workers[i].late;
        totals->timed_out += test->workers[i].timed_out;
        totals->left += test->workers[i].left;
        totals->tunnels += test->workers[i].tunnels;
        totals->handovers += test->workers[i].handovers;
        totals->retries += test->workers[i].retries;
    }
    totals->replicas += test->made;
    totals->drained += test->drained;
    totals->demands += test->demands;
}

static void run_with_seed(unsigned seed, struct totals *totals)
{
    struct test *test = xcalloc(1, sizeof *test);
    struct app_counts counts;

    test->random = seed;
    start(test);
    loop_run(test->main_loop);
    stop(test);
    app_count(test->app, clock_now_us(), &counts);
    cr_assert_eq(counts.queued, 0);
    cr_assert_eq(counts.in_flight, 0);
    cr_assert_eq(counts.tunnels, 0);
    cr_assert_eq(test->held_count, 0);
    add_totals(test, totals);
    app_free(&test->app); /* asserts that no slot was lost */
    loop_free(&test->main_loop);
    pthread_mutex_destroy(&test->lock);
    free(test);
}

Test(app_threads, every_waiter_is_resolved_once_and_no_slot_is_lost)
{
    struct totals t = {0};

    for (unsigned seed = 1; seed <= 4; seed++)
        run_with_seed(seed, &t);
    printf("%lu granted, %lu waited, %lu refused (%lu late), %lu left (%lu "
           "timed out), %lu tunnels, %lu handed over, %lu retried; %lu "
           "replicas, %lu drained, %lu demands\n",
           t.granted, t.waited, t.refused, t.late, t.left, t.timed_out,
           t.tunnels, t.handovers, t.retries, t.replicas, t.drained, t.demands);
    /* Else it would have shown nothing. */
    cr_assert(t.granted && t.waited && t.refused && t.late && t.left &&
              t.timed_out && t.tunnels && t.handovers && t.retries &&
              t.replicas > 10 && t.drained && t.demands);
}
