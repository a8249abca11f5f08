/* replica_start.c - from nothing to a container that runs and is probed. */
#include "lifecycle/replica_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lifecycle/fleet_place.h"
#include "lifecycle/replica_reach.h"
#include "lifecycle/revision.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"

#define DEFAULT_PORT 8000U

/* --- pulling --- */

static void enter_creating(struct replica *replica);

static bool cannot_help_itself(const struct err *err)
{
    return err->code == ERR_NOT_FOUND || err->code == ERR_DENIED ||
           err->code == ERR_INVALID;
}

void replica_ask_for_image(struct replica *replica)
{
    const struct container_settings *container = &replica->app->container;

    replica->looks_only = replica->is_priming;
    if (replica->looks_only)
        image_store_find(replica->host->images, container, &replica->want);
    else
        image_store_ensure(replica->host->images, container, &replica->want);
}

/* To prime one, nothing is pulled; but a request may have come for it. */
static void on_image_not_here(struct replica *replica)
{
    if (replica->is_priming)
        replica_set_state(replica, REPLICA_GONE, "its image is not here");
    else
        replica_ask_for_image(replica);
}

/* All replicas of a revision are made of the same, so this one may not be of
 * what its image's name means by now. */
static bool is_of_its_revision(struct replica *replica,
                               const struct image_answer *answer)
{
    enum replica_content content = CONTENT_WHAT_IT_WAS;

    revision_compute(&replica->app->container, answer->content_id,
                     replica->view.revision);
    if (replica->owner.on_content)
        content =
            replica->owner.on_content(replica->owner.arg, replica, answer);
    if (content == CONTENT_OF_ANOTHER)
        replica_set_state(replica, REPLICA_GONE,
                          "its image's name means another image by now");
    else if (content == CONTENT_LOST)
        replica_fail(replica, "start_failed", false,
                     "image %s: what its revision was made of is not here any "
                     "more",
                     replica->app->container.image);
    return content == CONTENT_WHAT_IT_WAS;
}

void replica_on_image(struct image_want *want,
                      const struct image_answer *answer, const struct err *err)
{
    struct replica *replica = container_of(want, struct replica, want);

    if (err && err->code == ERR_NOT_FOUND && replica->looks_only) {
        on_image_not_here(replica);
        return;
    }
    replica->view.phases.pull_us += replica_end_phase(replica);
    if (err) {
        replica_fail(replica, "start_failed", cannot_help_itself(err), "%s",
                     err->text);
        return;
    }
    replica->view.from = answer->was_pulled ? RUNG_ABSENT : RUNG_PULLED;
    if (!is_of_its_revision(replica, answer))
        return;
    free(replica->made_of);
    replica->made_of = xcalloc(1, sizeof *replica->made_of);
    *replica->made_of = *answer;
    enter_creating(replica);
}

void replica_on_image_retry(struct image_want *want, const struct err *err,
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

/* What was known to be here is not any more (`podman image prune`): its name
 * may still mean the same, or the registry have it. */
static bool looks_again(struct replica *replica, const struct err *err)
{
    if (err->code != ERR_NOT_FOUND || !replica->want.known ||
        replica->leave_asked)
        return false;
    log_info("replica", "its image is not here any more; looking for it",
             "app=%s replica=%s reason=\"%s\"", replica_app_name(replica),
             replica->view.name, err->text);
    replica->want.known = NULL;
    timer_stop(&replica->timer); /* a pull is no part of start_timeout */
    start_ticket_return(&replica->ticket);
    replica_ask_for_image(replica);
    return true;
}

static void on_created(void *arg, const char *id, const struct err *err)
{
    struct replica *replica = arg;

    replica->call = NULL;
    if (replica_call_is_cancelled(err))
        return;
    replica->view.phases.create_us += replica_end_phase(replica);
    if (err && looks_again(replica, err))
        return;
    if (err) {
        /* A name that is taken, an image that went, an engine that is away:
         * the next try may do better. What is wrong with the settings stays
         * wrong. */
        replica_fail(replica, "start_failed",
                     err->code == ERR_INVALID || err->code == ERR_FAILED ||
                         err->code == ERR_DENIED,
                     "its container could not be created: %s", err->text);
        return;
    }
    snprintf(replica->view.container_id, sizeof replica->view.container_id,
             "%s", id);
    free(TAKE(replica->made_of));
    if (replica->leave_asked)
        replica_stop_now(replica, "not wanted any more");
    else if (replica->is_priming || !replica_has_room(replica))
        replica_initialise(replica);
    else
        replica_enter_starting(replica);
}

/* By its id: so it is this one, whatever its name means now. NULL: by name. */
static const char *image_of(const struct engine_image *image,
                            const char *made_from)
{
    if (made_from[0])
        return made_from;
    return image->id[0] ? image->id : NULL;
}

static void create(struct replica *replica)
{
    const struct container_settings *container = &replica->app->container;
    const struct image_answer *made_of = replica->made_of;
    const char *sidecar_images[CONTAINER_SIDECARS_MAX];
    char id[24];
    struct engine_spec spec = {
        .container = container,
        .image = image_of(&made_of->image, made_of->made_from),
        .sidecar_images = sidecar_images,
        .ready_timeout_ms = replica->app->app->start_timeout_ms,
        .labels = {.namespace_name = sv_of(replica->host->namespace_name),
                   .app = sv_of(replica_app_name(replica)),
                   .revision = sv_of(replica->view.revision)},
        .name = replica->container_name,
        .reserved = replica->reserved,
        .devices = (const char *const *)replica->devices,
        .port = container->port
                    ? container->port
                    : (made_of->image.exposed_port ? made_of->image.exposed_port
                                                   : DEFAULT_PORT),
    };
    AUTO(auto_free) char *socket_dir = NULL;
    struct err err;

    for (uint32_t i = 0; i < CONTAINER_SIDECARS_MAX; i++)
        sidecar_images[i] = image_of(&made_of->sidecar_images[i],
                                     made_of->sidecars_made_from[i]);
    replica->view.phases.queue_us += replica_end_phase(replica);
    timer_start(replica->host->timers, &replica->timer,
                replica->app->app->start_timeout_ms);
    snprintf(id, sizeof id, "%" PRIu64, replica->view.id);
    spec.labels.replica = sv_of(id);
    if (!replica_reach_choose(replica->host, container, &spec, &socket_dir,
                              &replica->view.reach, &err)) {
        replica_fail(replica, "start_failed", cannot_help_itself(&err), "%s",
                     err.text);
        return;
    }
    replica->port = spec.port;
    replica->call =
        engine_create(replica->host->engine, &spec, on_created, replica);
}

void replica_on_turn(struct start_ticket *ticket)
{
    struct replica *replica = container_of(ticket, struct replica, ticket);

    if (replica->view.state == REPLICA_PRIMED)
        replica_start_primed(replica);
    else
        create(replica);
}

static void enter_start_queue(struct replica *replica)
{
    if (start_queue_enter(replica->host->starts, &replica->ticket,
                          replica->is_urgent))
        create(replica);
}

static void enter_creating(struct replica *replica)
{
    if (replica->view.state == REPLICA_PULLING) /* else it looked again */
        replica_set_state(replica, REPLICA_CREATING,
                          replica->view.from == RUNG_ABSENT
                              ? "its image was pulled"
                              : "its image is here");
    if (replica->is_priming || replica_has_room(replica))
        enter_start_queue(replica);
}

bool replica_has_room(struct replica *replica)
{
    if (!replica->owner.on_room_wanted || replica->has_room)
        return true;
    replica->owner.on_room_wanted(replica->owner.arg, replica);
    return false;
}

/* What its container gets when it is made; later it has what it has. */
static void take_room(struct replica *replica, const struct fleet_room *room)
{
    unsigned count = 0;

    replica->has_room = true;
    if (room->waited_us > 0)
        replica->view.phases.evict_us = replica_end_phase(replica);
    if (replica->view.container_id[0] || replica->call)
        return;
    while (room->devices[count])
        count++;
    if (count > 0)
        replica->devices = xcalloc(count + 1U, sizeof *replica->devices);
    for (unsigned i = 0; i < count; i++)
        replica->devices[i] = xstrdup(room->devices[i]);
    replica->reserved = xstrdup(room->label);
}

void replica_on_room(struct replica *replica, const struct fleet_room *room)
{
    take_room(replica, room);
    if (replica->call || replica->ticket.queue ||
        list_is_linked(&replica->want.node))
        return; /* it goes on when that has come to its end */
    if (replica->view.state == REPLICA_CREATING)
        enter_start_queue(replica);
    else if (replica->view.state == REPLICA_PRIMED &&
             start_queue_enter(replica->host->starts, &replica->ticket,
                               replica->is_urgent))
        replica_start_primed(replica);
}

/* --- starting --- */

static void enter_probing(struct replica *replica);

static void on_exit_of_container(void *arg)
{
    struct replica *replica = arg;

    replica->oom_kills = engine_oom_kills(replica->handle);
    engine_release(&replica->handle); /* which ends its calls */
    if (replica->is_thawing_to_stop) {
        replica->is_thawing_to_stop = false;
        replica_stop_container(replica);
    } else if (replica->view.state == REPLICA_PRIMED) {
        replica_on_primed_end(replica);
    } else if (replica_is_announced(replica)) {
        replica->exit_code_is_wanted = true;
        replica_fail_by_exit(replica, -1);
    }
}

/* Hold what runs now. false: it has ended already. */
bool replica_attach(struct replica *replica, struct err *err)
{
    replica->handle = engine_attach(replica->host->engine, &replica->container,
                                    on_exit_of_container, replica, err);
    if (replica->handle)
        return true;
    /* Without it, its end is seen by the engine's events only. */
    if (err->code == ERR_DENIED && !replica->container.inside) {
        log_warn("replica", "cannot watch the container's process",
                 "app=%s replica=%s reason=\"%s\"", replica_app_name(replica),
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
    if (replica_call_is_cancelled(err))
        return;
    replica->view.phases.start_us = replica_end_phase(replica);
    start_ticket_return(&replica->ticket);
    if (container)
        replica->container = *container;
    if (err && container && !container->is_running) {
        replica_fail_by_exit(replica, container->exit_code);
    } else if (err) {
        replica_fail(replica, "start_failed", false,
                     "its container could not be started: %s", err->text);
    } else if (replica->leave_asked) {
        replica_stop_now(replica, "not wanted any more");
    } else if (replica_attach(replica, &attach_err)) {
        enter_probing(replica);
    } else if (attach_err.code == ERR_NOT_FOUND) {
        replica->exit_code_is_wanted = true;
        replica_fail_by_exit(replica, -1);
    } else {
        replica_fail(replica, "start_failed", true, "%s", attach_err.text);
    }
}

void replica_enter_starting(struct replica *replica)
{
    replica_set_state(replica, REPLICA_STARTING,
                      replica->view.state == REPLICA_PRIMED
                          ? "its container is primed"
                          : "its container was made");
    replica->call = engine_start(
        replica->host->engine, replica->view.container_id, on_started, replica);
}

void replica_start_primed(struct replica *replica)
{
    replica->view.phases.queue_us = replica_end_phase(replica);
    timer_start(replica->host->timers, &replica->timer,
                replica->app->app->start_timeout_ms);
    engine_release(&replica->handle); /* held anew when it runs */
    replica_enter_starting(replica);
}

/* --- probing --- */

/* What the app is to listen on, as a question to whoever reads it. */
static void ask_where_it_listens(const struct replica *replica, char *ret_text,
                                 size_t size)
{
    const struct replica_reach *reach = &replica->view.reach;

    if (reach->connect == CONNECT_KEEPER)
        snprintf(ret_text, size,
                 "; does it make and listen on the socket that $BERTH_SOCKET "
                 "names?");
    else
        snprintf(ret_text, size,
                 "; does it listen on port %u, as $PORT tells it?",
                 replica->port);
}

static void fail_by_timeout(struct replica *replica)
{
    const struct replica_view *view = &replica->view;
    char limit[32];
    char question[128] = "";

    clock_format_duration(replica->app->app->start_timeout_ms, limit,
                          sizeof limit);
    if (!replica->ready_line)
        ask_where_it_listens(replica, question, sizeof question);
    replica_fail(replica, "start_timeout", false,
                 "did not become ready within %s (start_timeout)%s%s%s", limit,
                 view->probe_text[0] ? ": " : "", view->probe_text, question);
}

static void on_line(void *arg)
{
    struct replica *replica = arg;

    ready_line_free(&replica->ready_line);
    replica->view.phases.boot_us = replica_end_phase(replica);
    replica->view.probe_text[0] = '\0';
    log_info("replica", "the line that it waited for is in its log",
             "app=%s replica=%s", replica_app_name(replica),
             replica->view.name);
    replica->owner.on_line(replica->owner.arg, replica);
}

static void on_line_status(void *arg, const char *text)
{
    struct replica *replica = arg;

    replica_on_probe_status(replica, sv_of(text));
}

/* Before it is PROBING: then the front would be told. */
static void await_line(struct replica *replica)
{
    const struct ready_check *check = &replica->app->app->ready_check;
    const struct ready_line_events events = {on_line, on_line_status, replica};

    if (check->kind != CHECK_LOG)
        return;
    replica->ready_line =
        ready_line_new(replica->host->engine, replica->host->timers,
                       replica->view.container_id, check->pattern, &events);
    snprintf(replica->view.probe_text, sizeof replica->view.probe_text,
             "no line of its log matches %.200s", check->pattern);
}

static void enter_probing(struct replica *replica)
{
    await_line(replica);
    replica->view.pid = replica->container.pid;
    replica_reach_complete(&replica->container, &replica->view.reach);
    replica_set_state(replica, REPLICA_PROBING, "its container runs");
    if (replica->start_timed_out)
        fail_by_timeout(replica);
}

void replica_on_probe_status(struct replica *replica, struct strview text)
{
    if (replica->view.state == REPLICA_PROBING)
        snprintf(replica->view.probe_text, sizeof replica->view.probe_text,
                 "%.*s", SV_ARG(text));
}

void replica_on_start_timeout(struct replica *replica)
{
    /* A call that is broken off may leave a container behind that nobody
     * knows: it ends by its own time-out. */
    if (replica->view.state == REPLICA_PROBING)
        fail_by_timeout(replica);
    else
        replica->start_timed_out = true;
}
