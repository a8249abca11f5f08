/* config_env.c - env and env_file: the container's environment.
 *
 * env_file is EARLY, so that env has the last word wherever it stands.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config_shared.h"
#include "conf/source.h"
#include "router/base/alloc.h"

#define ENV_FILE_MAX (256U << 10)
#define ENV_MAX      2048 /* names of one app */

const char *config_env_trouble(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return "is no name of a variable";
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return "is no name of a variable";
    /* From the app's port and socket; what berth relies on is not for an
     * env_file to change. */
    if (strcmp(name, "PORT") == 0 || strncmp(name, "BERTH_", 6) == 0)
        return "is set by berth itself";
    return NULL;
}

/* Replaces what is there under that name. */
static void env_set(struct builder *builder, struct block *block,
                    const struct conf_node *node, const char *name,
                    const char *value)
{
    struct container_settings *container =
        block->owner[OWNER_container_settings];
    struct name_values *env = &container->env;

    for (uint32_t i = 0; i < env->count; i++)
        if (strcmp(env->items[i].name, name) == 0) {
            builder_set_text(&env->items[i].value, value);
            return;
        }
    if (env->count == ENV_MAX) {
        builder_error(builder, node->place,
                      "more than %d environment variables", ENV_MAX);
        return;
    }
    env->items = xrealloc(env->items, (env->count + 1) * sizeof *env->items);
    env->items[env->count++] =
        (struct name_value){.name = xstrdup(name), .value = xstrdup(value)};
}

void directive_set_env(struct builder *builder, struct block *block,
                       const struct conf_node *node)
{
    const char *name = node->args[0].text;
    const char *trouble = config_env_trouble(name);

    if (trouble)
        builder_error(builder, node->args[0].place, "env \"%.80s\" %s", name,
                      trouble);
    else if (builder_once(builder, block, node, name))
        env_set(builder, block, node, name, node->args[1].text);
}

/* One line, NUL-terminated: NAME=VALUE, the value as it is (as Podman's
 * --env-file has it), or a comment. False after an error. */
static bool env_line(struct builder *builder, struct block *block,
                     const struct conf_node *node, unsigned number, char *line)
{
    char *equals = strchr(line, '=');
    const char *trouble;

    if (!*line || *line == '#')
        return true;
    if (!equals) {
        builder_error(builder, node->place,
                      "env_file \"%.200s\", line %u: expected NAME=VALUE",
                      node->args[0].text, number);
        return false;
    }
    *equals = '\0';
    trouble = config_env_trouble(line);
    if (trouble) {
        builder_error(builder, node->place,
                      "env_file \"%.200s\", line %u: \"%.80s\" %s",
                      node->args[0].text, number, line, trouble);
        return false;
    }
    env_set(builder, block, node, line, equals + 1);
    return true;
}

static void env_lines(struct builder *builder, struct block *block,
                      const struct conf_node *node, struct strbuf *text)
{
    char *rest = text->data;
    char *line;

    if (memchr(text->data, '\0', text->len)) {
        builder_error(builder, node->place,
                      "env_file \"%.200s\" holds a NUL byte",
                      node->args[0].text);
        return;
    }
    for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
        size_t len = strlen(line);

        if (len > 0 && line[len - 1] == '\r')
            line[len - 1] = '\0';
        if (!env_line(builder, block, node, number, line))
            return;
    }
}

void directive_set_env_file(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    static const struct source_limits limits = {.size_max = ENV_FILE_MAX};
    const char *path = builder_path(builder, node, node->args[0].text);
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    struct stat st;
    struct err err;

    if (builder->files == FILES_NEVER_READ)
        return;
    if (!source_read(path, &limits, &text, &st, &err))
        builder_file_error(builder, node, path, &err);
    else if (text.len > 0)
        env_lines(builder, block, node, &text);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
}
