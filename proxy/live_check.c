/* live_check.c - whether a replica that serves is still alive. */
#include "proxy/live_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/app_call.h"
#include "router/app.h"
#include "router/app_sleep.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/timers.h"
#include "router/replica_ref.h"
#include "router/settings.h"

struct live_checker {
    struct loop *loop;
    struct timers *timers;
    struct app *app;
    struct replica_ref *replica;
    void (*on_hung)(void *arg, const char *text);
    void *arg;
    struct timer timer; /* until the next */
    struct app_call *call;
    unsigned failures; /* in a row */
    bool runs;
};

static const struct live_check *settings_of(const struct live_checker *checker)
{
    return &app_settings_now(checker->app)->live_check;
}

static void wait_for_next(struct live_checker *checker)
{
    const struct live_check *check = settings_of(checker);

    timer_stop(&checker->timer);
    if (checker->runs && check->kind != LIVE_OFF)
        timer_start(checker->timers, &checker->timer, check->interval_ms);
}

static bool is_awake(const struct live_checker *checker)
{
    return app_sleep_of(checker->replica) == APP_AWAKE;
}

static void on_done(void *arg, const char *error)
{
    struct live_checker *checker = arg;
    const struct live_check *check = settings_of(checker);
    char text[256];

    app_call_free(&checker->call);
    /* One that went to sleep meanwhile could not answer. */
    if (!error || !is_awake(checker)) {
        checker->failures = 0;
        wait_for_next(checker);
        return;
    }
    checker->failures++;
    log_info("front", "a live check failed",
             "replica=%s failures=%u of=%u why=\"%s\"", checker->replica->name,
             checker->failures, check->failures, error);
    if (check->kind == LIVE_OFF || checker->failures < check->failures) {
        wait_for_next(checker);
        return;
    }
    live_checker_stop(checker);
    snprintf(text, sizeof text, "live_check failed %u times: %s",
             check->failures, error);
    checker->on_hung(checker->arg, text);
}

static void on_timer(struct timer *timer)
{
    struct live_checker *checker =
        container_of(timer, struct live_checker, timer);
    const struct live_check *check = settings_of(checker);

    if (!is_awake(checker) || check->kind == LIVE_OFF) {
        checker->failures = 0;
        wait_for_next(checker);
        return;
    }
    checker->call =
        app_call_check(checker->loop, checker->timers, checker->replica,
                       check->path, check->timeout_ms, on_done, checker);
}

struct live_checker *
live_checker_new(struct loop *loop, struct timers *timers, struct app *app,
                 struct replica_ref *replica,
                 void (*on_hung)(void *arg, const char *text), void *arg)
{
    struct live_checker *checker = xcalloc(1, sizeof *checker);

    checker->loop = loop;
    checker->timers = timers;
    checker->app = app;
    checker->replica = replica;
    checker->on_hung = on_hung;
    checker->arg = arg;
    checker->timer.on_expire = on_timer;
    return checker;
}

void live_checker_start(struct live_checker *checker)
{
    checker->runs = true;
    if (!checker->call)
        wait_for_next(checker);
}

void live_checker_stop(struct live_checker *checker)
{
    checker->runs = false;
    checker->failures = 0;
    timer_stop(&checker->timer);
    app_call_free(&checker->call);
}

void live_checker_free(struct live_checker **checker_ptr)
{
    struct live_checker *checker = TAKE(*checker_ptr);

    if (!checker)
        return;
    live_checker_stop(checker);
    free(checker);
}
