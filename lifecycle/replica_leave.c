/* replica_leave.c - a replica's way out: drained, stopped, its container
 * removed. */
#include "lifecycle/replica_private.h"
#include "lifecycle/socket_dir.h"
#include "router/base/log.h"

/* --- draining --- */

static void drain(struct replica *replica, const char *why)
{
    timer_start(replica->host->timers, &replica->timer,
                replica->app->app->drain_timeout_ms);
    replica_set_state(replica, REPLICA_DRAINING, why);
}

void replica_leave(struct replica *replica, const char *why)
{
    switch (replica->view.state) {
    case REPLICA_PULLING:
        image_want_cancel(&replica->want);
        replica_set_state(replica, REPLICA_GONE, why);
        break;
    case REPLICA_CREATING:
        if (replica->call) {
            replica->leave_asked = true;
            break;
        }
        image_want_cancel(&replica->want); /* it may look again */
        start_ticket_return(&replica->ticket);
        replica_set_state(replica, REPLICA_GONE, why);
        break;
    case REPLICA_STARTING:
        replica->leave_asked = true;
        break;
    case REPLICA_PRIMED:
    case REPLICA_PROBING:
    case REPLICA_HIBERNATED:
        replica_stop_now(replica, why);
        break;
    case REPLICA_FROZEN:
        if (replica->is_withheld)
            replica_stop_now(replica, why);
        else
            drain(replica, why);
        break;
    case REPLICA_READY:
        drain(replica, why);
        break;
    default:
        break; /* on its way out already */
    }
}

void replica_retire(struct replica *replica, const char *why)
{
    if (replica->view.state == REPLICA_READY ||
        replica->view.state == REPLICA_FROZEN)
        replica_stop_now(replica, why);
}

void replica_resume(struct replica *replica, const char *why)
{
    if (replica->view.state != REPLICA_DRAINING)
        return;
    timer_stop(&replica->timer);
    replica_set_state(replica,
                      replica->is_frozen ? REPLICA_FROZEN : REPLICA_READY, why);
}

void replica_on_drained(struct replica *replica)
{
    if (replica->view.state == REPLICA_DRAINING)
        replica_stop_now(replica, replica->view.reason);
}
/* --- stopping --- */

void replica_leave_for_good(struct replica *replica, const char *why)
{
    engine_release(&replica->handle);
    if (!replica->view.is_external)
        socket_dir_remove(replica->host->state_dir, replica->container_name);
    replica_set_state(replica, REPLICA_GONE, why);
}

static void on_removed(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    replica->leaves_container = err != NULL;
    if (err) /* the next list finds it as a stray */
        log_warn("replica", "its container could not be removed now",
                 "app=%s replica=%s container=%.12s reason=\"%s\"",
                 replica_app_name(replica), replica->view.name,
                 replica->view.container_id, err->text);
    replica_leave_for_good(replica, err ? "its container will be removed later"
                                        : "its container is removed");
}

void replica_remove_container(struct replica *replica)
{
    replica->call = engine_remove(
        replica->host->engine, replica->view.container_id, on_removed, replica);
}

static void on_stopped(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    if (err)
        log_warn("replica", "its container could not be stopped; removing it",
                 "app=%s replica=%s container=%.12s reason=\"%s\"",
                 replica_app_name(replica), replica->view.name,
                 replica->view.container_id, err->text);
    replica_remove_container(replica);
}

void replica_stop_now(struct replica *replica, const char *why)
{
    timer_stop(&replica->timer);
    start_ticket_return(&replica->ticket);
    engine_cancel(&replica->call); /* an inspect at most */
    replica_set_state(replica, REPLICA_STOPPING, why);
    replica->is_priming = false;
    replica->is_hibernating = false;
    if (replica->view.is_external) {
        replica_leave_for_good(replica, why);
        return;
    }
    if (!replica->container.is_running)
        replica_remove_container(replica);
    else if (!replica_thaw_to_stop(replica))
        replica_stop_container(replica);
}

void replica_stop_container(struct replica *replica)
{
    replica->call = engine_stop(
        replica->host->engine, replica->view.container_id,
        replica->app->container.stop_timeout_ms, on_stopped, replica);
}
