/* fleet_progress.c - how far starts are. */
#include "lifecycle/fleet_progress.h"

#include <string.h>

#include "lifecycle/fleet_app.h"
#include "lifecycle/image_store.h"
#include "router/channel.h"

/* As architecture.md names them; NULL: no state of a start. */
static const char *phase_of(enum replica_state state)
{
    switch (state) {
    case REPLICA_PULLING:
        return "pull";
    case REPLICA_CREATING:
        return "create";
    case REPLICA_STARTING:
        return "start";
    case REPLICA_PROBING:
        return "ready";
    default:
        return NULL;
    }
}

/* Of the replica that is farthest. */
static const char *phase_now(const struct fleet_app *app)
{
    enum replica_state farthest = REPLICA_GONE;
    const char *phase = NULL;

    LIST_FOREACH (&app->replicas, node) {
        enum replica_state state = replica_view(replica_of_node(node))->state;

        if (phase_of(state) && (!phase || state > farthest)) {
            farthest = state;
            phase = phase_of(state);
        }
    }
    if (!phase && app->place_wait.verdict != PLACEMENT_START)
        return "evict";
    if (!phase && app->state == APP_STARTING)
        return "queue";
    return phase ? phase : "";
}

void fleet_progress_tell(struct fleet_app *app,
                         const struct image_store *images)
{
    const struct keeper_app *settings = app->settings;
    struct fleet_progress now = {.phase = ""};
    struct pull_status pull;
    struct channel_app_progress message;

    if (settings->app->on_cold_start != COLD_START_PAGE || !app->host->channel)
        return;
    now.phase = phase_now(app);
    if (strcmp(now.phase, "pull") == 0) {
        image_store_status(images, &settings->container, &pull);
        now.layers_done = pull.progress.layers_done;
        now.layers_known = pull.progress.layers_known;
        now.bytes = pull.progress.bytes;
    }
    if (app->progress.phase && strcmp(app->progress.phase, now.phase) == 0 &&
        app->progress.layers_done == now.layers_done &&
        app->progress.layers_known == now.layers_known &&
        app->progress.bytes == now.bytes)
        return;
    app->progress = now;
    message = (struct channel_app_progress){app->id, sv_of(now.phase),
                                            now.layers_done, now.layers_known,
                                            now.bytes};
    channel_send_app_progress(app->host->channel, &message, NULL, 0);
}
