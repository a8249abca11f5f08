#include "router/base/clock.h"

#include <criterion/criterion.h>

Test(clock, wall_clock_times_are_written_as_rfc_3339)
{
    char text[CLOCK_ISO_SIZE];

    clock_format_iso(0, text);
    cr_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
    clock_format_iso(1795502580123, text);
    cr_assert_str_eq(text, "2026-11-24T06:43:00.123Z");
    clock_format_iso(1709164800005, text);
    cr_assert_str_eq(text, "2024-02-29T00:00:00.005Z");
}

struct duration_case {
    uint64_t ms;
    const char *text;
};

static const struct duration_case duration_cases[] = {
    {0, "0ms"},         {250, "250ms"},         {999, "999ms"},
    {1000, "1.0s"},     {3250, "3.2s"},         {59999, "59.9s"},
    {60000, "1m00s"},   {310000, "5m10s"},      {3600000, "1h00m"},
    {7380000, "2h03m"}, {360000000, "100h00m"},
};

Test(clock, durations_are_written_as_people_do)
{
    for (size_t i = 0; i < sizeof duration_cases / sizeof duration_cases[0];
         i++) {
        char text[32];

        clock_format_duration(duration_cases[i].ms, text, sizeof text);
        cr_expect_str_eq(text, duration_cases[i].text);
    }
}

Test(clock, monotonic_time_does_not_go_back)
{
    uint64_t last = clock_now_us();

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = clock_now_us();

        cr_assert_geq(now, last);
        last = now;
    }
    cr_assert_gt(clock_unix_ms(), UINT64_C(1600000000000));
}
