/* app_sleep.c - replicas that are frozen, or about to be. */
#include "router/app_sleep.h"

#include <assert.h>

#include "router/app.h"
#include "router/app_locked.h"
#include "router/app_replicas.h"

void app_set_wake_hook(struct app *app,
                       void (*hook)(struct replica_ref *replica, uint64_t at_us,
                                    void *arg),
                       void *arg)
{
    assert(app->main_loop); /* app_set_demand_hook() comes first */
    app->on_wake = hook;
    app->wake_arg = arg;
}

void app_wake_taken(struct app *app, struct replica_locked *locked,
                    uint64_t now_us)
{
    if (locked->sleep == APP_AWAKE)
        return;
    locked->sleep = APP_AWAKE;
    if (!app->on_wake || locked->wake_is_posted)
        return;
    locked->woken_at_us = now_us;
    locked->wake_is_posted = true;
    loop_post(app->main_loop, &locked->wake_task);
}

void app_on_wake_task(struct loop_task *task)
{
    struct replica_locked *locked =
        container_of(task, struct replica_locked, wake_task);
    struct replica_ref *replica = locked->replica;
    struct app *app = replica->app;
    struct replica_ref *dead;
    uint64_t at_us;
    bool is_removed;

    mutex_lock(&app->lock);
    locked->wake_is_posted = false;
    at_us = locked->woken_at_us;
    is_removed = locked->is_removed;
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    app_free_replica(dead);
    if (!is_removed)
        app->on_wake(replica, at_us, app->wake_arg);
    else if (dead)
        app_free_when_idle(app);
}

void app_publish_asleep(struct replica_ref *replica, uint64_t now_us)
{
    struct app *app = replica->app;

    mutex_lock(&app->lock);
    replica->locked->sleep = APP_DOZING;
    replica->locked->is_published = true;
    replica->locked->published_us = now_us;
    app_grant_waiting(app, now_us);
    mutex_unlock(&app->lock);
}

static bool is_idle(const struct replica_locked *locked)
{
    return app_takes_requests(locked) && locked->slots.held == 0 &&
           locked->tunnels == 0;
}

static void put_to_sleep(struct replica_locked *locked, enum app_sleep how)
{
    locked->sleep = how;
    if (how == APP_WITHHELD)
        locked->is_published = false;
}

bool app_sleep(struct replica_ref *replica, enum app_sleep how,
               uint64_t idle_us, uint64_t now_us, uint64_t *ret_idle_us)
{
    struct app *app = replica->app;
    struct replica_locked *locked = replica->locked;
    uint64_t since_us;
    uint64_t idle = 0;
    bool ok;

    mutex_lock(&app->lock);
    since_us = locked->last_used_us > locked->published_us
                   ? locked->last_used_us
                   : locked->published_us;
    if (is_idle(locked) && now_us > since_us)
        idle = now_us - since_us;
    ok = is_idle(locked) && idle >= idle_us;
    if (ok)
        put_to_sleep(locked, how);
    mutex_unlock(&app->lock);
    *ret_idle_us = idle;
    return ok;
}

struct replica_ref *app_sleep_next(struct app *app, uint32_t awake,
                                   enum app_sleep how)
{
    struct replica_locked *oldest = NULL;
    uint32_t count = 0;

    mutex_lock(&app->lock);
    LIST_FOREACH (&app->locked.replicas, it) {
        struct replica_locked *locked = app_replica_of(it)->locked;

        if (!app_takes_requests(locked) || locked->sleep != APP_AWAKE)
            continue;
        count++;
        if (is_idle(locked) &&
            (!oldest || locked->last_used_us < oldest->last_used_us))
            oldest = locked;
    }
    if (count <= awake)
        oldest = NULL;
    if (oldest)
        put_to_sleep(oldest, how);
    mutex_unlock(&app->lock);
    return oldest ? oldest->replica : NULL;
}

void app_wake(struct replica_ref *replica, uint64_t now_us)
{
    struct app *app = replica->app;
    struct replica_locked *locked = replica->locked;

    mutex_lock(&app->lock);
    locked->sleep = APP_AWAKE;
    if (!locked->is_published) {
        locked->published_us = now_us;
        locked->is_fresh = true;
    }
    locked->is_published = true;
    app_grant_waiting(app, now_us);
    mutex_unlock(&app->lock);
}

enum app_sleep app_sleep_of(struct replica_ref *replica)
{
    enum app_sleep sleep;

    mutex_lock(&replica->app->lock);
    sleep = replica->locked->sleep;
    mutex_unlock(&replica->app->lock);
    return sleep;
}
