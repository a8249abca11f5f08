/* keeper.h - the keeper's whole life: what `berth run` is, but for reading the
 * configuration and being a front.
 */
#ifndef LIFECYCLE_KEEPER_H
#define LIFECYCLE_KEEPER_H

#include <stdint.h>

#include "lifecycle/listen_sockets.h"
#include "lifecycle/settings.h"
#include "router/base/attr.h"
#include "router/base/strview.h"

struct channel;

struct keeper_config {
    const struct lifecycle_settings *settings;
    /* For the front, which alone understands it: CHANNEL_CONFIG's settings,
     * asked for at each start of a front. Borrowed until the next call. */
    struct strview (*front_settings)(void *arg);
    /* Every poll_ms (0: never): something that they were made of may have
     * changed. channel: the front's; NULL: there is none now. */
    void (*on_poll)(void *arg, struct channel *channel);
    uint64_t poll_ms;
    void *arg;
    /* What the front listens on; LISTENER messages name them by index. */
    unsigned listener_count;
    const struct listen_request *listeners;
    /* How this binary is told to be a front (front_process.h). */
    char *const *front_argv;
};

/* Serve until a signal or an order to stop. Borrows config. Returns the exit
 * code: 0 after an orderly stop, 1 when it could not start (why stands in the
 * log). Signals: QUIT drains and stops; TERM and INT stop at once, and so does
 * a second QUIT; USR1 opens the log files anew; HUP and USR2 are ignored for
 * now, with a notice.
 * Thread: main, the only one of its process. */
MUST_USE int keeper_run(const struct keeper_config *config);

#endif
