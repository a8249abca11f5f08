#include "proxy/client_address.h"

#include <criterion/criterion.h>

#include "proxy/client.h"
#include "proxy/http_head.h"
#include "proxy/settings.h"

static struct address_range range_of(const char *text)
{
    struct address_range range;
    struct err err;

    cr_assert(address_range_parse(sv_of(text), &range, &err), "%s", err.text);
    return range;
}

static struct address address_from(const char *text)
{
    struct address address;
    struct err err;

    cr_assert(address_parse(sv_of(text), &address, &err), "%s", err.text);
    return address;
}

Test(client_address, it_is_the_last_that_is_no_trusted_proxy)
{
    static const struct {
        const char *label;
        const char *peer;
        const char *first; /* X-Forwarded-For lines */
        const char *second;
        const char *expected;
    } cases[] = {
        {"a stranger", "192.0.2.1:1", "1.1.1.1", NULL, "192.0.2.1"},
        {"one proxy", "10.0.0.1:1", "1.1.1.1", NULL, "1.1.1.1"},
        {"two proxies", "10.0.0.1:1", "1.1.1.1, 10.0.0.2", NULL, "1.1.1.1"},
        {"a forged beginning", "10.0.0.1:1", "6.6.6.6, 1.1.1.1, 10.0.0.2", NULL,
         "1.1.1.1"},
        {"two lines", "10.0.0.1:1", "6.6.6.6, 1.1.1.1", "10.0.0.2", "1.1.1.1"},
        {"all trusted", "10.0.0.1:1", "10.0.0.3, 10.0.0.2", NULL, "10.0.0.3"},
        {"with a port", "10.0.0.1:1", "1.1.1.1:80", NULL, "1.1.1.1"},
        {"IPv6", "10.0.0.1:1", "2001:db8::1", NULL, "2001:db8::1"},
        {"IPv6 with a port", "10.0.0.1:1", "[2001:db8::1]:80", NULL,
         "2001:db8::1"},
        {"nonsense", "10.0.0.1:1", "1.1.1.1, unknown", NULL, "10.0.0.1"},
        {"nonsense behind a proxy", "10.0.0.1:1", "x, 10.0.0.9", NULL,
         "10.0.0.9"},
        {"empty", "10.0.0.1:1", "", NULL, "10.0.0.1"},
        {"a bracket that stays open", "10.0.0.1:1", "[::1", NULL, "10.0.0.1"},
        {"a comma alone", "10.0.0.1:1", ",", NULL, "10.0.0.1"},
    };
    struct address_range trusted[] = {range_of("10.0.0.0/8")};
    struct server_settings server = {.trusted_count = 1, .trusted = trusted};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_field fields[2] = {
            {SV("X-Forwarded-For"), sv_of(cases[i].first),
             FIELD_X_FORWARDED_FOR},
            {SV("x-forwarded-for"), sv_of(cases[i].second),
             FIELD_X_FORWARDED_FOR}};
        struct http_head head = {.fields = fields,
                                 .field_count = cases[i].second ? 2 : 1,
                                 .present = 1ULL << FIELD_X_FORWARDED_FOR};
        struct address address = address_from(cases[i].peer);
        char text[ADDRESS_TEXT_SIZE];

        (void)!client_address_resolve(&address, &head, &server);
        address_format_host(&address, text);
        cr_expect_str_eq(text, cases[i].expected, "%s", cases[i].label);
    }
}

Test(client_address, a_peer_of_each_family_is_itself)
{
    struct client_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct address address = client_address_of(&peer);
    struct address_range range = range_of("unix:");

    cr_expect_eq(address.any.sa_family, AF_UNIX);
    cr_expect(address_range_contains(&range, &address));
    peer.v4 = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr = {htonl(0x7f000001)}};
    address = client_address_of(&peer);
    range = range_of("127.0.0.1");
    cr_expect(address_range_contains(&range, &address));
}
