/* directives.c - the table, and look-ups in it. */
#include "conf/directives.h"

#include <string.h>

#include "conf/parser.h"
#include "lifecycle/settings.h"
#include "proxy/settings.h"
#include "router/split.h"

#define HOURS(n) ((n)*3600ULL * 1000)
#define DAYS(n)  ((n)*24ULL * 3600 * 1000)
#define KIB      (1ULL << 10)
#define MIB      (1ULL << 20)
#define GIB      (1ULL << 30)
#define TIB      (1ULL << 40)

const struct directive directives[DIRECTIVE_COUNT] = {
#define SCALAR(id, name, where, type, owner, member, fallback, min, max,       \
               flags, syntax, help)                                            \
    {name,                                                                     \
     where,                                                                    \
     TYPE_##type,                                                              \
     1,                                                                        \
     1,                                                                        \
     OWNER_##owner,                                                            \
     offsetof(struct owner, member),                                           \
     sizeof(((struct owner *)NULL)->member),                                   \
     fallback,                                                                 \
     min,                                                                      \
     max,                                                                      \
     flags,                                                                    \
     syntax,                                                                   \
     help},
#define SPECIAL(id, name, where, args_min, args_max, fallback, flags, syntax,  \
                help)                                                          \
    {                                                                          \
        name,   where, TYPE_SPECIAL, args_min, args_max, OWNER_none,           \
        0,      0,     fallback,     0,        0,        flags,                \
        syntax, help},
#define BLOCK(id, name, where, args, flags, syntax, help)                      \
    {name, where, TYPE_BLOCK, args, args,  OWNER_none, 0,                      \
     0,    NULL,  0,          0,    flags, syntax,     help},
#include "conf/directives.def"
#undef SCALAR
#undef SPECIAL
#undef BLOCK
};

static const char *const where_names[] = {
    "the top level", "podman", "admin",   "http",  "server",
    "route",         "app",    "sidecar", "setup", "resources",
};

const char *directive_where_name(unsigned where)
{
    return where_names[__builtin_ctz(where)];
}

const char *directive_where_list(struct arena *arena, unsigned where)
{
    const char *list = "";
    unsigned left = where;

    while (left) {
        unsigned bit = left & -left;

        left &= ~bit;
        list = arena_printf(arena, "%s%s%s", list,
                            bit == (where & -where) ? ""
                            : left                  ? ", "
                                                    : " or ",
                            directive_where_name(bit));
    }
    return list;
}

void directive_index(struct name_map *ret_map)
{
    *ret_map = (struct name_map){NULL, 0, 0};
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
        (void)!!name_map_add(ret_map, directives[i].name, &directives[i]);
}

const struct directive *directive_find(const struct name_map *map,
                                       const char *name, unsigned where,
                                       const struct directive **ret_other)
{
    const struct directive *first = name_map_find(map, name);

    *ret_other = first;
    /* A few names mean something else in another block (listen, user): the
     * map knows the first row only. */
    for (const struct directive *row = first;
         row && row < directives + DIRECTIVE_COUNT; row++)
        if ((row->where & where) && strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

struct strview directive_word(const char *syntax, unsigned index)
{
    struct strview rest = sv_of(syntax);
    struct strview word;

    while (sv_split(&rest, '|', &word))
        if (index-- == 0)
            return word;
    return sv_make(NULL, 0);
}

bool directive_word_index(const char *syntax, const char *word,
                          unsigned *ret_index)
{
    struct strview known;

    for (unsigned i = 0; (known = directive_word(syntax, i)).ptr; i++)
        if (sv_eq(known, sv_of(word))) {
            *ret_index = i;
            return true;
        }
    return false;
}
