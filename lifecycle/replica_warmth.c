/* replica_warmth.c - the rungs below ready: primed, frozen, hibernated, and the
 * ways between them. When one is taken is the owner's to say.
 */
#include "lifecycle/replica_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "router/base/clock.h"
#include "router/base/log.h"

/* Of what a hibernated one has in swap, what is still resident beside it. */
#define RESIDENT_SHARE     8
#define RESIDENT_MIN_BYTES ((uint64_t)4 << 20)

bool replica_is_asleep(const struct replica *replica)
{
    return replica->view.state == REPLICA_FROZEN ||
           replica->view.state == REPLICA_HIBERNATED;
}

bool replica_is_priming(const struct replica *replica)
{
    return replica->is_priming;
}

bool replica_is_waking(const struct replica *replica)
{
    return replica->is_thawing;
}

bool replica_is_withheld(const struct replica *replica)
{
    return replica->is_withheld;
}

bool replica_is_hibernating(const struct replica *replica)
{
    return replica->is_hibernating;
}

void replica_set_nap(struct replica *replica, uint32_t nap)
{
    replica->nap = nap;
}

uint32_t replica_nap(const struct replica *replica)
{
    return replica->nap;
}

bool replica_is_calling(const struct replica *replica)
{
    return replica->call != NULL;
}

void replica_set_withheld(struct replica *replica, bool is_withheld)
{
    replica->is_withheld = is_withheld;
}

void replica_want_freeze(struct replica *replica, const char *why)
{
    replica->freeze_reason = why;
}

const char *replica_freeze_reason(const struct replica *replica)
{
    return replica->freeze_reason ? replica->freeze_reason
                                  : "idle for freeze_after";
}

void replica_want_hibernate(struct replica *replica, const char *why)
{
    replica->hibernate_reason = why;
}

const char *replica_hibernate_reason(const struct replica *replica)
{
    return replica->hibernate_reason;
}

/* --- down: frozen, hibernated --- */

static void on_frozen(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    if (!err) { /* frozen to be hibernated */
        if (replica->hibernate_reason && replica->is_withheld)
            (void)!replica_hibernate(replica, replica->hibernate_reason);
        return;
    }
    log_warn("replica", "cannot freeze it", "app=%s replica=%s reason=\"%s\"",
             replica_app_name(replica), replica->view.name, err->text);
    replica->is_frozen = false;
    replica->is_withheld = false;
    replica->hibernate_reason = NULL;
    if (replica->view.state == REPLICA_FROZEN)
        replica_set_state(replica, REPLICA_READY, err->text);
}

bool replica_freeze(struct replica *replica, bool is_withheld, const char *why)
{
    if (replica->view.state != REPLICA_READY || !replica->handle ||
        replica->call)
        return false;
    replica->is_frozen = true;
    replica->is_withheld = is_withheld;
    replica->view.asleep_at_us = clock_now_us();
    replica->call = engine_freeze(replica->handle, on_frozen, replica);
    replica_set_state(replica, REPLICA_FROZEN, why);
    replica->freeze_reason = NULL;
    return true;
}

static void on_hibernated(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    replica->is_hibernating = false;
    if (replica_call_is_cancelled(err) || replica->is_thawing ||
        replica->view.state != REPLICA_FROZEN)
        return;
    if (!err) {
        replica_set_state(replica, REPLICA_HIBERNATED,
                          replica->hibernate_reason);
        return;
    }
    log_warn("replica", "cannot hibernate it",
             "app=%s replica=%s reason=\"%s\"", replica_app_name(replica),
             replica->view.name, err->text);
    replica->view.hibernate_failed_at_us = clock_now_us();
    replica->hibernate_reason = NULL;
    snprintf(replica->view.reason, sizeof replica->view.reason,
             "not hibernated: %.900s", err->text);
    replica->owner.on_state(replica->owner.arg, replica, REPLICA_FROZEN);
}

bool replica_hibernate(struct replica *replica, const char *why)
{
    if (replica->view.state != REPLICA_FROZEN || replica->call ||
        replica->is_thawing)
        return false;
    replica->is_withheld = true;
    replica->is_hibernating = true;
    replica->hibernate_reason = why;
    replica->call = engine_hibernate(replica->handle, on_hibernated, replica);
    return true;
}

void replica_find_hibernated(struct replica *replica)
{
    struct engine_memory memory;
    uint64_t most;

    if (!replica_memory(replica, &memory) || memory.swapped_bytes == 0)
        return;
    most = memory.swapped_bytes / RESIDENT_SHARE;
    if (most < RESIDENT_MIN_BYTES)
        most = RESIDENT_MIN_BYTES;
    if (memory.resident_bytes > most)
        return;
    replica->view.state = REPLICA_HIBERNATED;
    replica->is_withheld = true;
}

/* --- up --- */

static void log_thawed(const struct replica *replica)
{
    log_debug("replica", "replica thawed",
              "app=%s replica=%s from=%s took_us=%" PRIu64,
              replica_app_name(replica), replica->view.name,
              replica_rung_name(replica->view.from),
              replica->view.phases.thaw_us);
}

/* It runs again. One that draws back from the front's list meanwhile, or is on
 * its way out, stays in the state it has. */
static void on_thawed(void *arg, const struct err *err)
{
    struct replica *replica = arg;
    bool is_asleep = replica_is_asleep(replica);

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    replica->is_thawing = false;
    if (err) {
        replica_fail(replica, "crashed", false, "it cannot be thawed: %s",
                     err->text);
        return;
    }
    replica->is_frozen = false;
    replica->view.phases.total_us = clock_now_us() - replica->began_us;
    replica->view.phases.thaw_us =
        replica->view.phases.total_us - replica->view.phases.evict_us;
    log_thawed(replica);
    replica->step_us = clock_now_us();
    if (is_asleep && replica->is_withheld &&
        replica->app->app->warmth.on_wake) {
        timer_start(replica->host->timers, &replica->timer,
                    replica->app->app->start_timeout_ms);
        replica_set_state(replica, REPLICA_PROBING, "on_wake is called");
    } else if (is_asleep) {
        replica->is_withheld = false;
        replica_set_state(replica, REPLICA_READY, replica->why_up);
    }
}

void replica_thaw(struct replica *replica, uint64_t at_us, const char *why)
{
    struct replica_view *view = &replica->view;

    if (!replica->is_frozen || replica->is_thawing ||
        (!replica_is_asleep(replica) && view->state != REPLICA_DRAINING))
        return;
    view->is_start = true;
    view->from =
        view->state == REPLICA_HIBERNATED ? RUNG_HIBERNATED : RUNG_FROZEN;
    view->phases = (struct replica_phases){0};
    view->began_unix_ms = clock_unix_ms();
    replica->began_us = at_us > 0 ? at_us : clock_now_us();
    replica->is_thawing = true;
    replica->first_byte_at_us = 0;
    replica->hibernate_reason = NULL;
    snprintf(replica->why_up, sizeof replica->why_up, "%s", why);
    /* Ends a freeze or a hibernation that is under way. */
    replica->call = engine_thaw(replica->handle, on_thawed, replica);
}

void replica_wake(struct replica *replica, uint64_t waited_us, const char *why)
{
    struct replica_view *view = &replica->view;

    replica_thaw(replica, clock_now_us() - waited_us, why);
    if (!replica->is_thawing)
        return;
    view->began_unix_ms -= waited_us / 1000;
    view->phases.evict_us = waited_us;
}

/* on_wake has answered. */
void replica_end_wake(struct replica *replica, uint64_t ready_us)
{
    struct replica_phases *phases = &replica->view.phases;

    timer_stop(&replica->timer);
    replica->is_withheld = false;
    phases->ready_us = ready_us > 0 ? ready_us : replica_end_phase(replica);
    phases->total_us = clock_now_us() - replica->began_us;
    replica->view.probe_text[0] = '\0';
    replica_set_state(replica, REPLICA_READY, replica->why_up);
}

void replica_call_off_sleep(struct replica *replica)
{
    if (replica->view.state != REPLICA_READY)
        return;
    replica->view.is_start = true;
    replica->view.from = RUNG_FROZEN;
    replica->view.phases = (struct replica_phases){0};
    replica->began_us = clock_now_us();
    replica->step_us = replica->began_us;
    replica->is_withheld = true;
    snprintf(replica->why_up, sizeof replica->why_up, "%s",
             "a request came before it was frozen");
    timer_start(replica->host->timers, &replica->timer,
                replica->app->app->start_timeout_ms);
    replica_set_state(replica, REPLICA_PROBING, "on_wake is called");
}

/* --- leaving from below --- */

static void on_thawed_to_stop(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    if (err) /* the stop kills it after its time-out all the same */
        log_warn("replica", "cannot thaw it before it is stopped",
                 "app=%s replica=%s reason=\"%s\"", replica_app_name(replica),
                 replica->view.name, err->text);
    replica->is_frozen = false;
    replica->is_thawing = false;
    replica->is_thawing_to_stop = false;
    replica_stop_container(replica);
}

bool replica_thaw_to_stop(struct replica *replica)
{
    if (!replica->is_frozen || !replica->handle)
        return false;
    replica->is_thawing_to_stop = true;
    replica->call = engine_thaw(replica->handle, on_thawed_to_stop, replica);
    return true;
}

/* --- primed --- */

static void enter_primed(struct replica *replica)
{
    struct err err;

    start_ticket_return(&replica->ticket);
    if (replica->container.pid > 0 && !replica_attach(replica, &err)) {
        replica_stop_now(replica, err.text);
        return;
    }
    timer_stop(&replica->timer);
    replica->view.pid = replica->container.pid;
    replica_set_state(replica, REPLICA_PRIMED,
                      replica->is_priming
                          ? "it is kept initialised (keep_primed)"
                          : "it waits for room on the machine");
}

static void on_initialised(void *arg, const struct engine_container *container,
                           const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    if (container)
        replica->container = *container;
    replica->view.phases.prime_us = replica_end_phase(replica);
    if (err)
        replica_fail(replica, "start_failed", false,
                     "its container could not be initialised: %s", err->text);
    else if (replica->leave_asked)
        replica_stop_now(replica, "not wanted any more");
    else if (replica->is_priming || !replica_has_room(replica))
        enter_primed(replica);
    else
        replica_enter_starting(replica);
}

void replica_initialise(struct replica *replica)
{
    replica->call =
        engine_init(replica->host->engine, replica->view.container_id,
                    on_initialised, replica);
}

void replica_climb(struct replica *replica, bool is_urgent, const char *why)
{
    struct start_queue *starts = replica->host->starts;
    bool waits = replica->ticket.queue && !replica->ticket.has_turn;

    if (!replica->is_priming || replica->leave_asked)
        return;
    replica->is_priming = false;
    replica->is_urgent = is_urgent;
    replica->view.is_start = true;
    if (replica->view.state >= REPLICA_CREATING)
        (void)!replica_has_room(replica); /* asks early */
    replica->began_us = clock_now_us();
    replica->view.began_unix_ms = clock_unix_ms();
    log_info("replica", "replica is to start",
             "app=%s replica=%s reason=\"%s\"", replica_app_name(replica),
             replica->view.name, why);
    if (waits && is_urgent) { /* ahead of those that only warm */
        start_ticket_return(&replica->ticket);
        if (start_queue_enter(starts, &replica->ticket, true))
            replica->ticket.on_turn(&replica->ticket);
        return;
    }
    if (replica->view.state != REPLICA_PRIMED)
        return; /* its creation goes on to the start */
    replica->view.from = RUNG_PRIMED;
    replica->view.phases = (struct replica_phases){0};
    replica->step_us = replica->began_us;
    if (replica_has_room(replica) &&
        start_queue_enter(starts, &replica->ticket, is_urgent))
        replica_start_primed(replica);
}

void replica_on_primed_end(struct replica *replica)
{
    log_warn("replica", "a primed container ended by itself",
             "app=%s replica=%s container=%.12s", replica_app_name(replica),
             replica->view.name, replica->view.container_id);
    replica_stop_now(replica, "its container ended while it was primed");
}
