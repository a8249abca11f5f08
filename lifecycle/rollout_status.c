/* rollout_status.c - how a roll-out does, as `berth status` and the API show
 * it. */
#include <cjson/cJSON.h>

#include "lifecycle/rollout.h"
#include "lifecycle/rollout_tally.h"
#include "router/base/clock.h"

cJSON *rollout_status(const struct fleet_app *app)
{
    static const char *const outcomes[] = {
        [ROLLOUT_UNDER_WAY] = "rolling",
        [ROLLOUT_DONE] = "done",
        [ROLLOUT_ROLLED_BACK] = "rolled_back",
    };
    static const char *const steps[] = {
        [ROLLOUT_PULLS] = "pulling",
        [ROLLOUT_TRIES] = "trying",
        [ROLLOUT_MOVES] = "moving",
    };
    const struct rollout *rollout = &app->rollout;
    struct rollout_tally tally;
    cJSON *json;

    if (rollout->outcome == ROLLOUT_NEVER)
        return cJSON_CreateNull();
    rollout_count(app, &tally);
    json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "result", outcomes[rollout->outcome]);
    if (rollout->outcome == ROLLOUT_UNDER_WAY)
        cJSON_AddStringToObject(json, "step", steps[rollout->step]);
    cJSON_AddStringToObject(json, "from", rollout->from);
    cJSON_AddStringToObject(json, "to", rollout->to);
    cJSON_AddNumberToObject(json, "began_unix_ms",
                            (double)rollout->began_unix_ms);
    cJSON_AddNumberToObject(
        json, "took_ms",
        (double)(rollout->outcome == ROLLOUT_UNDER_WAY
                     ? (clock_now_us() - rollout->began_us) / 1000
                     : rollout->took_us / 1000));
    cJSON_AddStringToObject(json, "reason", rollout->reason);
    cJSON_AddNumberToObject(json, "new_ready", tally.new_ready);
    cJSON_AddNumberToObject(json, "new_starting", tally.new_starting);
    cJSON_AddNumberToObject(json, "old_ready", tally.old_ready);
    cJSON_AddNumberToObject(json, "old_leaving", tally.old_rest);
    cJSON_AddNumberToObject(json, "start_failures", rollout->failures);
    return json;
}
