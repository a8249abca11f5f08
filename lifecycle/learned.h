/* learned.h - what berth has learned about apps, kept over restarts in a small
 * file of state_dir. It is no record of anything: lost or damaged, it costs
 * only what it knew.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_LEARNED_H
#define LIFECYCLE_LEARNED_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strbuf.h"

/* From where an app is started. */
enum learned_rung {
    LEARNED_ABSENT,
    LEARNED_PULLED,
    LEARNED_PRIMED,
    LEARNED_HIBERNATED,
    LEARNED_FROZEN,
    LEARNED_RUNGS
};

struct learned_app { /* running means; 0: not known */
    uint64_t service_us;
    uint64_t start_us[LEARNED_RUNGS];
    uint64_t
        keep_until_unix_s; /* somebody asked for it to be kept; 0: nobody */
};

/* Call fn for each app of the file; name is borrowed for the call. A file that
 * is not there is an empty one. false: it cannot be read, or some of it is
 * damaged; err says why, what is whole was told. */
MUST_USE bool learned_read(const char *state_dir,
                           void (*fn)(void *arg, const char *name,
                                      const struct learned_app *app),
                           void *arg, struct err *err);

/* Add an app's line; none where nothing is known of it. */
void learned_add(struct strbuf *text, const char *name,
                 const struct learned_app *app);
/* Put the lines in the old file's place: all of them, or none. */
MUST_USE bool learned_write(const char *state_dir, const struct strbuf *text,
                            struct err *err);

#endif
