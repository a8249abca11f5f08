/* replica_ref.h - one replica as the front sees it.
 *
 * Made by the front's main thread from REPLICA_ADD, published to its app,
 * shared by all workers, counted: it goes when it is removed from its app and
 * its last slot was released. All that changes is guarded by its app's lock
 * and lives behind app.h; here is what never changes.
 */
#ifndef ROUTER_REPLICA_REF_H
#define ROUTER_REPLICA_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/address.h"
#include "router/base/list.h"

struct app;

enum connect_kind {
    CONNECT_DIRECT = 1, /* to `address` (published port, host, upstream) */
    CONNECT_INSIDE = 2, /* with a socket of the stash, to loopback:`port` */
    CONNECT_KEEPER = 3, /* the keeper connects (Unix socket) on demand */
};

struct replica_locked; /* app.c's own */

struct replica_ref {
    struct app *app; /* borrowed; outlives it */
    uint64_t id;
    char *name;      /* for logs and `$replica` */
    char *revision;  /* of its app, for `$revision`; NULL: it has none */
    uint64_t serial; /* of that: larger ones are newer, and are preferred
                      * (app_acquire()); set before it is published */
    enum connect_kind connect;
    struct address address; /* CONNECT_DIRECT */
    uint32_t port;          /* CONNECT_INSIDE */
    int family; /* CONNECT_INSIDE: AF_INET or AF_INET6, set by the probe
                 * before it is published */
    struct replica_locked *locked; /* only for app.c */
};

#endif
