/* clock.c - time as text. */
#include "router/base/clock.h"

#include <stdio.h>

void clock_format_iso(uint64_t unix_ms, char *ret_text)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    size_t n;

    gmtime_r(&seconds, &tm);
    n = strftime(ret_text, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + n, CLOCK_ISO_SIZE - n, ".%03uZ",
             (unsigned)(unix_ms % 1000));
}

void clock_format_duration(uint64_t ms, char *ret_text, size_t size)
{
    uint64_t s = ms / 1000;

    if (ms < 1000)
        snprintf(ret_text, size, "%ums", (unsigned)ms);
    else if (s < 60)
        snprintf(ret_text, size, "%u.%us", (unsigned)s,
                 (unsigned)(ms % 1000 / 100));
    else if (s < 3600)
        snprintf(ret_text, size, "%um%02us", (unsigned)(s / 60),
                 (unsigned)(s % 60));
    else
        snprintf(ret_text, size, "%lluh%02um", (unsigned long long)(s / 3600),
                 (unsigned)(s / 60 % 60));
}
