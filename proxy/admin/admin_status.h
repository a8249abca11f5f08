/* admin_status.h - what /api/v1/status, apps and routes say, as JSON.
 *
 * The front knows counts and latencies, the keeper images and replicas. The
 * keeper's answer to QUERY "status" is one JSON object:
 *
 * {"engine": {"name", "version", "up": bool, "error": text|null,
 *             "freezer": "cgroup"|"pause", "can_hibernate": bool,
 *             "freezer_note", "hibernation_note": why not},
 *  "apps": [{"name", "image", "state", "revision", "wanted": N,
 *    "warmth": "ready"|"frozen"|"hibernated"|"primed"|"pulled"|"absent",
 *    "replicas": [{"id": N, "name", "state", "pid": N, "age_ms": N,
 *                  "memory": {"resident": BYTES, "swapped": BYTES}}],
 *    "last_error": null | {"at_unix_ms", "code", "message", "log": [line…]},
 *    "last_start": null | {"at_unix_ms", "from", "ok": bool, "total_us",
 *                          "phases": [{"name", "us"}]}}]}
 *
 * What it says beyond that is passed on as it is. Where the keeper does not
 * answer, its members are missing and "keeper" is {"up": false}.
 */
#ifndef PROXY_ADMIN_ADMIN_STATUS_H
#define PROXY_ADMIN_ADMIN_STATUS_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct admin_host;
struct cJSON;

/* Each returns a new object, for cJSON_Delete(). keeper: its answer, ptr NULL
 * when there is none. Thread: main. */
MUST_USE struct cJSON *admin_status_json(const struct admin_host *host,
                                         struct strview keeper);
/* The "apps" of it alone. */
MUST_USE struct cJSON *admin_apps_json(const struct admin_host *host,
                                       struct strview keeper);
/* One of them; index: into settings->apps. */
MUST_USE struct cJSON *admin_app_json(const struct admin_host *host,
                                      uint32_t index, struct strview keeper);
MUST_USE struct cJSON *admin_routes_json(const struct admin_host *host);

#endif
