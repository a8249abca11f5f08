/* spec_files.h - the part of Podman's create request that says what a container
 * finds in its file system and what it may do. For container_spec.c. Pure.
 */
#ifndef LIFECYCLE_SPEC_FILES_H
#define LIFECYCLE_SPEC_FILES_H

#include <cjson/cJSON.h>

#include "lifecycle/engine.h"

/* Volumes, tmpfs, secrets, devices, the directory of the app's socket. */
void spec_put_files(cJSON *json, const struct engine_spec *spec);

/* Capabilities, and what protects the host. */
void spec_put_privileges(cJSON *json,
                         const struct container_settings *container);

#endif
