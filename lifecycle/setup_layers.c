/* setup_layers.c - the layers that `setup { }` puts upon images.
 *
 * A question goes to its recipe (the steps as they stand in the file), which
 * knows the digest of what they copy, and from there to the layer of that
 * digest and of the image below.
 */
#include "lifecycle/setup_layers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lifecycle/setup_files.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/timers.h"
#include "router/base/wire.h"

#define SWEEP_MS       5000U
#define SWEEP_AGAIN_MS 30000U

/* Steps, and what they copy. */
struct recipe {
    struct list node;
    struct setup_layers *layers;
    char key[DIGEST_HEX_SIZE]; /* of the steps' text */
    uint32_t step_count;
    struct setup_step *steps; /* a copy: a reload may free the original */
    struct setup_files *reading;
    bool is_stale; /* what is read may be older than the last reload */
    char digest[DIGEST_HEX_SIZE]; /* "": not read yet */
    struct list wants;            /* while it is read */
};

/* One image that is looked for or built; gone once all have their answer. */
struct layer {
    struct list node;
    struct recipe *recipe;
    char base[80];
    char digest[DIGEST_HEX_SIZE];
    char tag[160];
    uint64_t timeout_ms;
    uint64_t began_us;
    struct list wants;
    struct list turn_node; /* of layers->waiting */
    struct engine_call *call;
    struct setup_files *packing;
    uint32_t reloads; /* when somebody asked for it last */
    bool has_looked;  /* it is not there */
    bool is_building;
    int fd; /* of the archive, while it is built; -1 */
    struct engine_progress progress;
};

/* A layer that was asked for since the last reload. */
struct used {
    struct list node;
    char tag[160];
};

/* A layer whose build took too long. Podman lets the command that runs then go
 * on to its end: another build beside it would make things worse. */
struct held {
    struct list node;
    char digest[DIGEST_HEX_SIZE];
    uint64_t until_us;
    struct err err;
};

struct setup_layers {
    struct loop *loop;
    struct timers *timers;
    struct engine *engine;
    const struct podman_settings *settings;
    struct list recipes;
    struct list active;  /* layer.node */
    struct list waiting; /* for a turn to build */
    struct list used;
    struct list held;
    uint32_t builds;
    uint32_t reloads; /* so far */
    struct timer sweep_timer;
    bool was_up; /* when the timer ran last: so all that runs is known */
    struct engine_call *sweep_call;
};

/* --- digests --- */

static void add_steps(struct strbuf *buf, const struct setup_step *steps,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wire_put_u32(buf, steps[i].kind);
        wire_put_str(buf, steps[i].source);
        wire_put_str(buf, steps[i].destination);
        wire_put_u32(buf, steps[i].command.count);
        for (uint32_t j = 0; j < steps[i].command.count; j++)
            wire_put_str(buf, steps[i].command.items[j]);
    }
}

static void digest_of(const struct strbuf *buf, char *ret_hex)
{
    struct digest *digest = digest_new();

    digest_add(digest, buf->data, buf->len);
    digest_finish_hex(digest, ret_hex);
    digest_free(&digest);
}

/* The namespace in a repository's name, which may have no dots at its ends nor
 * two of them; the digest has it too, so that no two namespaces share. */
static void name_layer(const struct setup_layers *layers, struct layer *layer)
{
    const char *name = layers->settings->namespace_name;
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf plain = STRBUF_INIT;

    wire_put_str(&buf, name);
    wire_put_str(&buf, layer->base);
    wire_put_str(&buf, layer->recipe->digest);
    digest_of(&buf, layer->digest);
    for (; *name; name++)
        strbuf_add_char(&plain, strchr("._-", *name) ? 'x' : *name);
    snprintf(layer->tag, sizeof layer->tag, "localhost/berth-setup/%s:%s",
             plain.data ? plain.data : "x", layer->digest);
}

/* --- recipes --- */

static void copy_steps(struct recipe *recipe,
                       const struct container_settings *container)
{
    recipe->step_count = container->setup_count;
    recipe->steps = xcalloc(container->setup_count, sizeof *recipe->steps);
    for (uint32_t i = 0; i < container->setup_count; i++) {
        const struct setup_step *from = &container->setup[i];
        struct setup_step *to = &recipe->steps[i];

        to->kind = from->kind;
        to->source = from->source ? xstrdup(from->source) : NULL;
        to->destination = from->destination ? xstrdup(from->destination) : NULL;
        to->command.count = from->command.count;
        to->command.items =
            xcalloc(from->command.count, sizeof *to->command.items);
        for (uint32_t j = 0; j < from->command.count; j++)
            to->command.items[j] = xstrdup(from->command.items[j]);
    }
}

static struct recipe *recipe_find(const struct setup_layers *layers,
                                  const char *key)
{
    LIST_FOREACH (&layers->recipes, node) {
        struct recipe *recipe = container_of(node, struct recipe, node);

        if (strcmp(recipe->key, key) == 0)
            return recipe;
    }
    return NULL;
}

static void key_of(const struct container_settings *container, char *ret_key)
{
    AUTO(strbuf_done) struct strbuf buf = STRBUF_INIT;

    add_steps(&buf, container->setup, container->setup_count);
    digest_of(&buf, ret_key);
}

static struct recipe *recipe_of(struct setup_layers *layers,
                                const struct container_settings *container)
{
    struct recipe *recipe;
    char key[DIGEST_HEX_SIZE];

    key_of(container, key);
    recipe = recipe_find(layers, key);
    if (recipe)
        return recipe;
    recipe = xcalloc(1, sizeof *recipe);
    recipe->layers = layers;
    memcpy(recipe->key, key, sizeof key);
    copy_steps(recipe, container);
    list_init(&recipe->wants);
    list_add_tail(&layers->recipes, &recipe->node);
    return recipe;
}

static void recipe_free(struct recipe *recipe)
{
    assert(list_is_empty(&recipe->wants));
    setup_files_cancel(&recipe->reading);
    list_remove(&recipe->node);
    for (uint32_t i = 0; i < recipe->step_count; i++) {
        free(recipe->steps[i].source);
        free(recipe->steps[i].destination);
        string_list_done(&recipe->steps[i].command);
    }
    free(recipe->steps);
    free(recipe);
}

/* --- layers --- */

static void layer_free(struct layer *layer)
{
    list_remove(&layer->node);
    list_remove(&layer->turn_node);
    setup_files_cancel(&layer->packing);
    auto_close(&layer->fd);
    free(layer);
}

/* Look in a while for what is not needed any more. */
static void sweep_soon(struct setup_layers *layers)
{
    timer_start(layers->timers, &layers->sweep_timer, SWEEP_MS);
}

static void note_used(struct setup_layers *layers, const char *tag)
{
    struct used *used;

    LIST_FOREACH (&layers->used, node) {
        if (strcmp(container_of(node, struct used, node)->tag, tag) == 0)
            return;
    }
    used = xcalloc(1, sizeof *used);
    memcpy(used->tag, tag, sizeof used->tag);
    list_add_tail(&layers->used, &used->node);
    sweep_soon(layers);
}

/* The layer is gone before the first is called: who asks anew starts anew. */
static void answer(struct layer *layer, const struct engine_image *image,
                   const struct err *err)
{
    struct setup_answer result = {.tag = ""};
    struct list wants;
    struct list *node;

    memcpy(result.digest, layer->digest, sizeof result.digest);
    memcpy(result.tag, layer->tag, sizeof result.tag);
    if (image)
        result.image = *image;
    /* A replica of the configuration before may have waited for it. */
    if (!err && layer->reloads == layer->recipe->layers->reloads)
        note_used(layer->recipe->layers, layer->tag);
    list_init(&wants);
    while ((node = list_pop_head(&layer->wants)))
        list_add_tail(&wants, node);
    layer_free(layer);
    while ((node = list_pop_head(&wants))) {
        struct setup_want *want = container_of(node, struct setup_want, node);

        want->on_layer(want, err ? NULL : &result, err);
    }
}

static void next_turn(struct setup_layers *layers);

static void hold(struct setup_layers *layers, const struct layer *layer,
                 const struct err *err)
{
    struct held *held = xcalloc(1, sizeof *held);

    memcpy(held->digest, layer->digest, sizeof held->digest);
    held->until_us = clock_now_us() + layer->timeout_ms * 1000;
    held->err = *err;
    list_add_tail(&layers->held, &held->node);
}

/* Why it may not be built now, or NULL. Forgets what is over. */
static const struct err *held_back(struct setup_layers *layers,
                                   const char *digest)
{
    LIST_FOREACH_SAFE (&layers->held, node) {
        struct held *held = container_of(node, struct held, node);

        if (held->until_us <= clock_now_us()) {
            list_remove(&held->node);
            free(held);
        } else if (strcmp(held->digest, digest) == 0) {
            return &held->err;
        }
    }
    return NULL;
}

static void on_built(void *arg, const struct engine_image *image,
                     const struct err *err)
{
    struct layer *layer = arg;
    struct setup_layers *layers = layer->recipe->layers;
    struct err told;

    layer->call = NULL;
    layers->builds--;
    if (err) {
        told = *err;
        if (told.code == ERR_NOT_FOUND) /* of the image below; not for ever */
            told.code = ERR_FAILED;
        if (told.code == ERR_TIMEOUT)
            hold(layers, layer, &told);
        answer(layer, NULL, &told);
    } else {
        log_info("setup", "layer built", "image=%s took_ms=%" PRIu64,
                 layer->tag, (clock_now_us() - layer->began_us) / 1000);
        answer(layer, image, NULL);
    }
    next_turn(layers);
}

static void on_progress(void *arg, const struct engine_progress *progress)
{
    ((struct layer *)arg)->progress = *progress;
}

/* What was read now is what is built, also where it has changed since. */
static void on_packed(void *arg, const struct setup_packed *packed,
                      const struct err *err)
{
    struct layer *layer = arg;
    struct setup_layers *layers = layer->recipe->layers;
    struct engine_build build = {
        .namespace_name = sv_of(layers->settings->namespace_name),
        .timeout_ms = layer->timeout_ms,
    };

    layer->packing = NULL;
    if (err) {
        layers->builds--;
        answer(layer, NULL, err);
        next_turn(layers);
        return;
    }
    layer->fd = packed->fd;
    memcpy(layer->recipe->digest, packed->digest, sizeof layer->recipe->digest);
    name_layer(layers, layer);
    build.tag = layer->tag;
    build.context_fd = packed->fd;
    build.context_bytes = packed->bytes;
    layer->call =
        engine_build(layers->engine, &build, on_progress, on_built, layer);
}

static void next_turn(struct setup_layers *layers)
{
    while (layers->builds < layers->settings->max_parallel_pulls) {
        struct list *node = list_pop_head(&layers->waiting);
        struct layer *layer;

        if (!node)
            return;
        layer = container_of(node, struct layer, turn_node);
        layers->builds++;
        layer->is_building = true;
        layer->began_us = clock_now_us();
        log_info("setup", "building a layer", "image=%s steps=%u", layer->tag,
                 layer->recipe->step_count);
        layer->packing = setup_files_read(layers->loop, layer->recipe->steps,
                                          layer->recipe->step_count,
                                          layer->base, on_packed, layer);
    }
}

static void answer_missing(struct setup_want *want)
{
    struct err err;

    err_set(&err, ERR_NOT_FOUND, "its layer is not built");
    want->on_layer(want, NULL, &err);
}

/* Those who do not wait for a build. */
static void answer_finders(struct layer *layer)
{
    struct list finders;
    struct list *node;

    list_init(&finders);
    LIST_FOREACH_SAFE (&layer->wants, it) {
        if (container_of(it, struct setup_want, node)->mode == SETUP_FIND) {
            list_remove(it);
            list_add_tail(&finders, it);
        }
    }
    while ((node = list_pop_head(&finders)))
        answer_missing(container_of(node, struct setup_want, node));
}

static void on_looked(void *arg, const struct engine_image *image,
                      const struct err *err)
{
    struct layer *layer = arg;
    struct setup_layers *layers = layer->recipe->layers;
    const struct err *held;

    layer->call = NULL;
    if (!err || err->code != ERR_NOT_FOUND) {
        answer(layer, image, err);
        return;
    }
    layer->has_looked = true;
    answer_finders(layer);
    if (list_is_empty(&layer->wants)) {
        layer_free(layer);
        return;
    }
    held = held_back(layers, layer->digest);
    if (held) {
        struct err told = *held;

        answer(layer, NULL, &told);
        return;
    }
    list_add_tail(&layers->waiting, &layer->turn_node);
    next_turn(layers);
}

static struct layer *layer_find(const struct setup_layers *layers,
                                const char *digest)
{
    LIST_FOREACH (&layers->active, node) {
        struct layer *layer = container_of(node, struct layer, node);

        if (strcmp(layer->digest, digest) == 0)
            return layer;
    }
    return NULL;
}

/* The recipe is read: the digest answers one who only looks. */
static void go_on(struct recipe *recipe, struct setup_want *want)
{
    struct setup_layers *layers = recipe->layers;
    struct layer *layer = xcalloc(1, sizeof *layer);
    struct layer *other;

    layer->recipe = recipe;
    layer->fd = -1;
    list_init(&layer->wants);
    memcpy(layer->base, want->base, sizeof layer->base);
    name_layer(layers, layer);
    if (want->mode == SETUP_LOOK) {
        struct setup_answer result = {.tag = ""};

        memcpy(result.digest, layer->digest, sizeof result.digest);
        layer_free(layer);
        want->on_layer(want, &result, NULL);
        return;
    }
    other = layer_find(layers, layer->digest);
    if (other && want->mode == SETUP_FIND && other->has_looked) {
        layer_free(layer);
        answer_missing(want);
        return;
    }
    if (other) {
        layer_free(layer);
        layer = other;
    } else {
        list_add_tail(&layers->active, &layer->node);
        layer->call =
            engine_image_inspect(layers->engine, layer->tag, on_looked, layer);
    }
    if (layer->reloads < want->reloads)
        layer->reloads = want->reloads;
    if (layer->timeout_ms < want->timeout_ms)
        layer->timeout_ms = want->timeout_ms;
    list_add_tail(&layer->wants, &want->node);
}

static void on_read(void *arg, const struct setup_packed *packed,
                    const struct err *err);

static void read_files(struct recipe *recipe)
{
    recipe->is_stale = false;
    recipe->reading =
        setup_files_read(recipe->layers->loop, recipe->steps,
                         recipe->step_count, NULL, on_read, recipe);
}

static void on_read(void *arg, const struct setup_packed *packed,
                    const struct err *err)
{
    struct recipe *recipe = arg;
    struct list wants;
    struct list *node;

    recipe->reading = NULL;
    if (recipe->is_stale) {
        read_files(recipe);
        return;
    }
    if (packed)
        memcpy(recipe->digest, packed->digest, sizeof recipe->digest);
    list_init(&wants);
    while ((node = list_pop_head(&recipe->wants)))
        list_add_tail(&wants, node);
    while ((node = list_pop_head(&wants))) {
        struct setup_want *want = container_of(node, struct setup_want, node);

        if (err)
            want->on_layer(want, NULL, err);
        else
            go_on(recipe, want);
    }
}

void setup_layers_ask(struct setup_layers *layers,
                      const struct container_settings *container,
                      const char *base, enum setup_mode mode,
                      struct setup_want *want)
{
    struct recipe *recipe = recipe_of(layers, container);

    assert(!list_is_linked(&want->node));
    snprintf(want->base, sizeof want->base, "%s", base);
    want->timeout_ms = container->pull_timeout_ms;
    want->mode = mode;
    want->reloads = layers->reloads;
    if (recipe->digest[0]) {
        go_on(recipe, want);
        return;
    }
    list_add_tail(&recipe->wants, &want->node);
    if (!recipe->reading)
        read_files(recipe);
}

void setup_want_cancel(struct setup_want *want)
{
    list_remove(&want->node);
}

/* --- what is not needed any more --- */

static void on_swept(void *arg, const struct err *err)
{
    struct setup_layers *layers = arg;

    layers->sweep_call = NULL;
    if (!err || err->code == ERR_CANCELLED)
        return;
    if (err->code != ERR_EXISTS)
        log_warn("setup", "cannot remove layers that are not needed",
                 "reason=\"%s\"", err->text);
    timer_start(layers->timers, &layers->sweep_timer, SWEEP_AGAIN_MS);
}

static bool is_busy(const struct setup_layers *layers)
{
    if (!list_is_empty(&layers->active) || layers->sweep_call)
        return true;
    LIST_FOREACH (&layers->recipes, node) {
        if (container_of(node, struct recipe, node)->reading)
            return true;
    }
    return false;
}

static void on_sweep_timer(struct timer *timer)
{
    struct setup_layers *layers =
        container_of(timer, struct setup_layers, sweep_timer);
    const char **tags = NULL;
    unsigned count = 0;

    bool was_up = layers->was_up;

    /* No engine: where all apps are upstreams, nothing was ever built. */
    layers->was_up = layers->engine && engine_is_up(layers->engine);
    if (is_busy(layers) || !was_up || !layers->was_up) {
        timer_start(layers->timers, timer, SWEEP_MS);
        return;
    }
    LIST_FOREACH (&layers->used, node) {
        tags = xrealloc(tags, (count + 1) * sizeof *tags);
        tags[count++] = container_of(node, struct used, node)->tag;
    }
    layers->sweep_call = engine_prune_layers(
        layers->engine, sv_of(layers->settings->namespace_name), tags, count,
        on_swept, layers);
    free(tags);
}

/* --- life --- */

struct setup_layers *setup_layers_new(struct loop *loop, struct timers *timers,
                                      struct engine *engine,
                                      const struct podman_settings *settings)
{
    struct setup_layers *layers = xcalloc(1, sizeof *layers);

    layers->loop = loop;
    layers->timers = timers;
    layers->engine = engine;
    layers->settings = settings;
    list_init(&layers->recipes);
    list_init(&layers->active);
    list_init(&layers->waiting);
    list_init(&layers->used);
    list_init(&layers->held);
    layers->sweep_timer.on_expire = on_sweep_timer;
    sweep_soon(layers);
    return layers;
}

void setup_layers_set_engine(struct setup_layers *layers, struct engine *engine)
{
    layers->engine = engine;
}

static void forget_answers(struct setup_layers *layers)
{
    struct list *node;

    while ((node = list_pop_head(&layers->used)))
        free(container_of(node, struct used, node));
    while ((node = list_pop_head(&layers->held)))
        free(container_of(node, struct held, node));
}

void setup_layers_free(struct setup_layers **layers_ptr)
{
    struct setup_layers *layers = *layers_ptr;

    if (!layers)
        return;
    timer_stop(&layers->sweep_timer);
    engine_cancel(&layers->sweep_call);
    while (list_pop_head(&layers->waiting))
        continue; /* a build that ends below gives its turn to nobody */
    LIST_FOREACH_SAFE (&layers->active, node) {
        struct layer *layer = container_of(node, struct layer, node);

        assert(list_is_empty(&layer->wants));
        if (layer->call)
            engine_cancel(&layer->call); /* its callback frees the layer */
        else
            layer_free(layer);
    }
    LIST_FOREACH_SAFE (&layers->recipes, node) {
        recipe_free(container_of(node, struct recipe, node));
    }
    forget_answers(layers);
    free(layers);
    *layers_ptr = NULL;
}

static bool recipe_is_idle(const struct setup_layers *layers,
                           const struct recipe *recipe)
{
    LIST_FOREACH (&layers->active, node) {
        if (container_of(node, struct layer, node)->recipe == recipe)
            return false;
    }
    return !recipe->reading && list_is_empty(&recipe->wants);
}

void setup_layers_renew(struct setup_layers *layers,
                        const struct podman_settings *settings)
{
    layers->settings = settings;
    layers->reloads++;
    forget_answers(layers);
    LIST_FOREACH_SAFE (&layers->recipes, node) {
        struct recipe *recipe = container_of(node, struct recipe, node);

        recipe->digest[0] = '\0';
        recipe->is_stale = recipe->reading != NULL;
        if (recipe_is_idle(layers, recipe))
            recipe_free(recipe);
    }
    sweep_soon(layers);
}

void setup_layers_describe(const struct setup_layers *layers,
                           const struct container_settings *container,
                           struct strbuf *ret_text)
{
    char key[DIGEST_HEX_SIZE];

    if (container->setup_count == 0)
        return;
    key_of(container, key);
    LIST_FOREACH (&layers->active, node) {
        const struct layer *layer = container_of(node, struct layer, node);

        if (strcmp(layer->recipe->key, key) != 0)
            continue;
        if (list_is_linked(&layer->turn_node))
            strbuf_add_str(ret_text, "setup waits for other layers");
        else if (layer->is_building && !layer->call)
            strbuf_add_str(ret_text, "setup: reading files");
        else if (layer->is_building)
            strbuf_printf(ret_text, "setup: %u of %u steps",
                          layer->progress.layers_done,
                          layer->progress.layers_known);
        return;
    }
}
