#include "router/base/loop.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"

#define THREADS 4
#define POSTS   5000

struct post {
    struct loop_task task;
    unsigned thread;
    unsigned number;
};

static struct loop *loop;
static unsigned next_number[THREADS];
static unsigned ran;

static void on_post(struct loop_task *task)
{
    struct post *post = container_of(task, struct post, task);

    /* In the order of the calls of one thread. */
    cr_assert_eq(post->number, next_number[post->thread]);
    next_number[post->thread]++;
    free(post);
    if (++ran == THREADS * POSTS)
        loop_stop(loop);
}

static void *post_many(void *arg)
{
    for (unsigned i = 0; i < POSTS; i++) {
        struct post *post = xcalloc(1, sizeof *post);

        post->task.run = on_post;
        post->thread = (unsigned)(size_t)arg;
        post->number = i;
        loop_post(loop, &post->task);
    }
    return NULL;
}

Test(loop, posts_from_many_threads_each_run_once_and_in_order)
{
    pthread_t threads[THREADS];

    loop = loop_new("test");
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, post_many, (void *)i);
    loop_run(loop);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(next_number[i], POSTS);
    }
    loop_free(&loop);
    cr_assert_null(loop);
}

struct relay {
    struct loop_task task;
    unsigned left;
};

static void on_relay(struct loop_task *task)
{
    struct relay *relay = container_of(task, struct relay, task);

    ran++;
    if (--relay->left > 0)
        loop_post(loop, task);
    else
        loop_stop(loop);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    loop_post(loop, arg);
}

/* It wakes nobody up, so nothing may wait for a wake-up. */
Test(loop, what_it_posts_to_itself_runs_without_anything_else_happening)
{
    static const struct timeval soon = {0, 1000};
    struct relay relay = {.task = {.run = on_relay}, .left = 1000};
    struct event *tick;

    loop = loop_new("test");
    tick = evtimer_new(loop_base(loop), on_tick, &relay.task);
    evtimer_add(tick, &soon);
    loop_run(loop);
    cr_assert_eq(ran, 1000U);
    event_free(tick);
    loop_free(&loop);
}

static void *stop_later(void *arg)
{
    (void)arg;
    loop_stop(loop);
    return NULL;
}

Test(loop, another_thread_can_stop_it)
{
    pthread_t thread;

    loop = loop_new("test");
    cr_assert_eq(pthread_create(&thread, NULL, stop_later, NULL), 0);
    loop_run(loop); /* before or after it was asked to */
    cr_assert_eq(pthread_join(thread, NULL), 0);
    loop_free(&loop);
}

/* What ran, in order. */
static char trace[64];

static void note(char c)
{
    size_t len = strlen(trace);

    trace[len] = c;
}

struct step {
    struct loop_task task;
    char name;
};

static void on_step(struct loop_task *task)
{
    note(container_of(task, struct step, task)->name);
}

static void on_stop(struct loop_task *task)
{
    (void)task;
    note('.');
    loop_stop(loop);
}

static void on_late_free(void *ptr)
{
    note(*(char *)ptr);
    free(ptr);
}

static struct step first = {{.run = on_step}, 'd'};
static struct step second = {{.run = on_step}, 'e'};
static struct loop_task stop = {.run = on_stop};

static void on_turn(struct loop_task *task)
{
    (void)task;
    note('t');
    loop_free_later(loop, xstrdup("f"), on_late_free);
    loop_defer(loop, &first.task);
    loop_defer(loop, &second.task);
    cr_assert(loop_task_is_pending(&first.task));
    loop_post(loop, &stop);
    note('u');
}

Test(loop, a_turn_ends_with_what_was_deferred_then_the_late_frees)
{
    struct loop_task turn = {.run = on_turn};

    loop = loop_new("test");
    loop_post(loop, &turn);
    loop_run(loop);
    cr_assert_str_eq(trace, "tudef.");
    cr_assert_not(loop_task_is_pending(&first.task));
    loop_free(&loop);
}

static void on_first_of_two(struct loop_task *task)
{
    (void)task;
    note('1');
    loop_defer(loop, &second.task);
}

Test(loop, what_is_deferred_while_deferred_work_runs_is_of_the_same_turn)
{
    struct loop_task one = {.run = on_first_of_two};

    loop = loop_new("test");
    loop_defer(loop, &one); /* before the first turn */
    loop_post(loop, &stop);
    loop_run(loop);
    cr_assert_str_eq(trace, "1e.");
    loop_free(&loop);
}

static void on_impatient_turn(struct loop_task *task)
{
    (void)task;
    loop_free_later(loop, xstrdup("f"), on_late_free);
    loop_defer(loop, &first.task);
    loop_run_deferred(loop);
    cr_assert_str_eq(trace, "d", "and nothing is freed before the turn's end");
    loop_defer(loop, &first.task);
    loop_post(loop, &stop);
    note('u');
}

Test(loop, what_is_deferred_can_be_run_before_the_end_of_the_turn)
{
    struct loop_task turn = {.run = on_impatient_turn};

    loop = loop_new("test");
    loop_post(loop, &turn);
    loop_run(loop);
    cr_assert_str_eq(trace, "dudf.");
    loop_free(&loop);
}

Test(loop, freeing_runs_what_is_left)
{
    loop = loop_new("test");
    loop_post(loop, &first.task);
    loop_defer(loop, &second.task);
    loop_free_later(loop, xstrdup("f"), on_late_free);
    loop_free(&loop);
    cr_assert_eq(strlen(trace), 3);
    cr_assert(strchr(trace, 'd') && strchr(trace, 'e'));
    cr_assert_eq(trace[2], 'f', "freed before what may still hold it");
    loop_free(&loop); /* NULL is skipped */
}

static uint64_t turn_times[2];

static void on_slow_turn(struct loop_task *task)
{
    uint64_t end = clock_now_us() + 2000;

    (void)task;
    turn_times[0] = loop_now_us(loop);
    while (clock_now_us() < end)
        ;
    cr_assert_eq(loop_now_us(loop), turn_times[0]);
    loop_post(loop, &stop);
}

Test(loop, the_clock_is_read_once_a_turn)
{
    struct loop_task turn = {.run = on_slow_turn};

    loop = loop_new("test");
    loop_post(loop, &turn);
    loop_run(loop);
    cr_assert_geq(loop_now_us(loop), turn_times[0] + 2000);
    cr_assert_str_eq(loop_name(loop), "test");
    loop_free(&loop);
}
