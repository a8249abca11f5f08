/* app_progress.c - how far the start of an app is. */
#include "router/app_progress.h"

#include <string.h>

#include "router/app_locked.h"

static bool is_word(struct strview text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.ptr[i] < 'a' || text.ptr[i] > 'z') && text.ptr[i] != '_')
            return false;
    }
    return true;
}

void app_set_progress(struct app *app, struct strview phase,
                      uint32_t layers_done, uint32_t layers_known,
                      uint64_t bytes)
{
    struct app_progress progress = {.layers_done = layers_done,
                                    .layers_known = layers_known,
                                    .bytes = bytes};

    if (phase.len < sizeof progress.phase && is_word(phase))
        memcpy(progress.phase, phase.ptr, phase.len);
    mutex_lock(&app->lock);
    app->locked.progress = progress;
    mutex_unlock(&app->lock);
}

void app_follow(struct app *app, struct app_progress *ret_progress,
                enum app_state *ret_state, bool *ret_has_replica)
{
    mutex_lock(&app->lock);
    *ret_progress = app->locked.progress;
    *ret_state = app->locked.state;
    *ret_has_replica = false;
    LIST_FOREACH (&app->locked.replicas, it) {
        if (app_takes_requests(app_replica_of(it)->locked))
            *ret_has_replica = true;
    }
    mutex_unlock(&app->lock);
}

void app_knock(struct app *app)
{
    mutex_lock(&app->lock);
    app->locked.arrivals++;
    app->locked.refused++;
    app_post_demand(app);
    mutex_unlock(&app->lock);
}
