/* image_store.h - makes sure that an image is on this host.
 *
 * However many ask for an image at a time, it is looked up and pulled once; so
 * many pulls at a time as podman_settings say; a pull that failed for a reason
 * that may pass (network, registry down) is tried again with back-off and
 * jitter, one that cannot (no such image, no access) is not. Nothing is
 * remembered: each new question looks at what is there now, so that an image
 * that was built or tagged anew is seen. Thread: keeper main.
 */
#ifndef LIFECYCLE_IMAGE_STORE_H
#define LIFECYCLE_IMAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine.h"
#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/list.h"

struct image_store; /* opaque; defined in image_store.c */
struct loop;
struct timers;

struct image_answer {
    struct engine_image image;
    bool was_pulled;  /* it was not there before */
    uint64_t took_us; /* since the first that asked */
};

/* Who waits for an image, embedded there. Zeroed, then on_image set (and
 * on_retry, where it is wanted). */
struct image_want {
    struct list node;
    /* err NULL: it is there. Never within image_store_ensure(). ERR_NOT_FOUND
     * and ERR_DENIED: to try again is of no use before somebody did something
     * about it. */
    void (*on_image)(struct image_want *want, const struct image_answer *answer,
                     const struct err *err);
    /* A pull failed, as err says, and will be tried again after delay_ms. The
     * want may not be cancelled in it. */
    void (*on_retry)(struct image_want *want, const struct err *err,
                     uint64_t delay_ms);
};

/* Borrows all. */
MUST_USE struct image_store *
image_store_new(struct loop *loop, struct timers *timers, struct engine *engine,
                const struct podman_settings *settings);
/* No one may be waiting. NULL is skipped. */
void image_store_free(struct image_store **store);

/* Ask for container->image, to be pulled where its pull_policy allows. */
void image_store_ensure(struct image_store *store,
                        const struct container_settings *container,
                        struct image_want *want);
/* Ask for what is there only, whatever the policy: ERR_NOT_FOUND. */
void image_store_look(struct image_store *store, const char *image,
                      struct image_want *want);
/* Wait no longer; nothing where it does not wait. A pull that nobody waits for
 * any more goes on to its end. */
void image_want_cancel(struct image_want *want);

/* What is done about an image now, for people: "waiting for a turn to pull",
 * "pulling: 3 of 7 layers", "trying again in 2s: …"; "" when nothing is. */
void image_store_describe(const struct image_store *store, const char *image,
                          struct strbuf *ret_text);

#endif
