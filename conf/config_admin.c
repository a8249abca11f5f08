/* config_admin.c - the blocks podman and admin. */
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_listen.h"
#include "conf/config_tls.h"
#include "conf/scalar.h"
#include "conf/source.h"
#include "router/base/alloc.h"

#define TOKEN_FILE_MAX 4096
#define AUTH_FILE_MAX  (1U << 20)

/* --- podman --------------------------------------------------------------- */

void directive_set_podman(struct builder *builder, struct block *top,
                          const struct conf_node *node)
{
    struct lifecycle_settings *lifecycle = top->owner[OWNER_lifecycle_settings];
    struct podman_settings *podman = &lifecycle->podman;
    struct block block = {.where = IN_PODMAN, .node = node};

    block.owner[OWNER_podman_settings] = podman;
    builder_defaults(builder, &block, IN_PODMAN);
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    if (podman->runtime && !podman->service_auto)
        builder_error(builder, block.seen[DIRECTIVE_runtime]->place,
                      "\"runtime\" has no effect with \"service off\": only a "
                      "service that berth starts itself can be told; set "
                      "runtime in containers.conf");
    name_map_done(&block.names);
}

void directive_set_podman_socket(struct builder *builder, struct block *block,
                                 const struct conf_node *node)
{
    struct podman_settings *podman = block->owner[OWNER_podman_settings];
    const char *text = node->args[0].text;
    struct address address;

    if (strncmp(text, "unix:", 5) != 0)
        builder_error(builder, node->args[0].place,
                      "\"socket\" takes unix:PATH, not \"%.80s\"", text);
    else if (builder_address(builder, node, text, &address))
        builder_set_text(&podman->socket, text + 5);
}

/* It is read anew for each pull; here it is only seen that it can be. */
void directive_set_auth_file(struct builder *builder, struct block *block,
                             const struct conf_node *node)
{
    static const struct source_limits limits = {.size_max = AUTH_FILE_MAX,
                                                .refuse_others = true};
    struct podman_settings *podman = block->owner[OWNER_podman_settings];
    const char *path = builder_path(builder, node, node->args[0].text);
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct stat st;
    struct err err;

    builder_set_text(&podman->auth_file, path);
    if (builder->files != FILES_NEVER_READ &&
        !source_read(path, &limits, &text, &st, &err))
        builder_file_error(builder, node, path, &err);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
}

/* --- admin ------------------------------------------------------------------
 */

static bool parse_mode(struct builder *builder, const struct conf_node *node,
                       const struct conf_arg *arg, uint32_t *ret_mode)
{
    const char *digits = arg->text + strlen("mode=");
    uint32_t mode = 0;

    if (strncmp(arg->text, "mode=", 5) != 0) {
        builder_error(builder, arg->place,
                      "\"%s\" takes mode=0600 here, not \"%.80s\"", node->name,
                      arg->text);
        return false;
    }
    for (const char *c = digits; *c; c++) {
        if (*c < '0' || *c > '7' || c - digits > 3) {
            mode = UINT32_MAX;
            break;
        }
        mode = mode * 8 + (uint32_t)(*c - '0');
    }
    if (!*digits || mode > 0777) {
        builder_error(builder, arg->place,
                      "mode= takes octal digits of 0000 to 0777, not \"%.80s\"",
                      digits);
        return false;
    }
    *ret_mode = mode;
    return true;
}

/* `tls` behind an address and port; false after an error. */
static bool parse_tls(struct builder *builder, const struct conf_node *node,
                      const struct address *address, bool *ret_is_tls)
{
    const char *text = node->args[0].text;

    *ret_is_tls = node->arg_count == 2;
    if (*ret_is_tls && strcmp(node->args[1].text, "tls") != 0) {
        builder_error_word(builder, node, node->args[1].text, "tls");
        return false;
    }
    if (*ret_is_tls || address_is_loopback(address))
        return true;
    builder_error(builder, node->args[0].place,
                  "\"listen %.80s\": an address that is not loopback needs "
                  "\"tls\"; or use a loopback address or unix:PATH",
                  text);
    return false;
}

void directive_set_admin_listen(struct builder *builder, struct block *block,
                                const struct conf_node *node)
{
    const char *text = node->args[0].text;
    struct listener_settings *listener;
    struct address address;
    bool is_tls = false;
    uint32_t mode = 0600;

    (void)block;
    if (!builder_address(builder, node, text, &address))
        return;
    if (address.any.sa_family == AF_UNIX) {
        if (node->arg_count == 2 &&
            !parse_mode(builder, node, &node->args[1], &mode))
            return;
    } else if (!parse_tls(builder, node, &address, &is_tls)) {
        return;
    }
    listener = config_listener_add(builder, node, &address, text);
    if (!listener)
        return;
    listener->is_admin = true;
    listener->is_tls = is_tls;
    listener->unix_mode = address.any.sa_family == AF_UNIX ? mode : 0;
}

/* Without line ends; false after an error. */
static bool token_trim(struct builder *builder, const struct conf_node *node,
                       struct strbuf *text)
{
    while (text->len > 0 && strchr("\r\n \t", text->data[text->len - 1]))
        text->len--;
    if (text->len == 0) {
        builder_error(builder, node->place, "token_file \"%.200s\" is empty",
                      node->args[0].text);
        return false;
    }
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] <= ' ' || text->data[i] > '~') {
            builder_error(builder, node->place,
                          "token_file \"%.200s\" must hold one line of visible "
                          "ASCII characters",
                          node->args[0].text);
            return false;
        }
    return true;
}

/* The token, or NULL: after an error, or where the file need not be there. */
static char *token_read(struct builder *builder, const struct conf_node *node,
                        const char *path)
{
    static const struct source_limits limits = {.size_max = TOKEN_FILE_MAX,
                                                .refuse_others = true};
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct stat st;
    struct err err;
    char *token = NULL;

    if (builder->files == FILES_NEVER_READ)
        return NULL;
    if (!source_read(path, &limits, &text, &st, &err))
        builder_file_error(builder, node, path, &err);
    else if (token_trim(builder, node, &text))
        token = xstrndup(text.data, text.len);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    return token;
}

void directive_set_token_file(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    struct admin_settings *admin = block->owner[OWNER_admin_settings];
    struct config *config = builder->config;
    const char *path = builder_path(builder, node, node->args[0].text);
    bool is_read = node->arg_count == 2;
    char **token = is_read ? &admin->read_token : &admin->token;
    char **file = is_read ? &config->read_token_file : &config->token_file;

    if (is_read && strcmp(node->args[1].text, "read") != 0) {
        builder_error_word(builder, node, node->args[1].text, "read");
        return;
    }
    if (!builder_once(builder, block, node, is_read ? "read" : "full"))
        return;
    builder_set_text(file, path);
    free(*token);
    *token = token_read(builder, node, path);
}

/* The Unix socket by which `berth status` and the others find this berth is
 * always there. */
static void add_default_socket(struct builder *builder,
                               const struct conf_node *node)
{
    struct proxy_settings *proxy = builder->config->proxy;
    struct listener_settings *listener;
    struct conf_node implied = {.name = "listen", .place = node->place};
    struct address address;
    const char *text;

    for (uint32_t i = 0; i < proxy->listener_count; i++)
        if (proxy->listeners[i].address.any.sa_family == AF_UNIX)
            return;
    text = arena_printf(builder->arena, "unix:%s/admin.sock",
                        builder->config->lifecycle->state_dir);
    if (!builder_address(builder, &implied, text, &address))
        return;
    listener = config_listener_add(builder, &implied, &address, text);
    if (!listener)
        return;
    listener->is_admin = true;
    listener->unix_mode = 0600;
}

void directive_set_admin(struct builder *builder, struct block *top,
                         const struct conf_node *node)
{
    struct proxy_settings *proxy = top->owner[OWNER_proxy_settings];
    struct block block = {.where = IN_ADMIN, .node = node};

    block.owner[OWNER_admin_settings] = &proxy->admin;
    proxy->admin.tls.min_version = TLS_VERSION_1_2;
    proxy->admin.tls.max_version = TLS_VERSION_1_3;
    builder_defaults(builder, &block, IN_ADMIN);
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    config_tls_finish(builder, &block, &proxy->admin.tls,
                      config_tls_is_used(&block, DIRECTIVE_admin_listen));
    add_default_socket(builder, node);
    name_map_done(&block.names);
}
