/* replica.c - a replica's states, from the moment it is made to its end.
 *
 * At most one engine call is under way at a time (`call`); what it leads to
 * stands in its callback.
 */
#include "lifecycle/replica_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lifecycle/listen_family.h"
#include "lifecycle/replica_reach.h"
#include "lifecycle/unix_connect.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/channel.h"

static const char *const state_names[] = {
#define REPLICA_STATE(NAME, text, meaning) text,
#include "lifecycle/replica_state.def"
#undef REPLICA_STATE
};

#define TO(NAME) (1U << REPLICA_##NAME)
static const unsigned transitions[REPLICA_STATE_COUNT] = {
    [REPLICA_PULLING] = TO(CREATING) | TO(FAILED) | TO(GONE),
    [REPLICA_CREATING] =
        TO(PRIMED) | TO(STARTING) | TO(STOPPING) | TO(FAILED) | TO(GONE),
    [REPLICA_PRIMED] = TO(STARTING) | TO(STOPPING) | TO(FAILED),
    [REPLICA_STARTING] = TO(PROBING) | TO(STOPPING) | TO(FAILED),
    [REPLICA_PROBING] = TO(READY) | TO(STOPPING) | TO(FAILED),
    [REPLICA_READY] =
        TO(FROZEN) | TO(PROBING) | TO(DRAINING) | TO(STOPPING) | TO(FAILED),
    [REPLICA_FROZEN] = TO(READY) | TO(PROBING) | TO(HIBERNATED) | TO(DRAINING) |
                       TO(STOPPING) | TO(FAILED),
    [REPLICA_HIBERNATED] = TO(READY) | TO(PROBING) | TO(STOPPING) | TO(FAILED),
    [REPLICA_DRAINING] = TO(READY) | TO(FROZEN) | TO(STOPPING) | TO(FAILED),
    [REPLICA_STOPPING] = TO(GONE),
    [REPLICA_FAILED] = TO(GONE),
    [REPLICA_GONE] = 0,
};

const char *replica_state_name(enum replica_state state)
{
    return state_names[state];
}

const char *replica_rung_name(enum replica_rung rung)
{
    static const char *const names[] = {
        [RUNG_ABSENT] = "absent", [RUNG_PULLED] = "pulled",
        [RUNG_PRIMED] = "primed", [RUNG_HIBERNATED] = "hibernated",
        [RUNG_FROZEN] = "frozen",
    };

    return names[rung];
}

const char *replica_app_name(const struct replica *replica)
{
    return replica->app->app->name;
}

/* The phase behind READY. A request that woke it may have its answer before its
 * thaw is seen to be done. */
static void await_first_byte(struct replica *replica)
{
    replica->step_us = clock_now_us();
    replica->awaits_first_byte = replica->first_byte_at_us == 0;
    replica->view.phases.first_byte_us = replica->awaits_first_byte ? 0 : 1;
    replica->first_byte_at_us = 0;
}

bool replica_on_first_byte(struct replica *replica, uint64_t at_us)
{
    if (replica->is_thawing)
        replica->first_byte_at_us = at_us;
    if (!replica->awaits_first_byte || replica->is_thawing)
        return false;
    replica->awaits_first_byte = false;
    replica->view.phases.first_byte_us =
        at_us > replica->step_us ? at_us - replica->step_us : 1;
    return true;
}

void replica_set_state(struct replica *replica, enum replica_state next,
                       const char *why)
{
    struct replica_view *view = &replica->view;
    enum replica_state before = view->state;
    uint64_t now_us = clock_now_us();

    assert(transitions[before] & (1U << next));
    log_info("replica", "replica changed its state",
             "app=%s replica=%s from=%s to=%s after_ms=%" PRIu64
             " reason=\"%s\"",
             replica_app_name(replica), view->name, state_names[before],
             state_names[next], (now_us - view->since_us) / 1000, why);
    if (next != REPLICA_PROBING)
        ready_line_free(&replica->ready_line);
    view->state = next;
    view->before_us = now_us - view->since_us;
    view->since_us = now_us;
    view->since_unix_ms = clock_unix_ms();
    if (why != view->reason)
        snprintf(view->reason, sizeof view->reason, "%s", why);
    if (next == REPLICA_READY && view->is_start)
        await_first_byte(replica);
    replica->owner.on_state(replica->owner.arg, replica, before);
    if (next == REPLICA_READY)
        view->is_start = false;
}
uint64_t replica_end_phase(struct replica *replica)
{
    uint64_t now_us = clock_now_us();
    uint64_t took_us = now_us - replica->step_us;

    replica->step_us = now_us;
    return took_us;
}
bool replica_call_is_cancelled(const struct err *err)
{
    return err && err->code == ERR_CANCELLED;
}

/* --- ready --- */

static void log_ready(const struct replica *replica)
{
    const struct replica_view *view = &replica->view;
    const struct replica_phases *phases = &view->phases;

    if (view->is_adopted) {
        log_info("replica", "replica adopted",
                 "app=%s replica=%s container=%.12s", replica_app_name(replica),
                 view->name, view->container_id);
        return;
    }
    log_info("replica", "replica ready",
             "app=%s replica=%s container=%.12s from=%s took_ms=%.1f "
             "queue_ms=%.1f pull_ms=%.1f create_ms=%.1f start_ms=%.1f "
             "boot_ms=%.1f ready_ms=%.1f",
             replica_app_name(replica), view->name, view->container_id,
             replica_rung_name(view->from), (double)phases->total_us / 1e3,
             (double)phases->queue_us / 1e3, (double)phases->pull_us / 1e3,
             (double)phases->create_us / 1e3, (double)phases->start_us / 1e3,
             (double)phases->boot_us / 1e3, (double)phases->ready_us / 1e3);
}

void replica_on_ready(struct replica *replica, uint64_t boot_us,
                      uint64_t ready_us, int family)
{
    struct replica_phases *phases = &replica->view.phases;

    if (replica->view.state != REPLICA_PROBING)
        return;
    if (replica->is_withheld) { /* on_wake has answered */
        replica_end_wake(replica, ready_us);
        return;
    }
    replica->view.family = family;
    timer_stop(&replica->timer);
    phases->boot_us += boot_us; /* after what it waited for its line */
    phases->ready_us = ready_us;
    phases->total_us = clock_now_us() - replica->began_us;
    replica->view.probe_text[0] = '\0';
    replica->view.ready_at_us = clock_now_us();
    log_ready(replica);
    replica_set_state(replica, REPLICA_READY, "its ready check passed");
}

static void on_inspected(void *arg, const struct engine_container *container,
                         const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    if (err && err->code == ERR_NOT_FOUND)
        replica_on_died(replica, -1);
    else if (!err && !container->is_running)
        replica_on_died(replica, container->exit_code);
}

void replica_on_broken(struct replica *replica, struct strview text)
{
    log_debug("replica", "a connection to it broke",
              "app=%s replica=%s reason=\"%.*s\"", replica_app_name(replica),
              replica->view.name, SV_ARG(text));
    /* Where its process is held, its end is known in the same moment. */
    if (replica->view.state != REPLICA_READY || replica->handle ||
        replica->call || replica->view.is_external)
        return;
    replica->call =
        engine_inspect(replica->host->engine, replica->view.container_id,
                       on_inspected, replica);
}

void replica_on_outcomes(struct replica *replica,
                         const struct channel_replica_outcomes *outcomes)
{
    replica->view.answers = outcomes->answers;
    replica->view.failures = outcomes->failures;
    replica->view.repeated = outcomes->repeated;
}

static void on_timer(struct timer *timer)
{
    struct replica *replica = container_of(timer, struct replica, timer);

    if (replica->view.state == REPLICA_DRAINING)
        replica_stop_now(replica,
                         "requests were still open after drain_timeout");
    else
        replica_on_start_timeout(replica);
}

/* --- made, taken, forgotten --- */

static struct start_rank rank_of_ticket(const struct start_ticket *ticket)
{
    const struct replica *replica =
        container_of(ticket, struct replica, ticket);

    return replica->owner.rank(replica->owner.arg);
}

static struct replica *replica_new(const struct replica_host *host,
                                   const struct keeper_app *app, uint64_t id,
                                   const struct replica_owner *owner)
{
    struct replica *replica = xcalloc(1, sizeof *replica);
    struct replica_view *view = &replica->view;

    replica->host = host;
    replica->app = app;
    replica->owner = *owner;
    replica->want.on_image = replica_on_image;
    replica->want.on_retry = replica_on_image_retry;
    replica->ticket.on_turn = replica_on_turn;
    replica->ticket.rank = owner->rank ? rank_of_ticket : NULL;
    replica->timer.on_expire = on_timer;
    replica->began_us = clock_now_us();
    replica->step_us = replica->began_us;
    replica->container_name = xasprintf(
        "berth-%s-%s-%" PRIu64, host->namespace_name, app->app->name, id);
    view->id = id;
    view->name = xasprintf("%s-%" PRIu64, app->app->name, id);
    view->since_us = replica->began_us;
    view->since_unix_ms = clock_unix_ms();
    view->began_unix_ms = view->since_unix_ms;
    return replica;
}

static void begin(struct replica *replica, const char *why)
{
    replica->view.state = REPLICA_PULLING;
    snprintf(replica->view.reason, sizeof replica->view.reason, "%s", why);
    log_info("replica", "replica begins", "app=%s replica=%s reason=\"%s\"",
             replica_app_name(replica), replica->view.name,
             replica->view.reason);
    if (replica->owner.made_of)
        replica->want.known =
            replica->owner.made_of(replica->owner.arg, replica);
    replica_ask_for_image(replica);
}

struct replica *replica_start(const struct replica_host *host,
                              const struct keeper_app *app, uint64_t id,
                              bool is_urgent, const struct replica_owner *owner)
{
    struct replica *replica = replica_new(host, app, id, owner);

    replica->is_urgent = is_urgent;
    replica->view.is_start = true;
    begin(replica, is_urgent ? "a request waits for it" : "it shall be ready");
    return replica;
}

struct replica *replica_prime(const struct replica_host *host,
                              const struct keeper_app *app, uint64_t id,
                              const struct replica_owner *owner)
{
    struct replica *replica = replica_new(host, app, id, owner);

    replica->is_priming = true;
    begin(replica, "it shall be primed");
    return replica;
}

/* In which state one that is found goes on. */
static enum replica_state adopted_state(struct replica *replica)
{
    const struct engine_container *container = &replica->container;
    struct replica_view *view = &replica->view;

    if (container->is_primed) {
        replica->is_priming = true;
        snprintf(view->reason, sizeof view->reason, "%s", "found primed");
        return REPLICA_PRIMED;
    }
    if (container->is_frozen) {
        replica->is_frozen = true;
        replica->is_withheld = replica->app->app->warmth.on_sleep ||
                               replica->app->app->warmth.on_wake;
        view->asleep_at_us = view->since_us;
        view->ready_at_us = view->since_us;
        if (container->inside)
            view->family = listen_family(container->pid, container->port);
        snprintf(view->reason, sizeof view->reason, "%s", "found frozen");
        return REPLICA_FROZEN;
    }
    snprintf(view->reason, sizeof view->reason, "%s",
             "found running; its ready check decides");
    return REPLICA_PROBING;
}

struct replica *replica_adopt(const struct replica_host *host,
                              const struct keeper_app *app,
                              const struct engine_container *container,
                              const struct replica_owner *owner,
                              struct err *err)
{
    struct replica *replica = replica_new(host, app, container->replica, owner);
    struct replica_view *view = &replica->view;

    replica->container = *container;
    replica->port = container->port;
    view->is_adopted = true;
    view->pid = container->pid;
    snprintf(view->container_id, sizeof view->container_id, "%s",
             container->id);
    snprintf(view->revision, sizeof view->revision, "%.64s",
             container->revision);
    view->state = adopted_state(replica);
    if (!replica_reach_find(host, &app->container, container, &view->reach,
                            err) ||
        !replica_attach(replica, err)) {
        replica_free(&replica);
        return NULL;
    }
    if (view->state == REPLICA_PROBING)
        timer_start(host->timers, &replica->timer, app->app->start_timeout_ms);
    else if (view->state == REPLICA_FROZEN)
        replica_find_hibernated(replica);
    return replica;
}

struct replica *replica_external(const struct replica_host *host,
                                 const struct keeper_app *app, uint64_t id,
                                 const struct address *address,
                                 const struct replica_owner *owner)
{
    struct replica *replica = replica_new(host, app, id, owner);
    struct replica_view *view = &replica->view;

    view->state = REPLICA_READY;
    view->ready_at_us = view->since_us;
    view->is_external = true;
    snprintf(view->reason, sizeof view->reason, "%s", "runs elsewhere");
    if (address->any.sa_family == AF_UNIX) {
        view->reach.connect = CONNECT_KEEPER;
        view->reach.socket_path = xstrdup(address->un.sun_path);
    } else {
        view->reach.connect = CONNECT_DIRECT;
        view->reach.address = *address;
    }
    return replica;
}

void replica_free(struct replica **replica_ptr)
{
    struct replica *replica = *replica_ptr;

    if (!replica)
        return;
    list_remove(&replica->node);
    timer_stop(&replica->timer);
    image_want_cancel(&replica->want);
    start_ticket_return(&replica->ticket);
    engine_cancel(&replica->call);
    ready_line_free(&replica->ready_line);
    engine_release(&replica->handle);
    free(replica->view.reach.socket_path);
    free(replica->view.name);
    free(replica->container_name);
    free(replica->reserved);
    free(replica->made_of);
    for (char **device = replica->devices; device && *device; device++)
        free(*device);
    free(replica->devices);
    free(replica);
    *replica_ptr = NULL;
}

const struct replica_view *replica_view(const struct replica *replica)
{
    return &replica->view;
}

const char *replica_container_name(const struct replica *replica)
{
    return replica->container_name;
}

struct list *replica_node(struct replica *replica)
{
    return &replica->node;
}

struct replica *replica_of_node(struct list *node)
{
    return container_of(node, struct replica, node);
}

bool replica_is_starting(const struct replica *replica)
{
    return replica->view.state == REPLICA_HIBERNATED ||
                   (replica->view.state == REPLICA_FROZEN &&
                    replica->is_withheld)
               ? replica->is_thawing
               : replica->view.state <= REPLICA_PROBING && !replica->is_priming;
}

bool replica_waits_for_turn(const struct replica *replica)
{
    return replica->ticket.queue && !replica->ticket.has_turn;
}

bool replica_is_urgent(const struct replica *replica)
{
    return replica->is_urgent;
}

const struct keeper_app *replica_app(const struct replica *replica)
{
    return replica->app;
}

void *replica_owner_arg(const struct replica *replica)
{
    return replica->owner.arg;
}

bool replica_is_announced(const struct replica *replica)
{
    return replica->view.state >= REPLICA_PROBING &&
           replica->view.state <= REPLICA_DRAINING;
}

bool replica_awaits_line(const struct replica *replica)
{
    return replica->ready_line != NULL;
}

bool replica_leaves_container(const struct replica *replica)
{
    return replica->leaves_container;
}

bool replica_is_held(const struct replica *replica)
{
    return replica->handle != NULL;
}

bool replica_memory(const struct replica *replica,
                    struct engine_memory *ret_memory)
{
    struct err err;

    return replica->handle && engine_memory(replica->handle, ret_memory, &err);
}

unsigned replica_sockets(struct replica *replica, int family, unsigned count,
                         int *ret_fds, struct err *err)
{
    const struct replica_reach *reach = &replica->view.reach;
    unsigned made = 0;

    if (!replica_is_announced(replica) || reach->connect == CONNECT_DIRECT) {
        err_set(err, ERR_NOT_FOUND, "replica %s takes no connections now",
                replica->view.name);
        return 0;
    }
    /* What is reached inside is always held. */
    if (reach->connect == CONNECT_INSIDE)
        return engine_sockets(replica->handle, family, count, ret_fds, err)
                   ? count
                   : 0;
    while (made < count &&
           unix_connect(reach->socket_path, &ret_fds[made], err))
        made++;
    return made;
}
