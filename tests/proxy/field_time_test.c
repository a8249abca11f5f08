/* Times in fields: what is one, and how long it is. */
#include "proxy/field_time.h"

#include <criterion/criterion.h>

#define NONE UINT64_MAX /* it is refused */

static const struct {
    const char *text;
    uint64_t ms;
} durations[] = {
    {"0", 0},
    {"0s", 0},
    {"250ms", 250},
    {"30s", 30000},
    {"10m", 600000},
    {"1h", 3600000},
    {"7d", 604800000},
    {"366d", FIELD_TIME_MAX_MS},
    {"367d", FIELD_TIME_MAX_MS},
    {"99999999999999999999999999d", FIELD_TIME_MAX_MS},
    {"99999999999999999999999999ms", FIELD_TIME_MAX_MS},
    {"", NONE},
    {"10", NONE},
    {"s", NONE},
    {"10S", NONE},
    {"10 s", NONE},
    {"-1s", NONE},
    {"1.5s", NONE},
    {"1h30m", NONE},
    {"10mss", NONE},
};

Test(field_time, durations_are_read_as_the_configuration_writes_them)
{
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        uint64_t ms = NONE;

        cr_expect_eq(field_time_duration(sv_of(durations[i].text), &ms),
                     durations[i].ms != NONE, "%s", durations[i].text);
        cr_expect_eq(ms, durations[i].ms, "%s", durations[i].text);
    }
}

static const struct {
    const char *text;
    uint64_t us;
} seconds[] = {
    {"0", 0},
    {"30", 30000000},
    {"2.5", 2500000},
    {"2.", 2000000},
    {".5", 500000},
    {"0.05", 50000},
    {"0.0000019", 1},
    {"1.999999999999999999999999999", 1999999},
    {"99999999999999999999999999", FIELD_TIME_MAX_MS * 1000},
    {"", NONE},
    {".", NONE},
    {"-1", NONE},
    {"+1", NONE},
    {"1e3", NONE},
    {"1.5s", NONE},
    {"1,5", NONE},
    {" 1", NONE},
    {"0x10", NONE},
    {"inf", NONE},
    {"nan", NONE},
};

Test(field_time, seconds_may_have_decimals)
{
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        uint64_t us = NONE;

        cr_expect_eq(field_time_seconds(sv_of(seconds[i].text), &us),
                     seconds[i].us != NONE, "%s", seconds[i].text);
        cr_expect_eq(us, seconds[i].us, "%s", seconds[i].text);
    }
}
