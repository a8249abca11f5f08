/* config_update.c - `update`: how one revision of an app takes the place of
 * another. */
#include <string.h>

#include "conf/builder.h"
#include "conf/config_print.h"
#include "conf/scalar.h"

#define UPDATE_MAX 1000U

static bool is_word(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

/* "surge=2"; false after an error. */
static bool parse_option(struct builder *builder, const struct conf_node *node,
                         const struct conf_arg *arg,
                         struct update_settings *update)
{
    static const uint64_t range[2] = {0, UPDATE_MAX};
    struct strview rest = sv_of(arg->text);
    struct strview name;
    const char *value = strchr(arg->text, '=');
    uint64_t count = 0;

    (void)!sv_split(&rest, '=', &name);
    if (!value ||
        !(sv_eq(name, SV("surge")) || sv_eq(name, SV("unavailable")) ||
          sv_eq(name, SV("rollback")))) {
        builder_error(builder, arg->place,
                      "\"%s\" takes surge=N, unavailable=N and "
                      "rollback=on|off here, not \"%.80s\"",
                      node->name, arg->text);
        return false;
    }
    value++;
    if (sv_eq(name, SV("rollback"))) {
        if (!is_word(value, "on") && !is_word(value, "off")) {
            builder_error(builder, arg->place,
                          "rollback= takes on or off, not \"%.80s\"", value);
            return false;
        }
        update->rollback = is_word(value, "on");
        return true;
    }
    if (!scalar_count(builder, node, value, range, &count))
        return false;
    if (sv_eq(name, SV("surge")))
        update->surge = (uint32_t)count;
    else
        update->unavailable = (uint32_t)count;
    return true;
}

void directive_set_update(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    struct keeper_app *app = block->owner[OWNER_keeper_app];
    struct update_settings update = {.surge = 1, .rollback = true};
    const char *kind = node->args[0].text;

    update.recreate = is_word(kind, "recreate");
    if (!update.recreate && !is_word(kind, "rolling")) {
        builder_error_word(builder, node, kind, "rolling|recreate");
        return;
    }
    for (unsigned i = 1; i < node->arg_count; i++)
        if (!parse_option(builder, node, &node->args[i], &update))
            return;
    if (!update.recreate && update.surge + update.unavailable == 0) {
        builder_error(builder, node->place,
                      "\"%s rolling\" with surge=0 and unavailable=0 could "
                      "never begin: allow one of them",
                      node->name);
        return;
    }
    app->update = update;
}

void directive_print_update(struct printer *p, const struct directive *row)
{
    const struct keeper_app *app = p->owner[OWNER_keeper_app];
    const struct update_settings *update = &app->update;

    printer_begin(p, row->name);
    strbuf_printf(p->out, " %s surge=%u unavailable=%u rollback=%s",
                  update->recreate ? "recreate" : "rolling", update->surge,
                  update->unavailable, update->rollback ? "on" : "off");
    printer_end(p);
}
