/* timers.c - many coarse time-outs, one FIFO list per length. */
#include "router/base/timers.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/base/loop.h"

#define SLACK_MIN_US 10000
#define SLACK_SHIFT  6

struct timer_class {
    uint64_t delay_ms;
    struct list running; /* by deadline: all have the same length */
};

struct timers {
    struct loop *loop;
    struct event *event;
    uint64_t armed_us;            /* when the event fires, 0: not armed */
    struct timer_class **classes; /* pointers: a list head cannot move */
    unsigned count;
    unsigned capacity;
};

static void arm(struct timers *timers, uint64_t at_us)
{
    uint64_t now = loop_now_us(timers->loop);
    uint64_t left = at_us > now ? at_us - now : 0;
    struct timeval tv = {(time_t)(left / 1000000),
                         (suseconds_t)(left % 1000000)};

    if (event_add(timers->event, &tv) != 0)
        abort();
    timers->armed_us = at_us;
}

static uint64_t slack_us(uint64_t delay_ms)
{
    uint64_t slack = delay_ms * 1000 >> SLACK_SHIFT;

    return slack < SLACK_MIN_US ? SLACK_MIN_US : slack;
}

/* Short delays are for precise work (probes): no slack below 100 ms. */
static uint64_t wake_at(const struct timer_class *class,
                        const struct timer *timer)
{
    return timer->deadline_us +
           (class->delay_ms < 100 ? 0 : slack_us(class->delay_ms));
}

static void expire_class(struct timer_class *class, uint64_t now)
{
    while (!list_is_empty(&class->running)) {
        struct timer *timer =
            container_of(class->running.next, struct timer, node);

        if (timer->deadline_us > now)
            return;
        list_remove(&timer->node);
        timer->on_expire(timer);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct timers *timers = arg;
    uint64_t now = loop_now_us(timers->loop);
    uint64_t next = 0;

    (void)fd;
    (void)what;
    timers->armed_us = 0;
    /* on_expire may add classes: count is read anew each time. */
    for (unsigned i = 0; i < timers->count; i++)
        expire_class(timers->classes[i], now);
    for (unsigned i = 0; i < timers->count; i++) {
        struct timer_class *class = timers->classes[i];
        uint64_t at;

        if (list_is_empty(&class->running))
            continue;
        at = wake_at(class,
                     container_of(class->running.next, struct timer, node));
        if (next == 0 || at < next)
            next = at;
    }
    if (next != 0 && (timers->armed_us == 0 || next < timers->armed_us))
        arm(timers, next);
}

struct timers *timers_new(struct loop *loop)
{
    struct timers *timers = xcalloc(1, sizeof *timers);

    timers->loop = loop;
    timers->event = event_new(loop_base(loop), -1, 0, on_event, timers);
    if (!timers->event)
        abort();
    return timers;
}

void timers_free(struct timers **timers_ptr)
{
    struct timers *timers = *timers_ptr;

    if (!timers)
        return;
    for (unsigned i = 0; i < timers->count; i++) {
        assert(list_is_empty(&timers->classes[i]->running));
        free(timers->classes[i]);
    }
    free(timers->classes);
    event_free(timers->event);
    free(timers);
    *timers_ptr = NULL;
}

static struct timer_class *find_class(struct timers *timers, uint64_t delay_ms)
{
    struct timer_class *class;

    for (unsigned i = 0; i < timers->count; i++) {
        if (timers->classes[i]->delay_ms == delay_ms)
            return timers->classes[i];
    }
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity ? timers->capacity * 2 : 8;
        timers->classes = xrealloc(
            timers->classes, timers->capacity * sizeof(struct timer_class *));
    }
    class = xcalloc(1, sizeof *class);
    class->delay_ms = delay_ms;
    list_init(&class->running);
    timers->classes[timers->count++] = class;
    return class;
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t delay_ms)
{
    struct timer_class *class;
    uint64_t at;

    loop_assert_owner(timers->loop);
    assert(timer->on_expire);
    list_remove(&timer->node);
    if (delay_ms == 0)
        return;
    class = find_class(timers, delay_ms);
    timer->deadline_us = loop_now_us(timers->loop) + delay_ms * 1000;
    list_add_tail(&class->running, &timer->node);
    at = wake_at(class, timer);
    if (timers->armed_us == 0 || at < timers->armed_us)
        arm(timers, at);
}

void timer_stop(struct timer *timer)
{
    list_remove(&timer->node);
}

bool timer_is_running(const struct timer *timer)
{
    return list_is_linked(&timer->node);
}
