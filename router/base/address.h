/* address.h - a socket address (IPv4, IPv6, Unix) and an address range.
 * Values; nothing to free. Thread: any.
 */
#ifndef ROUTER_BASE_ADDRESS_H
#define ROUTER_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"

struct address {
    socklen_t len; /* of what is in use below; 0: no address */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    };
};

/* Longest text that address_format() makes, NUL included. */
#define ADDRESS_TEXT_SIZE 128

/* Read "127.0.0.1:80", "[::1]:80", "80" or "*:80" (any IPv4 address), or
 * "unix:/path". No names: a look-up would block. Fails with ERR_INVALID. */
MUST_USE bool address_parse(struct strview text, struct address *ret_address,
                            struct err *err);

/* As address_parse() reads it. Into ret_text[ADDRESS_TEXT_SIZE]. */
void address_format(const struct address *address, char *ret_text);

/* Without the port: "127.0.0.1", "::1", "unix:". */
void address_format_host(const struct address *address, char *ret_text);

bool address_equal(const struct address *a, const struct address *b);
bool address_is_loopback(const struct address *address); /* Unix: true */
bool address_is_any(const struct address *address);      /* 0.0.0.0, :: */
/* 0 for Unix. Host byte order. */
unsigned address_port(const struct address *address);

/* "10.0.0.0/8", "::1", "2001:db8::/32", "unix:" (every Unix peer). */
struct address_range {
    int family; /* AF_INET, AF_INET6, AF_UNIX */
    unsigned char bits[16];
    unsigned prefix_len;
};
MUST_USE bool address_range_parse(struct strview text,
                                  struct address_range *ret_range,
                                  struct err *err);
/* An IPv4-mapped IPv6 address matches as the IPv4 address that it is. */
bool address_range_contains(const struct address_range *range,
                            const struct address *address);

#endif
