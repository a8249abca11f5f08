/* exchange_split.h - which app of its route gets a request. Part of the
 * exchange (exchange_private.h). Thread: its worker.
 */
#ifndef PROXY_EXCHANGE_SPLIT_H
#define PROXY_EXCHANGE_SPLIT_H

#include "router/app.h"

struct exchange;

/* Which app gets it, where its route has several: sets its app. */
void exchange_choose_app(struct exchange *x);

/* Of the route's app, or the best of several: what the next request could
 * meet. */
enum app_state exchange_route_state(const struct exchange *x);

#endif
