/* loop.c - one thread's event loop. */
#include "router/base/loop.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"

struct late_free {
    struct late_free *next;
    void *ptr;
    void (*free_fn)(void *);
};

struct loop {
    const char *name;
    struct event_base *base;
    struct event *wakeup_event;
    int wakeup_fd;
    pthread_t owner;
    bool has_owner;
    bool stop;
    bool now_is_valid;
    uint64_t now_us;
    struct loop_task *posted;   /* atomic: newest first, by other threads */
    struct loop_task *own_head; /* what its own thread posted, oldest first */
    struct loop_task **own_tail;
    struct loop_task *deferred_head;
    struct loop_task **deferred_tail;
    struct late_free *late;
};

/* The loop that this thread runs, or NULL. */
static _Thread_local struct loop *own_loop;

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t n;

    do {
        n = write(loop->wakeup_fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so the loop wakes up anyway. */
}

static void run_task(struct loop_task *task)
{
    task->next = NULL;
    __atomic_store_n(&task->pending, false, __ATOMIC_RELAXED);
    task->run(task);
}

static void run_tasks(struct loop_task *oldest)
{
    while (oldest) {
        struct loop_task *next = oldest->next;

        run_task(oldest);
        oldest = next;
    }
}

static void run_posted(struct loop *loop)
{
    struct loop_task *newest =
        __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    struct loop_task *oldest = NULL;

    while (newest) {
        struct loop_task *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    run_tasks(oldest);
}

static struct loop_task *take_own(struct loop *loop)
{
    struct loop_task *oldest = loop->own_head;

    loop->own_head = NULL;
    loop->own_tail = &loop->own_head;
    return oldest;
}

static void on_wakeup(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);

    (void)n;
    (void)what;
    run_posted(arg);
}

struct loop *loop_new(const char *name)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    struct event_config *config = event_config_new();

    /* Only the owner touches the base: no lock needed. No change list: with
     * it libevent 2.1 leaves a descriptor edge-triggered whose edge-triggered
     * event was deleted and a level-triggered one added in the same turn. */
    if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0)
        abort();
    loop->name = name;
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    loop->wakeup_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->base || loop->wakeup_fd < 0)
        abort();
    loop->wakeup_event = event_new(loop->base, loop->wakeup_fd,
                                   EV_READ | EV_PERSIST, on_wakeup, loop);
    if (!loop->wakeup_event || event_add(loop->wakeup_event, NULL) != 0)
        abort();
    loop->deferred_tail = &loop->deferred_head;
    loop->own_tail = &loop->own_head;
    return loop;
}

static void run_late_frees(struct loop *loop)
{
    while (loop->late) {
        struct late_free *late = loop->late;

        loop->late = late->next;
        late->free_fn(late->ptr);
        free(late);
    }
}

void loop_run_deferred(struct loop *loop)
{
    while (loop->deferred_head) {
        struct loop_task *task = loop->deferred_head;

        loop->deferred_head = task->next;
        if (!loop->deferred_head)
            loop->deferred_tail = &loop->deferred_head;
        run_task(task);
    }
}

static void end_turn(struct loop *loop)
{
    loop_run_deferred(loop);
    run_late_frees(loop);
    loop->now_is_valid = false;
}

void loop_free(struct loop **loop_ptr)
{
    struct loop *loop = *loop_ptr;

    if (!loop)
        return;
    loop->has_owner = false;
    while (__atomic_load_n(&loop->posted, __ATOMIC_ACQUIRE) || loop->own_head ||
           loop->deferred_head || loop->late) {
        run_tasks(take_own(loop));
        run_posted(loop);
        end_turn(loop);
    }
    event_free(loop->wakeup_event);
    event_base_free(loop->base);
    close(loop->wakeup_fd);
    free(loop);
    *loop_ptr = NULL;
}

void loop_run(struct loop *loop)
{
    loop->owner = pthread_self();
    loop->has_owner = true;
    own_loop = loop;
    run_tasks(take_own(loop)); /* of a run before this one */
    end_turn(loop);            /* what was deferred before the first turn */
    while (!__atomic_load_n(&loop->stop, __ATOMIC_ACQUIRE)) {
        /* Of the last turn: no wake-up tells of it, and it runs in this one. */
        struct loop_task *own = take_own(loop);

        /* EVLOOP_ONCE: one poll and the callbacks it made active, so that
         * what is deferred runs at the end of each turn. */
        event_base_loop(loop->base,
                        own ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);
        run_tasks(own);
        end_turn(loop);
    }
    __atomic_store_n(&loop->stop, false, __ATOMIC_RELEASE);
    loop->has_owner = false;
    own_loop = NULL;
}

void loop_stop(struct loop *loop)
{
    __atomic_store_n(&loop->stop, true, __ATOMIC_RELEASE);
    wake(loop);
}

struct event_base *loop_base(const struct loop *loop)
{
    return loop->base;
}

const char *loop_name(const struct loop *loop)
{
    return loop->name;
}

uint64_t loop_now_us(struct loop *loop)
{
    if (!loop->now_is_valid) {
        loop->now_us = clock_now_us();
        loop->now_is_valid = true;
    }
    return loop->now_us;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *head;

    assert(!__atomic_load_n(&task->pending, __ATOMIC_RELAXED));
    __atomic_store_n(&task->pending, true, __ATOMIC_RELAXED);
    if (loop == own_loop) {
        task->next = NULL;
        *loop->own_tail = task;
        loop->own_tail = &task->next;
        return;
    }
    head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
    do {
        task->next = head;
    } while (!__atomic_compare_exchange_n(&loop->posted, &head, task, true,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    /* The one that finds the stack empty wakes the loop up for all. */
    if (!head)
        wake(loop);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    loop_assert_owner(loop);
    assert(!loop_task_is_pending(task));
    __atomic_store_n(&task->pending, true, __ATOMIC_RELAXED);
    task->next = NULL;
    *loop->deferred_tail = task;
    loop->deferred_tail = &task->next;
}

bool loop_task_is_pending(const struct loop_task *task)
{
    return __atomic_load_n(&task->pending, __ATOMIC_RELAXED);
}

void loop_free_later(struct loop *loop, void *ptr, void (*free_fn)(void *))
{
    struct late_free *late = xcalloc(1, sizeof *late);

    loop_assert_owner(loop);
    late->ptr = ptr;
    late->free_fn = free_fn;
    late->next = loop->late;
    loop->late = late;
}

void loop_assert_owner(const struct loop *loop)
{
    assert(!loop->has_owner || pthread_equal(loop->owner, pthread_self()));
    (void)loop;
}
