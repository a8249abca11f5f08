#include "proxy/http_head.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "proxy/http_syntax.h"

Test(http_head, every_known_name_is_found_in_any_case)
{
    for (unsigned id = 1; id < FIELD_ID_COUNT; id++) {
        struct strview name = http_field_name((enum http_field_id)id);
        char upper[32];

        cr_expect_eq((unsigned)http_field_id_of(name), id, "%.*s",
                     SV_ARG(name));
        for (size_t i = 0; i < name.len; i++)
            upper[i] = (char)toupper((unsigned char)name.ptr[i]);
        cr_expect_eq((unsigned)http_field_id_of(sv_make(upper, name.len)), id,
                     "%.*s", SV_ARG(name));
    }
}

/* Whatever else may stand in a name in place of any of its characters. */
Test(http_head, a_name_that_differs_in_one_character_is_another)
{
    for (unsigned id = 1; id < FIELD_X_FORWARDED_ANY; id++) {
        struct strview name = http_field_name((enum http_field_id)id);
        char text[32];

        for (size_t at = 0; at < name.len; at++) {
            for (int c = 0; c < 256; c++) {
                if (!http_char_is((char)c, CHAR_TOKEN) ||
                    http_lower((char)c) == name.ptr[at])
                    continue;
                memcpy(text, name.ptr, name.len);
                text[at] = (char)c;
                cr_assert_neq(
                    (unsigned)http_field_id_of(sv_make(text, name.len)), id,
                    "%.*s", (int)name.len, text);
            }
        }
    }
}

Test(http_head, families_are_found_by_their_prefix)
{
    static const struct {
        const char *name;
        enum http_field_id id;
    } rows[] = {
        {"X-Forwarded-User", FIELD_X_FORWARDED_ANY},
        {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
        {"X-Forwarded-Fo", FIELD_X_FORWARDED_ANY},
        {"X-Forwarded", FIELD_OTHER},
        {"X-Berth-Error", FIELD_X_BERTH_ANY},
        {"X-Berth-Keep", FIELD_X_BERTH_KEEP},
        {"x-client-cert-subject-with-a-long-name", FIELD_X_CLIENT_CERT_ANY},
        {"X-Other", FIELD_OTHER},
        {"", FIELD_OTHER},
        {"X", FIELD_OTHER},
        {"Te", FIELD_TE},
        {"Tf", FIELD_OTHER},
        {"Content-Lengti", FIELD_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(http_field_id_of(sv_of(rows[i].name)), rows[i].id, "%s",
                     rows[i].name);
}

Test(http_head, lookalikes_of_what_berth_sets_are_told)
{
    static const struct {
        const char *name;
        enum http_field_id id;
    } rows[] = {
        {"X_Forwarded_For", FIELD_X_FORWARDED_FOR},
        {"x-forwarded_for", FIELD_X_FORWARDED_FOR},
        {"X.Forwarded.Host", FIELD_X_FORWARDED_HOST},
        {"X_Berth_Anything", FIELD_X_BERTH_ANY},
        {"X-Client_Cert-Cn", FIELD_X_CLIENT_CERT_ANY},
        {"Content_Length", FIELD_CONTENT_LENGTH},
        {"X_Forwarded_Some_Name_That_Is_Longer_Than_Any_Buffer_On_The_"
         "Stack_Would_Be",
         FIELD_X_FORWARDED_ANY},
        {"X-Forwarded-For", FIELD_OTHER},
        {"X-Forwarded-My_User", FIELD_OTHER}, /* of the family as it stands */
        {"User_Agent", FIELD_OTHER},
        {"X_Api_Key", FIELD_OTHER},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(http_field_confusable(sv_of(rows[i].name)), rows[i].id,
                     "%s", rows[i].name);
}

Test(http_head, connection_cannot_take_away_what_matters)
{
    static const enum http_field_id ids[] = {
        FIELD_HOST,
        FIELD_CONTENT_LENGTH,
        FIELD_TRANSFER_ENCODING,
        FIELD_X_FORWARDED_FOR,
        FIELD_X_FORWARDED_PROTO,
        FIELD_X_FORWARDED_HOST,
        FIELD_X_FORWARDED_PORT,
        FIELD_X_FORWARDED_PREFIX,
        FIELD_X_FORWARDED_ANY,
        FIELD_AUTHORIZATION,
        FIELD_COOKIE,
    };

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        cr_expect(http_field_is_protected(ids[i], HTTP_KIND_REQUEST), "%.*s",
                  SV_ARG(http_field_name(ids[i])));
    cr_expect_not(http_field_is_protected(FIELD_OTHER, HTTP_KIND_REQUEST));
}

Test(http_head, methods_are_known_by_their_exact_name)
{
    cr_expect_eq(http_method_of(SV("GET")), METHOD_GET);
    cr_expect_eq(http_method_of(SV("OPTIONS")), METHOD_OPTIONS);
    cr_expect_eq(http_method_of(SV("get")), METHOD_OTHER);
    cr_expect_eq(http_method_of(SV("GETS")), METHOD_OTHER);
    cr_expect(http_method_is_idempotent(METHOD_PUT));
    cr_expect_not(http_method_is_idempotent(METHOD_POST));
    cr_expect_not(http_method_is_idempotent(METHOD_PATCH));
    cr_expect_not(http_method_is_idempotent(METHOD_OTHER));
}
