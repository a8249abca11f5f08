/* app_progress.h - how far the start of an app is: what the keeper says, for
 * who follows it. Thread: any.
 */
#ifndef ROUTER_APP_PROGRESS_H
#define ROUTER_APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/app.h"
#include "router/base/strview.h"

struct app_progress {
    char phase[16];       /* as architecture.md names them; "": not known */
    uint32_t layers_done; /* of a pull */
    uint32_t layers_known;
    uint64_t bytes;
};

/* phase: letters only; another one counts as not known. */
void app_set_progress(struct app *app, struct strview phase,
                      uint32_t layers_done, uint32_t layers_known,
                      uint64_t bytes);

/* Where it stands. has_replica: one takes requests, so that there is nothing
 * to wait for. */
void app_follow(struct app *app, struct app_progress *ret_progress,
                enum app_state *ret_state, bool *ret_has_replica);
/* As if a request had come and been refused for there is no replica: whoever
 * follows wants it started. */
void app_knock(struct app *app);

#endif
