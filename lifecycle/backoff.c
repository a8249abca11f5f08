/* backoff.c - how long to wait before the next try. */
#include "lifecycle/backoff.h"

#include <assert.h>
#include <sys/random.h>

static uint64_t random_below(uint64_t bound)
{
    uint64_t value = 0;

    /* Where the kernel has no entropy yet, every process gets the same 0: no
     * jitter for once, which harms nobody. */
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) < 0)
        value = 0;
    return value % bound;
}

uint64_t backoff_fail(struct backoff *backoff)
{
    uint64_t delay_ms = backoff->first_ms;
    uint64_t spread;

    assert(backoff->first_ms > 0 && backoff->jitter_percent <= 100);
    for (unsigned i = 0; i < backoff->failure_count; i++) {
        if (delay_ms > backoff->max_ms / 2) {
            delay_ms = backoff->max_ms;
            break;
        }
        delay_ms *= 2;
    }
    if (delay_ms > backoff->max_ms)
        delay_ms = backoff->max_ms;
    backoff->failure_count++;
    spread = delay_ms * backoff->jitter_percent / 100;
    return delay_ms - random_below(spread + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failure_count = 0;
}
