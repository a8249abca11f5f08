/* adopt.h - what berth finds running when it starts, or when Podman is back:
 * which containers go on serving, which are removed.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_ADOPT_H
#define LIFECYCLE_ADOPT_H

#include <stdbool.h>

#include "lifecycle/engine.h"
#include "lifecycle/fleet_app.h"
#include "lifecycle/image_store.h"
#include "router/base/attr.h"
#include "router/base/list.h"

/* NULL: it may be adopted: it serves on, until the app's revision does where
 * its own is an older one. Otherwise why it is to be removed. app: the
 * configured app that its label names, or NULL.
 */
const char *adopt_refusal(const struct fleet_app *app,
                          const struct engine_container *container);

struct adopter; /* opaque; defined in adopt.c */

/* on_idle: nothing is looked at or removed any more (may come several times).
 * Borrows all. */
MUST_USE struct adopter *adopter_new(struct fleet_host *host,
                                     void (*on_idle)(void *arg), void *arg);
/* What is under way is broken off. NULL is skipped. */
void adopter_free(struct adopter **adopter);
bool adopter_is_idle(const struct adopter *adopter);

/* See whether `app` can use it (the app's image is looked up, for its
 * revision); if not, or where app is NULL, stop and remove it. */
void adopter_take(struct adopter *adopter, struct fleet_app *app,
                  const struct engine_container *container);

#endif
