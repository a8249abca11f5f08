/* podman_metric.h - under which name a call of Podman's API is counted.
 * Thread: any.
 */
#ifndef LIFECYCLE_PODMAN_METRIC_H
#define LIFECYCLE_PODMAN_METRIC_H

#include "router/base/metrics.h"

/* The row of berth_podman_request_seconds; path: with version and query. */
enum metric_histogram_id podman_metric_of(const char *method, const char *path);

#endif
