#include "conf/directives.h"

#include <criterion/criterion.h>

#include "conf/config_text.h"
#include "router/base/alloc.h"

Test(directives, every_row_is_whole)
{
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];

        cr_expect(row->name && *row->name, "row %u", i);
        cr_expect(row->where && !(row->where & ~(unsigned)IN_ANY), "%s",
                  row->name);
        cr_expect_leq(row->args_min, row->args_max, "%s", row->name);
        cr_expect(row->syntax && *row->syntax, "%s", row->name);
        cr_expect(row->help && strlen(row->help) > 10, "%s", row->name);
        cr_expect_lt(strlen(row->help), 80, "%s", row->name);
        cr_expect_leq(row->min, row->max, "%s", row->name);
        cr_expect(!(row->flags & COMPUTED) || row->default_text, "%s",
                  row->name);
        cr_expect((row->owner == OWNER_none) == (row->size == 0), "%s",
                  row->name);
    }
}

/* What a block cannot tell apart, nobody can. */
Test(directives, a_name_has_one_meaning_in_a_block)
{
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
        for (unsigned j = i + 1; j < DIRECTIVE_COUNT; j++)
            cr_expect(strcmp(directives[i].name, directives[j].name) != 0 ||
                          !(directives[i].where & directives[j].where),
                      "%s", directives[i].name);
}

Test(directives, numbers_fit_into_their_members)
{
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];

        if (row->type < TYPE_TIME || row->type > TYPE_COUNT_OR_OFF)
            continue;
        cr_expect(row->size == 8 || row->size == 4, "%s", row->name);
        cr_expect(row->size == 8 || row->max <= UINT32_MAX, "%s", row->name);
        cr_expect(row->size == 8 || row->type == TYPE_COUNT ||
                      row->type == TYPE_COUNT_OR_OFF,
                  "%s", row->name);
    }
}

Test(directives, look_up_is_by_name_and_block)
{
    struct name_map map;
    const struct directive *other;

    directive_index(&map);
    cr_expect_eq(directive_find(&map, "listen", IN_ADMIN, &other),
                 &directives[DIRECTIVE_admin_listen]);
    cr_expect_eq(directive_find(&map, "listen", IN_SERVER, &other),
                 &directives[DIRECTIVE_listen]);
    cr_expect_eq(directive_find(&map, "drain_timeout", IN_APP, &other),
                 &directives[DIRECTIVE_app_drain_timeout]);
    cr_expect_null(directive_find(&map, "listen", IN_APP, &other));
    cr_expect_eq(other, &directives[DIRECTIVE_admin_listen]);
    cr_expect_null(directive_find(&map, "nonsense", IN_APP, &other));
    cr_expect_null(other);
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
        for (unsigned bit = 1; bit <= IN_APP; bit <<= 1)
            if (directives[i].where & bit)
                cr_expect_eq(
                    directive_find(&map, directives[i].name, bit, &other),
                    &directives[i], "%s", directives[i].name);
    name_map_done(&map);
}

/* The defaults themselves, written out, are what no directive at all means. */
Test(directives, defaults_are_written_as_they_are_read)
{
    static const struct {
        unsigned where;
        const char *text; /* %s: the directives of that block */
    } blocks[] = {
        {IN_TOP, "%s"},
        {IN_PODMAN, "podman { %s }"},
        {IN_ADMIN, "admin { %s }"},
        {IN_HTTP, "http { %s server { listen 1; route / { app a; } } } app a { "
                  "image localhost/a; }"},
        {IN_SERVER, "http { server { listen 1; %s route / { app a; } } } app a "
                    "{ image localhost/a; }"},
        {IN_ROUTE, "http { server { listen 1; route / { app a; %s } } } app a "
                   "{ image localhost/a; }"},
        {IN_APP, "app a { image localhost/a; %s }"},
    };

    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        for (unsigned j = 0; j < DIRECTIVE_COUNT; j++) {
            const struct directive *row = &directives[j];
            struct strbuf texts[2] = {STRBUF_INIT, STRBUF_INIT};

            if (!(row->where & blocks[i].where) || !row->default_text ||
                (row->flags & COMPUTED))
                continue;
            for (unsigned k = 0; k < 2; k++) {
                AUTO(auto_free)
                char *line =
                    k ? xasprintf("%s %s;", row->name, row->default_text)
                      : xstrdup("");
                AUTO(auto_free)
                char *text = xasprintf(blocks[i].text, line);
                AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
                AUTO(config_free)
                struct config *config =
                    config_parse_text(sv_of(text), "t", &errors);

                cr_assert_not_null(config, "%s: %s", text, errors.data);
                config_print(config, &texts[k]);
            }
            cr_expect_str_eq(texts[0].data, texts[1].data, "%s", row->name);
            strbuf_done(&texts[0]);
            strbuf_done(&texts[1]);
        }
}

Test(directives, lists_of_words_and_blocks)
{
    struct arena arena;
    unsigned index = 9;

    arena_init(&arena);
    cr_expect_str_eq(directive_where_list(&arena, IN_APP), "app");
    cr_expect_str_eq(directive_where_list(&arena, IN_HTTP | IN_SERVER),
                     "http or server");
    cr_expect_str_eq(
        directive_where_list(&arena, IN_HTTP | IN_SERVER | IN_ROUTE),
        "http, server or route");
    cr_expect(directive_word_index("a|bc|d", "bc", &index));
    cr_expect_eq(index, 1);
    cr_expect_not(directive_word_index("a|bc|d", "b", &index));
    cr_expect_not(directive_word_index("a|bc|d", "", &index));
    cr_expect_eq(index, 1);
    cr_expect(sv_eq(directive_word("a|bc|d", 2), SV("d")));
    cr_expect_null(directive_word("a|bc|d", 3).ptr);
    arena_done(&arena);
}
