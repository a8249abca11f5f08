/* admin_access.h - who may ask the admin API for what.
 *
 * The Unix socket is guarded by its file mode: whoever can open it may do
 * everything. A TCP listener asks for a bearer token, and looks at Host, so
 * that a page in a browser cannot reach it under a name of its own (DNS
 * rebinding). Pure. Thread: any.
 */
#ifndef PROXY_ADMIN_ADMIN_ACCESS_H
#define PROXY_ADMIN_ADMIN_ACCESS_H

#include <stdbool.h>

#include "router/base/strview.h"

struct address;
struct admin_settings;

enum admin_verdict {
    ADMIN_ALLOWED,
    ADMIN_MISDIRECTED,  /* 421: Host is not this listener's */
    ADMIN_UNAUTHORIZED, /* 401: no token, or a wrong one */
    ADMIN_FORBIDDEN,    /* 403: the read token, and it would write */
};

struct admin_ask {
    const struct address *listener;
    bool has_host;
    struct strview host;          /* the Host field */
    struct strview authorization; /* the field, ptr NULL: none */
    bool writes;
    bool is_open; /* asks for what needs no token */
};

enum admin_verdict admin_access_check(const struct admin_settings *settings,
                                      const struct admin_ask *ask);

/* In constant time for any two secrets: not even lengths show. */
bool admin_secret_equal(struct strview a, struct strview b);

#endif
