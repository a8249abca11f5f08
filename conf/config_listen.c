/* config_listen.c - listeners, and which servers share one. */
#include "conf/config_listen.h"

#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"

static struct listener_place *place_of(struct builder *builder,
                                       const struct address *address)
{
    char key[ADDRESS_TEXT_SIZE];

    address_format(address, key);
    return name_map_find(&builder->listeners, key);
}

static struct listener_place *place_new(struct builder *builder,
                                        const struct conf_node *node,
                                        const struct address *address,
                                        const char *text)
{
    struct proxy_settings *proxy = builder->config->proxy;
    struct listener_place *place = arena_alloc(builder->arena, sizeof *place);
    uint32_t index = proxy->listener_count++;
    char key[ADDRESS_TEXT_SIZE];

    *place = (struct listener_place){.node = node, .index = index};
    address_format(address, key);
    name_map_add(&builder->listeners, arena_copy(builder->arena, sv_of(key)),
                 place);
    proxy->listeners = xrealloc(proxy->listeners, proxy->listener_count *
                                                      sizeof *proxy->listeners);
    proxy->listeners[index] =
        (struct listener_settings){.address = *address, .text = xstrdup(text)};
    return place;
}

struct listener_settings *config_listener_add(struct builder *builder,
                                              const struct conf_node *node,
                                              const struct address *address,
                                              const char *text)
{
    struct listener_place *place = place_of(builder, address);

    if (place) {
        builder_error(builder, node->place,
                      "\"listen %.120s\": the same address is at %s", text,
                      builder_place(builder, place->node));
        return NULL;
    }
    place = place_new(builder, node, address, text);
    return &builder->config->proxy->listeners[place->index];
}

/* Room grows by doubling: thousands of servers may share a port. */
static void server_add(struct listener_settings *listener, uint32_t server,
                       bool is_default)
{
    uint32_t count = listener->server_count++;

    if ((count & (count - 1)) == 0)
        listener->servers =
            xrealloc(listener->servers,
                     (count ? 2 * count : 1) * sizeof *listener->servers);
    if (is_default) {
        memmove(listener->servers + 1, listener->servers,
                count * sizeof *listener->servers);
        count = 0;
    }
    listener->servers[count] = server;
}

struct listen_words {
    bool is_tls;
    bool proxy_protocol;
    bool is_default;
};

static bool words_parse(struct builder *builder, const struct conf_node *node,
                        struct listen_words *ret_words)
{
    static const char known[] = "tls|proxy_protocol|default";
    bool given[3] = {false, false, false};

    for (unsigned i = 1; i < node->arg_count; i++) {
        const char *word = node->args[i].text;
        unsigned index;

        if (!directive_word_index(known, word, &index)) {
            builder_error_word(builder, node, word, known);
            return false;
        }
        if (given[index]) {
            builder_error(builder, node->args[i].place,
                          "\"%s\" stands twice in this \"listen\"", word);
            return false;
        }
        given[index] = true;
    }
    *ret_words = (struct listen_words){given[0], given[1], given[2]};
    return true;
}

/* What servers that share an address must agree on: the name that a client
 * asks for is known only after the first bytes. */
static bool words_agree(struct builder *builder, const struct conf_node *node,
                        const struct listener_place *place,
                        const struct listen_words *words)
{
    const struct listener_settings *listener =
        &builder->config->proxy->listeners[place->index];

    if (listener->is_tls == words->is_tls &&
        listener->proxy_protocol == words->proxy_protocol)
        return true;
    builder_error(builder, node->place,
                  "\"listen %.120s\" must say \"%s\" in all servers or in "
                  "none; see %s",
                  node->args[0].text,
                  listener->is_tls == words->is_tls ? "proxy_protocol" : "tls",
                  builder_place(builder, place->node));
    return false;
}

/* false: the address is the admin API's. */
static bool place_is_free(struct builder *builder, const struct conf_node *node,
                          const struct listener_place *place)
{
    const struct proxy_settings *proxy = builder->config->proxy;

    if (!proxy->listeners[place->index].is_admin)
        return true;
    builder_error(builder, node->place,
                  "\"listen %.120s\" is the admin API's at %s",
                  node->args[0].text, builder_place(builder, place->node));
    return false;
}

void directive_set_listen(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    struct proxy_settings *proxy = builder->config->proxy;
    const struct server_settings *server = block->owner[OWNER_server_settings];
    struct listener_settings *listener;
    struct listener_place *place;
    struct listen_words words;
    struct address address;
    char key[ADDRESS_TEXT_SIZE];

    if (!words_parse(builder, node, &words) ||
        !builder_address(builder, node, node->args[0].text, &address))
        return;
    address_format(&address, key);
    if (!builder_once(builder, block, node,
                      arena_copy(builder->arena, sv_of(key))))
        return;
    place = place_of(builder, &address);
    if (!place) {
        place = place_new(builder, node, &address, node->args[0].text);
        proxy->listeners[place->index].is_tls = words.is_tls;
        proxy->listeners[place->index].proxy_protocol = words.proxy_protocol;
    }
    if (!place_is_free(builder, node, place) ||
        !words_agree(builder, node, place, &words))
        return;
    if (words.is_default && place->default_node) {
        builder_error(builder, node->place,
                      "duplicate default server of \"listen %.120s\"; the "
                      "first is at %s",
                      node->args[0].text,
                      builder_place(builder, place->default_node));
        return;
    }
    if (words.is_default)
        place->default_node = node;
    listener = &proxy->listeners[place->index];
    /* Whoever may reach the machine's ports may reach this socket. */
    listener->unix_mode = address.any.sa_family == AF_UNIX ? 0666 : 0;
    server_add(listener, (uint32_t)(server - proxy->servers), words.is_default);
}

static void check_name(struct builder *builder, struct name_map *names,
                       const struct listener_settings *listener,
                       uint32_t server, const char *name)
{
    const struct conf_node *node = builder->servers[server];
    const struct conf_node *first =
        name_map_add(names, name, builder->servers[server]);

    if (!first || first == node)
        return;
    builder_error(builder, node->place,
                  "two servers of \"listen %.120s\" are for %s%.120s; the "
                  "other is at %s",
                  listener->text, *name ? "" : "any host: give one a ",
                  *name ? name : "server_name", builder_place(builder, first));
}

static void check_names(struct builder *builder,
                        const struct listener_settings *listener)
{
    struct name_map names = {NULL, 0, 0};

    for (uint32_t i = 0; i < listener->server_count; i++) {
        uint32_t index = listener->servers[i];
        const struct server_settings *server =
            &builder->config->proxy->servers[index];

        for (uint32_t j = 0; j < server->name_count; j++)
            check_name(builder, &names, listener, index, server->names[j]);
        if (server->name_count == 0)
            check_name(builder, &names, listener, index, "");
    }
    name_map_done(&names);
}

/* The server of hosts that no server names: the one without a name, else the
 * first of the list (proxy/routes.h). */
static uint32_t any_host_of(const struct proxy_settings *proxy,
                            const struct listener_settings *listener)
{
    for (uint32_t i = 0; i < listener->server_count; i++)
        if (proxy->servers[listener->servers[i]].name_count == 0)
            return listener->servers[i];
    return listener->servers[0];
}

/* "default" and no server_name say the same of two servers. */
static void check_default(struct builder *builder,
                          const struct listener_settings *listener)
{
    const struct listener_place *place = place_of(builder, &listener->address);
    uint32_t any = any_host_of(builder->config->proxy, listener);

    if (!place->default_node || any == listener->servers[0])
        return;
    builder_error(builder, place->default_node->place,
                  "\"listen %.120s default\" is for hosts that no server "
                  "names, but so is the server at %s: give that one a "
                  "server_name",
                  listener->text,
                  builder_place(builder, builder->servers[any]));
}

/* What holds before a client has said whom it wants. */
static const char *differs_early(const struct listener_settings *listener,
                                 const struct server_settings *a,
                                 const struct server_settings *b)
{
    if ((listener->is_tls || listener->proxy_protocol) &&
        a->handshake_timeout_ms != b->handshake_timeout_ms)
        return "handshake_timeout";
    if (!listener->is_tls &&
        a->client_header_timeout_ms != b->client_header_timeout_ms)
        return "client_header_timeout";
    return NULL;
}

static void check_early(struct builder *builder,
                        const struct listener_settings *listener)
{
    const struct proxy_settings *proxy = builder->config->proxy;
    uint32_t any = any_host_of(proxy, listener);

    for (uint32_t i = 0; i < listener->server_count; i++) {
        uint32_t index = listener->servers[i];
        const char *name = differs_early(listener, &proxy->servers[any],
                                         &proxy->servers[index]);

        if (!name)
            continue;
        builder_warning(builder, builder->servers[index]->place,
                        "\"%s\" of this server has no effect on \"listen "
                        "%.120s\": it is over before a client says whom it "
                        "wants, so that of the server at %s holds",
                        name, listener->text,
                        builder_place(builder, builder->servers[any]));
        return; /* one is enough where thousands share a port */
    }
}

void config_listeners_finish(struct builder *builder)
{
    const struct proxy_settings *proxy = builder->config->proxy;

    for (uint32_t i = 0; i < proxy->listener_count; i++) {
        const struct listener_settings *listener = &proxy->listeners[i];

        check_names(builder, listener);
        if (listener->server_count == 0)
            continue;
        check_default(builder, listener);
        check_early(builder, listener);
    }
}
