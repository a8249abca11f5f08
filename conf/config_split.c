/* config_split.c - `split` and `split_key`: several apps behind one route. */
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_print.h"
#include "conf/config_route.h"
#include "conf/scalar.h"
#include "conf/units.h"
#include "proxy/settings.h"
#include "router/base/alloc.h"
#include "router/split.h"

/* --- read --------------------------------------------------------------------
 */

static bool is_named_before(const struct split_settings *split, uint32_t app)
{
    for (uint32_t i = 0; i < split->count; i++)
        if (split->targets[i].app == app)
            return true;
    return false;
}

/* "stable=95"; false after an error, or where no more can be said of it. */
static bool read_target(struct builder *builder, const struct conf_node *node,
                        const struct conf_arg *arg,
                        struct split_target *ret_target)
{
    const char *equals = strrchr(arg->text, '=');
    uint64_t weight;
    char *name;

    if (!equals || equals == arg->text ||
        units_parse_count(equals + 1, &weight) != UNITS_OK ||
        weight > SPLIT_WEIGHT_MAX) {
        builder_error(builder, arg->place,
                      "\"%s\" takes apps with their weights (0 to %u), such "
                      "as stable=95 next=5, not \"%.80s\"",
                      node->name, SPLIT_WEIGHT_MAX, arg->text);
        return false;
    }
    name = arena_copy(builder->arena,
                      sv_make(arg->text, (size_t)(equals - arg->text)));
    ret_target->weight = (uint32_t)weight;
    return config_route_find_app(builder, arg, name, &ret_target->app);
}

void directive_set_split(struct builder *builder, struct block *block,
                         const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];
    struct split_settings *split = &route->split;
    bool is_whole = true;
    uint64_t sum = 0;

    split->targets = xcalloc(node->arg_count, sizeof *split->targets);
    for (unsigned i = 0; i < node->arg_count; i++) {
        struct split_target target;

        if (!read_target(builder, node, &node->args[i], &target)) {
            is_whole = false;
            continue;
        }
        if (is_named_before(split, target.app)) {
            builder_error(builder, node->args[i].place,
                          "the app of \"%.80s\" stands here twice",
                          node->args[i].text);
            is_whole = false;
            continue;
        }
        split->targets[split->count++] = target;
        sum += target.weight;
    }
    if (is_whole && sum == 0)
        builder_error(builder, node->place,
                      "all weights are 0: one must be more");
}

void directive_set_split_key(struct builder *builder, struct block *block,
                             const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];
    struct split_settings *split = &route->split;
    const char *text = node->args[0].text;

    if (strcmp(text, "$remote_addr") == 0) {
        split->key = SPLIT_BY_ADDRESS;
    } else if (strncmp(text, "$http_", 6) == 0 && text[6]) {
        split->key = SPLIT_BY_FIELD;
        split->key_name = config_route_variable(builder, node, text);
    } else if (strncmp(text, "$cookie_", 8) == 0 && scalar_is_name(text + 8) &&
               strlen(text) <= 200) {
        split->key = SPLIT_BY_COOKIE;
        split->key_name = xstrdup(text + 8);
    } else {
        builder_error(builder, node->args[0].place,
                      "\"%s\" takes $cookie_NAME, $http_NAME or $remote_addr, "
                      "not \"%.80s\"",
                      node->name, text);
    }
}

/* --- printed -----------------------------------------------------------------
 */

void directive_print_split(struct printer *p, const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];
    const struct split_settings *split = &route->split;

    if (split->count == 0)
        return;
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < split->count; i++) {
        AUTO(strbuf_done) struct strbuf word = STRBUF_INIT;

        strbuf_printf(&word, "%s=%u",
                      p->config->proxy->apps[split->targets[i].app].name,
                      split->targets[i].weight);
        printer_word(p, word.data);
    }
    printer_end(p);
}

void directive_print_split_key(struct printer *p, const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];
    const struct split_settings *split = &route->split;
    AUTO(strbuf_done) struct strbuf word = STRBUF_INIT;

    switch (split->key) {
    case SPLIT_IN_TURN:
        return;
    case SPLIT_BY_ADDRESS:
        strbuf_add_str(&word, "$remote_addr");
        break;
    case SPLIT_BY_COOKIE:
        strbuf_printf(&word, "$cookie_%s", split->key_name);
        break;
    case SPLIT_BY_FIELD:
        strbuf_add_str(&word, "$http_");
        for (const char *c = split->key_name; *c; c++)
            strbuf_add_char(&word, *c == '-' ? '_' : *c);
        break;
    }
    printer_begin(p, row->name);
    printer_word(p, word.data);
    printer_end(p);
}
