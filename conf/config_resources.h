/* config_resources.h - what an app reserves must fit together. Internal to
 * conf. */
#ifndef CONF_CONFIG_RESOURCES_H
#define CONF_CONFIG_RESOURCES_H

#include "conf/builder.h"

/* All directives of the app were read: defaults that follow from its gpus, and
 * what has no meaning without them. */
void config_resources_finish(struct builder *builder,
                             const struct block *block);

#endif
