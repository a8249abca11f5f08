/* image_pulls.c - images looked up and pulled, each once at a time. */
#include "lifecycle/image_pulls.h"

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
    struct image_pulls *pulls;
    char *image;
    bool look_only;  /* of those who do not wait for a pull */
    bool may_pull;   /* when it is not there */
    bool must_pull;  /* whatever is there */
    bool may_be_old; /* what is there will do when the pull fails */
    bool has_looked; /* local is known */
    bool is_there;   /* as of the look */
    struct engine_image local;
    uint64_t pull_timeout_ms;
    uint64_t pull_began_us;
    struct list wants; /* pull_want.node */
    enum pull_step step;
    struct engine_call *call;
    struct list turn_node; /* of pulls->waiting */
    struct engine_progress progress;
    struct backoff backoff;
    struct timer retry_timer;
    struct err last_error;
};

/* An image that was asked for since the configuration was read. */
struct known {
    struct list node;
    char *image;
    bool is_here;  /* as of the last look or pull */
    bool is_fresh; /* `always` or `newer` has asked the registry for it */
};

struct image_pulls {
    struct loop *loop;
    struct timers *timers;
    struct engine *engine;
    const struct podman_settings *settings;
    struct pulls_hooks hooks;
    struct list entries;
    struct list waiting; /* for a turn to pull */
    struct list known;
    uint32_t pulls_active;
};

struct image_pulls *image_pulls_new(struct loop *loop, struct timers *timers,
                                    struct engine *engine,
                                    const struct podman_settings *settings,
                                    const struct pulls_hooks *hooks)
{
    struct image_pulls *pulls = xcalloc(1, sizeof *pulls);

    pulls->loop = loop;
    pulls->timers = timers;
    pulls->engine = engine;
    pulls->settings = settings;
    pulls->hooks = *hooks;
    list_init(&pulls->entries);
    list_init(&pulls->waiting);
    list_init(&pulls->known);
    return pulls;
}

static void entry_free(struct entry *entry)
{
    list_remove(&entry->node);
    list_remove(&entry->turn_node);
    timer_stop(&entry->retry_timer);
    free(entry->image);
    free(entry);
}

static void forget_known(struct image_pulls *pulls)
{
    struct list *node;

    while ((node = list_pop_head(&pulls->known))) {
        struct known *known = container_of(node, struct known, node);

        free(known->image);
        free(known);
    }
}

void image_pulls_free(struct image_pulls **pulls_ptr)
{
    struct image_pulls *pulls = *pulls_ptr;

    if (!pulls)
        return;
    while (list_pop_head(&pulls->waiting))
        continue; /* a pull that ends below gives its turn to nobody */
    LIST_FOREACH_SAFE (&pulls->entries, node) {
        struct entry *entry = container_of(node, struct entry, node);

        assert(list_is_empty(&entry->wants));
        /* Its callback finds nobody who waits, and frees the entry. */
        if (entry->call)
            engine_cancel(&entry->call);
        else
            entry_free(entry);
    }
    forget_known(pulls);
    free(pulls);
    *pulls_ptr = NULL;
}

void image_pulls_set_engine(struct image_pulls *pulls, struct engine *engine)
{
    pulls->engine = engine;
}

void image_pulls_renew(struct image_pulls *pulls,
                       const struct podman_settings *settings)
{
    pulls->settings = settings;
    forget_known(pulls);
}

static struct known *find_known(const struct image_pulls *pulls,
                                const char *image)
{
    LIST_FOREACH (&pulls->known, node) {
        struct known *known = container_of(node, struct known, node);

        if (strcmp(known->image, image) == 0)
            return known;
    }
    return NULL;
}

static struct known *make_known(struct image_pulls *pulls, const char *image)
{
    struct known *known = find_known(pulls, image);

    if (known)
        return known;
    known = xcalloc(1, sizeof *known);
    known->image = xstrdup(image);
    list_add_tail(&pulls->known, &known->node);
    return known;
}

static void make_fresh(struct image_pulls *pulls, const char *image)
{
    make_known(pulls, image)->is_fresh = true;
}

/* Tell all who wait; the entry is gone before the first of them is called, so
 * that one that asks anew starts anew. */
static void answer(struct entry *entry, const struct engine_image *image,
                   bool was_pulled, const struct err *err)
{
    struct pull_answer result = {.was_pulled = was_pulled};
    struct list wants;
    struct list *node;

    if (image || err->code == ERR_NOT_FOUND)
        make_known(entry->pulls, entry->image)->is_here = image != NULL;
    if (image) {
        result.image = *image;
        result.is_new =
            was_pulled &&
            !(entry->is_there && strcmp(entry->local.id, image->id) == 0);
    }
    list_init(&wants);
    while ((node = list_pop_head(&entry->wants)))
        list_add_tail(&wants, node);
    entry_free(entry);
    while ((node = list_pop_head(&wants))) {
        struct pull_want *want = container_of(node, struct pull_want, node);

        want->on_pulled(want, err ? NULL : &result, err);
    }
}

static void next_turn(struct image_pulls *pulls);

static bool is_worth_a_retry(const struct entry *entry, const struct err *err)
{
    switch (err->code) {
    case ERR_NOT_FOUND:
    case ERR_DENIED:
    case ERR_INVALID:
    case ERR_CANCELLED:
        return false;
    default:
        /* Nobody shall wait for what a registry that is down may have. */
        return !(entry->may_be_old && entry->is_there) &&
               entry->backoff.failure_count <
                   entry->pulls->settings->pull_retries;
    }
}

static void retry_later(struct entry *entry, const struct err *err)
{
    struct image_pulls *pulls = entry->pulls;
    uint64_t delay_ms = backoff_fail(&entry->backoff);

    entry->step = PULL_RETRIES;
    entry->last_error = *err;
    log_warn("images", "pull failed; trying again",
             "image=%s in_ms=%" PRIu64 " retry=%u of=%u reason=\"%s\"",
             entry->image, delay_ms, entry->backoff.failure_count,
             pulls->settings->pull_retries, err->text);
    timer_start(pulls->timers, &entry->retry_timer, delay_ms);
    LIST_FOREACH (&entry->wants, node) {
        struct pull_want *want = container_of(node, struct pull_want, node);

        if (want->on_retry)
            want->on_retry(want, err, delay_ms);
    }
}

/* It failed for good: what was there before will do, or nothing does. */
static void pull_failed(struct entry *entry, const struct err *err)
{
    if (!entry->may_be_old || !entry->is_there || err->code == ERR_CANCELLED) {
        answer(entry, NULL, false, err);
        return;
    }
    log_warn("images",
             "cannot see whether there is a newer image; the one "
             "that is here goes on",
             "image=%s reason=\"%s\"", entry->image, err->text);
    make_fresh(entry->pulls, entry->image);
    answer(entry, &entry->local, false, NULL);
}

static void on_pulled(void *arg, const struct engine_image *image,
                      const struct err *err)
{
    struct entry *entry = arg;
    struct image_pulls *pulls = entry->pulls;
    uint64_t took_us = clock_now_us() - entry->pull_began_us;
    AUTO(auto_free) char *name = xstrdup(entry->image);
    struct engine_progress progress = entry->progress;

    entry->call = NULL;
    pulls->pulls_active--;
    if (!err)
        log_info("images", "image pulled",
                 "image=%s took_ms=%" PRIu64 " layers=%u bytes=%" PRIu64,
                 entry->image, took_us / 1000, progress.layers_done,
                 progress.bytes);
    if (err && is_worth_a_retry(entry, err)) {
        retry_later(entry, err);
    } else if (err) {
        pull_failed(entry, err);
    } else {
        make_fresh(pulls, entry->image);
        answer(entry, image, true, NULL);
    }
    if (pulls->hooks.on_end && (!err || err->code != ERR_CANCELLED))
        pulls->hooks.on_end(pulls->hooks.arg, name, &progress, took_us, err);
    next_turn(pulls);
}

static void on_progress(void *arg, const struct engine_progress *progress)
{
    struct entry *entry = arg;

    entry->progress = *progress;
}

static void pull(struct entry *entry)
{
    struct image_pulls *pulls = entry->pulls;
    struct engine_pull spec = {.image = entry->image,
                               .auth_file = pulls->settings->auth_file,
                               .timeout_ms = entry->pull_timeout_ms};

    pulls->pulls_active++;
    entry->step = PULL_RUNS;
    entry->pull_began_us = clock_now_us();
    memset(&entry->progress, 0, sizeof entry->progress);
    log_info("images", "pulling image", "image=%s", entry->image);
    entry->call =
        engine_pull(pulls->engine, &spec, on_progress, on_pulled, entry);
}

static void next_turn(struct image_pulls *pulls)
{
    while (pulls->pulls_active < pulls->settings->max_parallel_pulls) {
        struct list *node = list_pop_head(&pulls->waiting);

        if (!node)
            return;
        pull(container_of(node, struct entry, turn_node));
    }
}

static void wait_for_turn(struct entry *entry)
{
    entry->step = PULL_WAITS;
    list_add_tail(&entry->pulls->waiting, &entry->turn_node);
    next_turn(entry->pulls);
}

static void on_retry_timer(struct timer *timer)
{
    wait_for_turn(container_of(timer, struct entry, retry_timer));
}

static void on_looked(void *arg, const struct engine_image *image,
                      const struct err *err)
{
    struct entry *entry = arg;
    bool is_missing = err && err->code == ERR_NOT_FOUND;

    entry->call = NULL;
    entry->is_there = image != NULL;
    if (image)
        entry->local = *image;
    if ((is_missing && entry->may_pull) || (!err && entry->must_pull))
        wait_for_turn(entry);
    else
        answer(entry, image, false, err);
}

static struct entry *find_entry(const struct image_pulls *pulls,
                                const char *image, bool look_only)
{
    LIST_FOREACH (&pulls->entries, node) {
        struct entry *entry = container_of(node, struct entry, node);

        if (entry->look_only == look_only && strcmp(entry->image, image) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *entry_new(struct image_pulls *pulls, const char *image,
                               bool look_only)
{
    struct entry *entry = xcalloc(1, sizeof *entry);

    entry->pulls = pulls;
    entry->image = xstrdup(image);
    entry->look_only = look_only;
    list_init(&entry->wants);
    entry->backoff = (struct backoff){
        .first_ms = RETRY_FIRST_MS,
        .max_ms = RETRY_MAX_MS,
        .jitter_percent = RETRY_JITTER_PERCENT,
    };
    entry->retry_timer.on_expire = on_retry_timer;
    list_add_tail(&pulls->entries, &entry->node);
    entry->step = PULL_LOOKING;
    entry->call = engine_image_inspect(pulls->engine, image, on_looked, entry);
    return entry;
}

/* An image that no registry has is looked at, whatever the policy. */
static void take_policy(struct entry *entry, const struct pull_ask *ask)
{
    bool is_local = strncmp(entry->image, "localhost/", 10) == 0;
    const struct known *known = find_known(entry->pulls, entry->image);
    bool is_due = !is_local && !(known && known->is_fresh);

    switch (ask->policy) {
    case PULL_NEVER:
        entry->may_pull |= ask->anew;
        break;
    case PULL_NEWER:
        entry->may_pull = true;
        entry->must_pull |= is_due;
        entry->may_be_old = true;
        break;
    case PULL_ALWAYS:
        entry->must_pull |= is_due;
        entry->may_pull = true;
        break;
    case PULL_MISSING:
        entry->may_pull = true;
        break;
    }
    entry->must_pull |= ask->anew && !is_local;
    if (entry->may_pull && entry->pull_timeout_ms < ask->timeout_ms)
        entry->pull_timeout_ms = ask->timeout_ms;
}

void image_pulls_ask(struct image_pulls *pulls, const struct pull_ask *ask,
                     struct pull_want *want)
{
    struct entry *entry = find_entry(pulls, ask->image, ask->look_only);

    assert(!list_is_linked(&want->node));
    if (!entry)
        entry = entry_new(pulls, ask->image, ask->look_only);
    if (!ask->look_only)
        take_policy(entry, ask);
    list_add_tail(&entry->wants, &want->node);
}

void pull_want_cancel(struct pull_want *want)
{
    list_remove(&want->node);
}

bool image_pulls_is_here(const struct image_pulls *pulls, const char *image)
{
    const struct known *known = find_known(pulls, image);

    return known && known->is_here;
}

void image_pulls_status(const struct image_pulls *pulls, const char *image,
                        struct pull_status *ret_status)
{
    const struct entry *entry = find_entry(pulls, image, false);

    *ret_status = (struct pull_status){.step = PULL_IDLE};
    if (!entry)
        return;
    ret_status->step = entry->step;
    ret_status->retries = entry->backoff.failure_count;
    ret_status->progress = entry->progress;
    ret_status->error = entry->last_error.text;
    if (entry->step == PULL_RUNS)
        ret_status->running_ms = (clock_now_us() - entry->pull_began_us) / 1000;
}
