#include "proxy/admin/admin_access.h"

#include <criterion/criterion.h>

#include "proxy/settings.h"
#include "router/base/address.h"

#define NO_FIELD NULL

static const struct {
    const char *label;
    const char *listener;
    const char *host; /* NO_FIELD: no Host */
    const char *authorization;
    bool writes;
    bool is_open;
    enum admin_verdict expected;
} cases[] = {
    {"the Unix socket may everything", "unix:/x", "evil", NO_FIELD, true, false,
     ADMIN_ALLOWED},
    {"TCP without a token may not", "127.0.0.1:9901", "127.0.0.1:9901",
     NO_FIELD, false, false, ADMIN_UNAUTHORIZED},
    {"TCP without a token may what is open", "127.0.0.1:9901", "localhost",
     NO_FIELD, false, true, ADMIN_ALLOWED},
    {"the token may write", "127.0.0.1:9901", "localhost:9901", "Bearer full",
     true, false, ADMIN_ALLOWED},
    {"the scheme's case does not matter", "127.0.0.1:9901", "localhost",
     "bEARER  full ", true, false, ADMIN_ALLOWED},
    {"the read token may read", "127.0.0.1:9901", "LOCALHOST", "Bearer look",
     false, false, ADMIN_ALLOWED},
    {"the read token may not write", "127.0.0.1:9901", "localhost",
     "Bearer look", true, false, ADMIN_FORBIDDEN},
    {"a wrong token may nothing", "127.0.0.1:9901", "localhost", "Bearer ful",
     false, false, ADMIN_UNAUTHORIZED},
    {"an empty token may nothing", "127.0.0.1:9901", "localhost", "Bearer ",
     false, false, ADMIN_UNAUTHORIZED},
    {"Basic is not asked for", "127.0.0.1:9901", "localhost", "Basic full",
     false, false, ADMIN_UNAUTHORIZED},
    {"another name is rebinding, even for what is open", "127.0.0.1:9901",
     "evil.example", NO_FIELD, false, true, ADMIN_MISDIRECTED},
    {"also with the token", "127.0.0.1:9901", "evil.example:9901",
     "Bearer full", false, false, ADMIN_MISDIRECTED},
    {"a name that begins like the address is another", "127.0.0.1:9901",
     "127.0.0.1.evil.example", NO_FIELD, false, true, ADMIN_MISDIRECTED},
    {"a name that begins with localhost is another", "127.0.0.1:9901",
     "localhost.evil.example", NO_FIELD, false, true, ADMIN_MISDIRECTED},
    {"an empty Host is none of ours", "127.0.0.1:9901", "", NO_FIELD, false,
     true, ADMIN_MISDIRECTED},
    {"without Host (HTTP/1.0) nothing can be rebound", "127.0.0.1:9901",
     NO_FIELD, NO_FIELD, false, true, ADMIN_ALLOWED},
    {"IPv6 stands in brackets", "[::1]:9901", "[::1]:9901", NO_FIELD, false,
     true, ADMIN_ALLOWED},
    {"another IPv6 address is not ours", "[::1]:9901", "[::2]:9901", NO_FIELD,
     false, true, ADMIN_MISDIRECTED},
    {"a name of its own", "127.0.0.1:9901", "Admin.example:9901", NO_FIELD,
     false, true, ADMIN_ALLOWED},
    {"a name below its own", "127.0.0.1:9901", "x.ops.example", NO_FIELD, false,
     true, ADMIN_ALLOWED},
    {"not the name above", "127.0.0.1:9901", "ops.example", NO_FIELD, false,
     true, ADMIN_MISDIRECTED},
    {"on all addresses any address will do", "0.0.0.0:9901", "192.0.2.1:9901",
     NO_FIELD, false, true, ADMIN_ALLOWED},
    {"on all addresses, IPv6", "[::]:9901", "[2001:db8::1]:9901", NO_FIELD,
     false, true, ADMIN_ALLOWED},
    {"on all addresses no other name will", "0.0.0.0:9901", "evil.example",
     NO_FIELD, false, true, ADMIN_MISDIRECTED},
    {"an unclosed bracket is not ours", "[::1]:9901", "[::1", NO_FIELD, false,
     true, ADMIN_MISDIRECTED},
};

static char name[] = "admin.example";
static char wildcard[] = "*.ops.example";
static char *names[] = {name, wildcard};

static void check(size_t i, const struct admin_settings *settings,
                  enum admin_verdict expected)
{
    struct address listener;
    struct err err = {0};
    struct admin_ask ask = {
        .has_host = cases[i].host != NO_FIELD,
        .host = sv_of(cases[i].host),
        .authorization = sv_of(cases[i].authorization),
        .writes = cases[i].writes,
        .is_open = cases[i].is_open,
    };

    cr_assert(address_parse(sv_of(cases[i].listener), &listener, &err));
    ask.listener = &listener;
    cr_assert_eq(admin_access_check(settings, &ask), expected, "%s",
                 cases[i].label);
}

Test(admin_access, a_listener_asks_for_what_the_table_says)
{
    char full[] = "full";
    char look[] = "look";
    const struct admin_settings settings = {
        .token = full, .read_token = look, .name_count = 2, .names = names};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(i, &settings, cases[i].expected);
}

Test(admin_access, without_tokens_no_token_fits)
{
    const struct admin_settings settings = {.name_count = 2, .names = names};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool had_token = cases[i].authorization != NO_FIELD &&
                         cases[i].expected != ADMIN_MISDIRECTED;

        check(i, &settings, had_token ? ADMIN_UNAUTHORIZED : cases[i].expected);
    }
}

Test(admin_access, secrets_are_equal_when_all_bytes_are)
{
    cr_assert(admin_secret_equal(SV("abc"), SV("abc")));
    cr_assert(admin_secret_equal(SV(""), SV("")));
    cr_assert_not(admin_secret_equal(SV("abc"), SV("abd")));
    cr_assert_not(admin_secret_equal(SV("abc"), SV("ab")));
    cr_assert_not(admin_secret_equal(SV("abc"), SV("abcabc")));
}
