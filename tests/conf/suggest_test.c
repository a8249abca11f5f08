#include "conf/suggest.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

Test(suggest, distance_counts_edits)
{
    static const struct {
        const char *a;
        const char *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},           {"image", "image", 0},
        {"imge", "image", 1},  {"imagee", "image", 1},
        {"imabe", "image", 1}, {"iamge", "image", 1},
        {"", "abc", 3},        {"kitten", "sitting", 3},
        {"ab", "ba", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cr_expect_eq(suggest_distance(cases[i].a, cases[i].b),
                     cases[i].distance, "%s %s: %u", cases[i].a, cases[i].b,
                     suggest_distance(cases[i].a, cases[i].b));
        cr_expect_eq(suggest_distance(cases[i].b, cases[i].a),
                     cases[i].distance, "%s %s", cases[i].b, cases[i].a);
    }
}

Test(suggest, words_longer_than_names_are_not_compared)
{
    char longest[66];

    memset(longest, 'a', sizeof longest);
    longest[65] = '\0';
    cr_expect_eq(suggest_distance(longest, "a"), UINT_MAX);
    longest[64] = '\0';
    cr_expect_eq(suggest_distance(longest, "a"), 63);
    cr_expect_eq(suggest_distance("a", longest), 63);
}

Test(suggest, the_nearest_wins_and_a_stranger_does_not)
{
    struct suggestion suggestion = suggestion_of("replica");

    suggestion_offer(&suggestion, "memory");
    cr_expect_null(suggestion.best);
    suggestion_offer(&suggestion, "replicast");
    cr_expect_str_eq(suggestion.best, "replicast");
    suggestion_offer(&suggestion, "replicas");
    cr_expect_str_eq(suggestion.best, "replicas");
    suggestion_offer(&suggestion, "replicb");
    cr_expect_str_eq(suggestion.best, "replicas", "the first of two stays");
}

Test(suggest, names_of_nginx_have_a_meaning)
{
    cr_expect_str_eq(suggest_for_nginx("location"), "route");
    cr_expect_str_eq(suggest_for_nginx("ssl_certificate"), "tls_certificate");
    cr_expect_null(suggest_for_nginx("listen"));
    cr_expect_null(suggest_for_nginx(""));
}
