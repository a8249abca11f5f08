/* image_store.c - makes sure that all a container is made of is on this host.
 *
 * Each want goes through the same steps: the image, the layer, the secrets,
 * then the same for each sidecar by a want of its own, the answer.
 */
#include "lifecycle/image_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/sidecar_settings.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/digest.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/strbuf.h"
#include "router/base/wire.h"

struct image_store {
    struct loop *loop;
    struct engine *engine;
    struct image_pulls *pulls;
    struct setup_layers *layers;
    struct list wants; /* image_want.node */
};

struct image_store *image_store_new(struct loop *loop, struct timers *timers,
                                    struct engine *engine,
                                    const struct podman_settings *settings,
                                    const struct pulls_hooks *hooks)
{
    static const struct pulls_hooks none = {NULL, NULL};
    struct image_store *store = xcalloc(1, sizeof *store);

    store->loop = loop;
    store->engine = engine;
    list_init(&store->wants);
    store->pulls =
        image_pulls_new(loop, timers, engine, settings, hooks ? hooks : &none);
    store->layers = setup_layers_new(loop, timers, engine, settings);
    return store;
}

void image_store_free(struct image_store **store)
{
    if (!*store)
        return;
    assert(list_is_empty(&(*store)->wants));
    setup_layers_free(&(*store)->layers);
    image_pulls_free(&(*store)->pulls);
    free(*store);
    *store = NULL;
}

void image_store_renew(struct image_store *store,
                       const struct podman_settings *settings)
{
    image_pulls_renew(store->pulls, settings);
    setup_layers_renew(store->layers, settings);
}

void image_store_set_engine(struct image_store *store, struct engine *engine)
{
    store->engine = engine;
    image_pulls_set_engine(store->pulls, engine);
    setup_layers_set_engine(store->layers, engine);
}

/* --- the answer --- */

static bool ask_for_sidecar(struct image_want *want);

static void finish(struct image_want *want, const struct err *err)
{
    struct image_answer answer;

    if (!err && ask_for_sidecar(want))
        return;
    answer = want->answer;
    list_remove(&want->node);
    answer.took_us = clock_now_us() - want->began_us;
    want->on_image(want, err ? NULL : &answer, err);
}

/* What is put upon the image; the image alone is known by its own id. secrets:
 * their ids, a line each. */
static void name_content(struct image_want *want, struct strview secrets)
{
    const struct container_settings *container = want->container;
    struct image_answer *answer = &want->answer;
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;
    struct digest *digest;
    char hex[DIGEST_HEX_SIZE];

    if (container->secret_count == 0 && container->setup_count == 0) {
        memcpy(answer->content_id, answer->image.id, sizeof answer->image.id);
        return;
    }
    wire_put_str(&buf, answer->image.id);
    wire_put_str(&buf, container->setup_count ? want->setup_digest : NULL);
    wire_put_sv(&buf, secrets);
    digest = digest_new();
    digest_add(digest, buf.data, buf.len);
    digest_finish_hex(digest, hex);
    digest_free(&digest);
    memcpy(answer->content_id, hex, sizeof hex);
}

/* --- secrets --- */

static void on_secrets(void *arg, struct strview ids, const struct err *err)
{
    struct image_want *want = arg;

    want->secrets_call = NULL;
    if (err && err->code == ERR_CANCELLED)
        return;
    /* A container that runs was made with one that is gone now: it is of
     * another content, no worse. */
    if (err && !(want->mode == SETUP_LOOK && err->code == ERR_NOT_FOUND)) {
        finish(want, err);
        return;
    }
    name_content(want, err ? SV("") : ids);
    finish(want, NULL);
}

static void ask_for_secrets(struct image_want *want)
{
    const struct container_settings *container = want->container;
    const char **names;

    if (container->secret_count == 0) {
        name_content(want, SV(""));
        finish(want, NULL);
        return;
    }
    names = xcalloc(container->secret_count, sizeof *names);
    for (uint32_t i = 0; i < container->secret_count; i++)
        names[i] = container->secrets[i].name;
    want->secrets_call = engine_secrets(
        want->store->engine, names, container->secret_count, on_secrets, want);
    free(names);
}

/* --- setup --- */

/* What EXPOSE says is inherited from the image below, or said anew. */
static void on_layer(struct setup_want *setup,
                     const struct setup_answer *answer, const struct err *err)
{
    struct image_want *want = container_of(setup, struct image_want, setup);

    if (err) {
        struct err told = *err;

        err_prefix(&told, "setup of image %.200s", want->container->image);
        finish(want, &told);
        return;
    }
    memcpy(want->setup_digest, answer->digest, sizeof want->setup_digest);
    if (answer->tag[0]) {
        memcpy(want->answer.made_from, answer->tag,
               sizeof want->answer.made_from);
        want->answer.image.exposed_port = answer->image.exposed_port;
    }
    ask_for_secrets(want);
}

/* --- the image --- */

static void on_image(struct image_want *want, const struct engine_image *image)
{
    want->answer.image = *image;
    if (want->container->setup_count == 0) {
        ask_for_secrets(want);
        return;
    }
    want->setup.on_layer = on_layer;
    setup_layers_ask(want->store->layers, want->container, image->id,
                     want->mode, &want->setup);
}

static void on_pulled(struct pull_want *pull, const struct pull_answer *answer,
                      const struct err *err)
{
    struct image_want *want = container_of(pull, struct image_want, pull);

    if (err) {
        struct err told = *err;

        err_prefix(&told, "image %.512s", want->container->image);
        finish(want, &told);
        return;
    }
    want->answer.was_pulled = answer->is_new;
    on_image(want, &answer->image);
}

/* What is known is answered in the same turn, but never within the call. */
struct known_note {
    struct loop_task task;
    struct image_want *want; /* NULL: it was cancelled */
};

static void on_known(struct loop_task *task)
{
    struct known_note *note = container_of(task, struct known_note, task);
    struct image_want *want = note->want;

    free(note);
    if (!want)
        return;
    want->note = NULL;
    on_image(want, want->known_image);
}

static void answer_soon(struct image_want *want)
{
    want->note = xcalloc(1, sizeof *want->note);
    want->note->task.run = on_known;
    want->note->want = want;
    loop_defer(want->store->loop, &want->note->task);
}

static void on_retry(struct pull_want *pull, const struct err *err,
                     uint64_t delay_ms)
{
    struct image_want *want = container_of(pull, struct image_want, pull);

    if (want->on_retry)
        want->on_retry(want, err, delay_ms);
}

static void begin(struct image_store *store,
                  const struct container_settings *container,
                  const struct pull_ask *ask, enum setup_mode mode,
                  struct image_want *want)
{
    assert(!list_is_linked(&want->node));
    want->store = store;
    want->container = container;
    want->mode = mode;
    want->anew = ask->anew;
    want->sidecar_next = 0;
    want->began_us = clock_now_us();
    want->answer = (struct image_answer){.was_pulled = false};
    want->pull.on_pulled = on_pulled;
    want->pull.on_retry = on_retry;
    list_add_tail(&store->wants, &want->node);
    if (want->known_image)
        answer_soon(want);
    else
        image_pulls_ask(store->pulls, ask, &want->pull);
}

static const struct engine_image *known_image(const struct image_want *want)
{
    return want->known ? &want->known->image : NULL;
}

static struct pull_ask ask_of(const struct container_settings *container)
{
    return (struct pull_ask){.image = container->image,
                             .policy = container->pull_policy,
                             .timeout_ms = container->pull_timeout_ms};
}

void image_store_ensure(struct image_store *store,
                        const struct container_settings *container,
                        struct image_want *want)
{
    struct pull_ask ask = ask_of(container);

    want->known_image = known_image(want);
    begin(store, container, &ask, SETUP_ENSURE, want);
}

void image_store_pull(struct image_store *store,
                      const struct container_settings *container,
                      struct image_want *want)
{
    struct pull_ask ask = ask_of(container);

    ask.anew = true;
    want->known_image = NULL;
    begin(store, container, &ask, SETUP_ENSURE, want);
}

void image_store_look(struct image_store *store,
                      const struct container_settings *container,
                      struct image_want *want)
{
    struct pull_ask ask = ask_of(container);

    ask.look_only = true;
    want->known_image = NULL;
    begin(store, container, &ask, SETUP_LOOK, want);
}

void image_store_find(struct image_store *store,
                      const struct container_settings *container,
                      struct image_want *want)
{
    struct pull_ask ask = ask_of(container);

    ask.look_only = true;
    want->known_image = known_image(want);
    begin(store, container, &ask, SETUP_FIND, want);
}

/* --- sidecars --- */

struct sidecar_want {
    struct image_want want;
    struct image_want *app;
};

/* The content is that of all of them. */
static void add_content(struct image_answer *answer, const char *content_id)
{
    struct digest *digest = digest_new();
    char hex[DIGEST_HEX_SIZE];

    digest_add(digest, answer->content_id, strlen(answer->content_id) + 1);
    digest_add(digest, content_id, strlen(content_id) + 1);
    digest_finish_hex(digest, hex);
    digest_free(&digest);
    memcpy(answer->content_id, hex, sizeof hex);
}

static void on_sidecar_image(struct image_want *want,
                             const struct image_answer *answer,
                             const struct err *err)
{
    struct sidecar_want *sidecar =
        container_of(want, struct sidecar_want, want);
    struct image_want *app = sidecar->app;
    uint32_t index = app->sidecar_next++;
    struct err told;

    app->sidecar = NULL;
    if (err) {
        told = *err;
        free(sidecar);
        err_prefix(&told, "sidecar %s", app->container->sidecars[index].name);
        finish(app, &told);
        return;
    }
    add_content(&app->answer, answer->content_id);
    app->answer.was_pulled |= answer->was_pulled;
    app->answer.sidecar_images[index] = answer->image;
    memcpy(app->answer.sidecars_made_from[index], answer->made_from,
           sizeof answer->made_from);
    free(sidecar);
    finish(app, NULL);
}

static void on_sidecar_retry(struct image_want *want, const struct err *err,
                             uint64_t delay_ms)
{
    struct image_want *app = container_of(want, struct sidecar_want, want)->app;

    if (app->on_retry)
        app->on_retry(app, err, delay_ms);
}

/* false: there is none left to ask for. */
static bool ask_for_sidecar(struct image_want *want)
{
    const struct container_settings *container;
    struct pull_ask ask;

    if (want->sidecar_next >= want->container->sidecar_count)
        return false;
    container = &want->container->sidecars[want->sidecar_next].container;
    ask = ask_of(container);
    ask.look_only = want->mode != SETUP_ENSURE;
    ask.anew = want->anew;
    want->sidecar = xcalloc(1, sizeof *want->sidecar);
    want->sidecar->app = want;
    want->sidecar->want.on_image = on_sidecar_image;
    want->sidecar->want.on_retry = on_sidecar_retry;
    if (want->known_image)
        want->sidecar->want.known_image =
            &want->known->sidecar_images[want->sidecar_next];
    begin(want->store, container, &ask, want->mode, &want->sidecar->want);
    return true;
}

void image_want_cancel(struct image_want *want)
{
    if (!list_is_linked(&want->node))
        return;
    list_remove(&want->node);
    if (want->note)
        TAKE(want->note)->want = NULL;
    pull_want_cancel(&want->pull);
    setup_want_cancel(&want->setup);
    engine_cancel(&want->secrets_call);
    if (want->sidecar)
        image_want_cancel(&want->sidecar->want);
    free(TAKE(want->sidecar));
}

/* --- status --- */

void image_store_status(const struct image_store *store,
                        const struct container_settings *container,
                        struct pull_status *ret_status)
{
    image_pulls_status(store->pulls, container->image, ret_status);
}

bool image_store_is_here(const struct image_store *store,
                         const struct container_settings *container)
{
    return image_pulls_is_here(store->pulls, container->image);
}

static void describe_progress(const struct pull_status *status,
                              struct strbuf *ret_text)
{
    const struct engine_progress *progress = &status->progress;

    strbuf_printf(ret_text, "pulling: %u of %u layers", progress->layers_done,
                  progress->layers_known);
    if (progress->bytes > 0)
        strbuf_printf(ret_text, ", %.1f MB", (double)progress->bytes / 1e6);
}

void image_store_describe(const struct image_store *store,
                          const struct container_settings *container,
                          struct strbuf *ret_text)
{
    struct pull_status status;

    image_pulls_status(store->pulls, container->image, &status);
    switch (status.step) {
    case PULL_IDLE:
    case PULL_LOOKING:
        setup_layers_describe(store->layers, container, ret_text);
        break;
    case PULL_WAITS:
        strbuf_add_str(ret_text, "waiting for other pulls to end");
        break;
    case PULL_RUNS:
        describe_progress(&status, ret_text);
        break;
    case PULL_RETRIES:
        strbuf_printf(ret_text, "pull failed, trying again: %s", status.error);
        break;
    }
}
