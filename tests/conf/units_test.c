#include "conf/units.h"

#include <criterion/criterion.h>
#include <inttypes.h>

struct units_case {
    const char *text;
    enum units_result result;
    uint64_t value;
};

static void check(const char *what,
                  enum units_result (*parse)(const char *, uint64_t *),
                  const struct units_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 4711;
        enum units_result result = parse(cases[i].text, &value);
        uint64_t want = cases[i].result == UNITS_OK ? cases[i].value : 4711;

        cr_expect_eq(result, cases[i].result, "%s \"%s\": result %d", what,
                     cases[i].text, result);
        cr_expect_eq(value, want, "%s \"%s\": %" PRIu64, what, cases[i].text,
                     value);
    }
}

Test(units, counts_are_digits_only)
{
    static const struct units_case cases[] = {
        {"0", UNITS_OK, 0},
        {"12", UNITS_OK, 12},
        {"007", UNITS_OK, 7},
        {"18446744073709551615", UNITS_OK, UINT64_MAX},
        {"18446744073709551616", UNITS_OVERFLOW, 0},
        {"99999999999999999999999", UNITS_OVERFLOW, 0},
        {"", UNITS_MALFORMED, 0},
        {"-1", UNITS_MALFORMED, 0},
        {"+1", UNITS_MALFORMED, 0},
        {" 1", UNITS_MALFORMED, 0},
        {"1 ", UNITS_MALFORMED, 0},
        {"1k", UNITS_MALFORMED, 0},
        {"0x10", UNITS_MALFORMED, 0},
    };

    check("count", units_parse_count, cases, ARRAY_LEN(cases));
}

Test(units, sizes_are_powers_of_1024)
{
    static const struct units_case cases[] = {
        {"0", UNITS_OK, 0},
        {"512", UNITS_OK, 512},
        {"16k", UNITS_OK, 16384},
        {"16K", UNITS_OK, 16384},
        {"10m", UNITS_OK, 10485760},
        {"4g", UNITS_OK, 4294967296},
        {"1t", UNITS_OK, 1099511627776},
        {"16777215t", UNITS_OK, 16777215ULL << 40},
        {"16777216t", UNITS_OVERFLOW, 0},
        {"18446744073709551616k", UNITS_OVERFLOW, 0},
        {"16kb", UNITS_MALFORMED, 0},
        {"1.5g", UNITS_MALFORMED, 0},
        {"k", UNITS_MALFORMED, 0},
        {"16 k", UNITS_MALFORMED, 0},
    };

    check("size", units_parse_size, cases, ARRAY_LEN(cases));
}

Test(units, times_need_a_unit)
{
    static const struct units_case cases[] = {
        {"0", UNITS_OK, 0},
        {"250ms", UNITS_OK, 250},
        {"30s", UNITS_OK, 30000},
        {"5m", UNITS_OK, 300000},
        {"1h", UNITS_OK, 3600000},
        {"7d", UNITS_OK, 604800000},
        {"60", UNITS_NO_UNIT, 0},
        {"99999999999999999999", UNITS_NO_UNIT, 0},
        {"99999999999999999999s", UNITS_OVERFLOW, 0},
        {"18446744073709551615d", UNITS_OVERFLOW, 0},
        {"5M", UNITS_MALFORMED, 0},
        {"5min", UNITS_MALFORMED, 0},
        {"1h30m", UNITS_MALFORMED, 0},
        {"1.5s", UNITS_MALFORMED, 0},
        {"", UNITS_MALFORMED, 0},
    };

    check("time", units_parse_time, cases, ARRAY_LEN(cases));
}

Test(units, thousandths_have_three_decimals_at_most)
{
    static const struct units_case cases[] = {
        {"2", UNITS_OK, 2000},
        {"0.5", UNITS_OK, 500},
        {"1.25", UNITS_OK, 1250},
        {"0.001", UNITS_OK, 1},
        {"18446744073709551614", UNITS_OVERFLOW, 0},
        {"0.0001", UNITS_MALFORMED, 0},
        {"1.", UNITS_MALFORMED, 0},
        {".5", UNITS_MALFORMED, 0},
        {"1,5", UNITS_MALFORMED, 0},
        {"1.2.3", UNITS_MALFORMED, 0},
    };

    check("millis", units_parse_millis, cases, ARRAY_LEN(cases));
}

Test(units, what_is_written_is_read_again)
{
    static const struct {
        void (*format)(uint64_t, char *);
        enum units_result (*parse)(const char *, uint64_t *);
        uint64_t value;
        const char *text;
    } cases[] = {
        {units_format_size, units_parse_size, 0, "0"},
        {units_format_size, units_parse_size, 1000, "1000"},
        {units_format_size, units_parse_size, 1536, "1536"},
        {units_format_size, units_parse_size, 65536, "64k"},
        {units_format_size, units_parse_size, 1ULL << 30, "1g"},
        {units_format_size, units_parse_size, UINT64_MAX,
         "18446744073709551615"},
        {units_format_time, units_parse_time, 0, "0"},
        {units_format_time, units_parse_time, 1, "1ms"},
        {units_format_time, units_parse_time, 90000, "90s"},
        {units_format_time, units_parse_time, 7200000, "2h"},
        {units_format_time, units_parse_time, UINT64_MAX,
         "18446744073709551615ms"},
        {units_format_millis, units_parse_millis, 2000, "2"},
        {units_format_millis, units_parse_millis, 1250, "1.25"},
        {units_format_millis, units_parse_millis, 10, "0.01"},
        {units_format_millis, units_parse_millis, 1001, "1.001"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[UNITS_TEXT_SIZE];
        uint64_t value = 0;

        cases[i].format(cases[i].value, text);
        cr_expect_str_eq(text, cases[i].text);
        cr_expect_eq(cases[i].parse(text, &value), UNITS_OK, "%s", text);
        cr_expect_eq(value, cases[i].value, "%s", text);
    }
}
