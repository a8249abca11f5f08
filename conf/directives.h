/* directives.h - the table of all directives (directives.def).
 * Constant data. Thread: any.
 */
#ifndef CONF_DIRECTIVES_H
#define CONF_DIRECTIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/name_map.h"
#include "router/base/arena.h"
#include "router/base/attr.h"
#include "router/base/strview.h"

/* Where a directive may stand. */
enum directive_where {
    IN_TOP = 1 << 0,
    IN_PODMAN = 1 << 1,
    IN_ADMIN = 1 << 2,
    IN_HTTP = 1 << 3,
    IN_SERVER = 1 << 4,
    IN_ROUTE = 1 << 5,
    IN_APP = 1 << 6,
    IN_SIDECAR = 1 << 7,
    IN_SETUP = 1 << 8,
    IN_CONTAINER = IN_APP | IN_SIDECAR,
    IN_RESOURCES = 1 << 9,
    IN_ANY = (1 << 10) - 1,
};

enum directive_type {
    TYPE_SPECIAL, /* a function of its own */
    TYPE_BLOCK,
    TYPE_TIME,         /* uint64_t, ms */
    TYPE_TIME_OR_OFF,  /* off: 0 */
    TYPE_SIZE,         /* uint64_t, bytes */
    TYPE_COUNT,        /* uint32_t or uint64_t */
    TYPE_COUNT_OR_OFF, /* off: 0 */
    TYPE_FLAG,         /* bool */
    TYPE_ENUM,         /* bool or enum: which word of the syntax */
    TYPE_NAME,         /* char *: letters, digits, _ . - */
    TYPE_LABEL,        /* char *: as an app's name */
    TYPE_PATH,         /* char *: absolute */
    TYPE_PROGRAM,      /* char *: a name, or an absolute path */
};

enum directive_flag {
    MANY = 1 << 0,      /* may stand more than once */
    FIXED = 1 << 1,     /* a reload cannot change it */
    COMPUTED = 1 << 2,  /* the default is told, not parsed */
    CONTAINER = 1 << 3, /* of no meaning where somebody else runs the app */
    EARLY = 1 << 4,     /* read before the block's other directives */
};

/* The structs that values are stored in. */
enum directive_owner {
    OWNER_none,
    OWNER_proxy_settings,
    OWNER_lifecycle_settings,
    OWNER_podman_settings,
    OWNER_admin_settings,
    OWNER_server_settings,
    OWNER_route_settings,
    OWNER_app_settings,
    OWNER_container_settings,
    OWNER_sidecar_settings,
    OWNER_keeper_app,
    OWNER_resource_settings,
    OWNER_COUNT
};

/* DIRECTIVE_<id of the row>. */
enum directive_id {
#define SCALAR(id, ...)  DIRECTIVE_##id,
#define SPECIAL(id, ...) DIRECTIVE_##id,
#define BLOCK(id, ...)   DIRECTIVE_##id,
#include "conf/directives.def"
#undef SCALAR
#undef SPECIAL
#undef BLOCK
    DIRECTIVE_COUNT
};

struct directive {
    const char *name;
    unsigned where;
    enum directive_type type;
    unsigned args_min;
    unsigned args_max;
    enum directive_owner owner;
    size_t offset;
    size_t size;
    const char *default_text; /* NULL: none */
    uint64_t min;             /* numbers: the value; texts: the length */
    uint64_t max;
    unsigned flags;
    const char *syntax;
    const char *help;
};

extern const struct directive directives[DIRECTIVE_COUNT];

static inline enum directive_id directive_id_of(const struct directive *row)
{
    return (enum directive_id)(row - directives);
}

/* "http", "server" …; "the top level". One bit of where. */
const char *directive_where_name(unsigned where);
/* "http, server or route", in the arena. */
const char *directive_where_list(struct arena *arena, unsigned where);

/* All rows by name, for directive_find(). End with name_map_done(). */
void directive_index(struct name_map *ret_map);

/* The row of that name that may stand there. When there is none, *ret_other
 * is a row of that name that may stand elsewhere, or NULL. */
const struct directive *directive_find(const struct name_map *map,
                                       const char *name, unsigned where,
                                       const struct directive **ret_other);

/* Words of an enum's syntax ("a|b|c"): index, and how many there are. */
bool directive_word_index(const char *syntax, const char *word,
                          unsigned *ret_index);
/* Word number `index`; its ptr is NULL past the last. */
struct strview directive_word(const char *syntax, unsigned index);

#endif
