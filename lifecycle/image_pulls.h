/* image_pulls.h - images looked up and pulled, each once at a time.
 *
 * However many ask for an image, it is pulled once; so many pulls at a time as
 * podman_settings say; a pull that failed for a reason that may pass (network,
 * registry down) is tried again with back-off and jitter, one that cannot (no
 * such image, no access) is not. For image_store.c. Thread: keeper main.
 */
#ifndef LIFECYCLE_IMAGE_PULLS_H
#define LIFECYCLE_IMAGE_PULLS_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine.h"
#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/list.h"

struct image_pulls; /* opaque; defined in image_pulls.c */
struct loop;
struct timers;

struct pull_answer {
    struct engine_image image;
    bool was_pulled; /* bytes or not: the registry was asked */
    bool is_new;     /* it was not there before, or was another */
};

/* Who waits for an image, embedded there. Zeroed, then the hooks set. */
struct pull_want {
    struct list node;
    /* err NULL: it is there. Never within the call that asks. */
    void (*on_pulled)(struct pull_want *want, const struct pull_answer *answer,
                      const struct err *err);
    /* A pull failed, as err says, and will be tried again after delay_ms. The
     * want may not be cancelled in it. */
    void (*on_retry)(struct pull_want *want, const struct err *err,
                     uint64_t delay_ms);
};

struct pull_ask {
    const char *image; /* copied */
    enum pull_policy policy;
    uint64_t timeout_ms;
    bool look_only; /* what is there, whatever the policy */
    bool anew;      /* pull it whatever is there, and whatever the policy */
};

/* When a pull has ended; err NULL: well. */
struct pulls_hooks {
    void (*on_end)(void *arg, const char *image,
                   const struct engine_progress *progress, uint64_t took_us,
                   const struct err *err);
    void *arg;
};

/* Borrows all. */
MUST_USE struct image_pulls *
image_pulls_new(struct loop *loop, struct timers *timers, struct engine *engine,
                const struct podman_settings *settings,
                const struct pulls_hooks *hooks);
/* No one may be waiting. NULL is skipped. */
void image_pulls_free(struct image_pulls **pulls);

/* New settings. What `always` and `newer` have pulled counts as old. */
void image_pulls_renew(struct image_pulls *pulls,
                       const struct podman_settings *settings);

void image_pulls_set_engine(struct image_pulls *pulls, struct engine *engine);

void image_pulls_ask(struct image_pulls *pulls, const struct pull_ask *ask,
                     struct pull_want *want);
/* Wait no longer; nothing where it does not wait. A pull that nobody waits for
 * any more goes on to its end. */
void pull_want_cancel(struct pull_want *want);

enum pull_step { PULL_IDLE, PULL_LOOKING, PULL_WAITS, PULL_RUNS, PULL_RETRIES };

struct pull_status {
    enum pull_step step;
    struct engine_progress progress; /* PULL_RUNS */
    uint64_t running_ms;             /* PULL_RUNS */
    unsigned retries;                /* so far */
    const char *error;               /* PULL_RETRIES: of the last attempt */
};
/* What is done about an image now. Borrowed until the loop goes on. */
void image_pulls_status(const struct image_pulls *pulls, const char *image,
                        struct pull_status *ret_status);
/* Whether the image was here when it was last looked for. */
bool image_pulls_is_here(const struct image_pulls *pulls, const char *image);

#endif
