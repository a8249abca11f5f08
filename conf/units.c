/* units.c - numbers with units, read without any overflow, and written. */
#include "conf/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "router/base/strview.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, for the formatters. */
static const struct unit sizes[] = {
    {"t", 1ULL << 40}, {"g", 1ULL << 30}, {"m", 1ULL << 20},
    {"k", 1ULL << 10}, {"", 1},
};
static const struct unit times[] = {
    {"d", 24ULL * 3600 * 1000},
    {"h", 3600ULL * 1000},
    {"m", 60ULL * 1000},
    {"s", 1000},
    {"ms", 1},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at the front of text; *ret_rest is what follows them. */
static enum units_result digits(const char *text, uint64_t *ret_value,
                                const char **ret_rest)
{
    uint64_t value = 0;
    bool overflow = false;

    if (!is_digit(*text))
        return UNITS_MALFORMED;
    for (; is_digit(*text); text++) {
        uint64_t digit = (uint64_t)(*text - '0');

        if (value > (UINT64_MAX - digit) / 10)
            overflow = true;
        else
            value = value * 10 + digit;
    }
    *ret_value = value;
    *ret_rest = text;
    return overflow ? UNITS_OVERFLOW : UNITS_OK;
}

static enum units_result scale(uint64_t value, uint64_t factor,
                               uint64_t *ret_value)
{
    if (value > UINT64_MAX / factor)
        return UNITS_OVERFLOW;
    *ret_value = value * factor;
    return UNITS_OK;
}

enum units_result units_parse_count(const char *text, uint64_t *ret_count)
{
    uint64_t value = 0;
    const char *rest = text;
    enum units_result result = digits(text, &value, &rest);

    if (result == UNITS_MALFORMED || *rest)
        return UNITS_MALFORMED;
    if (result == UNITS_OK)
        *ret_count = value;
    return result;
}

enum units_result units_parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t value = 0;
    const char *rest = text;
    enum units_result result = digits(text, &value, &rest);

    if (result == UNITS_MALFORMED)
        return result;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        if (sv_eq_nocase(sv_of(rest), sv_of(sizes[i].name)))
            return result == UNITS_OK ? scale(value, sizes[i].factor, ret_bytes)
                                      : result;
    return UNITS_MALFORMED;
}

enum units_result units_parse_time(const char *text, uint64_t *ret_ms)
{
    uint64_t value = 0;
    const char *rest = text;
    enum units_result result = digits(text, &value, &rest);

    if (result == UNITS_MALFORMED)
        return result;
    if (!*rest && value == 0 && result == UNITS_OK) {
        *ret_ms = 0;
        return UNITS_OK;
    }
    if (!*rest)
        return UNITS_NO_UNIT;
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        if (strcmp(rest, times[i].name) == 0)
            return result == UNITS_OK ? scale(value, times[i].factor, ret_ms)
                                      : result;
    return UNITS_MALFORMED;
}

enum units_result units_parse_millis(const char *text, uint64_t *ret_millis)
{
    uint64_t whole = 0;
    uint64_t millis = 0;
    const char *rest = text;
    enum units_result result = digits(text, &whole, &rest);

    if (result == UNITS_MALFORMED)
        return result;
    if (*rest == '.') {
        uint64_t place = 100;

        if (!is_digit(*++rest))
            return UNITS_MALFORMED;
        for (; is_digit(*rest) && place > 0; rest++, place /= 10)
            millis += (uint64_t)(*rest - '0') * place;
    }
    if (*rest)
        return UNITS_MALFORMED;
    if (result != UNITS_OK || whole > UINT64_MAX / 1000 - 1)
        return UNITS_OVERFLOW;
    *ret_millis = whole * 1000 + millis;
    return UNITS_OK;
}

static void format(const struct unit *units, uint64_t value, char *ret_text)
{
    const struct unit *unit = units;

    if (value == 0) {
        snprintf(ret_text, UNITS_TEXT_SIZE, "0");
        return;
    }
    while (value % unit->factor != 0)
        unit++; /* ends: the last factor is 1 */
    snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 "%s", value / unit->factor,
             unit->name);
}

void units_format_size(uint64_t bytes, char *ret_text)
{
    format(sizes, bytes, ret_text);
}

void units_format_time(uint64_t ms, char *ret_text)
{
    format(times, ms, ret_text);
}

void units_format_millis(uint64_t millis, char *ret_text)
{
    unsigned part = (unsigned)(millis % 1000);
    int width = 3;

    if (part == 0) {
        snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64, millis / 1000);
        return;
    }
    for (; part % 10 == 0; part /= 10)
        width--;
    snprintf(ret_text, UNITS_TEXT_SIZE, "%" PRIu64 ".%0*u", millis / 1000,
             width, part);
}
