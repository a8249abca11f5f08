/* request_id.c - the identity of a request: a UUID version 7 (RFC 9562). */
#include "proxy/request_id.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proxy/http_syntax.h"

/* One a thread: xoshiro256** (Blackman and Vigna) seeded by the kernel. An id
 * has to be unique, it is no secret. */
static _Thread_local struct {
    uint64_t state[4];
    uint64_t last_ms;
    uint32_t counter; /* of the ids of last_ms: 12 bits, then the next ms */
    bool is_seeded;
} generator;

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t next_random(void)
{
    uint64_t *s = generator.state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void seed(void)
{
    ssize_t n;

    do
        n = getrandom(generator.state, sizeof generator.state, 0);
    while (n < 0 && errno == EINTR);
    /* Not from 256 bytes down, on a kernel that has the call at all. */
    if (n != (ssize_t)sizeof generator.state)
        abort();
    generator.is_seeded = true;
}

/* Eight hexadecimal digits of value, the first in the highest byte. */
static uint64_t hex_digits(uint32_t value)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = value;
    uint64_t above_nine;

    x = (x << 16 | x) & UINT64_C(0x0000ffff0000ffff);
    x = (x << 8 | x) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x << 4 | x) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    above_nine = (x + 6 * ones) >> 4 & ones;
    return x + '0' * ones + above_nine * ('a' - '0' - 10);
}

/* digits: up to 8, the lowest. */
ALWAYS_INLINE static inline void put_hex(char **at, uint32_t value,
                                         unsigned digits)
{
    uint64_t text = htobe64(hex_digits(value));

    memcpy(*at, (const char *)&text + 8 - digits, digits);
    *at += digits;
}

void request_id_make(uint64_t unix_ms, char *ret_text)
{
    char *at = ret_text;
    uint64_t random;

    if (!generator.is_seeded)
        seed();
    random = next_random();
    if (unix_ms > generator.last_ms) {
        generator.last_ms = unix_ms;
        /* Half of the range is left to count in. */
        generator.counter = (uint32_t)next_random() & 0x7ff;
    } else if (++generator.counter > 0xfff) {
        generator.last_ms++;
        generator.counter = 0;
    }
    put_hex(&at, (uint32_t)(generator.last_ms >> 16), 8);
    *at++ = '-';
    put_hex(&at, (uint32_t)generator.last_ms, 4);
    *at++ = '-';
    put_hex(&at, 0x7000 | generator.counter, 4);
    *at++ = '-';
    put_hex(&at, 0x8000 | (uint32_t)(random >> 48 & 0x3fff), 4);
    *at++ = '-';
    put_hex(&at, (uint32_t)(random >> 32), 4);
    put_hex(&at, (uint32_t)random, 8);
    *at = '\0';
}

bool request_id_is_acceptable(struct strview id)
{
    if (id.len == 0 || id.len > REQUEST_ID_MAX_BYTES)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (!http_char_is(id.ptr[i], CHAR_ALNUM) &&
            !memchr("-_.:+/=@", id.ptr[i], 8))
            return false;
    }
    return true;
}
