/* upstream_pool.h - connections that wait, parked on their slots, and their
 * handover between workers.
 *
 * There is no pool beside the slots: a slot carries its idle connection, so
 * that berth never has more connections to a replica than it has slots. Here
 * is what that takes: closing a parked one when the app does, and moving one
 * to the worker that was granted its slot. Thread: owner loop.
 */
#ifndef PROXY_UPSTREAM_POOL_H
#define PROXY_UPSTREAM_POOL_H

#include <stdbool.h>

#include "router/base/attr.h"

struct exchange;
struct handover; /* one connection that is asked of another worker */
struct slot;
struct upstream;
struct worker;

enum pool_result {
    POOL_NONE,  /* the slot carries none: connect */
    POOL_TAKEN, /* *ret_upstream is the exchange's */
    POOL_ASKED, /* exchange_on_handover() will be called */
};

/* Take the connection that a granted slot carries. */
enum pool_result upstream_pool_take(struct worker *worker, struct slot *slot,
                                    struct exchange *exchange,
                                    struct upstream **ret_upstream,
                                    struct handover **ret_handover);
/* The exchange goes: what comes is given back with the slot, which is the
 * handover's from now on. */
void upstream_pool_forget(struct handover **handover);

/* Give a slot back, with its idle connection, or NULL; takes it. */
void upstream_pool_release(struct worker *worker, struct slot *slot,
                           struct upstream *upstream);

/* A slot was granted that nobody needs any more: give it back with what it
 * carries. */
void upstream_pool_give_back(struct worker *worker, struct slot *slot);

/* The read event of a parked connection. */
void upstream_pool_on_readable(struct upstream *upstream);
/* For app_unpark_all(): close one. */
void upstream_pool_close(void *arg, void *parked);

#endif
