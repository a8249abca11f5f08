/* split_settings.h - `split` and `split_key` of a route. Plain values that own
 * what they point to. */
#ifndef PROXY_SPLIT_SETTINGS_H
#define PROXY_SPLIT_SETTINGS_H

#include <stdint.h>

#include "router/base/strbuf.h"
#include "router/base/wire.h"

struct split_target {
    uint32_t app;    /* index into apps */
    uint32_t weight; /* 0 to SPLIT_WEIGHT_MAX, of a split not all 0 */
};

enum split_key {
    SPLIT_IN_TURN,
    SPLIT_BY_COOKIE,
    SPLIT_BY_FIELD,
    SPLIT_BY_ADDRESS
};

struct split_settings {
    uint32_t count; /* 0: no split; at most SPLIT_TARGETS_MAX */
    struct split_target *targets;
    enum split_key key;
    char *key_name; /* of the cookie; of the field, in lower case */
};

void split_settings_done(struct split_settings *settings);
void split_settings_encode(const struct split_settings *settings,
                           struct strbuf *buf);
/* Fails as wire does; what was read is freed by split_settings_done(). */
void split_settings_decode(struct wire_reader *reader,
                           struct split_settings *ret_settings);

#endif
