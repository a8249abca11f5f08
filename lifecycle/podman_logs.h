/* podman_logs.h - the output of containers, followed. */
#ifndef LIFECYCLE_PODMAN_LOGS_H
#define LIFECYCLE_PODMAN_LOGS_H

#include "lifecycle/engine.h"

/* Of engine_ops, as engine.h says. */
struct engine_call *podman_follow_logs(struct engine *engine, const char *id,
                                       uint32_t tail_lines, bool follow,
                                       const struct engine_log_reader *reader);
void podman_hold_logs(struct engine_call *call, bool is_held);

#endif
