#include "proxy/http_syntax.h"

#include <criterion/criterion.h>
#include <ctype.h>

Test(http_syntax, each_character_has_the_classes_of_the_rfcs)
{
    for (int c = 0; c < 256; c++) {
        bool is_ascii = c > 0 && c < 128;
        bool is_alnum = is_ascii && isalnum(c);
        bool is_token =
            is_alnum || (is_ascii && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        bool is_target = c > 0x20 && c < 0x7f && c != '#' && c != '\\';
        bool is_host =
            is_alnum || (is_ascii && strchr("-._~!$&'()*+;=", c) != NULL);
        bool is_qdtext =
            c == '\t' || (c >= 0x20 && c != 0x7f && c != '"' && c != '\\');
        unsigned want =
            (is_token ? CHAR_TOKEN : 0U) | (is_alnum ? CHAR_ALNUM : 0U) |
            (is_token && !is_alnum && c != '-' ? CHAR_MARK : 0U) |
            (is_target ? CHAR_TARGET : 0U) | (is_host ? CHAR_HOST : 0U) |
            (is_qdtext ? CHAR_QDTEXT : 0U);

        cr_expect_eq(http_chars[c], want, "character %d: %u, not %u", c,
                     http_chars[c], want);
    }
}

Test(http_syntax, the_first_control_is_found_wherever_it_stands)
{
    for (size_t len = 0; len < 40; len++) {
        for (size_t at = 0; at <= len; at++) {
            for (int c = 0; c < 256; c++) {
                char text[40];
                bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
                const char *want = text + len;

                /* Neighbours that a borrow between bytes could mark. */
                memset(text, at % 2 ? ' ' : 0x80, sizeof text);
                if (at < len) {
                    text[at] = (char)c;
                    if (is_control)
                        want = text + at;
                }
                cr_assert_eq(http_find_control(text, text + len), want,
                             "%d at %zu of %zu", c, at, len);
            }
        }
    }
}

Test(http_syntax, tabs_do_not_hide_what_follows)
{
    char text[32];

    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, '\t', sizeof text);
        text[at] = '\r';
        cr_expect_eq(http_find_control(text, text + sizeof text), text + at);
    }
}

Test(http_syntax, authorities_are_split)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } rows[] = {
        {"a", "a", 0},
        {"a:", "a", 0},
        {"a:0", "a", 0},
        {"a:65535", "a", 65535},
        {"a:65536", NULL, 0},
        {"a:00080", "a", 80},
        {"a:8 0", NULL, 0},
        {"[::ffff:1.2.3.4]:8", "[::ffff:1.2.3.4]", 8},
        {"[]", NULL, 0},
        {"[", NULL, 0},
        {"[::1]:", "[::1]", 0},
        {"[::1]8", NULL, 0},
        {"[1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4]", NULL, 0},
        {"", NULL, 0},
        {"a%41", "a%41", 0},
        {"a%4", NULL, 0},
        {"a%g1", NULL, 0},
        {"a,b", NULL, 0},
        {"a\"b", NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct strview host = {NULL, 0};
        uint16_t port = 0;
        bool ok = http_split_authority(sv_of(rows[i].text), &host, &port);

        cr_expect_eq(ok, rows[i].host != NULL, "%s", rows[i].text);
        if (!ok || !rows[i].host)
            continue;
        cr_expect(sv_eq(host, sv_of(rows[i].host)), "%s", rows[i].text);
        cr_expect_eq(port, rows[i].port, "%s", rows[i].text);
    }
}

Test(http_syntax, empty_list_elements_are_skipped)
{
    struct strview rest = SV(" ,a ,, b\t,");
    struct strview element;

    cr_expect(http_next_element(&rest, &element));
    cr_expect(sv_eq(element, SV("a")));
    cr_expect(http_next_element(&rest, &element));
    cr_expect(sv_eq(element, SV("b")));
    cr_expect_not(http_next_element(&rest, &element));
}
