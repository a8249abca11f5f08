/* What a peer sends stays within its field; everything else as printf(). */
#include "router/base/log_fields.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "router/base/attr.h"

static struct strbuf text = STRBUF_INIT;

PRINTF_LIKE(1, 2)
static const char *format(const char *format, ...)
{
    va_list args;

    strbuf_clear(&text);
    va_start(args, format);
    log_fields_format(&text, format, args);
    va_end(args);
    return text.len ? text.data : "";
}

/* printf()'s own outcome beside ours. */
#define SAME(...)                                                              \
    do {                                                                       \
        char expected[512];                                                    \
                                                                               \
        snprintf(expected, sizeof expected, __VA_ARGS__);                      \
        cr_expect_str_eq(format(__VA_ARGS__), expected);                       \
    } while (0)

Test(log_fields, numbers_and_plain_texts_are_as_printf_has_them)
{
    SAME("no conversion");
    SAME("%s", "");
    SAME("a=%s b=%.3s c=%.*s", "web", "abcdef", 2, "xyz");
    SAME("%d %i %u %x %X %o %c %%", -1, 2, 3U, 255U, 255U, 8U, 'c');
    SAME("%hhd %hd %ld %lld", (signed char)1, (short)2, -3L, -4LL);
    SAME("%lu %llu %zu %zd %jd %td", 1UL, 2ULL, (size_t)3, (ssize_t)-4,
         (intmax_t)-5, (ptrdiff_t)-6);
    SAME("%" PRIu64 " %" PRId64, UINT64_MAX, INT64_MIN);
    SAME("%05d|%-5d|%+d|%*d|%-*d|%.3d", 1, 2, 3, 4, 4, 5, 5, 6);
    SAME("%.1f %g %e %p", 1.25, 0.5, 1e300, (void *)&text);
}

Test(log_fields, a_precision_counts_what_was_given_and_a_width_pads_nothing)
{
    cr_assert_str_eq(format("a=\"%.4s\"", "a\"b\"c"), "a=\"a\\\"b\\\"\"");
    cr_assert_str_eq(format("a=%9s", "b"), "a=b");
}

/* The values of one line, split again. */
static const struct {
    const char *label;
    const char *value;
    const char *unquoted; /* what is left of it without quotes */
} cases[] = {
    {"a word", "web", "web"},
    {"empty", "", ""},
    {"a field forged", "x\" y=\"z", "x__y=_z"},
    {"a field forged without quotes", "x y=z", "x_y=z"},
    {"a quote at the end", "x\"", "x_"},
    {"a backslash at the end", "x\\", "x\\"},
    {"a backslash before the quote", "x\\\" y=\"z", "x\\__y=_z"},
    {"two backslashes", "\\\\", "\\\\"},
    {"an equals sign", "=", "="},
};

Test(log_fields, a_value_comes_back_as_it_was_and_forges_no_field)
{
    struct strbuf value = STRBUF_INIT;
    struct strview key;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *rest = format("a=\"%s\" b=%s c=\"%s\" d=1", cases[i].value,
                                  cases[i].value, cases[i].value);
        const char *expected[] = {cases[i].value, cases[i].unquoted,
                                  cases[i].value, "1"};

        for (size_t k = 0; k < ARRAY_LEN(expected); k++) {
            rest = log_fields_next(rest, &key, &value);
            cr_expect_eq(key.len, 1, "%s", cases[i].label);
            cr_expect_eq(key.ptr[0], (char)('a' + k), "%s", cases[i].label);
            cr_expect_str_eq(value.data ? value.data : "", expected[k],
                             "%s: field %zu", cases[i].label, k);
        }
        cr_expect_str_eq(rest, "", "%s: nothing more", cases[i].label);
    }
    strbuf_done(&value);
}

Test(log_fields, a_line_that_was_cut_still_ends)
{
    static const char *const lines[] = {
        "a=\"b", "a=\"b\\", "a=\"", "a=", "a", "=", " ", "a b"};
    struct strbuf value = STRBUF_INIT;
    struct strview key;

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *rest = lines[i];
        unsigned fields = 0;

        while (*rest && fields < 10) {
            rest = log_fields_next(rest, &key, &value);
            fields++;
        }
        cr_expect_leq(fields, 2, "%s", lines[i]);
    }
    strbuf_done(&value);
}
