/* image_store.c - makes sure that an image is on this host. */
#include "lifecycle/image_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle/backoff.h"
#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/log.h"
#include "router/base/loop.h"
#include "router/base/timers.h"

#define RETRY_FIRST_MS       1000
#define RETRY_MAX_MS         30000
#define RETRY_JITTER_PERCENT 25

/* One image that is asked for; lives until all who asked have their answer. */
struct entry {
    struct list node;
    struct image_store *store;
    char *image;
    bool may_pull;
    uint64_t pull_timeout_ms;
    uint64_t began_us;
    struct list wants; /* image_want.node */
    enum { LOOKING, WAITING_FOR_TURN, PULLING, WAITING_TO_RETRY } step;
    struct engine_call *call;
    struct list turn_node; /* of store->waiting */
    struct engine_progress progress;
    struct backoff backoff;
    struct timer retry_timer;
    struct err last_error;
};

struct image_store {
    struct loop *loop;
    struct timers *timers;
    struct engine *engine;
    const struct podman_settings *settings;
    struct list entries;
    struct list waiting; /* for a turn to pull */
    uint32_t pulls_active;
};

struct image_store *image_store_new(struct loop *loop, struct timers *timers,
                                    struct engine *engine,
                                    const struct podman_settings *settings)
{
    struct image_store *store = xcalloc(1, sizeof *store);

    store->loop = loop;
    store->timers = timers;
    store->engine = engine;
    store->settings = settings;
    list_init(&store->entries);
    list_init(&store->waiting);
    return store;
}

static void entry_free(struct entry *entry)
{
    list_remove(&entry->node);
    list_remove(&entry->turn_node);
    timer_stop(&entry->retry_timer);
    free(entry->image);
    free(entry);
}

void image_store_free(struct image_store **store_ptr)
{
    struct image_store *store = *store_ptr;

    if (!store)
        return;
    while (list_pop_head(&store->waiting))
        continue; /* a pull that ends below gives its turn to nobody */
    LIST_FOREACH_SAFE (&store->entries, node) {
        struct entry *entry = container_of(node, struct entry, node);

        assert(list_is_empty(&entry->wants));
        /* Its callback finds nobody who waits, and frees the entry. */
        if (entry->call)
            engine_cancel(&entry->call);
        else
            entry_free(entry);
    }
    free(store);
    *store_ptr = NULL;
}

/* Tell all who wait; the entry is gone before the first of them is called, so
 * that one that asks anew starts anew. */
static void answer(struct entry *entry, const struct engine_image *image,
                   bool was_pulled, const struct err *err)
{
    struct image_answer result = {.was_pulled = was_pulled};
    struct list wants;
    struct list *node;

    result.took_us = clock_now_us() - entry->began_us;
    if (image)
        result.image = *image;
    list_init(&wants);
    while ((node = list_pop_head(&entry->wants)))
        list_add_tail(&wants, node);
    entry_free(entry);
    while ((node = list_pop_head(&wants))) {
        struct image_want *want = container_of(node, struct image_want, node);

        want->on_image(want, err ? NULL : &result, err);
    }
}

static void next_turn(struct image_store *store);

static bool is_worth_a_retry(const struct entry *entry, const struct err *err)
{
    switch (err->code) {
    case ERR_NOT_FOUND:
    case ERR_DENIED:
    case ERR_INVALID:
    case ERR_CANCELLED:
        return false;
    default:
        return entry->backoff.failure_count <
               entry->store->settings->pull_retries;
    }
}

static void retry_later(struct entry *entry, const struct err *err)
{
    struct image_store *store = entry->store;
    uint64_t delay_ms = backoff_fail(&entry->backoff);

    entry->step = WAITING_TO_RETRY;
    entry->last_error = *err;
    log_warn("images", "pull failed; trying again",
             "image=%s in_ms=%" PRIu64 " retry=%u of=%u reason=\"%s\"",
             entry->image, delay_ms, entry->backoff.failure_count,
             store->settings->pull_retries, err->text);
    timer_start(store->timers, &entry->retry_timer, delay_ms);
    LIST_FOREACH (&entry->wants, node) {
        struct image_want *want = container_of(node, struct image_want, node);

        if (want->on_retry)
            want->on_retry(want, err, delay_ms);
    }
}

static void on_pulled(void *arg, const struct engine_image *image,
                      const struct err *err)
{
    struct entry *entry = arg;
    struct image_store *store = entry->store;

    entry->call = NULL;
    store->pulls_active--;
    if (!err)
        log_info("images", "image pulled", "image=%s took_ms=%" PRIu64,
                 entry->image, (clock_now_us() - entry->began_us) / 1000);
    if (err && is_worth_a_retry(entry, err))
        retry_later(entry, err);
    else
        answer(entry, image, true, err);
    next_turn(store);
}

static void on_progress(void *arg, const struct engine_progress *progress)
{
    struct entry *entry = arg;

    entry->progress = *progress;
}

static void pull(struct entry *entry)
{
    struct image_store *store = entry->store;

    store->pulls_active++;
    entry->step = PULLING;
    memset(&entry->progress, 0, sizeof entry->progress);
    log_info("images", "pulling image", "image=%s", entry->image);
    entry->call =
        engine_pull(store->engine, entry->image, entry->pull_timeout_ms,
                    on_progress, on_pulled, entry);
}

static void next_turn(struct image_store *store)
{
    while (store->pulls_active < store->settings->max_parallel_pulls) {
        struct list *node = list_pop_head(&store->waiting);

        if (!node)
            return;
        pull(container_of(node, struct entry, turn_node));
    }
}

static void wait_for_turn(struct entry *entry)
{
    entry->step = WAITING_FOR_TURN;
    list_add_tail(&entry->store->waiting, &entry->turn_node);
    next_turn(entry->store);
}

static void on_retry_timer(struct timer *timer)
{
    wait_for_turn(container_of(timer, struct entry, retry_timer));
}

static void on_looked(void *arg, const struct engine_image *image,
                      const struct err *err)
{
    struct entry *entry = arg;

    entry->call = NULL;
    if (err && err->code == ERR_NOT_FOUND && entry->may_pull)
        wait_for_turn(entry);
    else
        answer(entry, image, false, err);
}

static struct entry *find_entry(const struct image_store *store,
                                const char *image)
{
    LIST_FOREACH (&store->entries, node) {
        struct entry *entry = container_of(node, struct entry, node);

        if (strcmp(entry->image, image) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *entry_new(struct image_store *store, const char *image)
{
    struct entry *entry = xcalloc(1, sizeof *entry);

    entry->store = store;
    entry->image = xstrdup(image);
    entry->began_us = clock_now_us();
    list_init(&entry->wants);
    entry->backoff = (struct backoff){
        .first_ms = RETRY_FIRST_MS,
        .max_ms = RETRY_MAX_MS,
        .jitter_percent = RETRY_JITTER_PERCENT,
    };
    entry->retry_timer.on_expire = on_retry_timer;
    list_add_tail(&store->entries, &entry->node);
    entry->step = LOOKING;
    entry->call = engine_image_inspect(store->engine, image, on_looked, entry);
    return entry;
}

void image_store_ensure(struct image_store *store,
                        const struct container_settings *container,
                        struct image_want *want)
{
    struct entry *entry = find_entry(store, container->image);

    assert(!list_is_linked(&want->node));
    if (!entry)
        entry = entry_new(store, container->image);
    if (container->pull_policy == PULL_MISSING) {
        entry->may_pull = true;
        if (entry->pull_timeout_ms < container->pull_timeout_ms)
            entry->pull_timeout_ms = container->pull_timeout_ms;
    }
    list_add_tail(&entry->wants, &want->node);
}

void image_store_look(struct image_store *store, const char *image,
                      struct image_want *want)
{
    struct entry *entry = find_entry(store, image);

    assert(!list_is_linked(&want->node));
    if (!entry)
        entry = entry_new(store, image);
    list_add_tail(&entry->wants, &want->node);
}

void image_want_cancel(struct image_want *want)
{
    list_remove(&want->node);
}

void image_store_describe(const struct image_store *store, const char *image,
                          struct strbuf *ret_text)
{
    const struct entry *entry = find_entry(store, image);

    if (!entry)
        return;
    switch (entry->step) {
    case LOOKING:
        break;
    case WAITING_FOR_TURN:
        strbuf_add_str(ret_text, "waiting for other pulls to end");
        break;
    case PULLING:
        strbuf_printf(ret_text, "pulling: %u of %u layers",
                      entry->progress.layers_done,
                      entry->progress.layers_known);
        break;
    case WAITING_TO_RETRY:
        strbuf_printf(ret_text, "pull failed, trying again: %s",
                      entry->last_error.text);
        break;
    }
}
