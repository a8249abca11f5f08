/* config_warmth.c - the block app: how its replicas go down by idle time, and
 * what is kept on each rung of the ladder.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/scalar.h"
#include "conf/units.h"
#include "router/base/alloc.h"

#define TIME_MAX_MS (UINT64_C(366) * 86400 * 1000)
#define KEEP_MAX    1000

static struct warmth_settings *warmth_of(const struct block *block)
{
    struct app_settings *app = block->owner[OWNER_app_settings];

    return &app->warmth;
}

static bool parse_time(const char *text, uint64_t *ret_ms)
{
    uint64_t ms;

    if (units_parse_time(text, &ms) != UNITS_OK || ms == 0 || ms > TIME_MAX_MS)
        return false;
    *ret_ms = ms;
    return true;
}

void directive_set_hibernate_after(struct builder *builder, struct block *block,
                                   const struct conf_node *node)
{
    struct warmth_settings *warmth = warmth_of(block);
    const char *text = node->args[0].text;

    warmth->hibernate_after_ms = 0;
    if (strcmp(text, "pressure") == 0)
        warmth->hibernate_when = HIBERNATE_PRESSURE;
    else if (strcmp(text, "off") == 0)
        warmth->hibernate_when = HIBERNATE_OFF;
    else if (parse_time(text, &warmth->hibernate_after_ms))
        warmth->hibernate_when = HIBERNATE_AFTER;
    else
        builder_error(builder, node->args[0].place,
                      "\"%s\" takes a time such as 10m, pressure or off, not "
                      "\"%.80s\"",
                      node->name, text);
}

void directive_set_keep_frozen(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    static const uint64_t range[2] = {0, KEEP_MAX};
    static const char prefix[] = "for=";
    struct warmth_settings *warmth = warmth_of(block);
    const char *text;
    uint64_t count;

    if (!scalar_count(builder, node, node->args[0].text, range, &count))
        return;
    warmth->keep_frozen = (uint32_t)count;
    warmth->keep_frozen_for_ms = 0;
    if (node->arg_count < 2)
        return;
    text = node->args[1].text;
    if (strncmp(text, prefix, strlen(prefix)) != 0 ||
        !parse_time(text + strlen(prefix), &warmth->keep_frozen_for_ms))
        builder_error(builder, node->args[1].place,
                      "\"%s\" takes for=TIME here, such as for=1h, not "
                      "\"%.80s\"",
                      node->name, text);
}

void directive_set_keep_primed(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    static const uint64_t range[2] = {0, KEEP_MAX};
    struct warmth_settings *warmth = warmth_of(block);
    uint64_t count = 0;

    warmth->keep_primed_auto = strcmp(node->args[0].text, "auto") == 0;
    if (!warmth->keep_primed_auto &&
        !scalar_count(builder, node, node->args[0].text, range, &count))
        return;
    warmth->keep_primed = (uint32_t)count;
}

static bool is_target(const char *path)
{
    if (*path != '/')
        return false;
    for (; *path; path++)
        if (!isgraph((unsigned char)*path) || strchr("#\\", *path))
            return false;
    return true;
}

static void set_call(struct builder *builder, const struct conf_node *node,
                     char **path)
{
    if (strcmp(node->args[0].text, "http") != 0)
        builder_error_word(builder, node, node->args[0].text, "http");
    else if (!is_target(node->args[1].text))
        builder_error(builder, node->args[1].place,
                      "\"%s http\" takes a path that begins with /, such as "
                      "/sleep, not \"%.80s\"",
                      node->name, node->args[1].text);
    else
        *path = xstrdup(node->args[1].text);
}

void directive_set_on_sleep(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    set_call(builder, node, &warmth_of(block)->on_sleep);
}

void directive_set_on_wake(struct builder *builder, struct block *block,
                           const struct conf_node *node)
{
    set_call(builder, node, &warmth_of(block)->on_wake);
}
