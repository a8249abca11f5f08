/* A revision that is not proven yet, beside one that is. */
#include "router/app_trial.h"

#include <criterion/criterion.h>

#include "router/app.h"
#include "router/app_replicas.h"
#include "router/settings.h"

#define OLD 1
#define NEW 2

static struct loop *loop;
static struct app_settings settings;
static struct app *app;
static struct replica_ref *old;
static struct replica_ref *new;
static uint64_t now;
static unsigned resolved;

static void on_demand(struct app *of, void *arg)
{
    (void)of;
    (void)arg;
}

static void set_up(void)
{
    now = 1000;
    resolved = 0;
    settings = (struct app_settings){
        .concurrency = 4, .replicas_max = 4, .queue_size = 2, .max_tunnels = 2};
    loop = loop_new("test");
    app = app_new(&settings, 0, 1);
    app_set_demand_hook(app, loop, on_demand, NULL);
    old = app_replica_new(app, OLD, SV("old"), CONNECT_DIRECT, NULL, 0);
    new = app_replica_new(app, NEW, SV("new"), CONNECT_DIRECT, NULL, 0);
    new->serial = 1;
    app_trial_begin(new);
    app_publish(old, now);
    app_publish(new, now);
}

static void tear_down(void)
{
    app_free(&app);
    loop_free(&loop);
}

TestSuite(app_trial, .init = set_up, .fini = tear_down);

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

static void on_resolved(struct waiter *waiter)
{
    (void)waiter;
    resolved++;
}

static enum acquire ask(struct waiter *waiter, bool is_repeatable,
                        bool avoids_trial)
{
    *waiter = (struct waiter){.loop = loop,
                              .on_resolved = on_resolved,
                              .is_repeatable = is_repeatable,
                              .avoids_trial = avoids_trial};
    return app_acquire(app, waiter, now++);
}

/* Who serves it. */
static uint64_t acquire(struct waiter *waiter)
{
    cr_assert_eq(ask(waiter, true, false), ACQUIRE_GRANTED);
    return waiter->slot->replica->id;
}

static struct waiter *release(struct waiter *waiter, enum slot_outcome outcome)
{
    bool parked;

    waiter->slot->outcome = outcome;
    return app_release(waiter->slot, NULL, 0, now++, &parked);
}

static void answer(struct waiter *waiter, enum slot_outcome outcome)
{
    cr_assert_null(release(waiter, outcome));
}

/* So many requests, one after the other, each answered well by the new one. */
static void serve_well(unsigned count)
{
    struct waiter waiter;

    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(acquire(&waiter), NEW);
        answer(&waiter, OUTCOME_ANSWER);
    }
}

Test(app_trial, it_has_one_request_in_flight_and_more_as_it_answers_well)
{
    struct waiter held[4];

    cr_assert_eq(acquire(&held[0]), NEW);
    cr_assert_eq(acquire(&held[1]), OLD);
    answer(&held[0], OUTCOME_ANSWER);
    answer(&held[1], OUTCOME_ANSWER);
    serve_well(15);
    cr_assert_eq(acquire(&held[0]), NEW);
    cr_assert_eq(acquire(&held[1]), NEW);
    cr_assert_eq(acquire(&held[2]), NEW, "16 good ones: 2 more");
    cr_assert_eq(acquire(&held[3]), OLD);
    for (unsigned i = 0; i < 4; i++)
        answer(&held[i], OUTCOME_ANSWER);
}

Test(app_trial, one_that_fails_is_given_none_for_a_moment_and_then_one)
{
    static const enum slot_outcome failures[] = {OUTCOME_ERROR, OUTCOME_FAILED};
    struct waiter held[2];

    for (unsigned i = 0; i < 2; i++) {
        serve_well(16);
        cr_assert_eq(acquire(&held[0]), NEW);
        answer(&held[0], failures[i]);
        cr_assert_eq(acquire(&held[0]), OLD);
        now += 100000;
        cr_assert_eq(acquire(&held[1]), NEW);
        answer(&held[0], OUTCOME_ANSWER);
        cr_assert_eq(acquire(&held[0]), OLD, "the good ones are forgotten");
        answer(&held[0], OUTCOME_ANSWER);
        answer(&held[1], OUTCOME_ANSWER);
    }
}

Test(app_trial, a_client_that_goes_says_nothing_about_it)
{
    struct waiter held;

    cr_assert_eq(acquire(&held), NEW);
    answer(&held, OUTCOME_NONE);
    cr_assert_eq(acquire(&held), NEW);
    answer(&held, OUTCOME_ANSWER);
}

Test(app_trial, what_can_be_made_but_once_comes_after_good_answers_or_later)
{
    struct waiter held;

    cr_assert_eq(ask(&held, false, false), ACQUIRE_GRANTED);
    cr_assert_eq(held.slot->replica->id, OLD);
    answer(&held, OUTCOME_ANSWER);
    serve_well(8);
    cr_assert_eq(ask(&held, false, false), ACQUIRE_GRANTED);
    cr_assert_eq(held.slot->replica->id, NEW);
    answer(&held, OUTCOME_FAILED);
    now += 500000; /* nothing else comes */
    cr_assert_eq(ask(&held, false, false), ACQUIRE_GRANTED);
    cr_assert_eq(held.slot->replica->id, NEW);
    answer(&held, OUTCOME_ANSWER);
}

Test(app_trial, what_failed_there_is_not_given_to_it_again)
{
    struct waiter held;
    struct app_outcomes outcomes;

    serve_well(1);
    cr_assert(app_trial_repeats(new));
    cr_assert_not(app_trial_repeats(old));
    cr_assert_eq(ask(&held, true, true), ACQUIRE_GRANTED);
    cr_assert_eq(held.slot->replica->id, OLD);
    answer(&held, OUTCOME_ANSWER);
    app_outcomes(new, &outcomes);
    cr_assert_eq(outcomes.repeated, 1);
    cr_assert_eq(outcomes.answers, 1);
    app_outcomes(old, &outcomes);
    cr_assert_eq(outcomes.repeated, 0);
}

/* All slots of the old one, and the one that the new one may have. */
static void fill(struct waiter held[5])
{
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(acquire(&held[i]), i == 0 ? NEW : OLD);
}

static void empty(struct waiter *held, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        answer(&held[i], OUTCOME_ANSWER);
}

Test(app_trial, its_slot_is_passed_on_only_within_its_share)
{
    struct waiter held[5];
    struct waiter waiting;

    fill(held);
    cr_assert_eq(ask(&waiting, true, false), ACQUIRE_WAITING);
    cr_assert_null(release(&held[0], OUTCOME_ERROR),
                   "it is given none for a moment");
    cr_assert_eq(release(&held[1], OUTCOME_ANSWER), &waiting);
    cr_assert_eq(waiting.slot->replica->id, OLD);
    empty(held + 2, 3);
    answer(&waiting, OUTCOME_ANSWER);
}

Test(app_trial, a_good_answers_slot_goes_to_the_head_of_the_queue)
{
    struct waiter held[5];
    struct waiter waiting;

    fill(held);
    cr_assert_eq(ask(&waiting, true, false), ACQUIRE_WAITING);
    cr_assert_eq(release(&held[0], OUTCOME_ANSWER), &waiting);
    cr_assert_eq(waiting.slot->replica->id, NEW);
    empty(held + 1, 4);
    answer(&waiting, OUTCOME_ANSWER);
}

Test(app_trial, nobody_overtakes_the_queue_for_its_free_slot)
{
    struct waiter held[5];
    struct waiter first;
    struct waiter second;

    fill(held);
    cr_assert_eq(ask(&first, true, true), ACQUIRE_WAITING);
    cr_assert_null(release(&held[0], OUTCOME_ANSWER), "the head may not");
    cr_assert_eq(ask(&second, true, false), ACQUIRE_WAITING);
    cr_assert_eq(release(&held[1], OUTCOME_ANSWER), &first);
    settle();
    cr_assert_eq(resolved, 1, "and the next may: it is granted beside");
    cr_assert_eq(second.slot->replica->id, NEW);
    empty(held + 2, 3);
    answer(&first, OUTCOME_ANSWER);
    answer(&second, OUTCOME_ANSWER);
}

Test(app_trial, a_full_queue_does_not_refuse_what_failed_at_it)
{
    struct waiter held[5];
    struct waiter waiting[4];

    fill(held);
    cr_assert_eq(ask(&waiting[0], true, false), ACQUIRE_WAITING);
    cr_assert_eq(ask(&waiting[1], true, false), ACQUIRE_WAITING);
    cr_assert_eq(ask(&waiting[2], true, false), ACQUIRE_REFUSED);
    cr_assert_eq(ask(&waiting[3], true, true), ACQUIRE_WAITING);
    for (unsigned i = 0; i < 4; i++)
        cr_assert(i == 2 || app_leave(app, &waiting[i], now));
    empty(held, 5);
}

static void on_drained(struct replica_ref *replica, void *arg)
{
    (void)replica;
    (void)arg;
}

Test(app_trial, where_no_other_serves_it_gets_all)
{
    struct waiter held[5];
    struct waiter waiting;

    fill(held);
    cr_assert_eq(ask(&waiting, false, true), ACQUIRE_WAITING);
    app_drain(old, on_drained, NULL);
    settle();
    cr_assert_eq(resolved, 1);
    cr_assert_eq(waiting.slot->replica->id, NEW);
    cr_assert_not(app_trial_repeats(new));
    empty(held, 5);
    answer(&waiting, OUTCOME_ANSWER);
}

Test(app_trial, its_end_gives_the_queue_what_was_held_back)
{
    struct waiter held[5];
    struct waiter waiting;

    fill(held);
    cr_assert_eq(ask(&waiting, false, false), ACQUIRE_WAITING);
    app_trial_end(app, now);
    settle();
    cr_assert_eq(resolved, 1);
    cr_assert_eq(waiting.slot->replica->id, NEW);
    cr_assert_not(app_trial_repeats(new));
    empty(held, 5);
    answer(&waiting, OUTCOME_ANSWER);
}

Test(app_trial, one_that_was_removed_leaves_no_trial_behind)
{
    struct waiter waiter;

    app_remove(new);
    new = app_replica_new(app, 3, SV("new"), CONNECT_DIRECT, NULL, 0);
    new->serial = 2;
    app_publish(new, now);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(ask(&waiter, false, false), ACQUIRE_GRANTED);
        cr_assert_eq(waiter.slot->replica->id, 3);
        answer(&waiter, OUTCOME_ERROR);
    }
}
