/* app_call.h - one HTTP request of berth's own to one replica: POST, without a
 * body, for which any answer of 2xx is success (on_sleep, on_wake); or a check.
 * Thread: main.
 */
#ifndef PROXY_APP_CALL_H
#define PROXY_APP_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"

struct app_call; /* opaque; defined in app_call.c */
struct loop;
struct replica_ref;
struct timers;

/* Begins at once; borrows all but path. done runs once, never within this call,
 * with NULL, or why it failed; the call may be freed in it. */
MUST_USE struct app_call *
app_call_new(struct loop *loop, struct timers *timers,
             struct replica_ref *replica, const char *path, uint64_t timeout_ms,
             void (*done)(void *arg, const char *error), void *arg);
/* The same to see whether it lives: GET of path, which any answer below 400
 * passes; path NULL: a connection is enough. */
MUST_USE struct app_call *
app_call_check(struct loop *loop, struct timers *timers,
               struct replica_ref *replica, const char *path,
               uint64_t timeout_ms, void (*done)(void *arg, const char *error),
               void *arg);
/* done does not run any more. NULL is skipped. */
void app_call_free(struct app_call **call);

#endif
