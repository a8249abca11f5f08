/* autoscaler.h - how many replicas an app should have: a pure function.
 *
 * No clock, no thread, no Podman: a simulation runs the code that production
 * runs. Times are of any monotonic clock, the same in all calls.
 */
#ifndef ROUTER_AUTOSCALER_H
#define ROUTER_AUTOSCALER_H

#include <stdbool.h>
#include <stdint.h>

/* What the front tells of an app (channel's DEMAND), and what the keeper makes
 * of it. */
struct autoscaler_demand {
    uint32_t queued;
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
};

struct autoscaler_replicas {
    uint32_t ready;    /* takes requests, frozen ones too */
    uint32_t starting; /* on its way to that */
};

struct autoscaler_limits { /* of the app's settings */
    uint32_t min;
    uint32_t max;
    uint64_t idle_timeout_ms; /* 0: off, the last replica stays */
};

struct autoscaler_input {
    struct autoscaler_limits limits;
    struct autoscaler_demand demand;
    struct autoscaler_replicas replicas;
    uint64_t now_us;
};

/* Why it is so; for status and events. */
enum autoscaler_reason {
    AUTOSCALER_NO_DEMAND, /* none, for idle_timeout or ever */
    AUTOSCALER_DEMAND,    /* requests or tunnels, here or turned away */
    AUTOSCALER_STARTING,  /* a start that was begun runs to its end */
    AUTOSCALER_RECENT,    /* idle for less than idle_timeout */
    AUTOSCALER_MIN,       /* limits.min asks for more than the above */
};
const char *autoscaler_reason_text(enum autoscaler_reason reason);

struct autoscaler_output {
    uint32_t wanted; /* ready and starting together: min to max */
    enum autoscaler_reason reason;
    /* When to ask again though nothing happens; 0: no need. */
    uint64_t again_at_us;
};

/* Thread: any. */
struct autoscaler_output
autoscaler_decide(const struct autoscaler_input *input);

#endif
