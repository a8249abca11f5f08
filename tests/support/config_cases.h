/* config_cases.h - texts of configurations, and what is said of them. */
#ifndef TESTS_SUPPORT_CONFIG_CASES_H
#define TESTS_SUPPORT_CONFIG_CASES_H

#include <stddef.h>

struct config;
struct strbuf;

struct config_case {
    const char *label;
    const char *text;
    const char *errors;
};

/* An app of an image with these directives too. */
#define APP(directives) "app a { image localhost/a:1; " directives " }"

/* The text as the file "t". NULL: *ret_errors says why. */
struct config *config_cases_parse(const char *text, struct strbuf *ret_errors);
/* One that has to be good; the caller frees it. */
struct config *config_cases_good(const char *text);
/* Each text is refused with exactly its errors. */
void config_cases_check(const struct config_case *cases, size_t count);

#endif
