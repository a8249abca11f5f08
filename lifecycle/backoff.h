/* backoff.h - how long to wait before the next try: doubling, with jitter, so
 * that many who fail together do not come back together. Values. Thread: any.
 */
#ifndef LIFECYCLE_BACKOFF_H
#define LIFECYCLE_BACKOFF_H

#include <stdint.h>

struct backoff {
    uint64_t first_ms;       /* delay after the first failure; at least 1 */
    uint64_t max_ms;         /* never longer, jitter included */
    unsigned jitter_percent; /* up to this much is taken off; 0 to 100 */
    unsigned failure_count;  /* in a row; 0: none since the last success */
};

/* Count one failure and return the delay before the next try. */
uint64_t backoff_fail(struct backoff *backoff);

/* A success: the next failure starts from first_ms again. */
void backoff_reset(struct backoff *backoff);

#endif
