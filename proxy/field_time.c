/* field_time.c - times that peers write into fields. */
#include "proxy/field_time.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits at the beginning of *rest leave it; `max` stands for what is
 * more. Returns how many there were. */
static size_t take_digits(struct strview *rest, uint64_t max,
                          uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t n = 0;

    for (; n < rest->len && is_digit(rest->ptr[n]); n++) {
        number = number * 10 + (uint64_t)(rest->ptr[n] - '0');
        if (number > max)
            number = max;
    }
    *rest = sv_skip(*rest, n);
    *ret_number = number;
    return n;
}

bool field_time_duration(struct strview value, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    uint64_t number;

    if (take_digits(&value, FIELD_TIME_MAX_MS, &number) == 0)
        return false;
    if (value.len == 0 && number == 0) {
        *ret_ms = 0;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!sv_eq(value, sv_of(units[i].name)))
            continue;
        *ret_ms = number > FIELD_TIME_MAX_MS / units[i].ms
                      ? FIELD_TIME_MAX_MS
                      : number * units[i].ms;
        return true;
    }
    return false;
}

bool field_time_seconds(struct strview value, uint64_t *ret_us)
{
    uint64_t seconds;
    uint64_t us = 0;
    size_t digits = take_digits(&value, FIELD_TIME_MAX_MS / 1000, &seconds);

    if (value.len > 0 && value.ptr[0] == '.') {
        uint64_t unit = 100000;

        value = sv_skip(value, 1);
        for (; value.len > 0 && is_digit(value.ptr[0]); digits++, unit /= 10) {
            us += unit * (uint64_t)(value.ptr[0] - '0');
            value = sv_skip(value, 1);
        }
    }
    if (digits == 0 || value.len > 0)
        return false;
    *ret_us = seconds * 1000000 + us;
    return true;
}
