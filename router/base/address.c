/* address.c - socket addresses and address ranges. */
#include "router/base/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define UNIX_PREFIX "unix:"

/* Longest text of an IP address that inet_pton() reads, NUL included. */
#define IP_TEXT_SIZE INET6_ADDRSTRLEN

static bool parse_port(struct strview text, in_port_t *ret_port,
                       struct err *err)
{
    uint64_t port;

    if (!sv_to_u64(text, 65535, &port) || port == 0)
        return err_set(err, ERR_INVALID, "\"%.*s\" is not a port (1 to 65535)",
                       SV_ARG(text));
    *ret_port = htons((uint16_t)port);
    return true;
}

/* inet_pton() of a view; family is AF_INET or AF_INET6. */
static bool parse_ip(int family, struct strview text, void *ret_bytes)
{
    char copy[IP_TEXT_SIZE];

    if (text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, ret_bytes) == 1;
}

static bool parse_unix(struct strview path, struct address *ret_address,
                       struct err *err)
{
    struct address address = {0};

    if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, '\0', path.len))
        return err_set(err, ERR_INVALID,
                       "\"unix:\" needs an absolute path behind it");
    if (path.len >= sizeof address.un.sun_path)
        return err_set(err, ERR_INVALID,
                       "the path of a Unix socket may have at most %zu bytes, "
                       "not %zu",
                       sizeof address.un.sun_path - 1, path.len);
    address.un.sun_family = AF_UNIX;
    memcpy(address.un.sun_path, path.ptr, path.len);
    address.len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    *ret_address = address;
    return true;
}

static bool parse_v6(struct strview text, struct address *ret_address,
                     struct err *err)
{
    struct address address = {0};
    const char *close = memchr(text.ptr, ']', text.len);
    size_t host_len = close ? (size_t)(close - text.ptr) - 1 : 0;

    if (!close || !parse_ip(AF_INET6, sv_make(text.ptr + 1, host_len),
                            &address.v6.sin6_addr))
        return err_set(err, ERR_INVALID, "\"%.*s\" is not an IPv6 address",
                       SV_ARG(text));
    text = sv_skip(text, host_len + 2);
    if (text.len == 0 || text.ptr[0] != ':')
        return err_set(err, ERR_INVALID,
                       "an IPv6 address needs \":PORT\" behind the \"]\"");
    if (!parse_port(sv_skip(text, 1), &address.v6.sin6_port, err))
        return false;
    address.v6.sin6_family = AF_INET6;
    address.len = sizeof address.v6;
    *ret_address = address;
    return true;
}

static bool parse_v4(struct strview text, struct address *ret_address,
                     struct err *err)
{
    struct address address = {0};
    const char *colon = memchr(text.ptr, ':', text.len);
    struct strview host = SV("*");

    if (colon) {
        host = sv_make(text.ptr, (size_t)(colon - text.ptr));
        text = sv_skip(text, host.len + 1);
        if (memchr(text.ptr, ':', text.len))
            return err_set(
                err, ERR_INVALID,
                "an IPv6 address stands in brackets: [ADDRESS]:PORT");
    }
    if (!sv_eq(host, SV("*")) && !parse_ip(AF_INET, host, &address.v4.sin_addr))
        return err_set(err, ERR_INVALID,
                       "\"%.*s\" is not an IPv4 address (names are not looked "
                       "up)",
                       SV_ARG(host));
    if (!parse_port(text, &address.v4.sin_port, err))
        return false;
    address.v4.sin_family = AF_INET;
    address.len = sizeof address.v4;
    *ret_address = address;
    return true;
}

bool address_parse(struct strview text, struct address *ret_address,
                   struct err *err)
{
    if (text.len == 0)
        return err_set(err, ERR_INVALID, "an address is missing");
    if (sv_starts(text, SV(UNIX_PREFIX)))
        return parse_unix(sv_skip(text, sizeof UNIX_PREFIX - 1), ret_address,
                          err);
    if (text.ptr[0] == '[')
        return parse_v6(text, ret_address, err);
    return parse_v4(text, ret_address, err);
}

static int family_of(const struct address *address)
{
    return address->len == 0 ? AF_UNSPEC : address->any.sa_family;
}

/* The path of a Unix address; empty for an unnamed or abstract one. */
static struct strview unix_path(const struct address *address)
{
    size_t offset = offsetof(struct sockaddr_un, sun_path);

    if (address->len <= offset)
        return SV("");
    return sv_make(address->un.sun_path,
                   strnlen(address->un.sun_path, address->len - offset));
}

void address_format_host(const struct address *address, char *ret_text)
{
    const char *done = NULL;

    if (family_of(address) == AF_INET)
        done = inet_ntop(AF_INET, &address->v4.sin_addr, ret_text,
                         ADDRESS_TEXT_SIZE);
    else if (family_of(address) == AF_INET6)
        done = inet_ntop(AF_INET6, &address->v6.sin6_addr, ret_text,
                         ADDRESS_TEXT_SIZE);
    if (!done)
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "%s",
                 family_of(address) == AF_UNIX ? UNIX_PREFIX : "");
}

void address_format(const struct address *address, char *ret_text)
{
    char host[ADDRESS_TEXT_SIZE];

    address_format_host(address, host);
    if (family_of(address) == AF_UNIX)
        snprintf(ret_text, ADDRESS_TEXT_SIZE, UNIX_PREFIX "%.*s",
                 SV_ARG(unix_path(address)));
    else if (family_of(address) == AF_INET6)
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "[%.64s]:%u", host,
                 address_port(address));
    else if (family_of(address) == AF_INET)
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "%.64s:%u", host,
                 address_port(address));
    else
        ret_text[0] = '\0';
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (family_of(a) != family_of(b))
        return false;
    switch (family_of(a)) {
    case AF_INET:
        return a->v4.sin_port == b->v4.sin_port &&
               a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    case AF_INET6:
        return a->v6.sin6_port == b->v6.sin6_port &&
               a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
                      sizeof a->v6.sin6_addr) == 0;
    case AF_UNIX:
        return sv_eq(unix_path(a), unix_path(b));
    default:
        return true; /* both are no address */
    }
}

static bool is_v4_mapped(const unsigned char *bytes)
{
    static const unsigned char prefix[12] = {[10] = 0xFF, [11] = 0xFF};

    return memcmp(bytes, prefix, sizeof prefix) == 0;
}

/* The address's bytes, an IPv4-mapped one as IPv4. NULL: neither family. */
static const unsigned char *ip_bytes(const struct address *address,
                                     int *ret_family)
{
    const unsigned char *bytes;

    *ret_family = family_of(address);
    if (*ret_family == AF_INET)
        return (const unsigned char *)&address->v4.sin_addr;
    if (*ret_family != AF_INET6)
        return NULL;
    bytes = address->v6.sin6_addr.s6_addr;
    if (!is_v4_mapped(bytes))
        return bytes;
    *ret_family = AF_INET;
    return bytes + 12;
}

bool address_is_any(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return address->any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

bool address_is_loopback(const struct address *address)
{
    int family;
    const unsigned char *bytes = ip_bytes(address, &family);

    if (family == AF_INET)
        return bytes[0] == 127;
    if (family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    return family == AF_UNIX;
}

unsigned address_port(const struct address *address)
{
    if (family_of(address) == AF_INET)
        return ntohs(address->v4.sin_port);
    if (family_of(address) == AF_INET6)
        return ntohs(address->v6.sin6_port);
    return 0;
}

static bool has_bits_beyond(const struct address_range *range, unsigned width)
{
    for (unsigned bit = range->prefix_len; bit < width; bit++) {
        if (range->bits[bit / 8] & (0x80U >> bit % 8))
            return true;
    }
    return false;
}

/* ::ffff:10.0.0.0/104 is 10.0.0.0/8, or it would never match anything. */
static void unmap_range(struct address_range *range)
{
    if (range->family != AF_INET6 || range->prefix_len < 96 ||
        !is_v4_mapped(range->bits))
        return;
    range->family = AF_INET;
    range->prefix_len -= 96;
    memmove(range->bits, range->bits + 12, 4);
    memset(range->bits + 4, 0, 12);
}

bool address_range_parse(struct strview text, struct address_range *ret_range,
                         struct err *err)
{
    struct address_range range = {0};
    struct strview rest = text;
    struct strview host;
    uint64_t prefix_len;
    unsigned width;

    if (text.len == 0)
        return err_set(err, ERR_INVALID, "an address range is missing");
    if (sv_eq(text, SV(UNIX_PREFIX))) {
        *ret_range = (struct address_range){.family = AF_UNIX};
        return true;
    }
    (void)sv_split(&rest, '/', &host); /* fails on no text only */
    range.family = memchr(host.ptr, ':', host.len) ? AF_INET6 : AF_INET;
    width = range.family == AF_INET ? 32 : 128;
    if (!parse_ip(range.family, host, range.bits))
        return err_set(err, ERR_INVALID,
                       "\"%.*s\" is not an IP address or range", SV_ARG(text));
    prefix_len = width;
    if (rest.ptr && !sv_to_u64(rest, width, &prefix_len))
        return err_set(err, ERR_INVALID,
                       "\"%.*s\" is not a prefix length (0 to %u)",
                       SV_ARG(rest), width);
    range.prefix_len = (unsigned)prefix_len;
    if (has_bits_beyond(&range, width))
        return err_set(err, ERR_INVALID,
                       "\"%.*s\" has address bits set beyond its /%u",
                       SV_ARG(text), range.prefix_len);
    unmap_range(&range);
    *ret_range = range;
    return true;
}

bool address_range_contains(const struct address_range *range,
                            const struct address *address)
{
    int family;
    const unsigned char *bytes = ip_bytes(address, &family);
    unsigned whole = range->prefix_len / 8;
    unsigned rest = range->prefix_len % 8;

    if (family != range->family)
        return false;
    if (!bytes)
        return family == AF_UNIX;
    if (memcmp(bytes, range->bits, whole) != 0)
        return false;
    return rest == 0 || ((bytes[whole] ^ range->bits[whole]) &
                         (0xFF00U >> rest) & 0xFF) == 0;
}
