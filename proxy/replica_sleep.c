/* replica_sleep.c - how one replica goes to sleep and wakes.
 *
 * awake → closing (its parked connections; after a thaw the app's keep-alive
 * timer would fire first and reset what was just written) → calling on_sleep →
 * asleep: the keeper is told, and freezes it. Back: at once where a request
 * takes a slot, by REPLICA_AWAKE, after on_wake where the app has one.
 */
#include "proxy/replica_sleep.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/app_call.h"
#include "proxy/worker.h"
#include "router/app.h"
#include "router/base/alloc.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/timers.h"
#include "router/channel.h"
#include "router/settings.h"

/* Moving a model out of a device's memory takes a while. */
#define CALL_MS 60000
/* After an on_wake that failed. */
#define WAKE_RETRY_MS 250
/* After an on_sleep that failed: not with every freeze_after. */
#define SLEEP_RETRY_MS 10000

enum phase {
    PHASE_AWAKE,
    PHASE_CLOSING,
    PHASE_CALLING, /* on_sleep */
    PHASE_ASLEEP,
    PHASE_WAKING, /* on_wake */
};

/* The workers are closing what they had parked; it outlives the replica. */
struct closing {
    struct replica_sleep *sleep; /* NULL: called off */
    unsigned left;
    struct closing_reply {
        struct loop_task task;
        struct closing *closing;
    } replies[];
};

struct replica_sleep {
    const struct replica_sleep_host *host;
    struct app *app;
    struct replica_ref *replica;
    enum phase phase;
    enum app_sleep how;
    uint32_t nap; /* how often it has fallen asleep */
    bool asked;   /* the keeper waits for REPLICA_ASLEEP */
    bool answer;  /* and for REPLICA_READY, once it is awake */
    bool is_leaving;
    struct closing *closing;
    struct app_call *call;
    struct timer timer; /* freeze_after, or the next try of on_wake */
};

static const struct warmth_settings *warmth_of(const struct replica_sleep *it)
{
    return &app_settings_now(it->app)->warmth;
}

static void tell(struct replica_sleep *sleep, bool ok, const char *reason)
{
    struct app_counts counts;
    struct channel_replica_asleep message = {.replica = sleep->replica->id,
                                             .ok = ok,
                                             .withheld =
                                                 sleep->how == APP_WITHHELD,
                                             .reason = sv_of(reason)};

    sleep->asked = false;
    sleep->nap += ok;
    message.nap = sleep->nap;
    app_count(sleep->app, loop_now_us(sleep->host->loop), &counts);
    message.queued = counts.queued;
    message.in_flight = counts.in_flight;
    channel_send_replica_asleep(*sleep->host->channel, &message, NULL, 0);
}

static void watch_idle(struct replica_sleep *sleep, uint64_t delay_ms)
{
    if (!sleep->is_leaving && warmth_of(sleep)->freeze_after_ms > 0)
        timer_start(sleep->host->timers, &sleep->timer, delay_ms);
}

static void drop_closing(struct replica_sleep *sleep)
{
    if (sleep->closing)
        sleep->closing->sleep = NULL;
    sleep->closing = NULL;
}

static void enter_awake(struct replica_sleep *sleep)
{
    drop_closing(sleep);
    sleep->phase = PHASE_AWAKE;
    watch_idle(sleep, warmth_of(sleep)->freeze_after_ms);
}

static void call_off(struct replica_sleep *sleep, const char *why)
{
    bool asked = sleep->asked;

    enter_awake(sleep);
    if (asked)
        tell(sleep, false, why);
}

/* --- falling asleep --- */

static void enter_asleep(struct replica_sleep *sleep)
{
    sleep->phase = PHASE_ASLEEP;
    tell(sleep, true, "");
}

static void on_slept(void *arg, const char *error)
{
    struct replica_sleep *sleep = arg;
    char reason[256];

    app_call_free(&sleep->call);
    if (!error) {
        enter_asleep(sleep);
        return;
    }
    snprintf(reason, sizeof reason, "on_sleep: %s", error);
    log_warn("front", "a replica is not frozen", "replica=%s reason=\"%s\"",
             sleep->replica->name, reason);
    app_wake(sleep->replica, loop_now_us(sleep->host->loop));
    call_off(sleep, reason);
    if (warmth_of(sleep)->freeze_after_ms < SLEEP_RETRY_MS)
        watch_idle(sleep, SLEEP_RETRY_MS);
}

static void on_closed(struct replica_sleep *sleep)
{
    sleep->closing = NULL;
    if (app_sleep_of(sleep->replica) != sleep->how)
        return; /* a slot was taken; the wake hook is on its way */
    if (!warmth_of(sleep)->on_sleep) {
        enter_asleep(sleep);
        return;
    }
    sleep->phase = PHASE_CALLING;
    sleep->call =
        app_call_new(sleep->host->loop, sleep->host->timers, sleep->replica,
                     warmth_of(sleep)->on_sleep, CALL_MS, on_slept, sleep);
}

static void on_closing_reply(struct loop_task *task)
{
    struct closing_reply *reply =
        container_of(task, struct closing_reply, task);
    struct closing *closing = reply->closing;

    if (--closing->left > 0)
        return;
    if (closing->sleep)
        on_closed(closing->sleep);
    free(closing);
}

void replica_sleep_marked(struct replica_sleep *sleep, enum app_sleep how)
{
    const struct replica_sleep_host *host = sleep->host;
    unsigned count = host->worker_count;
    struct closing *closing =
        xcalloc(1, sizeof *closing + count * sizeof closing->replies[0]);

    timer_stop(&sleep->timer);
    drop_closing(sleep);
    sleep->how = how;
    sleep->phase = PHASE_CLOSING;
    sleep->closing = closing;
    closing->sleep = sleep;
    closing->left = count;
    for (unsigned i = 0; i < count; i++) {
        closing->replies[i].closing = closing;
        closing->replies[i].task.run = on_closing_reply;
        worker_unpark_then(host->workers[i], sleep->app, sleep->replica,
                           &closing->replies[i].task);
    }
}

enum app_sleep replica_sleep_how(const struct app *app, bool published)
{
    const struct warmth_settings *warmth = &app_settings_now(app)->warmth;

    return published && !warmth->on_sleep && !warmth->on_wake ? APP_DOZING
                                                              : APP_WITHHELD;
}

void replica_sleep_ask(struct replica_sleep *sleep, bool published)
{
    enum app_sleep how = replica_sleep_how(sleep->app, published);
    uint64_t now_us = loop_now_us(sleep->host->loop);
    uint64_t idle_us;

    sleep->asked = true;
    if (sleep->phase == PHASE_CLOSING || sleep->phase == PHASE_CALLING)
        return;
    if (sleep->phase == PHASE_WAKING) {
        tell(sleep, false, "it is waking up");
    } else if (sleep->phase == PHASE_ASLEEP && sleep->how == how) {
        tell(sleep, true, "");
    } else if (sleep->phase == PHASE_ASLEEP && how == APP_DOZING) {
        sleep->how = how;
        app_publish_asleep(sleep->replica, now_us);
        tell(sleep, true, "");
    } else if (!app_sleep(sleep->replica, how, 0, now_us, &idle_us)) {
        tell(sleep, false, "it has requests or tunnels");
    } else if (sleep->phase == PHASE_ASLEEP) {
        sleep->how = how;
        tell(sleep, true, "");
    } else {
        replica_sleep_marked(sleep, how);
    }
}

static void on_idle_timer(struct replica_sleep *sleep)
{
    uint64_t after_ms = warmth_of(sleep)->freeze_after_ms;
    enum app_sleep how = replica_sleep_how(sleep->app, true);
    uint64_t idle_us;

    if (app_sleep(sleep->replica, how, after_ms * 1000,
                  loop_now_us(sleep->host->loop), &idle_us))
        replica_sleep_marked(sleep, how);
    else
        watch_idle(sleep,
                   after_ms > idle_us / 1000 ? after_ms - idle_us / 1000 : 1);
}

/* --- waking up --- */

static void tell_ready(struct replica_sleep *sleep)
{
    const struct channel_replica_ready message = {.replica =
                                                      sleep->replica->id};

    if (sleep->answer)
        channel_send_replica_ready(*sleep->host->channel, &message, NULL, 0);
    sleep->answer = false;
}

static void serve_again(struct replica_sleep *sleep)
{
    app_wake(sleep->replica, loop_now_us(sleep->host->loop));
    enter_awake(sleep);
    tell_ready(sleep);
}

static void on_woken(void *arg, const char *error)
{
    struct replica_sleep *sleep = arg;
    char text[256];
    const struct channel_probe_status message = {.replica = sleep->replica->id};
    struct channel_probe_status status = message;

    app_call_free(&sleep->call);
    if (!error) {
        serve_again(sleep);
        return;
    }
    snprintf(text, sizeof text, "on_wake: %s", error);
    log_warn("front", "a replica does not wake up", "replica=%s reason=\"%s\"",
             sleep->replica->name, text);
    status.text = sv_of(text);
    channel_send_probe_status(*sleep->host->channel, &status, NULL, 0);
    timer_start(sleep->host->timers, &sleep->timer, WAKE_RETRY_MS);
}

static void call_wake(struct replica_sleep *sleep)
{
    sleep->call =
        app_call_new(sleep->host->loop, sleep->host->timers, sleep->replica,
                     warmth_of(sleep)->on_wake, CALL_MS, on_woken, sleep);
}

void replica_sleep_awake(struct replica_sleep *sleep, bool answer, uint32_t nap)
{
    /* It was sent before the keeper heard that it sleeps again: it will be
     * frozen, and to take it as awake would leave requests at it unanswered. */
    if (nap != sleep->nap)
        return;
    sleep->answer = answer;
    if (sleep->phase == PHASE_ASLEEP && sleep->how == APP_WITHHELD &&
        warmth_of(sleep)->on_wake) {
        sleep->phase = PHASE_WAKING;
        call_wake(sleep);
    } else if (sleep->phase == PHASE_ASLEEP || sleep->phase == PHASE_CLOSING) {
        serve_again(sleep);
    } else if (sleep->phase == PHASE_AWAKE) {
        tell_ready(sleep);
    }
}

void replica_sleep_on_taken(struct replica_sleep *sleep, uint64_t at_us)
{
    const struct channel_replica_wake message = {sleep->replica->id, at_us};

    if (sleep->phase == PHASE_CLOSING) {
        call_off(sleep, "a request came");
    } else if (sleep->phase == PHASE_ASLEEP) {
        channel_send_replica_wake(*sleep->host->channel, &message, NULL, 0);
        enter_awake(sleep);
    }
}

static void on_timer(struct timer *timer)
{
    struct replica_sleep *sleep =
        container_of(timer, struct replica_sleep, timer);

    if (sleep->phase == PHASE_WAKING)
        call_wake(sleep);
    else if (sleep->phase == PHASE_AWAKE)
        on_idle_timer(sleep);
}

/* --- made, published, forgotten --- */

struct replica_sleep *replica_sleep_new(const struct replica_sleep_host *host,
                                        struct app *app,
                                        struct replica_ref *replica)
{
    struct replica_sleep *sleep = xcalloc(1, sizeof *sleep);

    sleep->host = host;
    sleep->app = app;
    sleep->replica = replica;
    sleep->timer.on_expire = on_timer;
    return sleep;
}

void replica_sleep_publish(struct replica_sleep *sleep, enum app_sleep how)
{
    uint64_t now_us = loop_now_us(sleep->host->loop);

    sleep->how = how;
    if (how == APP_AWAKE) {
        app_wake(sleep->replica, now_us);
        enter_awake(sleep);
        return;
    }
    sleep->phase = PHASE_ASLEEP;
    if (how == APP_DOZING)
        app_publish_asleep(sleep->replica, now_us);
}

void replica_sleep_stop(struct replica_sleep *sleep)
{
    sleep->is_leaving = true;
    if (sleep->phase == PHASE_AWAKE)
        timer_stop(&sleep->timer);
}

void replica_sleep_resume(struct replica_sleep *sleep)
{
    sleep->is_leaving = false;
    if (sleep->phase == PHASE_AWAKE)
        watch_idle(sleep, warmth_of(sleep)->freeze_after_ms);
}

void replica_sleep_free(struct replica_sleep **sleep_ptr)
{
    struct replica_sleep *sleep = TAKE(*sleep_ptr);

    if (!sleep)
        return;
    drop_closing(sleep);
    app_call_free(&sleep->call);
    timer_stop(&sleep->timer);
    free(sleep);
}
