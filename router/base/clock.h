/* clock.h - time: monotonic for measuring, wall clock for showing.
 * Thread: any.
 */
#ifndef ROUTER_BASE_CLOCK_H
#define ROUTER_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Microseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

/* Milliseconds since 1970, UTC. */
static inline uint64_t clock_unix_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

#define CLOCK_ISO_SIZE 32

/* "2026-11-24T06:43:00.123Z" (RFC 3339) into ret_text[CLOCK_ISO_SIZE]. */
void clock_format_iso(uint64_t unix_ms, char *ret_text);

/* A duration as people write it: "250ms", "3.2s", "5m10s", "2h03m". */
void clock_format_duration(uint64_t ms, char *ret_text, size_t size);

#endif
