#include "proxy/proxy_protocol.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "router/base/attr.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4  "\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb"
#define V6                                                                     \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                               \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\x12\x34\x20\xfb"
#define BYTES(text)                                                            \
    {                                                                          \
        text, sizeof text - 1                                                  \
    }

struct header_case {
    const char *label;
    struct strview data;
    const char *client; /* NULL: the socket's own */
    uint16_t client_port;
    uint16_t local_port;
};

static const struct header_case good[] = {
    {"v1 TCP4", BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n"),
     "192.0.2.1", 4660, 443},
    {"v1 TCP6", BYTES("PROXY TCP6 2001:db8::7 2001:db8::8 4660 8443\r\n"),
     "2001:db8::7", 4660, 8443},
    {"v1 ports 0 and 65535",
     BYTES("PROXY TCP4 0.0.0.0 255.255.255.255 0 "
           "65535\r\n"),
     "0.0.0.0", 0, 65535},
    {"v1 the longest",
     BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 65535, 65535},
    {"v1 UNKNOWN", BYTES("PROXY UNKNOWN\r\n"), NULL, 0, 0},
    {"v1 UNKNOWN with more", BYTES("PROXY UNKNOWN ff::1 what ever 1\r\n"), NULL,
     0, 0},
    {"v2 TCP4", BYTES(SIG "\x21\x11\x00\x0c" V4), "192.0.2.1", 4660, 443},
    {"v2 TCP6", BYTES(SIG "\x21\x21\x00\x24" V6), "2001:db8::7", 4660, 8443},
    {"v2 LOCAL", BYTES(SIG "\x20\x00\x00\x00"), NULL, 0, 0},
    {"v2 LOCAL with bytes to skip", BYTES(SIG "\x20\x11\x00\x03xyz"), NULL, 0,
     0},
    {"v2 UNSPEC", BYTES(SIG "\x21\x00\x00\x00"), NULL, 0, 0},
    {"v2 UDP4 is not about this connection", BYTES(SIG "\x21\x12\x00\x0c" V4),
     NULL, 0, 0},
    {"v2 with a TLV", BYTES(SIG "\x21\x11\x00\x11" V4 "\x04\x00\x02hi"),
     "192.0.2.1", 4660, 443},
    {"v2 with its checksum",
     BYTES(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x00\x00\x00\x00"),
     "192.0.2.1", 4660, 443},
};

/* The checksum of the last case, filled in. */
static struct strview data_of(const struct header_case *c, char *copy)
{
    static const unsigned char sum[] = {0xf6, 0x03, 0xd2, 0x3a};

    memcpy(copy, c->data.ptr, c->data.len);
    if (strcmp(c->label, "v2 with its checksum") == 0)
        memcpy(copy + c->data.len - 4, sum, 4);
    return sv_make(copy, c->data.len);
}

static void check_header(const struct header_case *c,
                         const struct proxy_header *header)
{
    const struct client_peer *client = &header->client;
    char text[INET6_ADDRSTRLEN];
    bool is_v4;

    cr_expect_eq(header->bytes, c->data.len, "%s: %zu", c->label,
                 header->bytes);
    cr_expect_eq(header->has_client, c->client != NULL, "%s", c->label);
    if (!c->client || !header->has_client)
        return;
    is_v4 = client->any.sa_family == AF_INET;
    inet_ntop(client->any.sa_family,
              is_v4 ? (const void *)&client->v4.sin_addr
                    : (const void *)&client->v6.sin6_addr,
              text, sizeof text);
    cr_expect_str_eq(text, c->client, "%s", c->label);
    cr_expect_eq(ntohs(is_v4 ? client->v4.sin_port : client->v6.sin6_port),
                 c->client_port, "%s", c->label);
    cr_expect_eq(header->local_port, c->local_port, "%s", c->label);
}

Test(proxy_protocol, good_headers_are_read_and_what_follows_is_left)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct proxy_header header;
        char data[256];
        struct strview all = data_of(&good[i], data);

        cr_expect_eq(proxy_protocol_parse(all, &header), PROXY_DONE, "%s",
                     good[i].label);
        check_header(&good[i], &header);
        memcpy(data + all.len, "GET / HTTP", 10);
        all.len += 10;
        cr_expect_eq(proxy_protocol_parse(all, &header), PROXY_DONE,
                     "%s, then a request", good[i].label);
        check_header(&good[i], &header);
    }
}

Test(proxy_protocol, every_part_of_a_good_header_waits_for_more)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct proxy_header header;
        char data[256];
        struct strview all = data_of(&good[i], data);

        for (size_t len = 0; len < all.len; len++) {
            /* A copy of just that length, so that ASan sees a read past it. */
            char *part = malloc(len + (len == 0));

            cr_assert_not_null(part);
            memcpy(part, data, len);
            cr_expect_eq(proxy_protocol_parse(sv_make(part, len), &header),
                         PROXY_MORE, "%s, %zu bytes of it", good[i].label, len);
            free(part);
        }
    }
}

Test(proxy_protocol, what_the_specification_does_not_have_is_refused)
{
    static const struct {
        const char *label;
        struct strview data;
    } cases[] = {
        {"a request", BYTES("GET / HTTP/1.1\r\n")},
        {"a ClientHello", BYTES("\x16\x03\x01")},
        {"small letters", BYTES("proxy TCP4 ")},
        {"no protocol", BYTES("PROXY \r\n")},
        {"another protocol", BYTES("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n")},
        {"UNKNOWNX", BYTES("PROXY UNKNOWNX\r\n")},
        {"no addresses", BYTES("PROXY TCP4\r\n")},
        {"one port", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n")},
        {"three ports", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n")},
        {"two spaces", BYTES("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n")},
        {"a space at the end", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n")},
        {"no port", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n")},
        {"a port too large", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n")},
        {"a port with a zero", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n")},
        {"a signed port", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n")},
        {"short address", BYTES("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n")},
        {"the other family", BYTES("PROXY TCP4 ::1 ::1 1 2\r\n")},
        {"the other family", BYTES("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n")},
        {"a zone", BYTES("PROXY TCP6 fe80::1%lo ::1 1 2\r\n")},
        {"LF alone", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n")},
        {"CR alone", BYTES("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX")},
        {"a NUL", BYTES("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n")},
        {"a tab", BYTES("PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n")},
        {"108 bytes",
         BYTES("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")},
        {"107 bytes without an end",
         BYTES("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")},
        {"v2 signature", BYTES("\r\n\r\n\0\r\nQUIX")},
        {"v2 version 1", BYTES(SIG "\x11")},
        {"v2 command 2", BYTES(SIG "\x22")},
        {"v2 family 4", BYTES(SIG "\x21\x41\x00\x00")},
        {"v2 transport 3", BYTES(SIG "\x21\x13\x00\x0c" V4)},
        {"v2 too short for its addresses", BYTES(SIG "\x21\x11\x00\x0b" V4)},
        {"v2 too long", BYTES(SIG "\x21\x11\x0f\xf1")},
        {"v2 TLV cut in its head", BYTES(SIG "\x21\x11\x00\x0e" V4 "\x04\x00")},
        {"v2 TLV cut", BYTES(SIG "\x21\x11\x00\x10" V4 "\x04\x00\x02h")},
        {"v2 wrong checksum",
         BYTES(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x00\x00\x00\x01")},
        {"v2 checksum of 3 bytes",
         BYTES(SIG "\x21\x11\x00\x12" V4 "\x03\x00\x03\x00\x00\x00")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy_header header;

        cr_expect_eq(proxy_protocol_parse(cases[i].data, &header),
                     PROXY_REFUSED, "%s", cases[i].label);
    }
}

Test(proxy_protocol, the_longest_version_2_header_is_read)
{
    static char data[PROXY_HEADER_MAX_BYTES] = SIG "\x20\x00\x0f\xf0";
    struct proxy_header header;

    cr_expect_eq(proxy_protocol_parse(sv_make(data, sizeof data - 1), &header),
                 PROXY_MORE);
    cr_expect_eq(proxy_protocol_parse(sv_make(data, sizeof data), &header),
                 PROXY_DONE);
    cr_expect_eq(header.bytes, sizeof data);
}
