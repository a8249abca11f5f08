/* app_revision.c - one version of an app. */
#include "lifecycle/app_revision.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/revision.h"
#include "router/base/alloc.h"

struct app_revision *app_revision_new(struct keeper_settings *from,
                                      const struct keeper_app *app)
{
    struct app_revision *revision = xcalloc(1, sizeof *revision);

    revision->app = *app;
    revision->refs = 1;
    revision->app_from = keeper_settings_ref(from);
    revision->container_from = keeper_settings_ref(from);
    return revision;
}

struct app_revision *app_revision_found(const struct app_revision *like,
                                        const char *hex)
{
    struct app_revision *revision =
        app_revision_new(like->container_from, &like->app);

    keeper_settings_unref(&revision->app_from);
    revision->app_from = keeper_settings_ref(like->app_from);
    snprintf(revision->hex, sizeof revision->hex, "%s", hex);
    revision->is_found = true;
    return revision;
}

struct app_revision *app_revision_ref(struct app_revision *revision)
{
    revision->refs++;
    return revision;
}

void app_revision_unref(struct app_revision **revision_ptr)
{
    struct app_revision *revision = TAKE(*revision_ptr);

    if (!revision)
        return;
    assert(revision->refs > 0);
    if (--revision->refs > 0)
        return;
    keeper_settings_unref(&revision->app_from);
    keeper_settings_unref(&revision->container_from);
    free(revision);
}

struct app_revision *app_revision_of(const struct keeper_app *app)
{
    /* Replicas may not change what they are made from, their owner may. */
    return container_of((struct keeper_app *)(uintptr_t)app,
                        struct app_revision, app);
}

void app_revision_settle(struct app_revision *revision, const char *hex,
                         const struct image_answer *made_of)
{
    snprintf(revision->hex, sizeof revision->hex, "%s", hex);
    revision->made_of = *made_of;
    revision->is_known = true;
}

bool app_revision_is_same(const struct keeper_app *a,
                          const struct keeper_app *b)
{
    char hex_a[DIGEST_HEX_SIZE];
    char hex_b[DIGEST_HEX_SIZE];

    if (!a->container.image || !b->container.image)
        return !a->container.image && !b->container.image;
    revision_compute(&a->container, a->container.image, hex_a);
    revision_compute(&b->container, b->container.image, hex_b);
    return strcmp(hex_a, hex_b) == 0 &&
           container_setup_is_same(&a->container, &b->container);
}

bool app_revision_same_limits(const struct keeper_app *a,
                              const struct keeper_app *b)
{
    return a->container.cpu_millis == b->container.cpu_millis &&
           a->container.memory_bytes == b->container.memory_bytes &&
           a->container.pids == b->container.pids;
}

void app_revision_update(struct app_revision *revision,
                         struct keeper_settings *from,
                         const struct keeper_app *next)
{
    struct container_settings *container = &revision->app.container;
    struct keeper_settings *before = revision->app_from;

    revision->app.app = next->app;
    revision->app_from = keeper_settings_ref(from);
    keeper_settings_unref(&before);
    if (!revision->is_found && app_revision_is_same(&revision->app, next)) {
        before = revision->container_from;
        *container = next->container;
        revision->container_from = keeper_settings_ref(from);
        keeper_settings_unref(&before);
        return;
    }
    container->cpu_millis = next->container.cpu_millis;
    container->memory_bytes = next->container.memory_bytes;
    container->pids = next->container.pids;
    container->pull_policy = next->container.pull_policy;
    container->stop_timeout_ms = next->container.stop_timeout_ms;
    container->pull_timeout_ms = next->container.pull_timeout_ms;
}
