/* sidecar_settings.c - what describes a container beside an app's own. */
#include "lifecycle/sidecar_settings.h"

#include <stdlib.h>

void sidecar_settings_done(struct sidecar_settings *sidecar)
{
    free(sidecar->name);
    free(sidecar->ready_check.path);
    free(sidecar->ready_check.pattern);
    container_settings_done(&sidecar->container);
}

uint64_t container_cpu_millis_of_pod(const struct container_settings *app)
{
    uint64_t sum = app->cpu_millis;

    for (uint32_t i = 0; i < app->sidecar_count; i++)
        sum += app->sidecars[i].container.cpu_millis;
    return sum;
}

uint64_t container_memory_bytes_of_pod(const struct container_settings *app)
{
    uint64_t sum = app->memory_bytes;

    for (uint32_t i = 0; i < app->sidecar_count; i++)
        sum += app->sidecars[i].container.memory_bytes;
    return sum;
}
