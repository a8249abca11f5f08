#include "proxy/rejection.h"

#include <criterion/criterion.h>
#include <string.h>

Test(rejection, codes_have_a_status_a_unique_name_and_a_text)
{
    for (unsigned i = 1; i < REJECT_CODE_COUNT; i++) {
        struct rejection rejection = {(enum reject_code)i, NULL};

        cr_expect_geq(rejection_status(rejection.code), 400);
        cr_expect_leq(rejection_status(rejection.code), 505);
        cr_expect_neq(rejection_text(&rejection)[0], '\0');
        for (unsigned k = 1; k < i; k++)
            cr_expect_neq(strcmp(rejection_name(rejection.code),
                                 rejection_name((enum reject_code)k)),
                          0);
    }
}

Test(rejection, a_text_of_its_own_wins)
{
    struct rejection rejection = {REJECT_BAD_REQUEST, "Host is missing."};

    cr_expect_str_eq(rejection_text(&rejection), "Host is missing.");
    cr_expect_str_eq(rejection_name(REJECT_BAD_REQUEST), "bad_request");
    cr_expect_eq(rejection_status(REJECT_VERSION_NOT_SUPPORTED), 505);
}
