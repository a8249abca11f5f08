/* config_container.c - the directives of an app that describe its container. */
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "conf/units.h"
#include "router/base/alloc.h"

static struct container_settings *container_of_block(struct block *block)
{
    return block->owner[OWNER_container_settings];
}

/* --- image
 * -------------------------------------------------------------------- */

/* The characters of a reference (distribution's grammar); Podman judges the
 * rest. */
static bool is_reference(const char *text)
{
    if (!isalnum((unsigned char)*text))
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-/:@", *c))
            return false;
    return strlen(text) <= 512 && !strstr(text, "//");
}

/* Whether it begins with a registry: a host with a dot or a port, or
 * localhost, which is where images that were built here are. */
static bool is_qualified(const char *text)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : 0;

    if (!slash || !slash[1])
        return false;
    return memchr(text, '.', len) || memchr(text, ':', len) ||
           (len == strlen("localhost") && strncmp(text, "localhost", len) == 0);
}

void directive_set_image(struct builder *builder, struct block *block,
                         const struct conf_node *node)
{
    const char *text = node->args[0].text;

    if (!is_reference(text))
        builder_error(builder, node->args[0].place,
                      "\"%.80s\" is no name of an image", text);
    else if (!is_qualified(text))
        builder_error(builder, node->args[0].place,
                      "image \"%.80s\" is not fully qualified: what it means "
                      "depends on the host. Is it docker.io/%s%.80s, or "
                      "localhost/%.80s?",
                      text, strchr(text, '/') ? "" : "library/", text, text);
    else
        builder_set_text(&container_of_block(block)->image, text);
}

/* --- how it is reached
 * ------------------------------------------------------------ */

void directive_set_port(struct builder *builder, struct block *block,
                        const struct conf_node *node)
{
    static const char modes[] = "auto|inside|published";
    static const uint64_t range[2] = {1, 65535};
    struct container_settings *container = container_of_block(block);
    unsigned mode = PORT_AUTO;
    uint64_t port;

    if (!scalar_count(builder, node, node->args[0].text, range, &port))
        return;
    if (node->arg_count == 2 &&
        !directive_word_index(modes, node->args[1].text, &mode)) {
        builder_error_word(builder, node, node->args[1].text, modes);
        return;
    }
    if (block->where == IN_SIDECAR && node->arg_count == 2) {
        builder_error(builder, node->args[1].place,
                      "a sidecar is not reached from outside its pod: its "
                      "\"port\" is for its ready_check, and takes a number "
                      "alone");
        return;
    }
    container->port = (uint32_t)port;
    container->port_mode = (enum port_mode)mode;
}

void directive_set_app_socket(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    const char *name = node->args[0].text;

    /* The path in the container and the one on the host must both fit into a
     * socket address. */
    if (!scalar_is_name(name) || strlen(name) > 32)
        builder_error(builder, node->args[0].place,
                      "\"socket\" takes a plain file name of at most 32 "
                      "letters, digits, \"_\", \".\" and \"-\", not \"%.80s\"",
                      name);
    else
        builder_set_text(&container_of_block(block)->socket, name);
}

void directive_set_network(struct builder *builder, struct block *block,
                           const struct conf_node *node)
{
    static const char kinds[] = "private|none|host|bridge";
    struct container_settings *container = container_of_block(block);
    const char *name = node->args[0].text;
    unsigned kind;

    if (directive_word_index(kinds, name, &kind)) {
        container->network = (enum network_kind)kind;
    } else if (scalar_is_name(name) && strlen(name) <= 128) {
        container->network = NETWORK_NAMED;
        builder_set_text(&container->network_name, name);
    } else {
        builder_error(builder, node->args[0].place,
                      "\"network\" takes private, none, host, bridge or the "
                      "name of a Podman network, not \"%.80s\"",
                      name);
    }
}

/* --- what runs
 * -------------------------------------------------------------------- */

void config_list_add(struct string_list *list, const char *text)
{
    list->items =
        xrealloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = xstrdup(text);
}

static struct string_list list_of(const struct conf_node *node)
{
    struct string_list list = {.count = node->arg_count};

    list.items = xcalloc(list.count, sizeof *list.items);
    for (uint32_t i = 0; i < list.count; i++)
        list.items[i] = xstrdup(node->args[i].text);
    return list;
}

void directive_set_command(struct builder *builder, struct block *block,
                           const struct conf_node *node)
{
    (void)builder;
    container_of_block(block)->has_command = true;
    container_of_block(block)->command = list_of(node);
}

void directive_set_entrypoint(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    (void)builder;
    container_of_block(block)->has_entrypoint = true;
    container_of_block(block)->entrypoint = list_of(node);
}

void directive_set_app_user(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    const char *text = node->args[0].text;
    char *user = arena_copy(builder->arena, sv_of(text));
    char *group = strchr(user, ':');

    if (group)
        *group++ = '\0';
    if (!scalar_is_name(user) || (group && !scalar_is_name(group)))
        builder_error(builder, node->args[0].place,
                      "\"user\" takes UID or UID:GID, not \"%.80s\"", text);
    else
        builder_set_text(&container_of_block(block)->user, text);
}

static bool is_signal(const char *name)
{
    struct strview number = sv_of(name);
    uint64_t value;

    if (sv_starts(number, SV("RTMIN+")))
        return sv_to_u64(sv_skip(number, strlen("RTMIN+")),
                         (uint64_t)(SIGRTMAX - SIGRTMIN), &value);
    for (int i = 1; i < SIGRTMIN; i++) {
        const char *known = sigabbrev_np(i);

        if (known && strcmp(known, name) == 0)
            return true;
    }
    return false;
}

void directive_set_stop_signal(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    const char *text = node->args[0].text;
    const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;

    if (is_signal(name))
        builder_set_text(&container_of_block(block)->stop_signal,
                         arena_printf(builder->arena, "SIG%s", name));
    else
        builder_error(builder, node->args[0].place,
                      "\"stop_signal\" takes the name of a signal such as "
                      "SIGINT, not \"%.80s\"",
                      text);
}

/* --- labels and limits
 * ----------------------------------------------------------------- */

static void pair_add(struct name_values *pairs, const struct conf_node *node)
{
    pairs->items =
        xrealloc(pairs->items, (pairs->count + 1) * sizeof *pairs->items);
    pairs->items[pairs->count++] =
        (struct name_value){.name = xstrdup(node->args[0].text),
                            .value = xstrdup(node->args[1].text)};
}

void directive_set_label(struct builder *builder, struct block *block,
                         const struct conf_node *node)
{
    const char *name = node->args[0].text;

    if (!*name || strncmp(name, "berth.", 6) == 0)
        builder_error(builder, node->args[0].place,
                      "labels that begin with \"berth.\" are berth's own; "
                      "\"%.80s\" is no name for another",
                      name);
    else if (builder_once(builder, block, node, name))
        pair_add(&container_of_block(block)->labels, node);
}

void directive_set_annotation(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    const char *name = node->args[0].text;

    if (!*name)
        builder_error(builder, node->args[0].place,
                      "an annotation needs a name");
    else if (builder_once(builder, block, node, name))
        pair_add(&container_of_block(block)->annotations, node);
}

static bool limit_parse(const char *text, uint64_t *ret_value)
{
    if (strcmp(text, "unlimited") == 0) {
        *ret_value = UINT64_MAX;
        return true;
    }
    return units_parse_count(text, ret_value) == UNITS_OK;
}

void directive_set_ulimit(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    static const char known[] =
        "as|core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|"
        "rtprio|rttime|sigpending|stack";
    struct container_settings *container = container_of_block(block);
    const char *name = node->args[0].text;
    char *hard = arena_copy(builder->arena, sv_of(node->args[1].text));
    char *soft = strsep(&hard, ":");
    struct ulimit_setting limit = {NULL, 0, 0};
    unsigned index;

    if (!directive_word_index(known, name, &index)) {
        builder_error_word(builder, node, name, known);
        return;
    }
    if (!limit_parse(soft, &limit.soft) ||
        !limit_parse(hard ? hard : soft, &limit.hard) ||
        limit.soft > limit.hard) {
        builder_error(builder, node->args[1].place,
                      "\"ulimit %s\" takes SOFT or SOFT:HARD, numbers or "
                      "unlimited, SOFT not above HARD; not \"%.80s\"",
                      name, node->args[1].text);
        return;
    }
    if (!builder_once(builder, block, node, name))
        return;
    limit.name = xstrdup(name);
    container->ulimits =
        xrealloc(container->ulimits,
                 (container->ulimit_count + 1) * sizeof *container->ulimits);
    container->ulimits[container->ulimit_count++] = limit;
}

void directive_set_cpus(struct builder *builder, struct block *block,
                        const struct conf_node *node)
{
    struct container_settings *container = container_of_block(block);
    const char *text = node->args[0].text;
    uint64_t millis = 0;
    enum units_result result = units_parse_millis(text, &millis);

    if (result == UNITS_MALFORMED)
        builder_error(builder, node->args[0].place,
                      "\"cpus\" takes a number such as 2 or 0.5, not \"%.80s\"",
                      text);
    /* The kernel's smallest quota is a hundredth of a CPU. */
    else if (result != UNITS_OK || millis > 8192 * 1000 ||
             (millis > 0 && millis < 10))
        builder_error(builder, node->args[0].place,
                      "\"cpus\" must be 0.01 to 8192, or 0 for no limit, not "
                      "%.80s",
                      text);
    else
        container->cpu_millis = millis;
}
