#include "router/base/strbuf.h"

#include <criterion/criterion.h>

Test(strbuf, it_grows_and_is_always_terminated)
{
    struct strbuf buf = STRBUF_INIT;
    size_t sum = 0;

    for (unsigned i = 0; i < 1000; i++) {
        strbuf_printf(&buf, "%u,", i);
        cr_assert_eq(buf.data[buf.len], '\0');
    }
    sum = buf.len;
    strbuf_add(&buf, "a\0b", 3);
    cr_assert_eq(buf.len, sum + 3);
    cr_assert_eq(memcmp(buf.data, "0,1,2,", 6), 0);
    cr_assert_eq(memcmp(buf.data + sum, "a\0b", 4), 0);
    strbuf_clear(&buf);
    cr_assert_eq(buf.len, 0);
    cr_assert_str_eq(buf.data, "");
    strbuf_done(&buf);
    cr_assert_null(buf.data);
}

Test(strbuf, reserved_room_is_committed_by_length)
{
    struct strbuf buf = STRBUF_INIT;

    memset(strbuf_reserve(&buf, 500), 'x', 500);
    cr_assert_geq(buf.capacity, 501);
    buf.len += 500;
    strbuf_add_char(&buf, 'y');
    strbuf_add_str(&buf, "z");
    strbuf_add_sv(&buf, SV("!"));
    cr_assert_eq(buf.len, 503);
    cr_assert_str_eq(buf.data + 499, "xyz!");
    strbuf_done(&buf);
}

Test(strbuf, consuming_drops_from_the_front)
{
    struct strbuf buf = STRBUF_INIT;

    strbuf_consume(&buf, 0);
    strbuf_add_str(&buf, "hello world");
    strbuf_consume(&buf, 6);
    cr_assert_str_eq(buf.data, "world");
    strbuf_consume(&buf, 5);
    cr_assert_eq(buf.len, 0);
    cr_assert_str_eq(buf.data, "");
    strbuf_done(&buf);
}

struct json_case {
    const char *label;
    struct strview text;
    const char *json;
};

static const struct json_case json_cases[] = {
    {"empty", {"", 0}, "\"\""},
    {"null pointer", {NULL, 0}, "\"\""},
    {"plain", {"abc", 3}, "\"abc\""},
    {"a quote and a backslash", {"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
    {"a line end", {"a\nb\r", 4}, "\"a\\nb\\u000d\""},
    {"NUL and DEL", {"\0\x7f", 2}, "\"\\u0000\\u007f\""},
    {"UTF-8 of two, three and four bytes",
     {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x9A\x80", 9},
     "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x9A\x80\""},
    {"a byte that is no UTF-8", {"a\xFF z", 4}, "\"a\\ufffd z\""},
    {"a cut sequence", {"\xE2\x82", 2}, "\"\\ufffd\\ufffd\""},
    {"an overlong slash", {"\xC0\xAF", 2}, "\"\\ufffd\\ufffd\""},
    {"an overlong sequence of three",
     {"\xE0\x80\xAF", 3},
     "\"\\ufffd\\ufffd\\ufffd\""},
    {"a surrogate", {"\xED\xA0\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},
    {"beyond U+10FFFF",
     {"\xF4\x90\x80\x80", 4},
     "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
};

Test(strbuf, no_bytes_can_break_out_of_a_json_string)
{
    for (size_t i = 0; i < ARRAY_LEN(json_cases); i++) {
        const struct json_case *c = &json_cases[i];
        struct strbuf buf = STRBUF_INIT;

        strbuf_add_json(&buf, c->text);
        cr_expect_str_eq(buf.data, c->json, "%s: %s", c->label, buf.data);
        strbuf_done(&buf);
    }
}
