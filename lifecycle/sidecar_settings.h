/* sidecar_settings.h - what a configuration says about a container that runs
 * beside an app's own, in the same pod.
 *
 * Filled by conf, never changed afterwards; the struct owns what it points to.
 */
#ifndef LIFECYCLE_SIDECAR_SETTINGS_H
#define LIFECYCLE_SIDECAR_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/container_settings.h"
#include "router/settings.h"

struct sidecar_settings {
    char *name; /* unique in its app */
    /* network, socket, hostname and gpus: the pod's, so those of the app. */
    struct container_settings container;
    bool has_check;                 /* else it is ready once it runs */
    struct ready_check ready_check; /* on container.port, in the pod */
};

/* Free what it holds. */
void sidecar_settings_done(struct sidecar_settings *sidecar);

/* What a replica reserves: the app's container and all its sidecars'. What has
 * no limit adds nothing. */
uint64_t container_cpu_millis_of_pod(const struct container_settings *app);
uint64_t container_memory_bytes_of_pod(const struct container_settings *app);

#endif
