/* autoscaler.c - how many replicas an app should have. */
#include "router/autoscaler.h"

const char *autoscaler_reason_text(enum autoscaler_reason reason)
{
    static const char *const texts[] = {
        [AUTOSCALER_NO_DEMAND] = "no demand",
        [AUTOSCALER_DEMAND] = "demand",
        [AUTOSCALER_STARTING] = "a start is under way",
        [AUTOSCALER_RECENT] = "idle for less than idle_timeout",
        [AUTOSCALER_MIN] = "the least that is configured",
    };

    return texts[reason];
}

/* Nothing is under way. Of an app that has a replica, the last one stays until
 * idle_timeout; of one that has none, nothing is kept. */
static struct autoscaler_output decide_idle(const struct autoscaler_input *in)
{
    uint64_t timeout_us = in->limits.idle_timeout_ms * 1000;
    uint64_t end_us = in->demand.idle_since_us + timeout_us;

    if (in->replicas.starting > 0)
        return (struct autoscaler_output){1, AUTOSCALER_STARTING, 0};
    if (in->replicas.ready == 0)
        return (struct autoscaler_output){0, AUTOSCALER_NO_DEMAND, 0};
    if (timeout_us == 0)
        return (struct autoscaler_output){1, AUTOSCALER_RECENT, 0};
    if (in->now_us < end_us)
        return (struct autoscaler_output){1, AUTOSCALER_RECENT, end_us};
    return (struct autoscaler_output){0, AUTOSCALER_NO_DEMAND, 0};
}

struct autoscaler_output autoscaler_decide(const struct autoscaler_input *in)
{
    const struct autoscaler_demand *demand = &in->demand;
    struct autoscaler_output out = {1, AUTOSCALER_DEMAND, 0};

    if (demand->queued == 0 && demand->in_flight == 0 && demand->tunnels == 0 &&
        demand->unserved == 0)
        out = decide_idle(in);
    if (out.wanted < in->limits.min) {
        out.wanted = in->limits.min;
        out.reason = AUTOSCALER_MIN;
    }
    if (out.wanted > in->limits.max)
        out.wanted = in->limits.max;
    return out;
}
