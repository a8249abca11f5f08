/* http_syntax.c - the character rules of RFC 9110 and RFC 9112. */
#include "proxy/http_syntax.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Sums of enum http_char; http_syntax_test.c derives each entry anew. */
/* clang-format off */
const uint8_t http_chars[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0, 32,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    32, 61,  8, 37, 61, 45, 61, 61, 56, 56, 61, 61, 40, 57, 61, 40,
    59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 40, 56, 40, 56, 40, 40,
    40, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59,
    59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 40,  0, 40, 45, 61,
    45, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59,
    59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 59, 40, 45, 40, 61,  0,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
    32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32, 32,
};
/* clang-format on */

bool http_is_token(struct strview text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!http_char_is(text.ptr[i], CHAR_TOKEN))
            return false;
    }
    return text.len > 0;
}

static bool is_control(char c)
{
    unsigned char u = (unsigned char)c;

    return (u < 0x20 && u != '\t') || u == 0x7f;
}

#ifdef __SSE2__
/* The first one in whole pieces of 16 bytes; else where fewer are left. */
static const char *skip_clean(const char *at, const char *end)
{
    const __m128i below_space = _mm_set1_epi8(0x1f);
    const __m128i del = _mm_set1_epi8(0x7f);
    const __m128i tab = _mm_set1_epi8('\t');

    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, below_space), bytes);
        __m128i found =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low),
                         _mm_cmpeq_epi8(bytes, del));
        int marks = _mm_movemask_epi8(found);

        if (marks)
            return at + __builtin_ctz((unsigned)marks);
        at += 16;
    }
    return at;
}
#endif

#define EVERY_BYTE(x) (UINT64_MAX / 255 * (x))

/* The top bit of each byte of w that is below 0x20 or is 0x7f. Above the
 * lowest such byte others may be marked too (by a borrow); it is exact. */
static uint64_t mark_controls(uint64_t w)
{
    uint64_t del = w ^ EVERY_BYTE(0x7f);
    uint64_t low = (w - EVERY_BYTE(0x20)) & ~w;
    uint64_t zero = (del - EVERY_BYTE(0x01)) & ~del;

    return (low | zero) & EVERY_BYTE(0x80);
}

const char *http_find_control(const char *at, const char *end)
{
#ifdef __SSE2__
    at = skip_clean(at, end);
#endif
    while (end - at >= 8) {
        uint64_t w;
        uint64_t marks;

        memcpy(&w, at, sizeof w);
        marks = mark_controls(le64toh(w));
        if (!marks) {
            at += 8;
            continue;
        }
        at += (unsigned)__builtin_ctzll(marks) / 8;
        if (*at != '\t')
            return at;
        at++;
    }
    while (at < end && !is_control(*at))
        at++;
    return at;
}

/* "[…]" of an IPv6 address, without a zone. */
static bool is_ipv6_literal(struct strview host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len < 2 || host.len - 2 >= sizeof text ||
        host.ptr[host.len - 1] != ']')
        return false;
    memcpy(text, host.ptr + 1, host.len - 2);
    text[host.len - 2] = '\0';
    /* inet_pton() reads a C string: no NUL can be in here, as it is checked
     * before that a head has none. */
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_hex(char c)
{
    char l = http_lower(c);

    return (c >= '0' && c <= '9') || (l >= 'a' && l <= 'f');
}

static bool is_reg_name(struct strview host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (http_char_is(host.ptr[i], CHAR_HOST))
            continue;
        if (host.ptr[i] != '%' || host.len - i < 3 ||
            !is_hex(host.ptr[i + 1]) || !is_hex(host.ptr[i + 2]))
            return false;
        i += 2;
    }
    return host.len > 0;
}

bool http_split_authority(struct strview authority, struct strview *ret_host,
                          uint16_t *ret_port)
{
    struct strview host = authority;
    uint64_t port = 0;
    const char *colon;

    if (authority.len > 0 && authority.ptr[0] == '[') {
        const char *close = memchr(authority.ptr, ']', authority.len);

        if (!close)
            return false;
        host.len = (size_t)(close - authority.ptr) + 1;
        if (!is_ipv6_literal(host))
            return false;
    } else {
        colon = memchr(authority.ptr, ':', authority.len);
        if (colon)
            host.len = (size_t)(colon - authority.ptr);
        if (!is_reg_name(host))
            return false;
    }
    if (host.len < authority.len) {
        struct strview digits = sv_skip(authority, host.len + 1);

        if (authority.ptr[host.len] != ':')
            return false;
        /* "host:" is the default port (RFC 3986, 3.2.3). */
        if (digits.len > 0 && !sv_to_u64(digits, UINT16_MAX, &port))
            return false;
    }
    *ret_host = host;
    *ret_port = (uint16_t)port;
    return true;
}

bool http_next_element(struct strview *rest, struct strview *ret_element)
{
    struct strview part;

    while (sv_split(rest, ',', &part)) {
        part = sv_trim(part);
        if (part.len > 0) {
            *ret_element = part;
            return true;
        }
    }
    return false;
}
