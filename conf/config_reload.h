/* config_reload.h - remembers where a file says what a reload cannot change.
 * Internal to conf.
 */
#ifndef CONF_CONFIG_RELOAD_H
#define CONF_CONFIG_RELOAD_H

#include "conf/builder.h"

/* For each directive as it is read; keeps those that are FIXED. */
void config_note_place(struct builder *builder, const struct conf_node *node);

void config_places_done(struct config *config);

#endif
