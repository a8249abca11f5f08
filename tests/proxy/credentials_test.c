#include "proxy/credentials.h"

#include <criterion/criterion.h>
#include <string.h>

#include "proxy/http_head.h"
#include "router/base/digest.h"

static struct http_head head_of(struct http_field *fields, uint32_t count)
{
    struct http_head head = {.fields = fields, .field_count = count};

    for (uint32_t i = 0; i < count; i++) {
        fields[i].id = http_field_id_of(fields[i].name);
        head.present |= 1ULL << fields[i].id;
    }
    return head;
}

static void digest_of(const char *key, unsigned char *ret)
{
    struct digest *digest = digest_new();

    digest_add(digest, key, strlen(key));
    digest_finish(digest, ret);
    digest_free(&digest);
}

Test(credentials, a_key_is_found_in_either_field_and_taken_out)
{
    static const struct {
        const char *label;
        const char *name;
        const char *value;
        bool is_known;
    } cases[] = {
        {"X-API-Key", "X-API-Key", "k1", true},
        {"bearer, any case", "authorization", "bEaReR k1", true},
        {"bearer with more spaces", "Authorization", "Bearer   k1", true},
        {"another key", "X-API-Key", "k2", false},
        {"empty", "X-API-Key", "", false},
        {"another scheme", "Authorization", "Basic k1", false},
        {"no scheme", "Authorization", "k1", false},
        {"a key that begins so", "Authorization", "Bearer k1x", false},
    };
    unsigned char digests[1][KEY_DIGEST_BYTES];
    struct key_file file = {.key_count = 1, .digests = digests};

    digest_of("k1", digests[0]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_field fields[2] = {
            {.name = sv_of(cases[i].name), .value = sv_of(cases[i].value)},
            {.name = SV("Accept"), .value = SV("*/*")}};
        struct http_head head = head_of(fields, 2);

        cr_expect_eq(credentials_take_key(&head, &file), cases[i].is_known,
                     "%s", cases[i].label);
        cr_expect_eq(head.field_count, cases[i].is_known ? 1 : 2, "%s",
                     cases[i].label);
        cr_expect(http_head_has(&head, FIELD_ACCEPT), "%s", cases[i].label);
        if (cases[i].is_known)
            cr_expect_not(http_head_has(&head, FIELD_AUTHORIZATION));
    }
}

Test(credentials, basic_credentials_are_read)
{
    static const struct {
        const char *label;
        const char *value;
        const char *user; /* NULL: refused */
        const char *password;
    } cases[] = {
        {"plain", "Basic YW5uOnB3", "ann", "pw"},
        {"any case", "basic YW5uOnB3", "ann", "pw"},
        {"padded", "Basic YTpi", "a", "b"},
        {"one =", "Basic YTpiYw==", "a", "bc"},
        {"a colon in the password", "Basic YTpiOmM=", "a", "b:c"},
        {"empty password", "Basic YTo=", "a", ""},
        {"no colon", "Basic YWE=", NULL, NULL},
        {"not base64", "Basic !!!!", NULL, NULL},
        {"a NUL", "Basic YQA6Yg==", NULL, NULL},
        {"nothing", "Basic ", NULL, NULL},
        {"another scheme", "Bearer YTpi", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_field fields[1] = {
            {.name = SV("Authorization"), .value = sv_of(cases[i].value)}};
        struct http_head head = head_of(fields, 1);
        struct basic_credentials shown;
        bool ok = credentials_read_basic(&head, &shown);

        cr_assert_eq(ok, cases[i].user != NULL, "%s", cases[i].label);
        if (!ok)
            continue;
        cr_expect_str_eq(shown.user, cases[i].user, "%s", cases[i].label);
        cr_expect_str_eq(shown.password, cases[i].password, "%s",
                         cases[i].label);
    }
}

Test(credentials, too_long_a_name_is_refused_not_cut)
{
    char value[2000] = "Basic ";
    struct http_field fields[1];
    struct http_head head;
    struct basic_credentials shown;

    memset(value + 6, 'A', sizeof value - 7);
    for (size_t i = 6; i < sizeof value - 1; i++)
        value[i] = "YWFh"[(i - 6) % 4];
    value[sizeof value - 1] = '\0';
    fields[0] =
        (struct http_field){.name = SV("Authorization"), .value = sv_of(value)};
    head = head_of(fields, 1);
    cr_expect_not(credentials_read_basic(&head, &shown));
}

Test(credentials, users_are_found_by_name)
{
    struct basic_user users[] = {{(char[]){"ann"}, (char[]){"1"}},
                                 {(char[]){"bob"}, (char[]){"2"}}};
    struct basic_file file = {.user_count = 2, .users = users};
    struct basic_file none = {0};

    cr_expect_eq(credentials_find_user(&file, "bob"), &users[1]);
    cr_expect_null(credentials_find_user(&file, "bo"));
    cr_expect_null(credentials_find_user(&file, ""));
    cr_expect_null(credentials_find_user(&none, "bob"));
}
