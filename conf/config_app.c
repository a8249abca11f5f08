/* config_app.c - the block app: how many, when, and what fits together.
 *
 * What describes the container itself is in config_container.c.
 */
#include "conf/config_app.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config_resources.h"
#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "conf/units.h"
#include "router/base/alloc.h"
#include "router/base/line_pattern.h"

/* Podman allows more, but "berth-NAMESPACE-APP-…" must stay a host name. */
#define APP_NAME_MAX 63
/* MAX where it is not said. */
#define REPLICAS_MAX_DEFAULT 4
#define SCALE_DOWN_MAX_MS    86400000U

/* --- where the apps are -----------------------------------------------------
 */

static bool declare(struct builder *builder, const struct conf_node *node,
                    uint32_t index)
{
    const char *name = node->args[0].text;
    struct app_place *place = arena_alloc(builder->arena, sizeof *place);
    const struct app_place *first;

    *place = (struct app_place){.node = node, .index = index};
    if (!scalar_is_label(name) || strlen(name) > APP_NAME_MAX)
        builder_error(builder, node->args[0].place,
                      "an app's name has small letters, digits, \"_\", \".\" "
                      "and \"-\", begins with a letter or digit and is at most "
                      "%d bytes long; \"%.80s\" is none",
                      APP_NAME_MAX, name);
    first = name_map_add(&builder->apps, name, place);
    if (first)
        builder_error(builder, node->place,
                      "duplicate app \"%.80s\"; the first is at %s", name,
                      builder_place(builder, first->node));
    return !first;
}

void config_apps_declare(struct builder *builder,
                         const struct conf_node *children)
{
    struct proxy_settings *proxy = builder->config->proxy;
    struct lifecycle_settings *lifecycle = builder->config->lifecycle;
    uint32_t count = builder_count(children, DIRECTIVE_app);

    if (count == 0)
        return;
    proxy->apps = xcalloc(count, sizeof *proxy->apps);
    lifecycle->apps = xcalloc(count, sizeof *lifecycle->apps);
    builder->app_is_routed =
        arena_alloc(builder->arena, count * sizeof *builder->app_is_routed);
    for (const struct conf_node *node = children; node; node = node->next) {
        uint32_t index = proxy->app_count;

        if (node->row != &directives[DIRECTIVE_app] ||
            !declare(builder, node, index))
            continue;
        builder->app_is_routed[index] = false;
        proxy->apps[index].id = index;
        proxy->apps[index].name = xstrdup(node->args[0].text);
        lifecycle->apps[index].app = &proxy->apps[index];
        proxy->app_count++;
        lifecycle->app_count++;
    }
}

void config_apps_finish(struct builder *builder,
                        const struct conf_node *children)
{
    for (const struct conf_node *node = children; node; node = node->next) {
        const struct app_place *place;

        if (node->row != &directives[DIRECTIVE_app])
            continue;
        place = name_map_find(&builder->apps, node->args[0].text);
        if (place->node == node && !builder->app_is_routed[place->index])
            builder_warning(builder, node->place,
                            "no route leads to app \"%s\"", node->args[0].text);
    }
}

/* --- directives
 * --------------------------------------------------------------- */

void directive_set_replicas(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    static const uint64_t range[2] = {0, 1000};
    struct app_settings *app = block->owner[OWNER_app_settings];
    uint64_t min;
    uint64_t max;

    if (!scalar_count(builder, node, node->args[0].text, range, &min))
        return;
    max = min > REPLICAS_MAX_DEFAULT ? min : REPLICAS_MAX_DEFAULT;
    if (node->arg_count == 2 &&
        !scalar_count(builder, node, node->args[1].text, range, &max))
        return;
    if (min > max)
        builder_error(builder, node->place,
                      "\"replicas\" has a MIN (%" PRIu64
                      ") above its MAX (%" PRIu64 ")",
                      min, max);
    else if (max == 0)
        builder_error(builder, node->args[1].place,
                      "\"replicas\" must have a MAX of 1 or more, or the app "
                      "could never run");
    else {
        app->replicas_min = (uint32_t)min;
        app->replicas_max = (uint32_t)max;
    }
}

void directive_set_target_utilization(struct builder *builder,
                                      struct block *block,
                                      const struct conf_node *node)
{
    static const uint64_t range[2] = {1, 100};
    struct app_settings *app = block->owner[OWNER_app_settings];
    AUTO(auto_free) char *text = xstrdup(node->args[0].text);
    size_t len = strlen(text);
    uint64_t percent = 0;

    if (len > 1 && text[len - 1] == '%')
        text[len - 1] = '\0';
    if (strcmp(text, "auto") != 0 &&
        !scalar_count(builder, node, text, range, &percent))
        return;
    app->target_utilization_percent = (uint32_t)percent;
}

void directive_set_scale_down_delay(struct builder *builder,
                                    struct block *block,
                                    const struct conf_node *node)
{
    struct app_settings *app = block->owner[OWNER_app_settings];
    const char *text = node->args[0].text;
    uint64_t ms = 0;

    app->has_scale_down_delay = strcmp(text, "auto") != 0;
    if (app->has_scale_down_delay &&
        (units_parse_time(text, &ms) != UNITS_OK || ms > SCALE_DOWN_MAX_MS))
        builder_error(builder, node->args[0].place,
                      "\"%s\" takes a time up to 1d, such as 30s, or auto, "
                      "not \"%.80s\"",
                      node->name, text);
    app->scale_down_delay_ms = ms;
}

/* "status=200-399" or "status=204". */
static bool parse_status(struct builder *builder, const struct conf_node *node,
                         const struct conf_arg *arg, struct ready_check *check)
{
    struct strview rest = sv_of(arg->text);
    struct strview low;
    uint64_t min;
    uint64_t max;

    if (!sv_starts(rest, SV("status="))) {
        builder_error(builder, arg->place,
                      "\"%s http\" takes status=200-399 here, not \"%.80s\"",
                      node->name, arg->text);
        return false;
    }
    rest = sv_skip(rest, strlen("status="));
    (void)!sv_split(&rest, '-', &low);
    if (!rest.ptr)
        rest = low;
    if (!sv_to_u64(low, 599, &min) || !sv_to_u64(rest, 599, &max) ||
        min < 200 || min > max) {
        builder_error(builder, arg->place,
                      "status= takes 200 to 599, or two of them such as "
                      "200-399, not \"%.80s\"",
                      arg->text + strlen("status="));
        return false;
    }
    check->status_min = (uint32_t)min;
    check->status_max = (uint32_t)max;
    return true;
}

bool config_is_target(const char *path)
{
    if (*path != '/')
        return false;
    for (; *path; path++)
        if (!isgraph((unsigned char)*path) || strchr("#\\", *path))
            return false;
    return true;
}

static void set_http_check(struct builder *builder, struct ready_check *check,
                           const struct conf_node *node)
{
    struct ready_check parsed = {
        .kind = CHECK_HTTP, .status_min = 200, .status_max = 399};

    if (node->arg_count < 2 || !config_is_target(node->args[1].text)) {
        builder_error(builder, node->place,
                      "\"%s http\" takes a path that begins with /, such as "
                      "/health",
                      node->name);
        return;
    }
    if (node->arg_count == 3 &&
        !parse_status(builder, node, &node->args[2], &parsed))
        return;
    parsed.path = xstrdup(node->args[1].text);
    *check = parsed;
}

static void set_log_check(struct builder *builder, struct ready_check *check,
                          const struct conf_node *node)
{
    AUTO(line_pattern_free) struct line_pattern *pattern = NULL;
    struct err err;

    if (node->arg_count != 2)
        builder_error(builder, node->place,
                      "\"%s log\" takes one extended regular expression, such "
                      "as \"listening on\"; quote it where it has blanks",
                      node->name);
    else if (!(pattern = line_pattern_new(node->args[1].text, &err)))
        builder_error(builder, node->args[1].place,
                      "\"%s log\" takes an extended regular expression; "
                      "\"%.80s\" %s",
                      node->name, node->args[1].text, err.text);
    else
        *check = (struct ready_check){.kind = CHECK_LOG,
                                      .pattern = xstrdup(node->args[1].text)};
}

void directive_set_ready_check(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    struct ready_check *check = config_ready_check_of(block);
    const char *kind = node->args[0].text;

    if (strcmp(kind, "http") == 0)
        set_http_check(builder, check, node);
    else if (strcmp(kind, "log") == 0)
        set_log_check(builder, check, node);
    else if (strcmp(kind, "tcp") != 0)
        builder_error_word(builder, node, kind, "http|tcp|log");
    else if (node->arg_count > 1)
        builder_error(builder, node->args[1].place,
                      "\"%s tcp\" takes nothing more, not \"%.80s\"",
                      node->name, node->args[1].text);
    else
        *check = (struct ready_check){.kind = CHECK_TCP};
}

void directive_set_upstream(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    struct app_settings *app = block->owner[OWNER_app_settings];

    app->upstreams =
        xrealloc(app->upstreams, (app->upstream_count + node->arg_count) *
                                     sizeof *app->upstreams);
    for (unsigned i = 0; i < node->arg_count; i++) {
        struct address address;
        char text[ADDRESS_TEXT_SIZE];

        if (!builder_address(builder, node, node->args[i].text, &address))
            continue;
        address_format(&address, text);
        if (builder_once(builder, block, node,
                         arena_copy(builder->arena, sv_of(text))))
            app->upstreams[app->upstream_count++] = address;
    }
}

/* --- what fits together
 * --------------------------------------------------------- */

static void check_upstream(struct builder *builder, const struct block *block)
{
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++)
        if (block->seen[i] && (directives[i].flags & CONTAINER))
            builder_error(builder, block->seen[i]->place,
                          "\"%s\" has no meaning for an app with \"upstream\", "
                          "which somebody else runs",
                          directives[i].name);
}

static void check_reach(struct builder *builder, const struct block *block)
{
    const struct container_settings *container =
        block->owner[OWNER_container_settings];
    const struct conf_node *port = block->seen[DIRECTIVE_port];
    const struct conf_node *socket = block->seen[DIRECTIVE_app_socket];

    if (port && socket)
        builder_error(builder, socket->place,
                      "an app has \"port\" or \"socket\", not both; port is "
                      "at %s",
                      builder_place(builder, port));
    if (port && container->network == NETWORK_NONE &&
        container->port_mode == PORT_PUBLISHED)
        builder_error(builder, port->place,
                      "nothing can be published of an app with \"network "
                      "none\"; write \"port %u inside\", or use \"socket\"",
                      container->port);
    if (port && container->network == NETWORK_HOST)
        builder_error(builder, port->place,
                      "\"port\" has no effect with \"network host\": each "
                      "replica is given a free port, in $PORT");
}

static void app_finish(struct builder *builder, const struct block *block)
{
    struct app_settings *app = block->owner[OWNER_app_settings];
    bool has_image = block_has(block, DIRECTIVE_image);
    bool has_upstream = block_has(block, DIRECTIVE_upstream);

    if (has_upstream) {
        check_upstream(builder, block);
        /* All of them run, always, as far as berth knows. */
        app->replicas_min = app->upstream_count;
        app->replicas_max = app->upstream_count;
        return;
    }
    if (!has_image && !builder->is_partial)
        builder_error(builder, block->node->place,
                      "app \"%.80s\" has neither \"image\" nor \"upstream\"",
                      app->name);
    check_reach(builder, block);
    config_resources_finish(builder, block);
}

void directive_set_app(struct builder *builder, struct block *top,
                       const struct conf_node *node)
{
    const struct app_place *place =
        name_map_find(&builder->apps, node->args[0].text);
    struct block block = {.where = IN_APP, .node = node};

    (void)top;
    if (place->node != node)
        return; /* a duplicate */
    block.owner[OWNER_app_settings] =
        &builder->config->proxy->apps[place->index];
    block.owner[OWNER_container_settings] =
        &builder->config->lifecycle->apps[place->index].container;
    block.owner[OWNER_keeper_app] =
        &builder->config->lifecycle->apps[place->index];
    builder_defaults(builder, &block, IN_APP);
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    builder_apply_blocks(builder, &block, node->children, DIRECTIVE_setup);
    builder_apply_blocks(builder, &block, node->children, DIRECTIVE_sidecar);
    app_finish(builder, &block);
    name_map_done(&block.names);
}
