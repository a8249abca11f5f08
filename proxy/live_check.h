/* live_check.h - whether a replica that serves is still alive (`live_check`):
 * asked every interval, never while it sleeps.
 *
 * A crash is seen without it; it finds what hangs. Thread: main.
 */
#ifndef PROXY_LIVE_CHECK_H
#define PROXY_LIVE_CHECK_H

#include "router/base/attr.h"

struct app;
struct live_checker; /* opaque; defined in live_check.c */
struct loop;
struct replica_ref;
struct timers;

/* Borrows all. on_hung runs once, when so many checks in a row have failed;
 * text: why the last one did. The checker may be freed in it. */
MUST_USE struct live_checker *
live_checker_new(struct loop *loop, struct timers *timers, struct app *app,
                 struct replica_ref *replica,
                 void (*on_hung)(void *arg, const char *text), void *arg);
/* Before the replica is removed. NULL is skipped. */
void live_checker_free(struct live_checker **checker);

/* It serves: check it from now on; or the app's settings are others now. */
void live_checker_start(struct live_checker *checker);
/* It goes: no more of it. */
void live_checker_stop(struct live_checker *checker);

#endif
