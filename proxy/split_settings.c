/* split_settings.c - `split` and `split_key` of a route, over the channel. */
#include "proxy/split_settings.h"

#include <stdlib.h>

#include "router/base/alloc.h"
#include "router/split.h"

void split_settings_done(struct split_settings *settings)
{
    free(settings->targets);
    free(settings->key_name);
    *settings = (struct split_settings){0};
}

void split_settings_encode(const struct split_settings *settings,
                           struct strbuf *buf)
{
    wire_put_u32(buf, settings->count);
    for (uint32_t i = 0; i < settings->count; i++) {
        wire_put_u32(buf, settings->targets[i].app);
        wire_put_u32(buf, settings->targets[i].weight);
    }
    wire_put_u32(buf, settings->key);
    wire_put_str(buf, settings->key_name);
}

static void decode_targets(struct wire_reader *reader,
                           struct split_settings *settings)
{
    uint32_t count = wire_get_count(reader, 8);
    uint64_t sum = 0;

    if (count == 0)
        return;
    settings->count = count;
    settings->targets = xcalloc(count, sizeof *settings->targets);
    for (uint32_t i = 0; i < count; i++) {
        struct split_target *target = &settings->targets[i];

        target->app = wire_get_u32(reader);
        target->weight = wire_get_u32(reader);
        sum += target->weight;
        if (target->weight > SPLIT_WEIGHT_MAX)
            reader->failed = true;
    }
    if (count > SPLIT_TARGETS_MAX || sum == 0)
        reader->failed = true;
}

void split_settings_decode(struct wire_reader *reader,
                           struct split_settings *ret_settings)
{
    uint32_t key;

    decode_targets(reader, ret_settings);
    key = wire_get_u32(reader);
    if (key > SPLIT_BY_ADDRESS)
        reader->failed = true;
    else
        ret_settings->key = (enum split_key)key;
    ret_settings->key_name = wire_get_str(reader);
    if ((key == SPLIT_BY_COOKIE || key == SPLIT_BY_FIELD) &&
        !ret_settings->key_name)
        reader->failed = true;
}
