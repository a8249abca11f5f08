/* config_http.c - the blocks http and server.
 *
 * http's values are kept as a server and a route that every server and route
 * begins as a copy of: what is inherited needs no look-up later.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_listen.h"
#include "conf/config_route.h"
#include "router/base/alloc.h"

/* --- server names --------------------------------------------------------- */

/* A host as it stands in a Host field, without the port; lower case. */
static bool is_host(const char *name)
{
    const char *c = name;

    if (*c == '[') {
        size_t len = strspn(++c, "0123456789abcdef:.");

        return len > 1 && strcmp(c + len, "]") == 0;
    }
    if (strncmp(c, "*.", 2) == 0)
        c += 2;
    for (bool begins = true; *c; c++) {
        if (*c == '.' ? begins
                      : !isalnum((unsigned char)*c) && !strchr("-_", *c))
            return false;
        begins = *c == '.';
    }
    return c > name && c[-1] != '.' && strlen(name) <= 253;
}

static void name_add(struct builder *builder, struct block *block,
                     const struct conf_node *node, const struct conf_arg *arg)
{
    struct server_settings *server = block->owner[OWNER_server_settings];
    char *name = arena_copy(builder->arena, sv_of(arg->text));

    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!is_host(name)) {
        builder_error(builder, arg->place,
                      "\"server_name\" takes a host such as example.com, "
                      "*.example.com or _, not \"%.80s\"",
                      arg->text);
        return;
    }
    if (!builder_once(builder, block, node, name))
        return;
    server->names = xrealloc(server->names,
                             (server->name_count + 1) * sizeof *server->names);
    server->names[server->name_count++] = xstrdup(name);
}

void directive_set_server_name(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    const struct server_settings *server = block->owner[OWNER_server_settings];
    const struct conf_node *any = name_map_find(&block->names, "server_name _");

    for (unsigned i = 0; i < node->arg_count; i++) {
        bool is_any = strcmp(node->args[i].text, "_") == 0;

        if (any || (is_any && (server->name_count > 0 || i > 0))) {
            builder_error(builder, node->args[i].place,
                          "\"server_name _\" stands for any host: it cannot "
                          "stand beside other names");
            return;
        }
        if (!is_any)
            name_add(builder, block, node, &node->args[i]);
        else if (builder_once(builder, block, node, "_"))
            any = node;
    }
}

/* --- trusted_proxies ---------------------------------------------------------
 */

void directive_set_trusted_proxies(struct builder *builder, struct block *block,
                                   const struct conf_node *node)
{
    struct server_settings *server = block->owner[OWNER_server_settings];

    /* The inner one wins: the first of a block drops what is inherited. */
    if (block->seen[DIRECTIVE_trusted_proxies] == node)
        server->trusted_count = 0;
    server->trusted =
        xrealloc(server->trusted, (server->trusted_count + node->arg_count) *
                                      sizeof *server->trusted);
    for (unsigned i = 0; i < node->arg_count; i++) {
        struct address_range range;
        struct err err;

        if (address_range_parse(sv_of(node->args[i].text), &range, &err))
            server->trusted[server->trusted_count++] = range;
        else
            builder_error(builder, node->args[i].place,
                          "\"trusted_proxies\": %.300s", err.text);
    }
}

/* --- the blocks
 * ---------------------------------------------------------------- */

static struct server_settings server_copy(const struct server_settings *from)
{
    struct server_settings to = *from;

    to.trusted = NULL;
    if (from->trusted_count > 0) {
        to.trusted = xcalloc(from->trusted_count, sizeof *to.trusted);
        memcpy(to.trusted, from->trusted,
               from->trusted_count * sizeof *to.trusted);
    }
    return to;
}

static void server_finish(struct builder *builder, const struct block *block,
                          const struct server_settings *server)
{
    if (builder->is_partial)
        return;
    if (!block_has(block, DIRECTIVE_listen))
        builder_error(builder, block->node->place,
                      "this server has no \"listen\"");
    if (server->route_count == 0)
        builder_warning(builder, block->node->place,
                        "this server has no route: all it answers is 404");
}

void directive_set_server(struct builder *builder, struct block *http,
                          const struct conf_node *node)
{
    struct proxy_settings *proxy = builder->config->proxy;
    struct route_settings inherited =
        config_route_copy(http->owner[OWNER_route_settings]);
    uint32_t index = proxy->server_count++;
    struct server_settings *server = &proxy->servers[index];
    struct block block = {.where = IN_SERVER, .node = node};
    uint32_t route_count;

    builder->servers[index] = node;
    *server = server_copy(http->owner[OWNER_server_settings]);
    block.owner[OWNER_server_settings] = server;
    block.owner[OWNER_route_settings] = &inherited;
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    route_count = builder_count(node->children, DIRECTIVE_route);
    if (route_count > 0)
        server->routes = xcalloc(route_count, sizeof *server->routes);
    builder_apply_blocks(builder, &block, node->children, DIRECTIVE_route);
    server_finish(builder, &block, server);
    config_route_done(&inherited);
    name_map_done(&block.names);
}

void directive_set_http(struct builder *builder, struct block *top,
                        const struct conf_node *node)
{
    struct proxy_settings *proxy = top->owner[OWNER_proxy_settings];
    struct server_settings server = {0};
    struct route_settings route = {.app = UINT32_MAX};
    struct block block = {.where = IN_HTTP, .node = node};
    uint32_t server_count;

    block.owner[OWNER_proxy_settings] = proxy;
    block.owner[OWNER_server_settings] = &server;
    block.owner[OWNER_route_settings] = &route;
    builder_defaults(builder, &block, IN_HTTP | IN_SERVER | IN_ROUTE);
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    server_count = builder_count(node->children, DIRECTIVE_server);
    if (server_count > 0) {
        proxy->servers = xcalloc(server_count, sizeof *proxy->servers);
        builder->servers = arena_alloc(builder->arena,
                                       server_count * sizeof *builder->servers);
    }
    builder_apply_blocks(builder, &block, node->children, DIRECTIVE_server);
    config_listeners_finish(builder);
    if (server_count == 0 && !builder->is_partial)
        builder_warning(builder, node->place,
                        "there is no server: nothing is served");
    config_route_done(&route);
    free(server.trusted);
    name_map_done(&block.names);
}
