/* image_store.h - makes sure that all a container is made of is on this host:
 * its image, the layer that setup puts upon it, the secrets that it names.
 *
 * However many ask for an image at a time, it is looked up and pulled once
 * (image_pulls.h), and so is a layer built (setup_layers.h). But for what
 * `always` and `newer` have pulled, nothing is remembered: each new question
 * looks at what is there now, unless it says itself what its images are
 * (image_want.known). Thread: keeper main.
 */
#ifndef LIFECYCLE_IMAGE_STORE_H
#define LIFECYCLE_IMAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine.h"
#include "lifecycle/image_pulls.h"
#include "lifecycle/settings.h"
#include "lifecycle/setup_layers.h"
#include "router/base/attr.h"
#include "router/base/list.h"

struct image_store; /* opaque; defined in image_store.c */
struct known_note;
struct sidecar_want;

struct image_answer {
    struct engine_image image;
    struct engine_image sidecar_images[CONTAINER_SIDECARS_MAX];
    /* What revision_compute() takes: the image's id, or a digest of it and all
     * else that the container is made of. */
    char content_id[80];
    char made_from[160]; /* what to create it from; "": container->image */
    char sidecars_made_from[CONTAINER_SIDECARS_MAX][160]; /* likewise */
    bool was_pulled; /* it was not there before */
    uint64_t took_us;
};

/* Who waits for an image, embedded there. Zeroed, then on_image set (and
 * on_retry, where it is wanted). */
struct image_want {
    struct list node;
    /* Its images are those of this answer, whatever their names mean by now,
     * and whether or not they are still here; borrowed. NULL: they are looked
     * up. */
    const struct image_answer *known;
    /* err NULL: it is there. Never within the call that asks. ERR_NOT_FOUND
     * and ERR_DENIED: to try again is of no use before somebody did something
     * about it. err says which image, secret or layer it is about. */
    void (*on_image)(struct image_want *want, const struct image_answer *answer,
                     const struct err *err);
    /* A pull failed, as err says, and will be tried again after delay_ms. The
     * want may not be cancelled in it. */
    void (*on_retry)(struct image_want *want, const struct err *err,
                     uint64_t delay_ms);

    /* image_store.c's own. */
    struct image_store *store;
    const struct container_settings *container;
    enum setup_mode mode;
    const struct engine_image *known_image;
    struct known_note *note;
    struct pull_want pull;
    struct setup_want setup;
    char setup_digest[DIGEST_HEX_SIZE];
    struct engine_call *secrets_call;
    struct image_answer answer;
    uint64_t began_us;
    bool anew;
    struct sidecar_want *sidecar; /* of the one that is asked for now */
    uint32_t sidecar_next;
};

/* Borrows all; hooks: of pulls, may be NULL. */
MUST_USE struct image_store *
image_store_new(struct loop *loop, struct timers *timers, struct engine *engine,
                const struct podman_settings *settings,
                const struct pulls_hooks *hooks);
/* No one may be waiting. NULL is skipped. */
void image_store_free(struct image_store **store);

/* A reload: new settings; what `always` and `newer` name is pulled anew by the
 * next who asks for it, and the files of setup are read anew. Then ask for each
 * app, ahead of its requests. */
void image_store_renew(struct image_store *store,
                       const struct podman_settings *settings);

/* It was made without one, and nothing was asked of it. */
void image_store_set_engine(struct image_store *store, struct engine *engine);

/* Ask for all that the container and its sidecars need, to be pulled where its
 * pull_policy says. Borrows container until the want has its answer or is
 * cancelled. */
void image_store_ensure(struct image_store *store,
                        const struct container_settings *container,
                        struct image_want *want);
/* Likewise, and pull the image anew whatever is there: `berth pull`. */
void image_store_pull(struct image_store *store,
                      const struct container_settings *container,
                      struct image_want *want);
/* What it would be made of now, to know whether a container is of that: only
 * content_id is of use. As image_store_find(), but of layer and secrets it does
 * not matter whether they are there. */
void image_store_look(struct image_store *store,
                      const struct container_settings *container,
                      struct image_want *want);
/* Ask for all that the container needs, as far as it is here: nothing is pulled
 * or built, it waits for no pull, and what is missing is ERR_NOT_FOUND. */
void image_store_find(struct image_store *store,
                      const struct container_settings *container,
                      struct image_want *want);
/* Wait no longer; nothing where it does not wait. A pull that nobody waits for
 * any more goes on to its end. */
void image_want_cancel(struct image_want *want);

/* What is done for a container now, for people: "waiting for a turn to pull",
 * "pulling: 3 of 7 layers, 1.2 MB", "trying again: …", "setup: 1 of 4 steps";
 * "" when nothing is. */
void image_store_describe(const struct image_store *store,
                          const struct container_settings *container,
                          struct strbuf *ret_text);
/* Likewise of its pull, as numbers. */
void image_store_status(const struct image_store *store,
                        const struct container_settings *container,
                        struct pull_status *ret_status);
/* Whether its image was here when it was last looked for. */
bool image_store_is_here(const struct image_store *store,
                         const struct container_settings *container);

#endif
