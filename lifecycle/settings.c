/* settings.c - free the keeper's configuration. */
#include "lifecycle/settings.h"

#include <stdlib.h>

static void string_list_done(struct string_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static void name_values_done(struct name_values *values)
{
    for (uint32_t i = 0; i < values->count; i++) {
        free(values->items[i].name);
        free(values->items[i].value);
    }
    free(values->items);
}

static void container_settings_done(struct container_settings *container)
{
    free(container->image);
    free(container->socket);
    free(container->network_name);
    string_list_done(&container->command);
    string_list_done(&container->entrypoint);
    free(container->workdir);
    free(container->user);
    name_values_done(&container->env);
    name_values_done(&container->labels);
    for (uint32_t i = 0; i < container->volume_count; i++) {
        free(container->volumes[i].source);
        free(container->volumes[i].destination);
        free(container->volumes[i].options);
    }
    free(container->volumes);
    for (uint32_t i = 0; i < container->ulimit_count; i++)
        free(container->ulimits[i].name);
    free(container->ulimits);
    free(container->stop_signal);
}

void lifecycle_settings_free(struct lifecycle_settings **settings)
{
    struct lifecycle_settings *s = *settings;

    if (!s)
        return;
    free(s->state_dir);
    free(s->user);
    free(s->podman.socket);
    free(s->podman.namespace_name);
    free(s->podman.runtime);
    string_list_done(&s->log_files);
    for (uint32_t i = 0; i < s->app_count; i++)
        container_settings_done(&s->apps[i].container);
    free(s->apps);
    free(s);
    *settings = NULL;
}
