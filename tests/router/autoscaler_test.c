/* What the autoscaler wants, as a table. */
#include "router/autoscaler.h"

#include <criterion/criterion.h>

#define NOW     UINT64_C(1000000000)
#define SECOND  UINT64_C(1000000)
#define TIMEOUT 300

#define LIMITS(min, max)                                                       \
    {                                                                          \
        min, max, TIMEOUT * 1000                                               \
    }
#define AGO(seconds) (NOW - (seconds)*SECOND)

struct decide_case {
    const char *label;
    struct autoscaler_limits limits;
    struct autoscaler_demand demand; /* queued, in_flight, tunnels, … */
    struct autoscaler_replicas replicas;
    uint32_t wanted;
    enum autoscaler_reason reason;
    uint64_t again_at_us;
};

static const struct decide_case cases[] = {
    {"never asked for", LIMITS(0, 1), {0}, {0, 0}, 0, AUTOSCALER_NO_DEMAND, 0},
    {"one waits", LIMITS(0, 1), {.queued = 1}, {0, 0}, 1, AUTOSCALER_DEMAND, 0},
    {"many wait: no more than max",
     LIMITS(0, 1),
     {.queued = 500},
     {0, 0},
     1,
     AUTOSCALER_DEMAND,
     0},
    {"one was turned away",
     LIMITS(0, 1),
     {.unserved = 1},
     {0, 0},
     1,
     AUTOSCALER_DEMAND,
     0},
    {"the one who waited has hung up, the start goes on",
     LIMITS(0, 1),
     {0},
     {0, 1},
     1,
     AUTOSCALER_STARTING,
     0},
    {"one in flight, ended long ago before",
     LIMITS(0, 1),
     {.in_flight = 1, .idle_since_us = AGO(900)},
     {1, 0},
     1,
     AUTOSCALER_DEMAND,
     0},
    {"a tunnel, nothing else for long",
     LIMITS(0, 1),
     {.tunnels = 1, .idle_since_us = AGO(900)},
     {1, 0},
     1,
     AUTOSCALER_DEMAND,
     0},
    {"idle for a moment",
     LIMITS(0, 1),
     {.idle_since_us = AGO(1)},
     {1, 0},
     1,
     AUTOSCALER_RECENT,
     NOW + 299 * SECOND},
    {"idle for just under idle_timeout",
     LIMITS(0, 1),
     {.idle_since_us = NOW - 300 * SECOND + 1},
     {1, 0},
     1,
     AUTOSCALER_RECENT,
     NOW + 1},
    {"idle for idle_timeout",
     LIMITS(0, 1),
     {.idle_since_us = AGO(300)},
     {1, 0},
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"idle, but min is one",
     LIMITS(1, 1),
     {.idle_since_us = AGO(900)},
     {1, 0},
     1,
     AUTOSCALER_MIN,
     0},
    {"never asked for, but min is two",
     LIMITS(2, 4),
     {0},
     {0, 0},
     2,
     AUTOSCALER_MIN,
     0},
    {"idle_timeout off",
     {0, 1, 0},
     {.idle_since_us = AGO(900)},
     {1, 0},
     1,
     AUTOSCALER_RECENT,
     0},
    {"idle_timeout off makes no replica",
     {0, 1, 0},
     {.idle_since_us = AGO(900)},
     {0, 0},
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"recently used, but it is gone (crashed): none without demand",
     LIMITS(0, 1),
     {.idle_since_us = AGO(1)},
     {0, 0},
     0,
     AUTOSCALER_NO_DEMAND,
     0},
    {"max is none",
     LIMITS(0, 0),
     {.queued = 3},
     {0, 0},
     0,
     AUTOSCALER_DEMAND,
     0},
};

Test(autoscaler, it_wants_what_the_demand_needs_within_the_limits)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct decide_case *c = &cases[i];
        struct autoscaler_input input = {c->limits, c->demand, c->replicas,
                                         NOW};
        struct autoscaler_output out = autoscaler_decide(&input);

        cr_expect_eq(out.wanted, c->wanted, "%s: wants %u", c->label,
                     out.wanted);
        cr_expect_eq(out.reason, c->reason, "%s: because of %s", c->label,
                     autoscaler_reason_text(out.reason));
        cr_expect_eq(out.again_at_us, c->again_at_us, "%s", c->label);
    }
}
