/* settings.c - free the keeper's configuration. */
#include "lifecycle/settings.h"

#include <stdlib.h>

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
    free(s->podman.auth_file);
    for (uint32_t i = 0; i < s->resources.gpu_count; i++)
        free(s->resources.gpus[i].name);
    free(s->resources.gpus);
    string_list_done(&s->log_files);
    for (uint32_t i = 0; i < s->app_count; i++)
        container_settings_done(&s->apps[i].container);
    free(s->apps);
    free(s);
    *settings = NULL;
}
