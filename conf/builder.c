/* builder.c - checks the shape of each directive, and hands it to its reader.
 */
#include "conf/builder.h"

#include <stdlib.h>
#include <string.h>

#include "conf/config_reload.h"
#include "conf/scalar.h"
#include "router/base/alloc.h"

typedef void (*set_fn)(struct builder *builder, struct block *block,
                       const struct conf_node *node);

static const set_fn setters[DIRECTIVE_COUNT] = {
#define SCALAR(id, ...)  NULL,
#define SPECIAL(id, ...) directive_set_##id,
#define BLOCK(id, ...)   directive_set_##id,
#include "conf/directives.def"
#undef SCALAR
#undef SPECIAL
#undef BLOCK
};

/* A row's default as a directive, so that it is read like one. */
static struct conf_node *default_node(struct builder *builder,
                                      const struct directive *row)
{
    struct conf_node *node = arena_alloc(builder->arena, sizeof *node);
    struct strview rest = sv_of(row->default_text);
    struct strview word;

    *node = (struct conf_node){
        .row = row,
        .name = row->name,
        .place = {.file = "default"},
        .args = arena_alloc(builder->arena, row->args_max * sizeof *node->args),
    };
    while (sv_split(&rest, ' ', &word))
        node->args[node->arg_count++] = (struct conf_arg){
            .text = arena_copy(builder->arena, word),
            .place = node->place,
        };
    return node;
}

void builder_init(struct builder *builder, struct report *report,
                  struct config *config)
{
    *builder = (struct builder){
        .arena = report->arena, .report = report, .config = config};
    directive_index(&builder->directives);
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
        if (directives[i].default_text && !(directives[i].flags & COMPUTED))
            builder->defaults[i] = default_node(builder, &directives[i]);
}

void builder_done(struct builder *builder)
{
    name_map_done(&builder->directives);
    name_map_done(&builder->apps);
    name_map_done(&builder->listeners);
}

const char *builder_place(struct builder *builder, const struct conf_node *node)
{
    return report_place(builder->arena, node->place);
}

bool builder_once(struct builder *builder, struct block *block,
                  const struct conf_node *node, const char *name)
{
    const char *key = arena_printf(builder->arena, "%s %s", node->name, name);
    const struct conf_node *first = name_map_add(&block->names, key, node);

    if (!first)
        return true;
    builder_error(builder, node->place,
                  "duplicate %s \"%.80s\"; the first is "
                  "at %s",
                  node->name, name, builder_place(builder, first));
    return false;
}

const char *builder_path(struct builder *builder, const struct conf_node *node,
                         const char *path)
{
    const char *slash = strrchr(node->place.file, '/');

    if (path[0] == '/' || !slash)
        return path;
    return arena_printf(builder->arena, "%.*s%s",
                        (int)(slash - node->place.file) + 1, node->place.file,
                        path);
}

void builder_file_error(struct builder *builder, const struct conf_node *node,
                        const char *path, const struct err *err)
{
    bool is_missing = err->code == ERR_NOT_FOUND || err->code == ERR_DENIED;

    if (is_missing && builder->files == FILES_OPTIONAL)
        builder_warning(builder, node->place, "%s \"%.200s\": %.300s",
                        node->name, path, err->text);
    else
        builder_error(builder, node->place, "%s \"%.200s\": %.300s", node->name,
                      path, err->text);
}

bool builder_address(struct builder *builder, const struct conf_node *node,
                     const char *text, struct address *ret_address)
{
    struct address address;
    struct err err;

    if (strncmp(text, "unix:", 5) == 0 && !scalar_is_path(text + 5)) {
        builder_error(builder, node->place,
                      "\"%s\" takes an absolute path after unix:, not "
                      "\"%.120s\"",
                      node->name, text + 5);
        return false;
    }
    if (!address_parse(sv_of(text), &address, &err)) {
        builder_error(builder, node->place, "\"%s\": %.300s", node->name,
                      err.text);
        return false;
    }
    *ret_address = address;
    return true;
}

void builder_set_text(char **text, const char *value)
{
    char *copy = xstrdup(value);

    free(*text);
    *text = copy;
}

const char *builder_hint(struct builder *builder,
                         const struct suggestion *suggestion)
{
    if (!suggestion->best)
        return "";
    return arena_printf(builder->arena, "; did you mean \"%s\"?",
                        suggestion->best);
}

/* "a, b or c" of "a|b|c". */
static const char *words_text(struct builder *builder, const char *syntax)
{
    const char *text = "";
    struct strview word;

    for (unsigned i = 0; (word = directive_word(syntax, i)).ptr; i++) {
        bool is_last = !directive_word(syntax, i + 1).ptr;

        text = arena_printf(builder->arena, "%s%s%.*s", text,
                            i == 0    ? ""
                            : is_last ? " or "
                                      : ", ",
                            SV_ARG(word));
    }
    return text;
}

void builder_error_word(struct builder *builder, const struct conf_node *node,
                        const char *word, const char *syntax)
{
    struct suggestion suggestion = suggestion_of(word);
    struct strview known;

    for (unsigned i = 0; (known = directive_word(syntax, i)).ptr; i++)
        suggestion_offer(&suggestion, arena_copy(builder->arena, known));
    builder_error(builder, node->place, "\"%s\" takes %s, not \"%.80s\"%s",
                  node->name, words_text(builder, syntax), word,
                  builder_hint(builder, &suggestion));
}

/* `in app "x"`, `at the top level`. */
static const char *block_title(struct builder *builder,
                               const struct block *block)
{
    if (block->where == IN_TOP)
        return "at the top level";
    if (!block->node || block->node->arg_count == 0)
        return arena_printf(builder->arena, "in %s",
                            directive_where_name(block->where));
    return arena_printf(builder->arena, "in %s \"%.80s\"",
                        directive_where_name(block->where),
                        block->node->args[0].text);
}

static void error_unknown(struct builder *builder, const struct block *block,
                          const struct conf_node *node)
{
    struct suggestion suggestion = suggestion_of(node->name);
    const char *meant = suggest_for_nginx(node->name);

    if (report_is_full(builder->report)) {
        builder_error(builder, node->place, "unknown directive");
        return;
    }
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
        if (!(directives[i].where & block->where))
            continue;
        if (meant && strcmp(directives[i].name, meant) == 0)
            suggestion = (struct suggestion){node->name, meant, 0};
        suggestion_offer(&suggestion, directives[i].name);
    }
    builder_error(builder, node->place, "unknown directive \"%.80s\" %s%s",
                  node->name, block_title(builder, block),
                  builder_hint(builder, &suggestion));
}

static void error_misplaced(struct builder *builder, const struct block *block,
                            const struct conf_node *node,
                            const struct directive *other)
{
    builder_error(builder, node->place, "\"%s\" may not stand %s, only %s%s",
                  node->name, block_title(builder, block),
                  other->where == IN_TOP ? "at the top level" : "in ",
                  other->where == IN_TOP
                      ? ""
                      : directive_where_list(builder->arena, other->where));
}

static const char *arity_text(struct builder *builder,
                              const struct directive *row)
{
    if (row->args_max == 0)
        return "no arguments";
    if (row->args_max == 1 && row->args_min == 1)
        return "1 argument";
    if (row->args_min == row->args_max)
        return arena_printf(builder->arena, "%u arguments", row->args_min);
    if (row->args_max > 16)
        return arena_printf(builder->arena, "%u or more arguments",
                            row->args_min);
    return arena_printf(builder->arena, "%u %s %u arguments", row->args_min,
                        row->args_max == row->args_min + 1 ? "or" : "to",
                        row->args_max);
}

/* Whether its form is that of its row. */
static bool shape_fits(struct builder *builder, const struct conf_node *node,
                       const struct directive *row)
{
    bool is_block = row->type == TYPE_BLOCK;
    bool fits = true;

    if (node->has_block != is_block) {
        builder_error(builder, node->place,
                      is_block ? "\"%s\" needs a block: %s %s"
                               : "\"%s\" has no block; end it with \";\": "
                                 "%s %s;",
                      row->name, row->name, row->syntax);
        fits = false;
    }
    if (node->arg_count < row->args_min || node->arg_count > row->args_max) {
        builder_error(builder, node->place, "\"%s\" takes %s, not %u: %s %s%s",
                      row->name, arity_text(builder, row), node->arg_count,
                      row->name, row->syntax, is_block ? "" : ";");
        fits = false;
    }
    return fits;
}

/* A bare word that begins a line and names a directive of this block follows a
 * forgotten semicolon. Cut the node in two there. */
static void split_swallowed(struct builder *builder, const struct block *block,
                            struct conf_node *node)
{
    for (unsigned i = 0; i < node->arg_count; i++) {
        const struct conf_arg *arg = &node->args[i];
        const struct directive *other;
        struct conf_node *rest;

        if (!arg->is_first_on_line || arg->is_quoted ||
            !directive_find(&builder->directives, arg->text, block->where,
                            &other))
            continue;
        builder_error(builder, arg->place,
                      "\"%s\" begins a line: is the \";\" missing that ends "
                      "\"%.60s\" of %s? (If it is an argument, quote it.)",
                      arg->text, node->name, builder_place(builder, node));
        rest = arena_alloc(builder->arena, sizeof *rest);
        *rest = *node;
        rest->name = arg->text;
        rest->place = arg->place;
        rest->args = node->args + i + 1;
        rest->arg_count = node->arg_count - i - 1;
        node->arg_count = i;
        node->has_block = false;
        node->children = NULL;
        node->next = rest;
        return;
    }
}

static void check_child(struct builder *builder, struct block *block,
                        struct conf_node *node)
{
    const struct directive *other;
    const struct directive *row =
        directive_find(&builder->directives, node->name, block->where, &other);
    const struct conf_node **seen;

    if (!row && other)
        error_misplaced(builder, block, node, other);
    else if (!row)
        error_unknown(builder, block, node);
    if (!row)
        return;
    seen = &block->seen[directive_id_of(row)];
    if (*seen && !(row->flags & MANY))
        builder_error(builder, node->place,
                      "duplicate directive \"%s\"; the first is at %s",
                      row->name, builder_place(builder, *seen));
    else if (shape_fits(builder, node, row))
        node->row = row;
    /* Also one of a wrong form: what it should say is not missing. */
    if (!*seen)
        *seen = node;
}

void builder_check(struct builder *builder, struct block *block,
                   struct conf_node *children)
{
    for (struct conf_node *node = children; node; node = node->next) {
        split_swallowed(builder, block, node);
        check_child(builder, block, node);
    }
}

static void apply(struct builder *builder, struct block *block,
                  const struct conf_node *node)
{
    set_fn set = setters[directive_id_of(node->row)];

    config_note_place(builder, node);
    if (set)
        set(builder, block, node);
    else
        scalar_set(builder, block, node);
}

void builder_apply_simple(struct builder *builder, struct block *block,
                          const struct conf_node *children)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        unsigned wanted = turn == 0 ? EARLY : 0;

        for (const struct conf_node *node = children; node; node = node->next)
            if (node->row && node->row->type != TYPE_BLOCK &&
                (node->row->flags & EARLY) == wanted)
                apply(builder, block, node);
    }
}

void builder_apply_blocks(struct builder *builder, struct block *block,
                          const struct conf_node *children,
                          enum directive_id id)
{
    for (const struct conf_node *node = children; node; node = node->next)
        if (node->row == &directives[id])
            apply(builder, block, node);
}

uint32_t builder_count(const struct conf_node *children, enum directive_id id)
{
    uint32_t count = 0;

    for (const struct conf_node *node = children; node; node = node->next)
        if (node->row == &directives[id])
            count++;
    return count;
}

void builder_defaults(struct builder *builder, struct block *block,
                      unsigned where)
{
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
        if (builder->defaults[i] && (directives[i].where & where))
            apply(builder, block, builder->defaults[i]);
}
