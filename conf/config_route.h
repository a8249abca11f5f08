/* config_route.h - routes, and the values that they inherit. Internal to conf.
 */
#ifndef CONF_CONFIG_ROUTE_H
#define CONF_CONFIG_ROUTE_H

#include "proxy/settings.h"

/* A copy that owns what it points to: what an inner block begins as. */
struct route_settings config_route_copy(const struct route_settings *from);
void config_route_done(struct route_settings *route);
struct page_numbers config_pages_copy(const struct page_numbers *from);

#endif
