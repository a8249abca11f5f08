#include "router/log_format.h"

#include <criterion/criterion.h>

static struct log_format format_of(const char *text)
{
    struct log_format format;
    struct strview unknown;
    struct err err;

    cr_assert(log_format_parse(sv_of(text), &format, &unknown, &err), "%s: %s",
              text, err.text);
    return format;
}

Test(log_format, text_and_variables_come_in_order)
{
    struct log_format format =
        format_of("a $status-${remote_addr}b $http_User_Agent");

    cr_assert_eq(format.op_count, 6);
    cr_expect(sv_eq(format.ops[0].text, SV("a ")));
    cr_expect_eq(format.ops[1].variable, LOG_VARIABLE_STATUS);
    cr_expect(sv_eq(format.ops[2].text, SV("-")));
    cr_expect_eq(format.ops[3].variable, LOG_VARIABLE_REMOTE_ADDR);
    cr_expect(sv_eq(format.ops[4].text, SV("b ")));
    cr_expect_eq(format.ops[5].variable, LOG_VARIABLE_HTTP);
    cr_expect(sv_eq(format.ops[5].text, SV("user-agent")));
    cr_expect_not(format.is_json);
    log_format_done(&format);
}

Test(log_format, the_two_that_have_names_are_there)
{
    struct log_format combined = format_of("combined");
    struct log_format json = format_of("json");

    cr_expect_not(combined.is_json);
    cr_expect(json.is_json);
    cr_expect_gt(json.op_count, 20);
    log_format_done(&combined);
    log_format_done(&json);
}

Test(log_format, what_is_no_format_is_told)
{
    static const struct {
        const char *label;
        const char *text;
        const char *unknown; /* NULL: it is not about a variable */
    } cases[] = {
        {"a slip", "$remote_addr $reqest", "reqest"},
        {"a field without a name", "$http_", "http_"},
        {"no variable", "hello", NULL},
        {"empty", "", NULL},
        {"a lone dollar", "$status $", NULL},
        {"a brace that stays open", "${status", NULL},
        {"an empty brace", "${}", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct log_format format;
        struct strview unknown = {NULL, 0};
        struct err err;

        cr_assert_not(
            log_format_parse(sv_of(cases[i].text), &format, &unknown, &err),
            "%s", cases[i].label);
        if (cases[i].unknown)
            cr_expect(sv_eq(unknown, sv_of(cases[i].unknown)), "%s",
                      cases[i].label);
        else
            cr_expect_null(unknown.ptr, "%s", cases[i].label);
    }
}

Test(log_format, a_format_of_too_many_variables_is_refused)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct log_format format;
    struct strview unknown;
    struct err err;

    for (int i = 0; i < LOG_FORMAT_OPS_MAX; i++)
        strbuf_add_str(&text, "$status ");
    cr_expect_not(
        log_format_parse(strbuf_view(&text), &format, &unknown, &err));
}

Test(log_format, values_cannot_break_out)
{
    static const struct {
        const char *label;
        const char *format;
        const char *value;
        const char *expected;
    } cases[] = {
        {"plain", "$uri", "/a b", "/a b"},
        {"empty", "$uri", "", "-"},
        {"empty in JSON", "{\"u\":\"$uri\"}", "", ""},
        {"line feed", "$uri", "a\nb", "a\\x0Ab"},
        {"quote and backslash", "$uri", "\"\\", "\\x22\\x5C"},
        {"high bytes", "$uri", "\xc3\xa9\x7f", "\\xC3\\xA9\\x7F"},
        {"JSON quote", "{$uri}", "a\"b\\", "a\\\"b\\\\"},
        {"JSON line feed", "{$uri}", "\n", "\\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(strbuf_done) struct strbuf line = STRBUF_INIT;
        struct log_format format = format_of(cases[i].format);

        strbuf_add_char(&line, '<');
        log_format_add_value(&format, sv_of(cases[i].value), &line);
        strbuf_add_char(&line, '>');
        cr_expect(sv_eq(sv_make(line.data + 1, line.len - 2),
                        sv_of(cases[i].expected)),
                  "%s: %s", cases[i].label, line.data);
        log_format_done(&format);
    }
}
