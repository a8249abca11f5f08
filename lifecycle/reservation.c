/* reservation.c - what a container has reserved, as one label of it. */
#include "lifecycle/reservation.h"

#include <inttypes.h>

#define MOST (UINT64_C(1) << 60)

void reservation_format(const struct placement_need *need,
                        struct strview devices, struct strbuf *ret_text)
{
    strbuf_printf(ret_text,
                  "cpu_millis=%" PRIu64 " memory=%" PRIu64
                  " gpu_millis=%" PRIu32 " gpu_memory=%" PRIu64 " devices=",
                  need->cpu_millis, need->memory_bytes, need->gpu_millis,
                  need->gpu_memory_bytes);
    strbuf_add_sv(ret_text, devices);
}

static bool take_text(struct strview *rest, struct strview name,
                      struct strview *ret_value)
{
    struct strview word;

    if (!sv_split(rest, ' ', &word) || !sv_starts(word, name))
        return false;
    *ret_value = sv_skip(word, name.len);
    return true;
}

static bool take_number(struct strview *rest, struct strview name,
                        uint64_t most, uint64_t *ret_value)
{
    struct strview value;

    return take_text(rest, name, &value) && sv_to_u64(value, most, ret_value);
}

bool reservation_parse(struct strview text, struct placement_need *ret_need,
                       struct strview *ret_devices)
{
    struct strview rest = text;
    struct placement_need need = {0};
    struct strview devices;
    uint64_t gpu_millis;

    if (!take_number(&rest, SV("cpu_millis="), MOST, &need.cpu_millis) ||
        !take_number(&rest, SV("memory="), MOST, &need.memory_bytes) ||
        !take_number(&rest, SV("gpu_millis="),
                     PLACEMENT_DEVICES * PLACEMENT_WHOLE, &gpu_millis) ||
        !take_number(&rest, SV("gpu_memory="), MOST, &need.gpu_memory_bytes) ||
        !take_text(&rest, SV("devices="), &devices) || rest.len > 0)
        return false;
    need.gpu_millis = (uint32_t)gpu_millis;
    *ret_need = need;
    *ret_devices = devices;
    return true;
}
