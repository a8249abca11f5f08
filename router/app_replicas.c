/* app_replicas.c - the replicas of an app: published, drained, forgotten. */
#include "router/app_replicas.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/app.h"
#include "router/app_locked.h"
#include "router/base/alloc.h"

struct replica_ref *app_reap(struct app *app, struct replica_ref *replica)
{
    struct replica_locked *locked = replica->locked;

    if (!locked->is_removed || locked->slots.held > 0 ||
        locked->slots.parked_count > 0 || locked->tunnels > 0 ||
        locked->drained_is_posted || locked->ask_is_posted ||
        locked->wake_is_posted)
        return NULL;
    app_trial_forget(app, locked);
    list_remove(&locked->node);
    return replica;
}

void app_free_replica(struct replica_ref *replica)
{
    if (!replica)
        return;
    slot_set_done(&replica->locked->slots);
    free(replica->locked);
    free(replica->name);
    free(replica->revision);
    free(replica);
}

static bool is_drained(const struct replica_locked *locked)
{
    return locked->is_draining && !locked->is_removed &&
           locked->slots.held == 0 && locked->tunnels == 0;
}

void app_post_drained(struct app *app, struct replica_ref *replica)
{
    struct replica_locked *locked = replica->locked;

    if (!locked->on_drained || locked->drained_is_posted || !is_drained(locked))
        return;
    locked->drained_is_posted = true;
    loop_post(app->main_loop, &locked->drained_task);
}

static void on_drained_task(struct loop_task *task)
{
    struct replica_locked *locked =
        container_of(task, struct replica_locked, drained_task);
    struct replica_ref *replica = locked->replica;
    struct app *app = replica->app;
    void (*on_drained)(struct replica_ref * replica, void *arg) = NULL;
    void *arg = NULL;
    struct replica_ref *dead;

    mutex_lock(&app->lock);
    locked->drained_is_posted = false;
    if (is_drained(locked)) { /* else it was resumed or removed meanwhile */
        on_drained = locked->on_drained;
        arg = locked->drained_arg;
        locked->on_drained = NULL;
    }
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    app_free_replica(dead);
    if (on_drained)
        on_drained(replica, arg); /* main alone removes: it is still there */
    else if (dead)
        app_free_when_idle(app);
}

struct replica_ref *app_replica_new(struct app *app, uint64_t id,
                                    struct strview name,
                                    enum connect_kind connect,
                                    const struct address *address,
                                    uint32_t port)
{
    struct replica_ref *replica = xcalloc(1, sizeof *replica);
    struct replica_locked *locked = xcalloc(1, sizeof *locked);

    replica->app = app;
    replica->id = id;
    replica->name = xstrndup(name.ptr, name.len);
    replica->connect = connect;
    if (address)
        replica->address = *address;
    replica->port = port;
    replica->locked = locked;
    locked->replica = replica;
    locked->drained_task.run = on_drained_task;
    locked->ask_task.run = app_on_ask_task;
    locked->wake_task.run = app_on_wake_task;
    slot_set_init(&locked->slots, replica, app->settings->concurrency,
                  app->worker_count);
    socket_stash_init(&locked->stash, connect);
    mutex_lock(&app->lock);
    list_add_tail(&app->locked.replicas, &locked->node);
    mutex_unlock(&app->lock);
    return replica;
}

bool app_is_idle(struct app *app)
{
    bool is_idle;

    mutex_lock(&app->lock);
    is_idle = app->locked.queue.count == 0 && app->locked.in_flight == 0 &&
              app->locked.tunnels == 0 && list_is_empty(&app->locked.replicas);
    mutex_unlock(&app->lock);
    return is_idle;
}

bool app_update(struct app *app, const struct app_settings *settings,
                uint64_t now_us)
{
    bool has_surplus = false;

    mutex_lock(&app->lock);
    app->settings = settings;
    LIST_FOREACH (&app->locked.replicas, it) {
        struct slot_set *slots = &app_replica_of(it)->locked->slots;

        slot_set_limit(slots, settings->concurrency);
        has_surplus = has_surplus || slot_set_has_surplus(slots);
    }
    app_grant_waiting(app, now_us);
    mutex_unlock(&app->lock);
    return has_surplus;
}

/* Any one connection that is one too many; NULL: there is none left. */
static void *trim_next(struct app *app, unsigned worker) REQUIRES(app->lock)
{
    LIST_FOREACH (&app->locked.replicas, it) {
        void *parked =
            slot_set_trim(&app_replica_of(it)->locked->slots, worker);

        if (parked)
            return parked;
    }
    return NULL;
}

void app_trim(struct app *app, unsigned worker,
              void (*fn)(void *arg, void *parked), void *arg)
{
    void *parked;

    do {
        mutex_lock(&app->lock);
        parked = trim_next(app, worker);
        mutex_unlock(&app->lock);
        if (parked)
            fn(arg, parked);
    } while (parked);
}

void app_publish(struct replica_ref *replica, uint64_t now_us)
{
    struct app *app = replica->app;

    mutex_lock(&app->lock);
    replica->locked->is_published = true;
    replica->locked->is_fresh = true;
    replica->locked->published_us = now_us;
    app_grant_waiting(app, now_us);
    mutex_unlock(&app->lock);
}

bool app_is_draining(struct replica_ref *replica)
{
    bool is_draining;

    mutex_lock(&replica->app->lock);
    is_draining = replica->locked->is_draining;
    mutex_unlock(&replica->app->lock);
    return is_draining;
}

void app_drain(struct replica_ref *replica,
               void (*on_drained)(struct replica_ref *replica, void *arg),
               void *arg)
{
    struct app *app = replica->app;

    assert(app->main_loop);
    mutex_lock(&app->lock);
    replica->locked->is_draining = true;
    replica->locked->on_drained = on_drained;
    replica->locked->drained_arg = arg;
    app_post_drained(app, replica);
    if (app->locked.trial.replicas > 0) /* the last that was proven, maybe */
        app_grant_waiting(app, loop_now_us(app->main_loop));
    mutex_unlock(&app->lock);
}

/* Of those that may go at once, the least recently used; NULL: there is none.
 */
static struct replica_locked *find_idle(struct app *app) REQUIRES(app->lock)
{
    struct replica_locked *oldest = NULL;

    LIST_FOREACH (&app->locked.replicas, it) {
        struct replica_locked *locked = app_replica_of(it)->locked;

        if (app_takes_requests(locked) && locked->slots.held == 0 &&
            locked->tunnels == 0 &&
            (!oldest || locked->last_used_us < oldest->last_used_us))
            oldest = locked;
    }
    return oldest;
}

static uint32_t count_serving(struct app *app) REQUIRES(app->lock)
{
    uint32_t count = 0;

    LIST_FOREACH (&app->locked.replicas, it)
        count += app_takes_requests(app_replica_of(it)->locked);
    return count;
}

void app_shrink(struct app *app, uint32_t keep,
                void (*on_drained)(struct replica_ref *replica, void *arg),
                void *arg)
{
    struct replica_locked *locked;
    uint32_t count;

    assert(app->main_loop);
    mutex_lock(&app->lock);
    for (count = count_serving(app); count > keep; count--) {
        locked = find_idle(app);
        if (!locked)
            break;
        locked->is_draining = true;
        locked->on_drained = on_drained;
        locked->drained_arg = arg;
        app_post_drained(app, locked->replica);
    }
    mutex_unlock(&app->lock);
}

bool app_evict(struct replica_ref *replica,
               void (*on_drained)(struct replica_ref *replica, void *arg),
               void *arg)
{
    struct app *app = replica->app;
    struct replica_locked *locked = replica->locked;
    bool ok;

    assert(app->main_loop);
    mutex_lock(&app->lock);
    ok = locked->is_draining ||
         (locked->is_published && locked->slots.held == 0 &&
          locked->tunnels == 0 && app->locked.queue.count == 0);
    if (ok) {
        locked->is_draining = true;
        locked->on_drained = on_drained;
        locked->drained_arg = arg;
        app_post_drained(app, replica);
    }
    mutex_unlock(&app->lock);
    return ok;
}

void app_resume(struct replica_ref *replica, uint64_t now_us)
{
    struct app *app = replica->app;

    mutex_lock(&app->lock);
    replica->locked->is_draining = false;
    replica->locked->on_drained = NULL;
    app_grant_waiting(app, now_us);
    mutex_unlock(&app->lock);
}

void app_remove(struct replica_ref *replica)
{
    struct app *app = replica->app;
    int fds[SOCKET_STASH_MAX];
    struct replica_ref *dead;
    unsigned count;

    mutex_lock(&app->lock);
    assert(!replica->locked->is_removed);
    replica->locked->is_removed = true;
    count = socket_stash_empty(&replica->locked->stash, fds);
    socket_stash_fail(&replica->locked->stash, ECONNRESET, app_deliver_socket);
    if (app->locked.trial.replicas > 0)
        app_grant_waiting(app, loop_now_us(app->main_loop));
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    socket_stash_close(fds, count);
    app_free_replica(dead);
}

struct replica_ref *app_find_replica(struct app *app, uint64_t id)
{
    struct replica_ref *found = NULL;

    mutex_lock(&app->lock);
    LIST_FOREACH (&app->locked.replicas, it) {
        struct replica_ref *replica = app_replica_of(it);

        if (replica->id == id && !replica->locked->is_removed)
            found = replica;
    }
    mutex_unlock(&app->lock);
    return found;
}

void app_outcomes(struct replica_ref *replica, struct app_outcomes *ret)
{
    mutex_lock(&replica->app->lock);
    ret->answers = replica->locked->answers;
    ret->failures = replica->locked->failures;
    ret->repeated = replica->locked->repeated;
    mutex_unlock(&replica->app->lock);
}
