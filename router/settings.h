/* settings.h - what keeper and front both know of an app.
 *
 * Plain values filled by conf, defaults included, and never changed
 * afterwards. All pointers are owned by the struct.
 */
#ifndef ROUTER_SETTINGS_H
#define ROUTER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/address.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"
#include "router/base/wire.h"

enum check_kind { CHECK_TCP, CHECK_HTTP, CHECK_LOG };

struct ready_check {
    enum check_kind kind;
    char *path; /* CHECK_HTTP */
    uint32_t status_min;
    uint32_t status_max;
    /* CHECK_LOG: the keeper waits for a line that it matches; then the front
     * goes on as for CHECK_TCP. line_pattern.h */
    char *pattern;
};

enum live_kind { LIVE_OFF, LIVE_TCP, LIVE_HTTP };

struct live_check {
    enum live_kind kind;
    char *path; /* LIVE_HTTP */
    uint64_t interval_ms;
    uint64_t timeout_ms;
    uint32_t failures; /* in a row */
};

/* In the queue of an app. */
enum app_priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW };

enum cold_start { COLD_START_HOLD, COLD_START_REJECT, COLD_START_PAGE };

enum hibernate_when { HIBERNATE_PRESSURE, HIBERNATE_AFTER, HIBERNATE_OFF };

/* How replicas go down by idle time, and what is kept on each rung. */
struct warmth_settings {
    uint64_t freeze_after_ms; /* 0: off */
    enum hibernate_when hibernate_when;
    uint64_t hibernate_after_ms; /* HIBERNATE_AFTER */
    uint32_t keep_frozen;
    uint64_t keep_frozen_for_ms; /* 0: without end */
    bool keep_primed_auto;
    uint32_t keep_primed; /* where it is not auto */
    bool keep_until_pressure;
    char *on_sleep; /* path; NULL: none */
    char *on_wake;
};

struct app_settings {
    /* Unique for the life of a keeper: what the channel's messages call the
     * app. Over a reload the same name keeps it; a new app gets the next one,
     * never one that was used before. At the first load: its index. */
    uint32_t id;
    char *name;
    uint32_t concurrency; /* slots a replica; 0: no limit */
    uint32_t replicas_min;
    uint32_t replicas_max;
    uint32_t target_utilization_percent; /* of the slots; 0: auto */
    bool has_scale_down_delay;           /* false: auto */
    uint64_t scale_down_delay_ms;
    uint32_t queue_size;
    uint64_t queue_timeout_ms;
    uint64_t idle_timeout_ms; /* 0: off */
    struct warmth_settings warmth;
    uint64_t max_keep_ms; /* the most that X-Berth-Keep gets */
    uint64_t drain_timeout_ms;
    uint64_t start_timeout_ms;
    uint32_t start_retries;
    enum cold_start on_cold_start;
    struct ready_check ready_check;
    struct live_check live_check;
    bool upstream_keepalive;
    uint32_t max_tunnels;
    uint32_t upstream_count; /* > 0: an app that berth only routes to */
    struct address *upstreams;
};

/* Free what it points to. */
void app_settings_done(struct app_settings *settings);

/* A copy of everything, to be freed by app_settings_done() and free(). */
MUST_USE struct app_settings *
app_settings_copy(const struct app_settings *settings);

/* For the channel. Decode returns false, and leaves nothing to free, when the
 * message is not whole or a value is out of its range. */
void app_settings_encode(const struct app_settings *settings,
                         struct strbuf *buf);
MUST_USE bool app_settings_decode(struct wire_reader *reader,
                                  struct app_settings *ret_settings);

#endif
