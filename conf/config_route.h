/* config_route.h - routes, and the values that they inherit. Internal to conf.
 */
#ifndef CONF_CONFIG_ROUTE_H
#define CONF_CONFIG_ROUTE_H

#include "proxy/settings.h"
#include "router/base/attr.h"

struct builder;
struct conf_arg;
struct conf_node;

/* A copy that owns what it points to: what an inner block begins as. */
struct route_settings config_route_copy(const struct route_settings *from);
void config_route_done(struct route_settings *route);
struct page_numbers config_pages_copy(const struct page_numbers *from);

/* The app of that name, which this route uses. false after an error, or where
 * the file is broken: it may be in what could not be read. */
MUST_USE bool config_route_find_app(struct builder *builder,
                                    const struct conf_arg *arg,
                                    const char *name, uint32_t *ret_index);
/* "$http_x_tenant" → "x-tenant"; NULL after an error. */
MUST_USE char *config_route_variable(struct builder *builder,
                                     const struct conf_node *node,
                                     const char *text);

#endif
