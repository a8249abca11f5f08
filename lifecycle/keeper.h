/* keeper.h - the keeper's whole life: what `berth run` is, but for reading the
 * configuration and being a front.
 */
#ifndef LIFECYCLE_KEEPER_H
#define LIFECYCLE_KEEPER_H

#include <stdint.h>

#include "lifecycle/keeper_settings.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

struct keeper_config {
    /* The first; the keeper takes a reference of its own. */
    struct keeper_settings *settings;
    /* Read the configuration anew, as it is to follow `running`: an app of the
     * same name has the same id. NULL: it cannot be used; why, a line each, in
     * *ret_errors. Otherwise warnings there. The caller has the reference. */
    struct keeper_settings *(*load)(void *arg, struct keeper_settings *running,
                                    struct strbuf *ret_errors);
    void *arg;
    uint64_t poll_ms; /* keeper_settings_ops.poll; 0: never */
    /* How this binary is told to be a front (front_process.h). */
    char *const *front_argv;
};

/* Serve until a signal or an order to stop. Borrows config. Returns the exit
 * code: 0 after an orderly stop, 1 when it could not start (why stands in the
 * log). Signals: HUP reloads; QUIT drains and stops; TERM and INT stop at once,
 * and so does a second QUIT; USR1 opens the log files anew; USR2 is ignored for
 * now, with a notice.
 * Thread: main, the only one of its process. */
MUST_USE int keeper_run(const struct keeper_config *config);

#endif
