/* fleet_progress.h - how far starts are, told to the front for pages that wait
 * (`on_cold_start page`). Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_PROGRESS_H
#define LIFECYCLE_FLEET_PROGRESS_H

#include <stdint.h>

struct fleet_app;
struct image_store;

/* What was told last; zeroed: nothing. */
struct fleet_progress {
    const char *phase; /* a literal; NULL: nothing was told to this front */
    uint32_t layers_done;
    uint32_t layers_known;
    uint64_t bytes;
};

/* Tell the front (app->host->channel) where the app's start is, where that has
 * changed. Others than `on_cold_start page`: nothing happens. */
void fleet_progress_tell(struct fleet_app *app,
                         const struct image_store *images);

#endif
