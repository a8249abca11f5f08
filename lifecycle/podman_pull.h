/* podman_pull.h - what Podman says while it pulls an image, line by line.
 *
 * The Docker-compatible call answers in two shapes: a failure is an "error" in
 * a stream of status 200 (Podman 4.3), or an answer of its own (5.x), which
 * podman_json_failure() reads. Pure. Thread: any.
 */
#ifndef LIFECYCLE_PODMAN_PULL_H
#define LIFECYCLE_PODMAN_PULL_H

#include <stdbool.h>

#include "lifecycle/engine.h"

#define PODMAN_PULL_LAYERS_MAX 256 /* more than a storage driver can stack */

struct podman_pull; /* opaque */

MUST_USE struct podman_pull *podman_pull_new(void);
void podman_pull_free(struct podman_pull **pull); /* NULL is skipped */

/* Take one line. True when the progress changed. A line that is no JSON
 * counts as a failure of the pull. */
bool podman_pull_line(struct podman_pull *pull, struct strview line);

const struct engine_progress *
podman_pull_progress(const struct podman_pull *pull);

/* At the stream's end: false, with the reason, when it has failed. */
MUST_USE bool podman_pull_result(const struct podman_pull *pull,
                                 struct err *err);

#endif
