/* route_table.h - longest-prefix map from (host, path) to a route.
 *
 * Filled once; after route_table_seal() it never changes, so workers read it
 * without a lock. A reload builds a second table.
 */
#ifndef ROUTER_ROUTE_TABLE_H
#define ROUTER_ROUTE_TABLE_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"

struct route_table; /* opaque; defined in route_table.c */

MUST_USE struct route_table *route_table_new(void);
void route_table_free(struct route_table **table);

/* Send requests for `host` whose path begins with `prefix` to `target`
 * (opaque here; the front's own record of the route, borrowed).
 * host: lower case, no port; empty means any host; "*.example.com" one label
 * or more below example.com. prefix: begins with '/', normalised.
 * Copies both strings. Fails with ERR_INVALID or ERR_EXISTS and leaves the
 * table unchanged. Thread: builder only, before route_table_seal(). */
MUST_USE bool route_table_add(struct route_table *table, struct strview host,
                              struct strview prefix, void *target,
                              struct err *err);
/* Make it known that `host` exists, so that it is not served by any host's
 * routes even where it has none for a path. */
void route_table_add_host(struct route_table *table, struct strview host);
void route_table_seal(struct route_table *table);

/* Return the target of the most specific route, or NULL when none matches.
 * The host is decided first: exact, then the longest wildcard, then any; then
 * the longer prefix wins, on a segment boundary. ret_prefix_len: how much of
 * the path it covers ("/" covers 0 beyond the slash: 1).
 * host: any case, no port; a dot at its end is ignored; empty where there is
 * none. path: as request_path normalises it, no query; what does not begin
 * with '/' matches nothing. ret_prefix_len is untouched on NULL.
 * Cost: O(length of host and path). Thread: any, after route_table_seal(). */
void *route_table_find(const struct route_table *table, struct strview host,
                       struct strview path, size_t *ret_prefix_len);

#endif
