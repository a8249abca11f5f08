/* units.h - numbers, sizes and times as the language writes them.
 * Values; nothing to free. Thread: any.
 */
#ifndef CONF_UNITS_H
#define CONF_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "router/base/attr.h"

enum units_result {
    UNITS_OK,
    UNITS_MALFORMED,
    UNITS_NO_UNIT, /* a time without one: 60 of what? (0 needs none) */
    UNITS_OVERFLOW,
};

/* "12": decimal digits, nothing else. */
MUST_USE enum units_result units_parse_count(const char *text,
                                             uint64_t *ret_count);
/* "512", "16k", "10m", "4g", "1t" (powers of 1024; upper case too). */
MUST_USE enum units_result units_parse_size(const char *text,
                                            uint64_t *ret_bytes);
/* "250ms", "30s", "5m", "1h", "7d", "0". */
MUST_USE enum units_result units_parse_time(const char *text, uint64_t *ret_ms);
/* "2", "0.5", "1.25": thousandths; no more than three decimals. */
MUST_USE enum units_result units_parse_millis(const char *text,
                                              uint64_t *ret_millis);

#define UNITS_TEXT_SIZE 32

/* As the parsers read it, with the largest unit that is exact, into
 * ret_text[UNITS_TEXT_SIZE]. */
void units_format_size(uint64_t bytes, char *ret_text);
void units_format_time(uint64_t ms, char *ret_text);
void units_format_millis(uint64_t millis, char *ret_text);

#endif
