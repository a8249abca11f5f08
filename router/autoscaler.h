/* autoscaler.h - how many replicas an app should have: a pure function.
 *
 * No clock, no thread, no Podman: a simulation runs the code that production
 * runs. Times are of any monotonic clock, the same in all calls. The formulas
 * and why they are so stand in autoscaler.c.
 */
#ifndef ROUTER_AUTOSCALER_H
#define ROUTER_AUTOSCALER_H

#include <stdbool.h>
#include <stdint.h>

#include "router/demand.h"

/* What the front tells of an app (channel's DEMAND), and what the keeper makes
 * of it. */
struct autoscaler_demand {
    uint32_t queued;
    uint64_t oldest_us; /* when the oldest of these came; 0: not known */
    uint32_t in_flight;
    uint32_t tunnels;
    /* Requests that came, found no slot and are gone (refused, timed out, hung
     * up) since the last start that was made for one ended or a replica was
     * last stopped: they count as demand until the start that they need ends.
     */
    uint64_t unserved;
    /* Last end of a request or tunnel, or when the youngest replica became
     * ready where that is later; 0: there was none. */
    uint64_t idle_since_us;
    uint64_t keep_until_us;  /* somebody asked for it; 0: nobody */
    struct demand_view load; /* demand_read(); zeroed: not measured */
};

struct autoscaler_replicas {
    uint32_t ready;    /* takes requests, frozen ones too; no draining ones */
    uint32_t starting; /* on its way to that */
    /* The quickest start that is possible now: running mean of the start times
     * from the warmest rung that has one; 0: not known. */
    uint64_t start_us;
    /* A start failed and its back-off runs: the backlog asks for no more. */
    bool is_backing_off;
};

struct autoscaler_limits { /* of the app's settings */
    uint32_t min;
    uint32_t max;
    uint64_t idle_timeout_ms;            /* 0: off, the last replica stays */
    uint32_t concurrency;                /* slots a replica; 0: no limit */
    uint32_t target_utilization_percent; /* 0: auto */
    bool has_scale_down_delay;           /* false: auto */
    uint64_t scale_down_delay_ms;
};

/* What was wanted lately: an app is let down slowly. The caller keeps one an
 * app, zeroed at first; its fields are the autoscaler's. */
#define AUTOSCALER_LEVELS 32
struct autoscaler_levels {
    struct {
        uint64_t at_us; /* the last time that so many were needed */
        uint32_t count;
    } levels[AUTOSCALER_LEVELS]; /* ever fewer, ever later */
    unsigned count;
};
struct autoscaler_history {
    struct autoscaler_levels load;
    struct autoscaler_levels backlog;
    uint32_t period_floor; /* no lower before period_end_us */
    uint64_t period_end_us;
};

/* `count` replicas were found running (adopted) or are to be kept: none is let
 * go for one scale_down_delay from now on. */
void autoscaler_hold(struct autoscaler_history *history, uint32_t count,
                     uint64_t now_us);

struct autoscaler_input {
    struct autoscaler_limits limits;
    struct autoscaler_demand demand;
    struct autoscaler_replicas replicas;
    uint64_t now_us;
    struct autoscaler_history *history; /* NULL: let go at once */
};

/* Why it is so; for status and events. */
enum autoscaler_reason {
    AUTOSCALER_NO_DEMAND, /* none, for idle_timeout or ever */
    AUTOSCALER_DEMAND,    /* requests or tunnels, here or turned away */
    AUTOSCALER_STARTING,  /* a start that was begun runs to its end */
    AUTOSCALER_RECENT,    /* idle for less than idle_timeout */
    AUTOSCALER_KEPT,      /* idle for longer, but it was asked to be kept */
    AUTOSCALER_MIN,       /* limits.min asks for more than the above */
    AUTOSCALER_LOAD,      /* more than one: for the load that is measured */
    AUTOSCALER_BACKLOG,   /* more than one: to serve those who wait in time */
    AUTOSCALER_HELD,      /* fewer would do, for less than scale_down_delay */
};
const char *autoscaler_reason_text(enum autoscaler_reason reason);

struct autoscaler_output {
    uint32_t wanted; /* ready and starting together: min to max */
    enum autoscaler_reason reason;
    /* When to ask again though nothing happens; 0: no need, or at the next
     * tick (more are kept than the last one). */
    uint64_t again_at_us;
};

/* Changes *history alone. Thread: any. Cost: O(AUTOSCALER_LEVELS). */
struct autoscaler_output
autoscaler_decide(const struct autoscaler_input *input);

#endif
