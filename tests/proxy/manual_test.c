/* manual_test.c - the manual pages, made from the tables. */
#include "proxy/cli/manual.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "conf/directives.h"
#include "proxy/cli/cli.h"

Test(manual, every_command_has_its_place)
{
    AUTO(strbuf_done) struct strbuf page = STRBUF_INIT;

    manual_write_commands(&page);
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        char title[64];

        snprintf(title, sizeof title, ".SS berth %s", c->name);
        cr_expect(strstr(page.data, title), "%s", title);
    }
}

Test(manual, every_directive_has_its_place)
{
    AUTO(strbuf_done) struct strbuf page = STRBUF_INIT;

    manual_write_directives(&page);
    for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
        char title[64];

        snprintf(title, sizeof title, "\\fB%s\\fR", directives[i].name);
        cr_expect(strstr(page.data, title), "%s", title);
    }
}

Test(manual, all_of_it_is_ascii_and_no_line_is_a_request_by_accident)
{
    static const char *const requests[] = {".TH ", ".SH ", ".SS ", ".TP\n",
                                           ".B ",  ".I ",  ".BR "};
    AUTO(strbuf_done) struct strbuf page = STRBUF_INIT;

    manual_write_commands(&page);
    manual_write_directives(&page);
    for (size_t i = 0; i < page.len; i++) {
        bool is_known = false;

        cr_assert((unsigned char)page.data[i] < 0x80, "at \"%.20s\"",
                  page.data + i);
        if (page.data[i] != '.' || (i > 0 && page.data[i - 1] != '\n'))
            continue;
        for (size_t j = 0; j < ARRAY_LEN(requests); j++)
            is_known |=
                strncmp(page.data + i, requests[j], strlen(requests[j])) == 0;
        cr_expect(is_known, "\"%.20s\"", page.data + i);
    }
}
