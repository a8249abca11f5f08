#include "proxy/client_address.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

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

Test(client_address, forwarded_is_read_where_no_other_field_is_there)
{
    static const struct {
        const char *label;
        const char *peer;
        const char *first; /* Forwarded lines */
        const char *second;
        const char *expected;
        bool is_https;
    } cases[] = {
        {"a stranger", "192.0.2.1:1", "for=1.1.1.1;proto=https", NULL,
         "192.0.2.1", false},
        {"one proxy", "10.0.0.1:1", "for=1.1.1.1", NULL, "1.1.1.1", false},
        {"https", "10.0.0.1:1", "proto=https;For=1.1.1.1", NULL, "1.1.1.1",
         true},
        {"https between two proxies only", "10.0.0.1:1",
         "for=1.1.1.1;proto=http, for=10.0.0.2;proto=https", NULL, "1.1.1.1",
         false},
        {"quoted, with a port", "10.0.0.1:1", "for=\"1.1.1.1:80\"", NULL,
         "1.1.1.1", false},
        {"IPv6", "10.0.0.1:1", "for=\"[2001:db8::1]\";proto=HTTPS", NULL,
         "2001:db8::1", true},
        {"IPv6 with a port", "10.0.0.1:1",
         "by=_x;for=\"[2001:db8::1]:4711\" ; host=a", NULL, "2001:db8::1",
         false},
        {"two proxies", "10.0.0.1:1", "for=1.1.1.1, for=10.0.0.2", NULL,
         "1.1.1.1", false},
        {"two lines, a forged beginning", "10.0.0.1:1",
         "for=6.6.6.6;proto=https,for=1.1.1.1", "for=10.0.0.2", "1.1.1.1",
         false},
        {"a forged address in quotes", "10.0.0.1:1",
         "for=1.1.1.1;host=\"x, for=6.6.6.6\"", NULL, "1.1.1.1", false},
        {"a quote that stays open swallows nothing", "10.0.0.1:1",
         "for=1.1.1.1;host=\"x, for=6.6.6.6", NULL, "10.0.0.1", false},
        {"an escape", "10.0.0.1:1", "for=1.1.1.1;host=\"\\\"\"", NULL,
         "10.0.0.1", false},
        {"unknown", "10.0.0.1:1", "for=6.6.6.6, for=unknown;proto=https", NULL,
         "10.0.0.1", false},
        {"obfuscated behind a proxy", "10.0.0.1:1",
         "for=_hidden, for=10.0.0.9;proto=https", NULL, "10.0.0.9", true},
        {"no for", "10.0.0.1:1", "for=6.6.6.6, proto=https", NULL, "10.0.0.1",
         false},
        {"no value", "10.0.0.1:1", "for=", NULL, "10.0.0.1", false},
        {"no name", "10.0.0.1:1", "=1.1.1.1", NULL, "10.0.0.1", false},
        {"white space around =", "10.0.0.1:1", "for = 1.1.1.1", NULL,
         "10.0.0.1", false},
        {"bare IPv6 is no token", "10.0.0.1:1", "for=2001:db8::1", NULL,
         "10.0.0.1", false},
        {"empty elements", "10.0.0.1:1", ", ,for=1.1.1.1, ,", NULL, "1.1.1.1",
         false},
        {"empty", "10.0.0.1:1", "", NULL, "10.0.0.1", false},
    };
    struct address_range trusted[] = {range_of("10.0.0.0/8")};
    struct server_settings server = {.trusted_count = 1, .trusted = trusted};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_field fields[2] = {
            {SV("Forwarded"), sv_of(cases[i].first), FIELD_FORWARDED},
            {SV("forwarded"), sv_of(cases[i].second), FIELD_FORWARDED}};
        struct http_head head = {.fields = fields,
                                 .field_count = cases[i].second ? 2 : 1,
                                 .present = 1ULL << FIELD_FORWARDED};
        struct address peer = address_from(cases[i].peer);
        struct address address = peer;
        char text[ADDRESS_TEXT_SIZE];

        (void)!client_address_resolve(&address, &head, &server);
        address_format_host(&address, text);
        cr_expect_str_eq(text, cases[i].expected, "%s", cases[i].label);
        cr_expect_eq(client_address_came_by_https(&peer, &head, &server),
                     cases[i].is_https, "%s", cases[i].label);
    }
}

/* A proxy that sets one of them may pass a client's other one on. */
Test(client_address, x_forwarded_for_and_proto_go_before_forwarded)
{
    struct address_range trusted[] = {range_of("10.0.0.0/8")};
    struct server_settings server = {.trusted_count = 1, .trusted = trusted};
    struct http_field fields[] = {
        {SV("Forwarded"), SV("for=6.6.6.6;proto=https"), FIELD_FORWARDED},
        {SV("X-Forwarded-For"), SV("1.1.1.1"), FIELD_X_FORWARDED_FOR},
        {SV("X-Forwarded-Proto"), SV("http"), FIELD_X_FORWARDED_PROTO}};
    struct http_head head = {.fields = fields,
                             .field_count = 3,
                             .present = 1ULL << FIELD_FORWARDED |
                                        1ULL << FIELD_X_FORWARDED_FOR |
                                        1ULL << FIELD_X_FORWARDED_PROTO};
    struct address peer = address_from("10.0.0.1:1");
    struct address address = peer;
    char text[ADDRESS_TEXT_SIZE];

    cr_expect(client_address_resolve(&address, &head, &server));
    address_format_host(&address, text);
    cr_expect_str_eq(text, "1.1.1.1");
    cr_expect_not(client_address_came_by_https(&peer, &head, &server));
}

/* Whose list is of any length: what lies far back is not looked at. */
Test(client_address, a_long_list_is_read_from_its_end)
{
    struct address_range trusted[] = {range_of("10.0.0.0/8")};
    struct server_settings server = {.trusted_count = 1, .trusted = trusted};
    char list[1000] = "for=6.6.6.6";
    struct http_field field = {SV("Forwarded"), {NULL, 0}, FIELD_FORWARDED};
    struct http_head head = {
        .fields = &field, .field_count = 1, .present = 1ULL << FIELD_FORWARDED};
    struct address address = address_from("10.0.0.1:1");
    char text[ADDRESS_TEXT_SIZE];

    for (int i = 0; i < 40; i++)
        sprintf(list + strlen(list), ", for=10.0.0.%d", i);
    field.value = sv_of(list);
    cr_expect(client_address_resolve(&address, &head, &server));
    address_format_host(&address, text);
    cr_expect_str_eq(text, "10.0.0.8");
    strcat(list, ", for=1.1.1.1");
    field.value = sv_of(list);
    address = address_from("10.0.0.1:1");
    cr_expect(client_address_resolve(&address, &head, &server));
    address_format_host(&address, text);
    cr_expect_str_eq(text, "1.1.1.1");
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
