/* app_revision.h - one version of an app as replicas are made from it: the
 * container's specification, which never changes, and beside it what does (the
 * app's settings, limits, times), which each reload brings up to date.
 *
 * Counted: it lives as long as a replica of it does, and so do the settings
 * that its texts are borrowed from. Thread: keeper main.
 */
#ifndef LIFECYCLE_APP_REVISION_H
#define LIFECYCLE_APP_REVISION_H

#include <stdbool.h>

#include "lifecycle/image_store.h"
#include "lifecycle/keeper_settings.h"
#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/digest.h"

struct app_revision {
    struct keeper_app app; /* what replicas point to; its place is for life */
    unsigned refs;
    /* The front prefers larger ones; 0: found, older than all that are made. */
    uint64_t serial;
    struct keeper_settings *app_from; /* whose app.app is */
    struct keeper_settings
        *container_from; /* whose app.container's texts are */
    /* Its name, once what `image` means was looked up; "" before. */
    char hex[DIGEST_HEX_SIZE];
    /* What that was then: all its replicas are made of it. */
    bool is_known;
    struct image_answer made_of; /* where is_known */
    /* Only its name is known, from the label of a container that was found:
     * none can be made of it, and app.container is a stand-in. */
    bool is_found;
    /* Tried by a roll-out that can go back: the front is told. */
    bool is_on_trial;
};

/* from: whose `app` is; NULL: whoever owns it outlives all. */
MUST_USE struct app_revision *app_revision_new(struct keeper_settings *from,
                                               const struct keeper_app *app);
/* Of a container that was found, whose label says `hex`; the rest is as in
 * `like`. */
MUST_USE struct app_revision *
app_revision_found(const struct app_revision *like, const char *hex);
struct app_revision *app_revision_ref(struct app_revision *revision);
/* *revision is NULL afterwards; NULL is skipped. */
void app_revision_unref(struct app_revision **revision);

/* The revision that a replica's settings are part of. */
struct app_revision *app_revision_of(const struct keeper_app *app);

/* Its name, and what it is made of, are known now. Copies. */
void app_revision_settle(struct app_revision *revision, const char *hex,
                         const struct image_answer *made_of);

/* Whether both settings make the same container, as far as can be known without
 * a look at the image. Upstream apps: always, they make none. */
bool app_revision_is_same(const struct keeper_app *a,
                          const struct keeper_app *b);
/* Whether a running container would have to be told: cpus, memory, pids. */
bool app_revision_same_limits(const struct keeper_app *a,
                              const struct keeper_app *b);

/* Take from `next` what containers are not made from: the app's settings,
 * limits, times. */
void app_revision_update(struct app_revision *revision,
                         struct keeper_settings *from,
                         const struct keeper_app *next);

#endif
