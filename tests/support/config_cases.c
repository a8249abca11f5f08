/* config_cases.c - texts of configurations, and what is said of them. */
#include "tests/support/config_cases.h"

#include <criterion/criterion.h>

#include "conf/config.h"
#include "conf/config_text.h"
#include "router/base/alloc.h"

struct config *config_cases_parse(const char *text, struct strbuf *ret_errors)
{
    return config_parse_text(sv_of(text), "t", ret_errors);
}

void config_cases_check(const struct config_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(config_free)
        struct config *config = config_cases_parse(cases[i].text, &errors);

        cr_expect_null(config, "%s", cases[i].label);
        cr_expect_str_eq(errors.data ? errors.data : "", cases[i].errors,
                         "%s:\n%s", cases[i].label, errors.data);
    }
}

struct config *config_cases_good(const char *text)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct config *config = config_cases_parse(text, &errors);

    cr_assert_not_null(config, "%s", errors.data);
    return config;
}
