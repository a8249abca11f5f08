/* Any bytes as a time in a field: what is taken is within its bound, and what
 * is not leaves the result alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/field_time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1); /* to see a read past it */
    uint64_t ms = UINT64_MAX;
    uint64_t us = UINT64_MAX;

    check(copy);
    memcpy(copy, data, size);
    if (field_time_duration(sv_make(copy, size), &ms))
        check(ms <= FIELD_TIME_MAX_MS);
    else
        check(ms == UINT64_MAX);
    if (field_time_seconds(sv_make(copy, size), &us))
        check(us <= FIELD_TIME_MAX_MS * 1000 + 999999);
    else
        check(us == UINT64_MAX);
    free(copy);
    return 0;
}
