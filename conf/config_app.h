/* config_app.h - where the apps of a configuration are. Internal to conf. */
#ifndef CONF_CONFIG_APP_H
#define CONF_CONFIG_APP_H

#include "conf/builder.h"

struct app_place {
    const struct conf_node *node;
    uint32_t index;
};

/* Make room for all apps and give each name its index, before anything that
 * names one is read. */
void config_apps_declare(struct builder *builder,
                         const struct conf_node *children);

/* Warn of apps that no route leads to. */
void config_apps_finish(struct builder *builder,
                        const struct conf_node *children);

#endif
