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
#include "conf/config_tls.h"
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

/* Of a server, or of the admin listeners. */
struct name_list {
    char ***names;
    uint32_t *count;
};

static struct name_list names_of(const struct block *block)
{
    struct admin_settings *admin = block->owner[OWNER_admin_settings];
    struct server_settings *server = block->owner[OWNER_server_settings];

    if (block->where == IN_ADMIN)
        return (struct name_list){&admin->names, &admin->name_count};
    return (struct name_list){&server->names, &server->name_count};
}

static void name_add(struct builder *builder, struct block *block,
                     const struct conf_node *node, const struct conf_arg *arg)
{
    struct name_list list = names_of(block);
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
    *list.names = xrealloc(*list.names, (*list.count + 1) * sizeof(char *));
    (*list.names)[(*list.count)++] = xstrdup(name);
}

void directive_set_server_name(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    const struct conf_node *any = name_map_find(&block->names, "server_name _");

    for (unsigned i = 0; i < node->arg_count; i++) {
        bool is_any = strcmp(node->args[i].text, "_") == 0;

        if (is_any && block->where == IN_ADMIN) {
            builder_error(builder, node->args[i].place,
                          "the admin API answers to its own names only: "
                          "\"server_name _\" may not stand here");
            return;
        }
        if (any || (is_any && (*names_of(block).count > 0 || i > 0))) {
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
                          struct server_settings *server)
{
    config_tls_finish(builder, block, &server->tls,
                      config_tls_is_used(block, DIRECTIVE_listen));
    if (builder->is_partial)
        return;
    if (!block_has(block, DIRECTIVE_listen))
        builder_error(builder, block->node->place,
                      "this server has no \"listen\"");
    for (uint32_t i = 0; server->status_routes && i < server->route_count; i++)
        if (server->routes[i].prefix &&
            (strcmp(server->routes[i].prefix, "/-/healthz") == 0 ||
             strcmp(server->routes[i].prefix, "/-/routes") == 0))
            builder_error(builder, block->seen[DIRECTIVE_status_routes]->place,
                          "\"status_routes\" answers \"%s\", which is also "
                          "a route of this server",
                          server->routes[i].prefix);
    if (server->route_count == 0)
        builder_warning(builder, block->node->place,
                        "this server has no route: all it answers is 404");
}

/* What has no route is redirected, too: so there must be one for all. */
static void add_route_for_all(struct server_settings *server,
                              const struct route_settings *inherited)
{
    struct route_settings *route = &server->routes[server->route_count];

    for (uint32_t i = 0; i < server->route_count; i++)
        if (server->routes[i].prefix &&
            strcmp(server->routes[i].prefix, "/") == 0)
            return;
    *route = config_route_copy(inherited);
    route->prefix = xstrdup("/");
    route->return_code = 404;
    server->route_count++;
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

    builder->servers[index] = node;
    *server = server_copy(http->owner[OWNER_server_settings]);
    block.owner[OWNER_server_settings] = server;
    block.owner[OWNER_route_settings] = &inherited;
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    server->access_log = inherited.access_log;
    server->error_pages = config_pages_copy(&inherited.error_pages);
    server->routes = xcalloc(builder_count(node->children, DIRECTIVE_route) + 1,
                             sizeof *server->routes);
    builder_apply_blocks(builder, &block, node->children, DIRECTIVE_route);
    if (server->redirect_https)
        add_route_for_all(server, &inherited);
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
