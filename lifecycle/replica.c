/* replica.c - the machine that brings a replica from nothing to ready and back.
 *
 * At most one engine call is under way at a time (`call`); what it leads to
 * stands in its callback. In path order: pulling, creating, starting, probing,
 * ready, draining, stopping; then failed.
 */
#include "lifecycle/replica.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/replica_reach.h"
#include "lifecycle/revision.h"
#include "lifecycle/socket_dir.h"
#include "lifecycle/unix_connect.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

#define DEFAULT_PORT   8000U
#define LOG_TAIL_LINES 20U
#define LOG_MAX_BYTES  8192U

struct replica {
    struct list node; /* the owner's */
    struct replica_view view;
    const struct replica_host *host;
    const struct keeper_app *app;
    struct replica_owner owner;
    char *container_name;
    bool is_urgent;
    uint64_t began_us;
    uint64_t step_us; /* when the phase that runs now began */
    struct image_want want;
    struct engine_image image;
    struct start_ticket ticket;
    struct engine_call *call;
    struct engine_container container;
    struct engine_handle *handle;
    struct timer timer; /* start_timeout, then drain_timeout */
    bool start_timed_out;
    bool leave_asked; /* while a call is under way that must not be broken */
    bool exit_code_is_wanted;
    struct replica_failure failure;
};

static const char *const state_names[] = {
#define REPLICA_STATE(NAME, text, meaning) text,
#include "lifecycle/replica_state.def"
#undef REPLICA_STATE
};

#define TO(NAME) (1U << REPLICA_##NAME)
static const unsigned transitions[REPLICA_STATE_COUNT] = {
    [REPLICA_PULLING] = TO(CREATING) | TO(FAILED) | TO(GONE),
    [REPLICA_CREATING] = TO(STARTING) | TO(STOPPING) | TO(FAILED) | TO(GONE),
    [REPLICA_STARTING] = TO(PROBING) | TO(STOPPING) | TO(FAILED),
    [REPLICA_PROBING] = TO(READY) | TO(STOPPING) | TO(FAILED),
    [REPLICA_READY] = TO(DRAINING) | TO(FAILED),
    [REPLICA_DRAINING] = TO(READY) | TO(STOPPING) | TO(FAILED),
    [REPLICA_STOPPING] = TO(GONE),
    [REPLICA_FAILED] = TO(GONE),
    [REPLICA_GONE] = 0,
};

const char *replica_state_name(enum replica_state state)
{
    return state_names[state];
}

static const char *app_name(const struct replica *replica)
{
    return replica->app->app->name;
}

/* The only writer of view.state. The owner may not act on the replica from
 * within on_state, so callers may go on afterwards. */
static void set_state(struct replica *replica, enum replica_state next,
                      const char *why)
{
    struct replica_view *view = &replica->view;
    enum replica_state before = view->state;
    uint64_t now_us = clock_now_us();

    assert(transitions[before] & (1U << next));
    log_info("replica", "replica changed its state",
             "app=%s replica=%s from=%s to=%s after_ms=%" PRIu64
             " reason=\"%s\"",
             app_name(replica), view->name, state_names[before],
             state_names[next], (now_us - view->since_us) / 1000, why);
    view->state = next;
    view->since_us = now_us;
    view->since_unix_ms = clock_unix_ms();
    if (why != view->reason)
        snprintf(view->reason, sizeof view->reason, "%s", why);
    replica->owner.on_state(replica->owner.arg, replica, before);
}

/* How long the phase that ends now took; the next one begins. */
static uint64_t end_phase(struct replica *replica)
{
    uint64_t now_us = clock_now_us();
    uint64_t took_us = now_us - replica->step_us;

    replica->step_us = now_us;
    return took_us;
}

static bool is_cancelled(const struct err *err)
{
    return err && err->code == ERR_CANCELLED;
}

static void fail(struct replica *replica, const char *code, bool is_permanent,
                 const char *format, ...) PRINTF_LIKE(4, 5);
static void fail_by_exit(struct replica *replica, int exit_code);
static void enter_stopping(struct replica *replica, const char *why);

/* --- pulling --- */

static void enter_creating(struct replica *replica);

static bool cannot_help_itself(const struct err *err)
{
    return err->code == ERR_NOT_FOUND || err->code == ERR_DENIED ||
           err->code == ERR_INVALID;
}

static void on_image(struct image_want *want, const struct image_answer *answer,
                     const struct err *err)
{
    struct replica *replica = container_of(want, struct replica, want);

    replica->view.phases.pull_us = end_phase(replica);
    if (err) {
        fail(replica, "start_failed", cannot_help_itself(err), "image %s: %s",
             replica->app->container.image, err->text);
        return;
    }
    replica->image = answer->image;
    replica->view.was_pulled = answer->was_pulled;
    revision_compute(&replica->app->container, replica->image.id,
                     replica->view.revision);
    enter_creating(replica);
}

static void on_image_retry(struct image_want *want, const struct err *err,
                           uint64_t delay_ms)
{
    struct replica *replica = container_of(want, struct replica, want);
    struct replica_failure failure = {.code = "start_failed"};

    snprintf(failure.reason, sizeof failure.reason,
             "image %s: %.800s (it is tried again)",
             replica->app->container.image, err->text);
    replica->owner.on_delayed(replica->owner.arg, replica, &failure, delay_ms);
}

/* --- creating --- */

static void enter_starting(struct replica *replica);

static void on_created(void *arg, const char *id, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    replica->view.phases.create_us = end_phase(replica);
    if (err) {
        /* A name that is taken, an image that went, an engine that is away:
         * the next try may do better. What is wrong with the settings stays
         * wrong. */
        fail(replica, "start_failed",
             err->code == ERR_INVALID || err->code == ERR_FAILED ||
                 err->code == ERR_DENIED,
             "its container could not be created: %s", err->text);
        return;
    }
    snprintf(replica->view.container_id, sizeof replica->view.container_id,
             "%s", id);
    if (replica->leave_asked)
        enter_stopping(replica, "not wanted any more");
    else
        enter_starting(replica);
}

static void create(struct replica *replica)
{
    const struct container_settings *container = &replica->app->container;
    char id[24];
    struct engine_spec spec = {
        .container = container,
        .labels = {.namespace_name = sv_of(replica->host->namespace_name),
                   .app = sv_of(app_name(replica)),
                   .revision = sv_of(replica->view.revision)},
        .name = replica->container_name,
        .port = container->port
                    ? container->port
                    : (replica->image.exposed_port ? replica->image.exposed_port
                                                   : DEFAULT_PORT),
    };
    AUTO(auto_free) char *socket_dir = NULL;
    struct err err;

    replica->view.phases.queue_us = end_phase(replica);
    timer_start(replica->host->timers, &replica->timer,
                replica->app->app->start_timeout_ms);
    snprintf(id, sizeof id, "%" PRIu64, replica->view.id);
    spec.labels.replica = sv_of(id);
    if (!replica_reach_choose(replica->host, container, &spec, &socket_dir,
                              &replica->view.reach, &err)) {
        fail(replica, "start_failed", cannot_help_itself(&err), "%s", err.text);
        return;
    }
    replica->call =
        engine_create(replica->host->engine, &spec, on_created, replica);
}

static void on_turn(struct start_ticket *ticket)
{
    create(container_of(ticket, struct replica, ticket));
}

static void enter_creating(struct replica *replica)
{
    set_state(replica, REPLICA_CREATING,
              replica->view.was_pulled ? "its image was pulled"
                                       : "its image is here");
    if (start_queue_enter(replica->host->starts, &replica->ticket,
                          replica->is_urgent))
        create(replica);
}

/* --- starting --- */

static void enter_probing(struct replica *replica);

static void on_exit_of_container(void *arg)
{
    struct replica *replica = arg;

    engine_release(&replica->handle);
    if (replica_is_announced(replica)) {
        replica->exit_code_is_wanted = true;
        fail_by_exit(replica, -1);
    }
}

/* Hold what runs now. false: it has ended already. */
static bool attach(struct replica *replica, struct err *err)
{
    replica->handle = engine_attach(replica->host->engine, &replica->container,
                                    on_exit_of_container, replica, err);
    if (replica->handle)
        return true;
    /* Without it, its end is seen by the engine's events only. */
    if (err->code == ERR_DENIED && !replica->container.inside) {
        log_warn("replica", "cannot watch the container's process",
                 "app=%s replica=%s reason=\"%s\"", app_name(replica),
                 replica->view.name, err->text);
        return true;
    }
    return false;
}

static void on_started(void *arg, const struct engine_container *container,
                       const struct err *err)
{
    struct replica *replica = arg;
    struct err attach_err;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    replica->view.phases.start_us = end_phase(replica);
    start_ticket_return(&replica->ticket);
    if (container)
        replica->container = *container;
    if (err && container && !container->is_running) {
        fail_by_exit(replica, container->exit_code);
    } else if (err) {
        fail(replica, "start_failed", false,
             "its container could not be started: %s", err->text);
    } else if (replica->leave_asked) {
        enter_stopping(replica, "not wanted any more");
    } else if (attach(replica, &attach_err)) {
        enter_probing(replica);
    } else if (attach_err.code == ERR_NOT_FOUND) {
        replica->exit_code_is_wanted = true;
        fail_by_exit(replica, -1);
    } else {
        fail(replica, "start_failed", true, "%s", attach_err.text);
    }
}

static void enter_starting(struct replica *replica)
{
    set_state(replica, REPLICA_STARTING, "its container was made");
    replica->call = engine_start(
        replica->host->engine, replica->view.container_id, on_started, replica);
}

/* --- probing --- */

static void fail_by_timeout(struct replica *replica)
{
    const struct replica_view *view = &replica->view;
    char limit[32];

    clock_format_duration(replica->app->app->start_timeout_ms, limit,
                          sizeof limit);
    fail(replica, "start_timeout", false,
         "did not become ready within %s (start_timeout)%s%s", limit,
         view->probe_text[0] ? ": " : "", view->probe_text);
}

static void enter_probing(struct replica *replica)
{
    replica->view.pid = replica->container.pid;
    replica_reach_complete(&replica->container, &replica->view.reach);
    set_state(replica, REPLICA_PROBING, "its container runs");
    if (replica->start_timed_out)
        fail_by_timeout(replica);
}

void replica_on_probe_status(struct replica *replica, struct strview text)
{
    if (replica->view.state == REPLICA_PROBING)
        snprintf(replica->view.probe_text, sizeof replica->view.probe_text,
                 "%.*s", SV_ARG(text));
}

static void on_timer(struct timer *timer)
{
    struct replica *replica = container_of(timer, struct replica, timer);

    switch (replica->view.state) {
    case REPLICA_CREATING:
    case REPLICA_STARTING:
        /* A call that is broken off may leave a container behind that nobody
         * knows; it ends by its own time-out. */
        replica->start_timed_out = true;
        break;
    case REPLICA_PROBING:
        fail_by_timeout(replica);
        break;
    case REPLICA_DRAINING:
        enter_stopping(replica, "requests were still open after drain_timeout");
        break;
    default:
        break; /* no timer runs in other states */
    }
}

/* --- ready --- */

static void log_ready(const struct replica *replica)
{
    const struct replica_view *view = &replica->view;
    const struct replica_phases *phases = &view->phases;

    if (view->is_adopted) {
        log_info("replica", "replica adopted",
                 "app=%s replica=%s container=%.12s", app_name(replica),
                 view->name, view->container_id);
        return;
    }
    log_info("replica", "replica ready",
             "app=%s replica=%s container=%.12s took_ms=%.1f queue_ms=%.1f "
             "pull_ms=%.1f create_ms=%.1f start_ms=%.1f boot_ms=%.1f "
             "ready_ms=%.1f",
             app_name(replica), view->name, view->container_id,
             (double)phases->total_us / 1e3, (double)phases->queue_us / 1e3,
             (double)phases->pull_us / 1e3, (double)phases->create_us / 1e3,
             (double)phases->start_us / 1e3, (double)phases->boot_us / 1e3,
             (double)phases->ready_us / 1e3);
}

void replica_on_ready(struct replica *replica, uint64_t boot_us,
                      uint64_t ready_us)
{
    struct replica_phases *phases = &replica->view.phases;

    if (replica->view.state != REPLICA_PROBING)
        return;
    timer_stop(&replica->timer);
    phases->boot_us = boot_us;
    phases->ready_us = ready_us;
    phases->total_us = clock_now_us() - replica->began_us;
    replica->view.probe_text[0] = '\0';
    replica->view.ready_at_us = clock_now_us();
    log_ready(replica);
    set_state(replica, REPLICA_READY, "its ready check passed");
}

static void on_inspected(void *arg, const struct engine_container *container,
                         const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    if (err && err->code == ERR_NOT_FOUND)
        replica_on_died(replica, -1);
    else if (!err && !container->is_running)
        replica_on_died(replica, container->exit_code);
}

void replica_on_broken(struct replica *replica, struct strview text)
{
    log_debug("replica", "a connection to it broke",
              "app=%s replica=%s reason=\"%.*s\"", app_name(replica),
              replica->view.name, SV_ARG(text));
    /* Where its process is held, its end is known in the same moment. */
    if (replica->view.state != REPLICA_READY || replica->handle ||
        replica->call || replica->view.is_external)
        return;
    replica->call =
        engine_inspect(replica->host->engine, replica->view.container_id,
                       on_inspected, replica);
}

/* --- draining --- */

void replica_leave(struct replica *replica, const char *why)
{
    switch (replica->view.state) {
    case REPLICA_PULLING:
        image_want_cancel(&replica->want);
        set_state(replica, REPLICA_GONE, why);
        break;
    case REPLICA_CREATING:
        if (replica->call) {
            replica->leave_asked = true;
            break;
        }
        start_ticket_return(&replica->ticket);
        set_state(replica, REPLICA_GONE, why);
        break;
    case REPLICA_STARTING:
        replica->leave_asked = true;
        break;
    case REPLICA_PROBING:
        enter_stopping(replica, why);
        break;
    case REPLICA_READY:
        timer_start(replica->host->timers, &replica->timer,
                    replica->app->app->drain_timeout_ms);
        set_state(replica, REPLICA_DRAINING, why);
        break;
    default:
        break; /* on its way out already */
    }
}

void replica_resume(struct replica *replica, const char *why)
{
    if (replica->view.state != REPLICA_DRAINING)
        return;
    timer_stop(&replica->timer);
    set_state(replica, REPLICA_READY, why);
}

void replica_on_drained(struct replica *replica)
{
    if (replica->view.state == REPLICA_DRAINING)
        enter_stopping(replica, replica->view.reason);
}

/* --- stopping --- */

static void leave_for_good(struct replica *replica, const char *why)
{
    engine_release(&replica->handle);
    if (!replica->view.is_external)
        socket_dir_remove(replica->host->state_dir, replica->container_name);
    set_state(replica, REPLICA_GONE, why);
}

static void on_removed(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    if (err) /* the next list finds it as a stray */
        log_warn("replica", "its container could not be removed now",
                 "app=%s replica=%s container=%.12s reason=\"%s\"",
                 app_name(replica), replica->view.name,
                 replica->view.container_id, err->text);
    leave_for_good(replica, err ? "its container will be removed later"
                                : "its container is removed");
}

static void remove_container(struct replica *replica)
{
    replica->call = engine_remove(
        replica->host->engine, replica->view.container_id, on_removed, replica);
}

static void on_stopped(void *arg, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    if (err)
        log_warn("replica", "its container could not be stopped; removing it",
                 "app=%s replica=%s container=%.12s reason=\"%s\"",
                 app_name(replica), replica->view.name,
                 replica->view.container_id, err->text);
    remove_container(replica);
}

static void enter_stopping(struct replica *replica, const char *why)
{
    timer_stop(&replica->timer);
    start_ticket_return(&replica->ticket);
    engine_cancel(&replica->call); /* an inspect at most */
    set_state(replica, REPLICA_STOPPING, why);
    if (replica->container.is_running)
        replica->call = engine_stop(
            replica->host->engine, replica->view.container_id,
            replica->app->container.stop_timeout_ms, on_stopped, replica);
    else
        remove_container(replica);
}

/* --- failed --- */

static void report(struct replica *replica, struct strview log)
{
    struct replica_failure *failure = &replica->failure;

    snprintf(failure->reason, sizeof failure->reason, "%s",
             replica->view.reason);
    failure->log = log;
    log_warn("replica", failure->was_ready ? "replica crashed" : "start failed",
             "app=%s replica=%s code=%s reason=\"%s\" last_lines=\"%.*s\"",
             app_name(replica), replica->view.name, failure->code,
             failure->reason, SV_ARG(log));
    replica->owner.on_failed(replica->owner.arg, replica, failure);
}

static void on_logs(void *arg, struct strview text, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    report(replica, err ? SV("") : text);
    remove_container(replica);
}

static void fetch_logs(struct replica *replica)
{
    replica->call =
        engine_logs(replica->host->engine, replica->view.container_id,
                    LOG_TAIL_LINES, LOG_MAX_BYTES, on_logs, replica);
}

static void describe_exit(struct replica *replica, int exit_code)
{
    char *reason = replica->view.reason;
    size_t size = sizeof replica->view.reason;
    const char *when = replica->failure.was_ready ? "" : " before it was ready";

    if (exit_code < 0)
        snprintf(reason, size, "ended%s", when);
    else if (exit_code > 128 && exit_code < 128 + 65)
        snprintf(reason, size, "killed by signal %d (%s)%s", exit_code - 128,
                 strsignal(exit_code - 128), when);
    else
        snprintf(reason, size, "exited with code %d%s", exit_code, when);
}

static void on_waited(void *arg, const struct engine_container *container,
                      const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (is_cancelled(err))
        return;
    if (!err)
        describe_exit(replica, container->exit_code);
    fetch_logs(replica);
}

static void enter_failed(struct replica *replica, const char *code,
                         bool is_permanent, const char *why)
{
    enum replica_state before = replica->view.state;

    timer_stop(&replica->timer);
    image_want_cancel(&replica->want);
    start_ticket_return(&replica->ticket);
    engine_cancel(&replica->call);
    replica->failure.code = code;
    replica->failure.is_permanent = is_permanent;
    replica->failure.was_ready =
        before == REPLICA_READY || before == REPLICA_DRAINING;
    if (!replica->failure.was_ready)
        replica->view.phases.total_us = clock_now_us() - replica->began_us;
    set_state(replica, REPLICA_FAILED, why);
    if (!replica->view.container_id[0]) {
        report(replica, SV(""));
        leave_for_good(replica, "no container was made");
    } else if (replica->exit_code_is_wanted) {
        replica->call =
            engine_wait(replica->host->engine, replica->view.container_id,
                        on_waited, replica);
    } else {
        fetch_logs(replica);
    }
}

static void fail(struct replica *replica, const char *code, bool is_permanent,
                 const char *format, ...)
{
    char why[ERR_TEXT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    enter_failed(replica, code, is_permanent, why);
}

static void fail_by_exit(struct replica *replica, int exit_code)
{
    bool was_ready = replica->view.state == REPLICA_READY ||
                     replica->view.state == REPLICA_DRAINING;

    enter_failed(replica, was_ready ? "crashed" : "start_failed", false,
                 "its process ended");
    if (exit_code >= 0)
        describe_exit(replica, exit_code);
}

void replica_on_died(struct replica *replica, int exit_code)
{
    if (replica_is_announced(replica) && !replica->view.is_external)
        fail_by_exit(replica, exit_code);
}

/* --- made, taken, forgotten --- */

static struct replica *replica_new(const struct replica_host *host,
                                   const struct keeper_app *app, uint64_t id,
                                   const struct replica_owner *owner)
{
    struct replica *replica = xcalloc(1, sizeof *replica);
    struct replica_view *view = &replica->view;

    replica->host = host;
    replica->app = app;
    replica->owner = *owner;
    replica->want.on_image = on_image;
    replica->want.on_retry = on_image_retry;
    replica->ticket.on_turn = on_turn;
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

struct replica *replica_start(const struct replica_host *host,
                              const struct keeper_app *app, uint64_t id,
                              bool is_urgent, const struct replica_owner *owner)
{
    struct replica *replica = replica_new(host, app, id, owner);

    replica->view.state = REPLICA_PULLING;
    replica->is_urgent = is_urgent;
    snprintf(replica->view.reason, sizeof replica->view.reason, "%s",
             is_urgent ? "a request waits for it" : "it shall be ready");
    log_info("replica", "replica begins", "app=%s replica=%s reason=\"%s\"",
             app->app->name, replica->view.name, replica->view.reason);
    image_store_ensure(host->images, &app->container, &replica->want);
    return replica;
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
    view->state = REPLICA_PROBING;
    view->is_adopted = true;
    view->pid = container->pid;
    snprintf(view->container_id, sizeof view->container_id, "%s",
             container->id);
    snprintf(view->revision, sizeof view->revision, "%.64s",
             container->revision);
    snprintf(view->reason, sizeof view->reason, "%s",
             "found running; its ready check decides");
    if (!replica_reach_find(host, &app->container, container, &view->reach,
                            err) ||
        !attach(replica, err)) {
        replica_free(&replica);
        return NULL;
    }
    timer_start(host->timers, &replica->timer, app->app->start_timeout_ms);
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
    engine_release(&replica->handle);
    free(replica->view.reach.socket_path);
    free(replica->view.name);
    free(replica->container_name);
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
    return replica->view.state <= REPLICA_PROBING;
}

bool replica_is_announced(const struct replica *replica)
{
    return replica->view.state == REPLICA_PROBING ||
           replica->view.state == REPLICA_READY ||
           replica->view.state == REPLICA_DRAINING;
}

bool replica_is_held(const struct replica *replica)
{
    return replica->handle != NULL;
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
    if (reach->connect == CONNECT_INSIDE)
        return engine_sockets(replica->handle, family, count, ret_fds, err)
                   ? count
                   : 0;
    while (made < count &&
           unix_connect(reach->socket_path, &ret_fds[made], err))
        made++;
    return made;
}
