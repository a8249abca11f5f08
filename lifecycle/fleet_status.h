/* fleet_status.h - an app of the fleet as JSON, for `berth status` and the
 * admin API. Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_STATUS_H
#define LIFECYCLE_FLEET_STATUS_H

#include "lifecycle/fleet_app.h"
#include "lifecycle/image_store.h"
#include "router/base/attr.h"

struct cJSON;

/* One of "apps" as proxy/admin/admin_status.h describes them, and beside that:
 * "wanted_reason", "state_age_ms", "retry_in_ms", "image_activity", "crashes",
 * "start_failures"; for each replica "container", "reason", "since_unix_ms",
 * "connect", "adopted". For cJSON_Delete(). */
MUST_USE struct cJSON *fleet_status_app(const struct fleet_app *app,
                                        const struct image_store *images);

/* What GET /api/v1/apps/{app}/starts answers: {"app", "image", "state",
 * "current": [{"replica", "at_unix_ms", "state", "in_state_us", "reason",
 * "phases"}], "starts": start_log_json()}. */
MUST_USE struct cJSON *fleet_status_starts(const struct fleet_app *app,
                                           const struct image_store *images);

#endif
