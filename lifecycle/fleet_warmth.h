/* fleet_warmth.h - the warmth of all apps together: which of them have a primed
 * replica, and what gives way when the machine runs short of memory.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_FLEET_WARMTH_H
#define LIFECYCLE_FLEET_WARMTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle/fleet_app.h"
#include "lifecycle/memory_watch.h"

/* keep_primed auto: at most so many on the machine. */
#define FLEET_WARMTH_AUTO_MAX 32U

struct fleet_warmth { /* embedded in the fleet; its fields are its own */
    struct fleet_host *host;
    const char *proc; /* "/proc"; tests have one of their own */
    struct memory_watch memory;
    uint64_t looked_at_us;
    uint64_t measure_at_us;
    uint64_t calm_until_us; /* what was done last shows only then */
};

/* Borrows both. */
void fleet_warmth_init(struct fleet_warmth *warmth, struct fleet_host *host,
                       const char *proc);

/* Once a tick of the fleet: refill, and give way. apps[count], in the order of
 * the configuration. Cost: O(count log count + replicas). */
void fleet_warmth_tick(struct fleet_warmth *warmth,
                       struct fleet_app *const *apps, uint32_t count);

#endif
