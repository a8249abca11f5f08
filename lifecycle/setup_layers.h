/* setup_layers.h - the layers that `setup { }` puts upon images.
 *
 * A layer is an image of its own, localhost/berth-setup/NAMESPACE:DIGEST, where
 * DIGEST is of the image below it and of all that the steps say and copy: so it
 * is built once, whoever needs it, and found again after a restart. The files
 * are read at the first question after a start or a reload, as env_file is.
 * Layers that nobody asked for since are removed, once no container uses them;
 * an answer that comes later to one who asked before does not count.
 * For image_store.c. Thread: keeper main.
 */
#ifndef LIFECYCLE_SETUP_LAYERS_H
#define LIFECYCLE_SETUP_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/engine.h"
#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/digest.h"
#include "router/base/list.h"

struct setup_layers; /* opaque; defined in setup_layers.c */
struct loop;
struct timers;

enum setup_mode {
    SETUP_ENSURE, /* build the layer where it is not there */
    SETUP_FIND,   /* ERR_NOT_FOUND where it is not there */
    SETUP_LOOK,   /* only what its digest would be */
};

struct setup_answer {
    char digest[DIGEST_HEX_SIZE];
    char tag[160];             /* "": SETUP_LOOK */
    struct engine_image image; /* of the layer, where tag is not "" */
};

/* Who waits, embedded there; zeroed, then on_layer set. */
struct setup_want {
    struct list node;
    /* May run within setup_layers_ask(). */
    void (*on_layer)(struct setup_want *want, const struct setup_answer *answer,
                     const struct err *err);
    char base[80]; /* setup_layers.c's own, as the rest */
    uint64_t timeout_ms;
    enum setup_mode mode;
    uint32_t reloads; /* when it was asked */
};

/* Borrows all. engine NULL: nobody asks, until there is one. */
MUST_USE struct setup_layers *
setup_layers_new(struct loop *loop, struct timers *timers,
                 struct engine *engine, const struct podman_settings *settings);
/* No one may be waiting. Waits for the thread that reads files to stop. NULL is
 * skipped. */
void setup_layers_free(struct setup_layers **layers);

/* Where there was none; NULL until then. Borrows. */
void setup_layers_set_engine(struct setup_layers *layers,
                             struct engine *engine);
/* New settings: files are read anew by the next who asks. */
void setup_layers_renew(struct setup_layers *layers,
                        const struct podman_settings *settings);

/* Ask for container's setup upon the image `base` (copied, as the steps). */
void setup_layers_ask(struct setup_layers *layers,
                      const struct container_settings *container,
                      const char *base, enum setup_mode mode,
                      struct setup_want *want);
void setup_want_cancel(struct setup_want *want);

/* What is done for the container's setup now: "" when nothing is. */
void setup_layers_describe(const struct setup_layers *layers,
                           const struct container_settings *container,
                           struct strbuf *ret_text);

#endif
