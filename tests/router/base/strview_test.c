#include "router/base/strview.h"

#include <criterion/criterion.h>

Test(strview, equality_is_of_all_bytes)
{
    cr_assert(sv_eq(SV("abc"), SV("abc")));
    cr_assert_not(sv_eq(SV("abc"), SV("abd")));
    cr_assert_not(sv_eq(SV("abc"), SV("ab")));
    cr_assert(sv_eq(SV(""), (struct strview){NULL, 0}));
    cr_assert_not(sv_eq(sv_make("a\0b", 3), sv_make("a\0c", 3)));
    cr_assert_eq(sv_of(NULL).len, 0);
}

Test(strview, case_is_ignored_for_ascii_letters_only)
{
    cr_assert(sv_eq_nocase(SV("Content-LENGTH"), SV("content-length")));
    cr_assert_not(sv_eq_nocase(SV("a[b"), SV("a{b")));
    cr_assert_not(sv_eq_nocase(SV("\xC4"), SV("\xE4")));
    cr_assert_not(sv_eq_nocase(SV("ab"), SV("abc")));
}

Test(strview, a_prefix_may_be_the_whole_or_nothing)
{
    cr_assert(sv_starts(SV("abc"), SV("ab")));
    cr_assert(sv_starts(SV("abc"), SV("abc")));
    cr_assert(sv_starts(SV("abc"), SV("")));
    cr_assert_not(sv_starts(SV("ab"), SV("abc")));
}

Test(strview, trimming_takes_spaces_and_tabs_only)
{
    cr_assert(sv_eq(sv_trim(SV(" \t a b\t ")), SV("a b")));
    cr_assert(sv_eq(sv_trim(SV("\na\r")), SV("\na\r")));
    cr_assert_eq(sv_trim(SV(" \t ")).len, 0);
}

struct split_case {
    const char *label;
    const char *text;
    const char *parts[4];
};

static const struct split_case split_cases[] = {
    {"one", "a", {"a"}},
    {"three", "a,b,c", {"a", "b", "c"}},
    {"empty ones count", ",a,", {"", "a", ""}},
    {"an empty view is one empty part", "", {""}},
};

Test(strview, splitting_yields_every_part_once)
{
    for (size_t i = 0; i < ARRAY_LEN(split_cases); i++) {
        const struct split_case *c = &split_cases[i];
        struct strview rest = sv_of(c->text);
        struct strview part;
        unsigned n = 0;

        while (sv_split(&rest, ',', &part)) {
            cr_assert(c->parts[n] && sv_eq(part, sv_of(c->parts[n])), "%s",
                      c->label);
            n++;
        }
        cr_assert_null(c->parts[n], "%s: too few", c->label);
    }
}

struct number_case {
    const char *label;
    const char *text;
    uint64_t max;
    bool ok;
    uint64_t value;
};

static const struct number_case number_cases[] = {
    {"zero", "0", UINT64_MAX, true, 0},
    {"leading zeros", "007", UINT64_MAX, true, 7},
    {"the largest", "18446744073709551615", UINT64_MAX, true, UINT64_MAX},
    {"one more", "18446744073709551616", UINT64_MAX, false, 0},
    {"ten times as much", "184467440737095516150", UINT64_MAX, false, 0},
    {"the limit", "65535", 65535, true, 65535},
    {"beyond the limit", "65536", 65535, false, 0},
    {"nothing", "", UINT64_MAX, false, 0},
    {"a sign", "+1", UINT64_MAX, false, 0},
    {"a minus", "-1", UINT64_MAX, false, 0},
    {"a space", " 1", UINT64_MAX, false, 0},
    {"hexadecimal", "0x1", UINT64_MAX, false, 0},
    {"a letter behind", "1a", UINT64_MAX, false, 0},
};

Test(strview, numbers_are_digits_only_and_never_overflow)
{
    for (size_t i = 0; i < ARRAY_LEN(number_cases); i++) {
        const struct number_case *c = &number_cases[i];
        uint64_t value = 42;
        bool ok = sv_to_u64(sv_of(c->text), c->max, &value);

        cr_expect_eq(ok, c->ok, "%s", c->label);
        cr_expect_eq(value, c->ok ? c->value : 42, "%s", c->label);
    }
}
