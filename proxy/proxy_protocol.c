/* proxy_protocol.c - the PROXY protocol's header. */
#include "proxy/proxy_protocol.h"

#include <arpa/inet.h>
#include <string.h>

#include "router/base/attr.h"

/* --- version 1: a line of text --- */

#define V1_BEGIN     "PROXY "
#define V1_MAX_BYTES 107 /* with its CRLF */

static bool parse_port(struct strview text, uint16_t *ret_port)
{
    uint32_t port = 0;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    if (port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static bool parse_address(int family, struct strview text, void *ret_address)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, ret_address) == 1;
}

static bool v1_client(int family, struct strview rest,
                      struct proxy_header *header)
{
    struct strview words[4];
    struct in6_addr destination;
    struct client_peer *client = &header->client;
    uint16_t port;
    void *source;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!sv_split(&rest, ' ', &words[i]))
            return false;
    }
    if (rest.ptr) /* a fifth word */
        return false;
    source = family == AF_INET ? (void *)&client->v4.sin_addr
                               : (void *)&client->v6.sin6_addr;
    client->any.sa_family = (sa_family_t)family;
    if (!parse_address(family, words[0], source) ||
        !parse_address(family, words[1], &destination) ||
        !parse_port(words[2], &port) ||
        !parse_port(words[3], &header->local_port))
        return false;
    if (family == AF_INET)
        client->v4.sin_port = htons(port);
    else
        client->v6.sin6_port = htons(port);
    header->has_client = true;
    return true;
}

/* line: without "PROXY " and CRLF. */
static enum proxy_result v1_line(struct strview line,
                                 struct proxy_header *header)
{
    struct strview kind;
    bool is_known = true;

    /* What follows UNKNOWN is to be ignored. */
    if (sv_eq(line, SV("UNKNOWN")) || sv_starts(line, SV("UNKNOWN ")))
        return PROXY_DONE;
    if (!sv_split(&line, ' ', &kind))
        return PROXY_REFUSED;
    if (sv_eq(kind, SV("TCP4")))
        is_known = v1_client(AF_INET, line, header);
    else if (sv_eq(kind, SV("TCP6")))
        is_known = v1_client(AF_INET6, line, header);
    else
        is_known = false;
    return is_known ? PROXY_DONE : PROXY_REFUSED;
}

static enum proxy_result v1_parse(struct strview data,
                                  struct proxy_header *header)
{
    size_t end = sizeof V1_BEGIN - 1;
    size_t most = data.len < V1_MAX_BYTES ? data.len : V1_MAX_BYTES;

    while (end < most && (unsigned char)data.ptr[end] >= ' ' &&
           (unsigned char)data.ptr[end] < 0x7f)
        end++;
    if (end == most || (data.ptr[end] == '\r' && end + 1 == most))
        return most < V1_MAX_BYTES ? PROXY_MORE : PROXY_REFUSED;
    if (data.ptr[end] != '\r' || data.ptr[end + 1] != '\n')
        return PROXY_REFUSED;
    header->bytes = end + 2;
    return v1_line(
        sv_make(data.ptr + sizeof V1_BEGIN - 1, end - (sizeof V1_BEGIN - 1)),
        header);
}

/* --- version 2: binary --- */

#define V2_BEGIN      "\r\n\r\n\0\r\nQUIT\n"
#define V2_FIXED      16 /* bytes before the addresses */
#define V2_TLV_CRC32C 0x03

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_UNSPEC = 0x0, V2_INET = 0x1, V2_INET6 = 0x2, V2_UNIX = 0x3 };
enum { V2_STREAM = 0x1, V2_DGRAM = 0x2 };

/* In network order; unaligned. */
static size_t get_u16(const unsigned char *at)
{
    return (size_t)at[0] << 8 | at[1];
}

/* CRC-32C (RFC 4960, appendix B) with the four bytes at `hole` as zeros. */
static uint32_t crc32c(const unsigned char *data, size_t len, size_t hole)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= i - hole < 4 ? 0 : data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    }
    return ~crc;
}

/* From `at` to the end: well formed, and the checksum right, if there is one.
 */
static bool tlvs_are_good(const unsigned char *data, size_t at, size_t len)
{
    while (at < len) {
        size_t size;

        if (len - at < 3)
            return false;
        size = get_u16(data + at + 1);
        if (len - at - 3 < size)
            return false;
        if (data[at] == V2_TLV_CRC32C) {
            const unsigned char *sum = data + at + 3;
            uint32_t want;

            if (size != 4)
                return false;
            want = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 |
                   (uint32_t)sum[2] << 8 | sum[3];
            if (crc32c(data, len, at + 3) != want)
                return false;
        }
        at += 3 + size;
    }
    return true;
}

/* The bytes that the addresses of a family take; SIZE_MAX: no such family. */
static size_t v2_addresses_size(unsigned family)
{
    static const size_t sizes[] = {0, 12, 36, 216};

    return family < ARRAY_LEN(sizes) ? sizes[family] : SIZE_MAX;
}

static void v2_client(unsigned family, const unsigned char *at,
                      struct proxy_header *header)
{
    struct client_peer *client = &header->client;

    header->has_client = true;
    switch (family) {
    case V2_INET:
        client->v4.sin_family = AF_INET;
        memcpy(&client->v4.sin_addr, at, 4);
        memcpy(&client->v4.sin_port, at + 8, 2);
        header->local_port = (uint16_t)get_u16(at + 10);
        break;
    case V2_INET6:
        client->v6.sin6_family = AF_INET6;
        memcpy(&client->v6.sin6_addr, at, 16);
        memcpy(&client->v6.sin6_port, at + 32, 2);
        header->local_port = (uint16_t)get_u16(at + 34);
        break;
    default:
        client->any.sa_family = AF_UNIX;
        break;
    }
}

static enum proxy_result v2_parse(struct strview data,
                                  struct proxy_header *header)
{
    const unsigned char *at = (const unsigned char *)data.ptr;
    unsigned family;
    unsigned transport;
    size_t addresses;
    size_t len;

    if (data.len >= 13 && at[12] != V2_LOCAL && at[12] != V2_PROXY)
        return PROXY_REFUSED;
    if (data.len < V2_FIXED)
        return PROXY_MORE;
    family = at[13] >> 4;
    transport = at[13] & 0xf;
    addresses = v2_addresses_size(family);
    len = V2_FIXED + get_u16(at + 14);
    if (addresses == SIZE_MAX || transport > V2_DGRAM ||
        len > PROXY_HEADER_MAX_BYTES)
        return PROXY_REFUSED;
    if (at[12] == V2_LOCAL) /* its addresses are to be ignored */
        addresses = 0;
    if (len < V2_FIXED + addresses)
        return PROXY_REFUSED;
    if (data.len < len)
        return PROXY_MORE;
    header->bytes = len;
    if (at[12] == V2_LOCAL)
        return PROXY_DONE;
    if (!tlvs_are_good(at, V2_FIXED + addresses, len))
        return PROXY_REFUSED;
    if (family != V2_UNSPEC && transport == V2_STREAM)
        v2_client(family, at + V2_FIXED, header);
    return PROXY_DONE;
}

/* --- both --- */

static bool begins(struct strview data, const char *with, size_t len)
{
    return memcmp(data.ptr, with, data.len < len ? data.len : len) == 0;
}

enum proxy_result proxy_protocol_parse(struct strview data,
                                       struct proxy_header *ret_header)
{
    struct proxy_header header = {0};
    enum proxy_result result = PROXY_MORE;

    if (data.len == 0)
        return PROXY_MORE;
    if (begins(data, V1_BEGIN, sizeof V1_BEGIN - 1)) {
        if (data.len >= sizeof V1_BEGIN - 1)
            result = v1_parse(data, &header);
    } else if (begins(data, V2_BEGIN, sizeof V2_BEGIN - 1)) {
        if (data.len >= sizeof V2_BEGIN - 1)
            result = v2_parse(data, &header);
    } else {
        result = PROXY_REFUSED;
    }
    if (result == PROXY_DONE)
        *ret_header = header;
    return result;
}
