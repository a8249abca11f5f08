#include "router/base/address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stddef.h>

struct parse_case {
    const char *text;
    const char *formatted; /* NULL: refused */
    const char *host;
    unsigned port;
    bool is_loopback;
};

#define PATH_100                                                               \
    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "a"                                                                        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct parse_case parse_cases[] = {
    {"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1", 80, true},
    {"127.9.9.9:1", "127.9.9.9:1", "127.9.9.9", 1, true},
    {"10.1.2.3:65535", "10.1.2.3:65535", "10.1.2.3", 65535, false},
    {"8080", "0.0.0.0:8080", "0.0.0.0", 8080, false},
    {"*:80", "0.0.0.0:80", "0.0.0.0", 80, false},
    {"[::1]:80", "[::1]:80", "::1", 80, true},
    {"[::]:80", "[::]:80", "::", 80, false},
    {"[2001:DB8::1]:443", "[2001:db8::1]:443", "2001:db8::1", 443, false},
    {"[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:5", "::ffff:127.0.0.1", 5,
     true},
    {"unix:/run/berth.sock", "unix:/run/berth.sock", "unix:", 0, true},
    {"unix:" PATH_100, "unix:" PATH_100, "unix:", 0, true},
    {"", NULL, NULL, 0, false},
    {"127.0.0.1", NULL, NULL, 0, false},
    {"127.0.0.1:", NULL, NULL, 0, false},
    {"127.0.0.1:0", NULL, NULL, 0, false},
    {"127.0.0.1:65536", NULL, NULL, 0, false},
    {"127.0.0.1:+80", NULL, NULL, 0, false},
    {"127.0.0.1:80x", NULL, NULL, 0, false},
    {"127.1:80", NULL, NULL, 0, false},
    {"256.0.0.1:80", NULL, NULL, 0, false},
    {":80", NULL, NULL, 0, false},
    {"localhost:80", NULL, NULL, 0, false},
    {"::1:80", NULL, NULL, 0, false},
    {"[::1]", NULL, NULL, 0, false},
    {"[::1]80", NULL, NULL, 0, false},
    {"[::1:80", NULL, NULL, 0, false},
    {"[]:80", NULL, NULL, 0, false},
    {"[127.0.0.1]:80", NULL, NULL, 0, false},
    {"unix:", NULL, NULL, 0, false},
    {"unix:relative", NULL, NULL, 0, false},
    {"unix:" PATH_100 "bbbbbbbb", NULL, NULL, 0, false},
};

Test(address, every_form_is_read_and_written)
{
    for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        struct address address;
        struct address again;
        struct err err = {0};
        char text[ADDRESS_TEXT_SIZE];
        bool ok = address_parse(sv_of(c->text), &address, &err);

        cr_assert_eq(ok, c->formatted != NULL, "\"%s\"", c->text);
        if (!ok) {
            cr_assert_eq(err.code, ERR_INVALID);
            cr_assert_neq(err.text[0], '\0');
            continue;
        }
        address_format(&address, text);
        cr_assert_str_eq(text, c->formatted);
        cr_assert(address_parse(sv_of(text), &again, NULL));
        cr_assert(address_equal(&address, &again));
        address_format_host(&address, text);
        cr_assert_str_eq(text, c->host);
        cr_assert_eq(address_port(&address), c->port);
        cr_assert_eq(address_is_loopback(&address), c->is_loopback, "\"%s\"",
                     c->text);
    }
}

Test(address, different_addresses_are_not_equal)
{
    static const char *const texts[] = {
        "127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "[::1]:80",
        "[::1]:81",     "[::2]:80",     "unix:/a",      "unix:/ab",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
            struct address a;
            struct address b;

            cr_assert(address_parse(sv_of(texts[i]), &a, NULL));
            cr_assert(address_parse(sv_of(texts[k]), &b, NULL));
            cr_assert_eq(address_equal(&a, &b), i == k, "%s and %s", texts[i],
                         texts[k]);
        }
    }
}

Test(address, no_address_and_an_unnamed_unix_peer_have_a_text_too)
{
    struct address none = {0};
    struct address peer = {.len = offsetof(struct sockaddr_un, sun_path)};
    char text[ADDRESS_TEXT_SIZE];

    peer.un.sun_family = AF_UNIX;
    address_format(&none, text);
    cr_assert_str_eq(text, "");
    cr_assert_not(address_is_loopback(&none));
    cr_assert_eq(address_port(&none), 0);
    address_format(&peer, text);
    cr_assert_str_eq(text, "unix:");
    cr_assert(address_is_loopback(&peer));
}

struct range_case {
    const char *range;
    const char *inside;  /* NULL: the range is refused */
    const char *outside; /* NULL: nothing is */
};

static const struct range_case range_cases[] = {
    {"10.0.0.0/8", "10.255.0.1:1", "11.0.0.1:1"},
    {"10.0.0.0/8", "[::ffff:10.0.0.1]:1", "[::a00:1]:1"},
    {"10.1.0.0/15", NULL, NULL}, /* bits beyond the prefix */
    {"10.2.0.0/15", "10.3.9.9:1", "10.4.0.0:1"},
    {"192.168.1.7", "192.168.1.7:1", "192.168.1.6:1"},
    {"192.168.1.7/32", "192.168.1.7:1", "192.168.1.8:1"},
    {"0.0.0.0/0", "1.2.3.4:1", "[::1]:1"},
    {"::1", "[::1]:1", "[::2]:1"},
    {"2001:db8::/32", "[2001:db8:ffff::1]:1", "[2001:db9::1]:1"},
    {"2001:db8::/33", "[2001:db8:7fff::1]:1", "[2001:db8:8000::1]:1"},
    {"::/0", "[2001::1]:1", "127.0.0.1:1"},
    {"::/0", "[2001::1]:1", "[::ffff:127.0.0.1]:1"},
    {"::ffff:10.0.0.0/104", "10.9.9.9:1", "11.0.0.1:1"},
    {"unix:", "unix:/any", "127.0.0.1:1"},
    {"10.0.0.0/33", NULL, NULL},
    {"::/129", NULL, NULL},
    {"10.0.0.0/", NULL, NULL},
    {"10.0.0.0/8/8", NULL, NULL},
    {"10.0.0/8", NULL, NULL},
    {"10.0.0.1:80", NULL, NULL},
    {"unix:/path", NULL, NULL},
    {"all", NULL, NULL},
    {"", NULL, NULL},
};

Test(address, a_range_holds_what_its_prefix_covers)
{
    for (size_t i = 0; i < ARRAY_LEN(range_cases); i++) {
        const struct range_case *c = &range_cases[i];
        struct address_range range;
        struct address address;
        struct err err = {0};
        bool ok = address_range_parse(sv_of(c->range), &range, &err);

        cr_assert_eq(ok, c->inside != NULL, "\"%s\"", c->range);
        if (!ok) {
            cr_assert_eq(err.code, ERR_INVALID);
            continue;
        }
        cr_assert(address_parse(sv_of(c->inside), &address, NULL));
        cr_assert(address_range_contains(&range, &address), "%s in %s",
                  c->inside, c->range);
        cr_assert(address_parse(sv_of(c->outside), &address, NULL));
        cr_assert_not(address_range_contains(&range, &address), "%s in %s",
                      c->outside, c->range);
    }
}
