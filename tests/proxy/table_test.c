#include "proxy/cli/table.h"

#include <criterion/criterion.h>

#include <stdlib.h>

static const struct table_column columns[] = {
    {"NAME", false},
    {"N", true},
    {"WHY", false},
};

static void check(const char *const *cells, bool has_colour, unsigned width,
                  const char *expected)
{
    AUTO(table_free)
    struct table *table = table_new(columns, ARRAY_LEN(columns));
    AUTO(strbuf_done) struct strbuf out = STRBUF_INIT;

    for (size_t i = 0; cells[i]; i++)
        table_cell(table, i == 0 ? COLOUR_RED : COLOUR_NONE, "%s", cells[i]);
    table_format(table, has_colour, width, &out);
    cr_assert_str_eq(out.data, expected);
}

Test(table, columns_are_as_wide_as_their_widest_cell)
{
    const char *cells[] = {"a", "1", "", "longer", "12345", "because", NULL};

    check(cells, false, 0,
          "NAME        N  WHY\n"
          "a           1\n"
          "longer  12345  because\n");
}

Test(table, a_table_without_rows_is_its_titles)
{
    const char *cells[] = {NULL};

    check(cells, false, 0, "NAME  N  WHY\n");
}

Test(table, a_short_last_row_is_ended)
{
    const char *cells[] = {"a", NULL};

    check(cells, false, 0, "NAME  N  WHY\na\n");
}

Test(table, width_counts_letters_not_bytes)
{
    const char *cells[] = {
        "\xc3\xa4\xc3\xb6", "1", "x", "abcd", "2", "y", NULL};

    check(cells, false, 0,
          "NAME  N  WHY\n"
          "\xc3\xa4\xc3\xb6    1  x\n"
          "abcd  2  y\n");
}

Test(table, the_last_column_is_cut_to_the_terminal)
{
    const char *cells[] = {"a", "1", "0123456789abcdef", NULL};

    check(cells, false, 20,
          "NAME  N  WHY\n"
          "a     1  0123456789\xe2\x80\xa6\n");
}

Test(table, a_narrow_terminal_leaves_the_last_column_eight)
{
    const char *cells[] = {"a", "1", "0123456789abcdef", NULL};

    check(cells, false, 3,
          "NAME  N  WHY\n"
          "a     1  0123456\xe2\x80\xa6\n");
}

Test(table, colours_stand_around_the_text_and_not_its_padding)
{
    const char *cells[] = {"a", "1", "x", NULL};

    check(cells, true, 0,
          "\x1b[1mNAME\x1b[0m  \x1b[1mN\x1b[0m  \x1b[1mWHY\x1b[0m\n"
          "\x1b[31ma\x1b[0m     1  x\n");
}

Test(table, controls_cannot_reach_the_terminal)
{
    const char *cells[] = {"\x1b[2J", "\x7f",
                           "a\nb\tc\r\xc2\x9b"
                           "31m",
                           NULL};

    check(cells, false, 0,
          "NAME  N  WHY\n"
          "?[2J  ?  a b c??31m\n");
}

Test(table, colour_is_not_wanted_in_a_file)
{
    FILE *file = tmpfile();

    unsetenv("NO_COLOR");
    cr_assert_not(colour_is_wanted(file));
    fclose(file);
}
