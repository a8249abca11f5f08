/* app_sockets.c - the sockets of an app's replicas, which the keeper makes. */
#include "router/app_sockets.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "router/app.h"
#include "router/app_locked.h"

static void on_socket_task(struct loop_task *task)
{
    struct socket_waiter *waiter =
        container_of(task, struct socket_waiter, task);

    waiter->on_socket(waiter);
}

void app_deliver_socket(struct socket_waiter *waiter)
{
    waiter->task.run = on_socket_task;
    loop_post(waiter->loop, &waiter->task);
}

static void post_ask(struct app *app, struct replica_ref *replica)
    REQUIRES(app->lock)
{
    struct replica_locked *locked = replica->locked;

    if (!app->on_sockets || locked->ask_is_posted || locked->is_removed ||
        socket_stash_wanted(&locked->stash) == 0)
        return;
    locked->ask_is_posted = true;
    loop_post(app->main_loop, &locked->ask_task);
}

int app_take_socket(struct replica_ref *replica, struct socket_waiter *waiter)
{
    struct app *app = replica->app;
    int fd;

    waiter->replica = replica;
    mutex_lock(&app->lock);
    fd = socket_stash_take(&replica->locked->stash, waiter);
    if (replica->locked->is_removed)
        socket_stash_fail(&replica->locked->stash, ECONNRESET,
                          app_deliver_socket);
    post_ask(app, replica);
    mutex_unlock(&app->lock);
    return fd;
}

bool app_leave_socket(struct socket_waiter *waiter)
{
    struct replica_ref *replica = waiter->replica;
    struct app *app = replica->app;
    bool was_waiting;

    mutex_lock(&app->lock);
    was_waiting = waiter->is_waiting;
    if (was_waiting)
        socket_stash_leave(&replica->locked->stash, waiter);
    mutex_unlock(&app->lock);
    return was_waiting;
}

void app_add_sockets(struct replica_ref *replica, const int *fds,
                     unsigned fd_count, int errno_value)
{
    struct app *app = replica->app;

    mutex_lock(&app->lock);
    assert(!replica->locked->is_removed);
    socket_stash_add(&replica->locked->stash, fds, fd_count, errno_value,
                     app_deliver_socket);
    post_ask(app, replica);
    mutex_unlock(&app->lock);
}

void app_drop_sockets(struct replica_ref *replica)
{
    struct app *app = replica->app;
    int fds[SOCKET_STASH_MAX];
    unsigned count;

    mutex_lock(&app->lock);
    count = socket_stash_empty(&replica->locked->stash, fds);
    mutex_unlock(&app->lock);
    socket_stash_close(fds, count);
}

void app_on_ask_task(struct loop_task *task)
{
    struct replica_locked *locked =
        container_of(task, struct replica_locked, ask_task);
    struct replica_ref *replica = locked->replica;
    struct app *app = replica->app;
    struct replica_ref *dead;
    uint32_t count = 0;

    mutex_lock(&app->lock);
    locked->ask_is_posted = false;
    if (!locked->is_removed)
        count = socket_stash_ask(&locked->stash);
    post_ask(app, replica); /* more than one message may ask for */
    dead = app_reap(app, replica);
    mutex_unlock(&app->lock);
    app_free_replica(dead);
    if (count > 0)
        app->on_sockets(replica, count, app->sockets_arg);
    else if (dead)
        app_free_when_idle(app);
}

void app_set_socket_hook(struct app *app,
                         void (*hook)(struct replica_ref *replica,
                                      unsigned count, void *arg),
                         void *arg)
{
    assert(app->main_loop); /* app_set_demand_hook() comes first */
    app->on_sockets = hook;
    app->sockets_arg = arg;
}
