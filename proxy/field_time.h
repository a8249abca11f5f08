/* field_time.h - times that peers write into fields.
 *
 * Values; nothing to free. What is longer than FIELD_TIME_MAX_MS is that.
 * Thread: any.
 */
#ifndef PROXY_FIELD_TIME_H
#define PROXY_FIELD_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

#define FIELD_TIME_MAX_MS (366ULL * 24 * 3600 * 1000)

/* X-Berth-Keep, as the configuration writes times: "250ms", "30s", "10m",
 * "1h", "7d", "0". false, and *ret_ms untouched: it is none. */
MUST_USE bool field_time_duration(struct strview value, uint64_t *ret_ms);

/* X-Request-Timeout, seconds: "30", "2.5", "0.05", ".5". Decimals beyond
 * microseconds are dropped. false, and *ret_us untouched: it is none. */
MUST_USE bool field_time_seconds(struct strview value, uint64_t *ret_us);

#endif
