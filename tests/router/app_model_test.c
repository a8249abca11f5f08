/* An app against a simple model, step by step at random: arrivals with and
 * without deadlines, ends, hang-ups, time-outs, retries, crashes of replicas
 * and new ones. Always: who gets a slot is who a search of all who wait would
 * find, nobody waits beside a free slot, no more wait than may, and who is
 * refused is refused for the reason that holds.
 * (app_threads_test.c: the same on many threads, without the order.) */
#include "router/app.h"
#include "router/app_replicas.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/settings.h"

#define STEPS       60000
#define REQUESTS    40
#define REPLICAS    4 /* at a time */
#define CONCURRENCY 2
#define CAP         12
#define SECOND      UINT64_C(1000000)

enum request_state { IDLE, WAITING, HOLDING };

struct request {
    struct waiter waiter;
    enum request_state state;
    unsigned replica; /* HOLDING: in model.replicas */
    uint64_t taken_us;
    bool is_orphan; /* its replica crashed */
};

struct model_replica {
    struct replica_ref *ref; /* NULL: none */
    unsigned held;
};

struct freed { /* a slot, while somebody waited */
    uint64_t at_us;
    uint64_t service_us;
};

static struct loop *loop;
static struct app_settings settings;
static struct app *app;
static struct {
    uint64_t now_us;
    uint64_t starts_until_us;
    uint64_t waiting_since_us;
    uint64_t last_id;
    struct model_replica replicas[REPLICAS];
    struct request requests[REQUESTS];
    struct freed freed[STEPS];
    unsigned freed_count;
    struct freed waits[STEPS]; /* at_us: the end of a time of waiting */
    unsigned wait_count;
} model;
static struct {
    unsigned granted, handed_over, published, full, late, estimated, timed_out;
    unsigned hung_up, retried, crashed, moved_up, hurried;
} seen;

static unsigned below(unsigned limit)
{
    return (unsigned)random() % limit;
}

/* --- the model ------------------------------------------------------------ */

static unsigned count_waiting(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REQUESTS; i++)
        count += model.requests[i].state == WAITING;
    return count;
}

static unsigned rank_of(const struct waiter *waiter)
{
    uint64_t steps = (model.now_us - waiter->arrived_us) / (10 * SECOND);

    return steps < waiter->priority ? waiter->priority - (unsigned)steps : 0;
}

static bool is_before(const struct waiter *a, const struct waiter *b)
{
    if (rank_of(a) != rank_of(b))
        return rank_of(a) < rank_of(b);
    if (a->until_us != b->until_us)
        return a->until_us < b->until_us;
    return a->arrived_us < b->arrived_us;
}

static struct request *head(void)
{
    struct request *best = NULL;

    for (unsigned i = 0; i < REQUESTS; i++) {
        struct request *request = &model.requests[i];

        if (request->state == WAITING &&
            (!best || is_before(&request->waiter, &best->waiter)))
            best = request;
    }
    return best;
}

/* Of those with a free slot, how many the emptiest holds; UINT_MAX: none. */
static unsigned fewest_held(void)
{
    unsigned fewest = UINT32_MAX;

    for (unsigned i = 0; i < REPLICAS; i++) {
        const struct model_replica *replica = &model.replicas[i];

        if (replica->ref && replica->held < CONCURRENCY &&
            replica->held < fewest)
            fewest = replica->held;
    }
    return fewest;
}

static unsigned count_replicas(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REPLICAS; i++)
        count += model.replicas[i].ref != NULL;
    return count;
}

static unsigned count_held(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REQUESTS; i++)
        count += model.requests[i].state == HOLDING;
    return count;
}

/* Somebody waits from now on, or nobody does. */
static void note_waiting(bool was_waiting)
{
    bool is_waiting = count_waiting() > 0;

    if (is_waiting && !was_waiting)
        model.waiting_since_us = model.now_us;
    if (!is_waiting && was_waiting)
        model.waits[model.wait_count++] =
            (struct freed){model.now_us, model.now_us - model.waiting_since_us};
}

static void note_freed(uint64_t taken_us)
{
    if (count_waiting() > 0)
        model.freed[model.freed_count++] =
            (struct freed){model.now_us, model.now_us - taken_us};
}

/* The last ten seconds, by the clock's whole ones. */
static uint64_t window_begin_us(void)
{
    return (model.now_us / SECOND - 9) * SECOND;
}

/* How much of a time of waiting lies within. */
static double within_window(uint64_t from_us, uint64_t to_us)
{
    uint64_t begin_us = window_begin_us();

    if (to_us <= begin_us)
        return 0;
    return (double)(to_us - (from_us < begin_us ? begin_us : from_us));
}

/* < 0: nothing is known. */
static double estimated_wait_us(const struct waiter *waiter)
{
    double waited = within_window(model.waiting_since_us, model.now_us);
    double service = 0;
    double freed = 0;
    double ahead = 0;

    for (unsigned i = 0; i < model.wait_count; i++)
        waited +=
            within_window(model.waits[i].at_us - model.waits[i].service_us,
                          model.waits[i].at_us);
    for (unsigned i = 0; i < model.freed_count; i++) {
        if (model.freed[i].at_us < window_begin_us())
            continue;
        freed++;
        service += (double)model.freed[i].service_us;
    }
    for (unsigned i = 0; i < REQUESTS; i++)
        ahead += model.requests[i].state == WAITING &&
                 rank_of(&model.requests[i].waiter) <= waiter->priority;
    if (freed < 1)
        return -1;
    service /= count_held();
    return ahead * (service < waited ? service : waited) / freed;
}

/* Its sums are of whole numbers: at the border both may be right. */
static void check_estimate(const struct waiter *waiter, bool is_refused)
{
    bool is_looked_at = count_waiting() > 0 && count_replicas() > 0 &&
                        model.now_us >= model.waiting_since_us + SECOND &&
                        model.now_us >= model.starts_until_us;
    double wait_us = is_looked_at ? estimated_wait_us(waiter) : 0;

    if (is_refused) {
        cr_assert(is_looked_at);
        cr_assert_gt(wait_us, (double)(settings.queue_timeout_ms * 1000) - 1);
        seen.estimated++;
    } else if (wait_us > 0) {
        cr_assert_lt(wait_us, (double)(settings.queue_timeout_ms * 1000) + 1);
    }
}

static void check_counts(void)
{
    struct app_counts counts;

    app_count(app, model.now_us, &counts);
    cr_assert_eq(counts.queued, count_waiting());
    cr_assert_eq(counts.in_flight, count_held());
    cr_assert_eq(counts.replicas, count_replicas());
    cr_assert_leq(counts.queued, CAP);
    cr_assert(counts.queued == 0 || fewest_held() == UINT32_MAX,
              "somebody waits beside a free slot");
}

/* --- what happens --------------------------------------------------------- */

static void on_resolved(struct waiter *waiter)
{
    (void)waiter; /* looked at by whoever made it happen */
}

static void hold(struct request *request)
{
    const struct replica_ref *replica = request->waiter.slot->replica;

    for (unsigned i = 0; i < REPLICAS; i++) {
        if (model.replicas[i].ref == replica)
            request->replica = i;
    }
    cr_assert_eq(model.replicas[request->replica].ref, replica);
    cr_assert_lt(model.replicas[request->replica].held, CONCURRENCY);
    model.replicas[request->replica].held++;
    request->state = HOLDING;
    request->is_orphan = false;
    request->taken_us = model.now_us;
    seen.granted++;
}

static void check_refused(const struct request *request, unsigned fewest,
                          bool is_retry)
{
    const struct waiter *waiter = &request->waiter;
    bool is_past =
        waiter->deadline_us != 0 && waiter->deadline_us <= model.now_us;

    switch (waiter->refusal) {
    case REFUSED_QUEUE_FULL:
        cr_assert_eq(count_waiting(), CAP);
        cr_assert_eq(fewest, UINT32_MAX);
        seen.full++;
        return;
    case REFUSED_LATE:
        seen.late++;
        if (is_past ||
            (fewest == UINT32_MAX && waiter->until_us <= model.now_us))
            return;
        cr_assert_not(is_retry, "it has its place");
        cr_assert_eq(fewest, UINT32_MAX);
        check_estimate(waiter, true);
        return;
    default:
        cr_assert_fail("refused for no reason that there is");
    }
}

static void arrive(struct request *request, bool is_retry)
{
    struct waiter *waiter = &request->waiter;
    unsigned fewest = fewest_held();
    bool was_waiting = count_waiting() > 0;
    enum acquire outcome = app_acquire(app, waiter, model.now_us);

    switch (outcome) {
    case ACQUIRE_GRANTED:
        cr_assert_neq(fewest, UINT32_MAX);
        hold(request);
        cr_assert_eq(model.replicas[request->replica].held, fewest + 1);
        return;
    case ACQUIRE_WAITING:
        cr_assert_eq(fewest, UINT32_MAX);
        cr_assert_gt(waiter->until_us, model.now_us);
        if (!is_retry)
            check_estimate(waiter, false);
        request->state = WAITING;
        note_waiting(was_waiting);
        return;
    case ACQUIRE_REFUSED:
        check_refused(request, fewest, is_retry);
        request->state = IDLE;
    }
}

static void come(struct request *request)
{
    request->waiter = (struct waiter){
        .loop = loop,
        .priority = (enum app_priority)below(3),
        .on_resolved = on_resolved,
        .deadline_us = below(3) == 0 ? model.now_us + below(4 * SECOND) : 0,
    };
    arrive(request, false);
}

/* Who gets the slot of one that ends: told by app_release() itself. */
static void end(struct request *request, bool comes_again)
{
    struct waiter *waiter = &request->waiter;
    bool is_orphan = request->is_orphan;
    struct request *expected = is_orphan ? NULL : head();
    struct waiter *next;
    bool is_kept;

    if (expected && rank_of(&expected->waiter) != expected->waiter.priority)
        seen.moved_up++;
    if (expected && expected->waiter.deadline_us != 0)
        seen.hurried++;
    note_freed(request->taken_us);
    request->state = IDLE;
    if (!is_orphan)
        model.replicas[request->replica].held--;
    next = app_release(waiter->slot, NULL, 0, model.now_us, &is_kept);
    cr_assert_eq(next, expected ? &expected->waiter : NULL);
    if (expected) {
        expected->state = IDLE;
        hold(expected);
        seen.handed_over++;
        note_waiting(true);
    }
    if (comes_again) {
        seen.retried++;
        waiter->slot = NULL;
        arrive(request, true);
    }
}

static void leave(struct request *request)
{
    cr_assert(app_leave(app, &request->waiter, model.now_us));
    request->state = IDLE;
    note_waiting(true);
}

static void stop_loop(struct loop_task *task)
{
    (void)task;
    loop_stop(loop);
}

/* What was posted runs: of waiters, and of app and replicas. */
static void settle(void)
{
    struct loop_task stop = {.run = stop_loop};

    loop_post(loop, &stop);
    loop_run(loop);
}

static void publish(struct model_replica *replica)
{
    replica->ref =
        app_replica_new(app, ++model.last_id, SV("r"), CONNECT_DIRECT, NULL, 0);
    replica->held = 0;
    app_publish(replica->ref, model.now_us);
    settle();
    for (unsigned i = 0; i < CONCURRENCY && head(); i++) {
        struct request *request = head();

        cr_assert_not_null(request->waiter.slot, "not the first in the order");
        cr_assert_eq(request->waiter.slot->replica, replica->ref);
        request->state = IDLE;
        hold(request);
        seen.published++;
        note_waiting(true);
    }
}

static void crash(unsigned index)
{
    struct model_replica *replica = &model.replicas[index];

    for (unsigned i = 0; i < REQUESTS; i++) {
        struct request *request = &model.requests[i];

        if (request->state == HOLDING && request->replica == index)
            request->is_orphan = true;
    }
    app_remove(replica->ref);
    *replica = (struct model_replica){0};
    seen.crashed++;
}

/* As the exchange's timer does. */
static void time_out(void)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct request *request = &model.requests[i];

        if (request->state != WAITING ||
            request->waiter.until_us > model.now_us)
            continue;
        leave(request);
        seen.timed_out++;
    }
}

static void happen_to(struct request *request)
{
    switch (request->state) {
    case IDLE:
        come(request);
        break;
    case WAITING:
        if (below(12) == 0) {
            leave(request);
            seen.hung_up++;
        }
        break;
    case HOLDING:
        if (request->is_orphan || below(3) == 0)
            end(request, request->is_orphan || below(10) == 0);
        break;
    }
}

static void happen(void)
{
    unsigned choice = below(400);
    unsigned index = below(REPLICAS);
    struct model_replica *replica = &model.replicas[index];

    if (choice < 4 && !replica->ref) {
        publish(replica);
    } else if (choice < 6 && replica->ref) {
        crash(index);
    } else if (choice == 6) {
        model.starts_until_us = below(2) ? model.now_us + below(5 * SECOND) : 0;
        app_set_starts(app, model.starts_until_us);
    } else {
        happen_to(&model.requests[below(REQUESTS)]);
    }
}

static void on_demand(struct app *of, void *arg)
{
    (void)of;
    (void)arg;
}

static void set_up(void)
{
    memset(&model, 0, sizeof model);
    settings = (struct app_settings){
        .concurrency = CONCURRENCY,
        .replicas_max = REPLICAS,
        .queue_size = CAP,
        .max_tunnels = 2,
    };
    loop = loop_new("test");
    app = app_new(&settings, 0, 1);
    app_set_demand_hook(app, loop, on_demand, NULL);
    model.now_us = 100 * SECOND;
}

static void tear_down(void)
{
    app_free(&app);
    loop_free(&loop);
}

TestSuite(app_model, .init = set_up, .fini = tear_down);

/* pace_us: the mean time between two steps, and so how long services are. */
static void run(unsigned seed, unsigned pace_us, unsigned timeout_s)
{
    srandom(seed);
    settings.queue_timeout_ms = timeout_s * 1000;
    for (unsigned step = 0; step < STEPS; step++) {
        model.now_us += 1 + below(2 * pace_us);
        if (below(5000) == 0)
            model.now_us += 12 * SECOND; /* nothing moved: all were slow */
        time_out();
        happen();
        check_counts();
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (model.requests[i].state == WAITING)
            leave(&model.requests[i]);
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (model.requests[i].state == HOLDING)
            end(&model.requests[i], false);
    }
    check_counts();
}

Test(app_model, it_does_what_a_search_of_all_would)
{
    static const struct {
        unsigned pace_us;
        unsigned timeout_s;
    } runs[] = {{3000, 8}, {30000, 25}, {150000, 8}, {150000, 60}};

    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        if (i > 0) {
            tear_down();
            set_up();
        }
        run((unsigned)i + 1, runs[i].pace_us, runs[i].timeout_s);
    }
    printf("%u granted, %u of them handed over, %u by a new replica; refused: "
           "%u full, %u late (%u by estimate); %u timed out, %u hung up, %u "
           "retried, %u crashes; %u moved up, %u with a deadline\n",
           seen.granted, seen.handed_over, seen.published, seen.full, seen.late,
           seen.estimated, seen.timed_out, seen.hung_up, seen.retried,
           seen.crashed, seen.moved_up, seen.hurried);
    /* Else it would have shown nothing. */
    cr_assert(seen.granted && seen.handed_over && seen.published && seen.full &&
              seen.late && seen.estimated && seen.timed_out && seen.hung_up &&
              seen.retried && seen.crashed && seen.moved_up && seen.hurried);
}
