/* adopt.c - which of the containers that are found go on serving. */
#include "lifecycle/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle/container_limits.h"
#include "lifecycle/fleet_replicas.h"
#include "lifecycle/revision.h"
#include "router/base/alloc.h"
#include "router/base/log.h"

#define STRAY_STOP_TIMEOUT_MS 10000

/* One container that is looked at, or removed. */
struct candidate {
    struct list node;
    struct adopter *adopter;
    struct fleet_app *app;         /* NULL: of no app */
    struct app_revision *revision; /* whose content is looked up */
    struct engine_container container;
    struct image_want want;
    struct engine_call *call;
};

struct adopter {
    struct fleet_host *host;
    struct list candidates;
    void (*on_idle)(void *arg);
    void *arg;
};

/* How many primed ones are taken over. */
static uint32_t primed_max(const struct fleet_app *app)
{
    const struct warmth_settings *warmth = &app->settings->app->warmth;

    return warmth->keep_primed_auto ? 1 : warmth->keep_primed;
}

const char *adopt_refusal(const struct fleet_app *app,
                          const struct engine_container *container)
{
    struct fleet_app_counts counts;

    if (!app)
        return "its app is not configured any more";
    if (!app->settings->container.image)
        return "its app runs elsewhere now (upstream)";
    if (container->replica == 0 || container->revision[0] == '\0')
        return "its label names no replica";
    fleet_app_count(app, &counts);
    if (container->is_primed)
        return counts.primed < primed_max(app) ? NULL : "it is primed in vain";
    if (!container->is_running)
        return "it does not run";
    if (counts.starting + counts.ready + counts.asleep >=
        app->settings->app->replicas_max)
        return "its app has all the replicas that it may have";
    return NULL;
}

struct adopter *adopter_new(struct fleet_host *host, void (*on_idle)(void *arg),
                            void *arg)
{
    struct adopter *adopter = xcalloc(1, sizeof *adopter);

    adopter->host = host;
    adopter->on_idle = on_idle;
    adopter->arg = arg;
    list_init(&adopter->candidates);
    return adopter;
}

static void candidate_free(struct candidate *candidate)
{
    list_remove(&candidate->node);
    image_want_cancel(&candidate->want);
    app_revision_unref(&candidate->revision);
    free(candidate);
}

void adopter_free(struct adopter **adopter_ptr)
{
    struct adopter *adopter = *adopter_ptr;

    if (!adopter)
        return;
    LIST_FOREACH_SAFE (&adopter->candidates, node) {
        struct candidate *candidate =
            container_of(node, struct candidate, node);

        engine_cancel(&candidate->call);
        candidate_free(candidate);
    }
    free(adopter);
    *adopter_ptr = NULL;
}

bool adopter_is_idle(const struct adopter *adopter)
{
    return list_is_empty(&adopter->candidates);
}

static void finish(struct candidate *candidate)
{
    struct adopter *adopter = candidate->adopter;

    candidate_free(candidate);
    if (adopter_is_idle(adopter))
        adopter->on_idle(adopter->arg);
}

/* --- removing --- */

static void on_removed(void *arg, const struct err *err)
{
    struct candidate *candidate = arg;

    candidate->call = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    if (err) /* the next list finds it again */
        log_warn("adopt", "cannot remove a container",
                 "container=%.12s name=%s reason=\"%s\"",
                 candidate->container.id, candidate->container.name, err->text);
    else
        fleet_place_container_gone(candidate->adopter->host->place,
                                   candidate->container.id);
    finish(candidate);
}

static void on_stopped(void *arg, const struct err *err)
{
    struct candidate *candidate = arg;

    candidate->call = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    candidate->call =
        engine_remove(candidate->adopter->host->replicas.engine,
                      candidate->container.id, on_removed, candidate);
}

static void remove_candidate(struct candidate *candidate, const char *why)
{
    struct engine *engine = candidate->adopter->host->replicas.engine;
    uint64_t timeout_ms = STRAY_STOP_TIMEOUT_MS;

    log_notice("adopt", "removing a container that is not wanted",
               "container=%.12s name=%s app=%s reason=\"%s\"",
               candidate->container.id, candidate->container.name,
               candidate->container.app, why);
    if (candidate->app && candidate->app->settings->container.image)
        timeout_ms = candidate->app->settings->container.stop_timeout_ms;
    fleet_place_found(candidate->adopter->host->place, NULL,
                      &candidate->container);
    candidate->call = candidate->container.is_running
                          ? engine_stop(engine, candidate->container.id,
                                        timeout_ms, on_stopped, candidate)
                          : engine_remove(engine, candidate->container.id,
                                          on_removed, candidate);
}

/* --- adopting --- */

static void on_image(struct image_want *want, const struct image_answer *answer,
                     const struct err *err)
{
    struct candidate *candidate = container_of(want, struct candidate, want);
    struct fleet_app *app = candidate->app;
    const char *refusal;
    struct err adopt_err;

    app->adopting--;
    fleet_app_decide_soon(app);
    if (err && err->code != ERR_NOT_FOUND) {
        /* The engine went away: it is listed anew when it is back. */
        log_warn("adopt", "cannot look up the image of a container",
                 "container=%.12s app=%s reason=\"%s\"",
                 candidate->container.id, app->settings->app->name, err->text);
        finish(candidate);
        return;
    }
    /* Without it, the container is of an older revision, if of any. */
    if (!err && candidate->revision->hex[0] == '\0')
        revision_compute(&candidate->revision->app.container,
                         answer->content_id, candidate->revision->hex);
    refusal = adopt_refusal(app, &candidate->container);
    if (!refusal && candidate->container.is_primed &&
        strcmp(app->revision->hex, candidate->container.revision) != 0)
        refusal = "it is primed, of another revision";
    if (!refusal && candidate->container.is_primed &&
        !container_limits_fit(&candidate->container.limits,
                              &app->settings->container))
        refusal = "it is primed, with other limits";
    if (refusal)
        remove_candidate(candidate, refusal);
    else if (!fleet_replicas_adopt(app, &candidate->container, &adopt_err))
        remove_candidate(candidate, adopt_err.text);
    else
        finish(candidate);
}

static bool is_known(const struct adopter *adopter, const char *id)
{
    LIST_FOREACH (&adopter->candidates, node) {
        const struct candidate *candidate =
            container_of(node, struct candidate, node);

        if (strcmp(candidate->container.id, id) == 0)
            return true;
    }
    return false;
}

void adopter_take(struct adopter *adopter, struct fleet_app *app,
                  const struct engine_container *container)
{
    struct candidate *candidate;
    const char *refusal = adopt_refusal(app, container);

    if (is_known(adopter, container->id))
        return;
    candidate = xcalloc(1, sizeof *candidate);
    candidate->adopter = adopter;
    candidate->app = app;
    candidate->container = *container;
    candidate->want.on_image = on_image;
    list_add_tail(&adopter->candidates, &candidate->node);
    if (refusal) {
        remove_candidate(candidate, refusal);
        return;
    }
    /* From now on: nothing may start in its place while it is looked at. */
    fleet_place_found(adopter->host->place, app, &candidate->container);
    app->adopting++;
    candidate->revision = app_revision_ref(app->revision);
    image_store_look(adopter->host->replicas.images,
                     &candidate->revision->app.container, &candidate->want);
}
