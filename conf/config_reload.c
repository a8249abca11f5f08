/* config_reload.c - what a reload cannot change. */
#include "conf/config_reload.h"

#include <stdlib.h>
#include <string.h>

#include "conf/scalar.h"
#include "router/base/alloc.h"

struct fixed_place {
    enum directive_id id;
    char *text; /* "berth.conf:3:1" */
};

void config_note_place(struct builder *builder, const struct conf_node *node)
{
    struct config *config = builder->config;

    if (!(node->row->flags & FIXED) || node->place.line == 0)
        return;
    config->places = xrealloc(config->places, (config->place_count + 1) *
                                                  sizeof *config->places);
    config->places[config->place_count++] = (struct fixed_place){
        directive_id_of(node->row), xstrdup(builder_place(builder, node))};
}

void config_places_done(struct config *config)
{
    for (uint32_t i = 0; i < config->place_count; i++)
        free(config->places[i].text);
    free(config->places);
}

/* Where it is written; a value may also change by being left out. */
static const char *place_of(const struct config *config, enum directive_id id)
{
    for (uint32_t i = 0; i < config->place_count; i++)
        if (config->places[i].id == id)
            return config->places[i].text;
    return config->file;
}

static const void *owner_of(const struct config *config,
                            const struct directive *row)
{
    switch (row->owner) {
    case OWNER_lifecycle_settings:
        return config->lifecycle;
    case OWNER_podman_settings:
        return &config->lifecycle->podman;
    default:
        return config->proxy;
    }
}

/* Its value for people. */
static void add_value(const struct config *config, const struct directive *row,
                      struct strbuf *text)
{
    const char *socket = config->lifecycle->podman.socket;

    if (directive_id_of(row) == DIRECTIVE_worker_threads)
        strbuf_printf(text, "%u", config->proxy->worker_count);
    else if (directive_id_of(row) == DIRECTIVE_podman_socket && socket)
        strbuf_printf(text, "unix:%s", socket);
    else if (row->type == TYPE_SPECIAL ||
             !scalar_format(row, owner_of(config, row), text))
        strbuf_add_str(text, row->default_text);
}

static void refuse(const struct config *running, const struct config *next,
                   const struct directive *row, struct strbuf *errors)
{
    const char *block = row->where == IN_TOP ? "" : " of podman";

    strbuf_printf(errors, "%s: a reload cannot change \"%s\"%s (from ",
                  place_of(next, directive_id_of(row)), row->name, block);
    add_value(running, row, errors);
    strbuf_add_str(errors, " to ");
    add_value(next, row, errors);
    strbuf_add_str(errors, "): restart berth for that\n");
}

static bool is_same(const struct config *a, const struct config *b,
                    const struct directive *row)
{
    AUTO(strbuf_done) struct strbuf of_a = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf of_b = STRBUF_INIT;

    add_value(a, row, &of_a);
    add_value(b, row, &of_b);
    return sv_eq(strbuf_view(&of_a), strbuf_view(&of_b));
}

bool config_check_reload(const struct config *running, struct config *next,
                         struct strbuf *ret_errors)
{
    bool ok = true;

    if (running->workers_are_auto && next->workers_are_auto)
        next->proxy->worker_count = running->proxy->worker_count;
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];

        if (!(row->flags & FIXED) || is_same(running, next, row))
            continue;
        refuse(running, next, row, ret_errors);
        ok = false;
    }
    return ok;
}
