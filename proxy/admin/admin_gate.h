/* admin_gate.h - no more than so many connections to the admin API at a time.
 *
 * When all places are taken, the connection that has been asking for nothing
 * for longest (idle, or in the middle of its request) is closed for the next
 * one: who has no token, or forgets to hang up, keeps nobody out. Only where
 * all are being answered, new ones wait in the kernel.
 *
 * evhttp (2.1) has neither a limit nor a call back for the end of a
 * connection, so each connection's socket is remembered by descriptor and
 * inode when it comes, and looked at again only when the gate seems full.
 * Thread: main.
 */
#ifndef PROXY_ADMIN_ADMIN_GATE_H
#define PROXY_ADMIN_ADMIN_GATE_H

#include <stdbool.h>

#include "router/base/attr.h"

struct admin_gate; /* opaque */
struct evhttp;
struct evhttp_request;
struct evconnlistener;
struct loop;
struct tls_context;

MUST_USE struct admin_gate *admin_gate_new(struct loop *loop, unsigned max);
/* Before the listeners and servers go. NULL is skipped. */
void admin_gate_free(struct admin_gate **gate);

/* Count the connections of http, which come from listener. Both borrowed.
 * tls: where the context for a new connection stands then; NULL: plain. */
void admin_gate_watch(struct admin_gate *gate, struct evhttp *http,
                      struct evconnlistener *listener,
                      struct tls_context *const *tls);

/* The request came as a whole: its connection stays until it is answered. */
void admin_gate_hold(struct admin_gate *gate, struct evhttp_request *request);

/* The listener goes, or is watched anew; its connections still count. */
void admin_gate_unwatch(struct admin_gate *gate,
                        struct evconnlistener *listener);

/* Open now; for tests and logs. Cost: a system call each. */
unsigned admin_gate_count(struct admin_gate *gate);

#endif
