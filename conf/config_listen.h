/* config_listen.h - the addresses that berth listens on. Internal to conf. */
#ifndef CONF_CONFIG_LISTEN_H
#define CONF_CONFIG_LISTEN_H

#include "conf/builder.h"

struct listener_place {
    const struct conf_node *node; /* the first that named it */
    uint32_t index;
    const struct conf_node *default_node; /* of a `default`; NULL: none */
};

/* A new listener, or NULL after an error when there is one already. Borrowed,
 * until the next is added. */
struct listener_settings *config_listener_add(struct builder *builder,
                                              const struct conf_node *node,
                                              const struct address *address,
                                              const char *text);

/* Say where two servers of one listener want the same hosts. */
void config_listeners_finish(struct builder *builder);

#endif
