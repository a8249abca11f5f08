/* admin_route.h - the admin API's table, and the look-up in it.
 * Thread: any.
 */
#ifndef PROXY_ADMIN_ADMIN_ROUTE_H
#define PROXY_ADMIN_ADMIN_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/strview.h"

struct admin_call;

enum admin_method {
    ADMIN_METHOD_GET, /* answers HEAD too */
    ADMIN_METHOD_POST,
    ADMIN_METHOD_OTHER,
};

enum admin_open { ADMIN_OPEN_ALWAYS, ADMIN_OPEN_METRICS, ADMIN_OPEN_NEVER };

struct admin_route {
    enum admin_method method;
    const char *path;
    void (*handle)(struct admin_call *call);
    enum admin_open open;
    bool writes;
    const char *help;
};

/* All rows, in the table's order. */
const struct admin_route *admin_routes(size_t *ret_count);

/* path: without the query. Returns the route; NULL when there is none:
 * then *ret_allowed names the methods that the path has ("GET, HEAD"), or is
 * NULL when there is no such path. ret_app: what stood for {app}. */
const struct admin_route *admin_route_find(enum admin_method method,
                                           struct strview path,
                                           struct strview *ret_app,
                                           const char **ret_allowed);

#endif
