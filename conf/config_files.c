/* config_files.c - what an app's container finds in its file system: volumes,
 * tmpfs, secrets, devices.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "conf/units.h"
#include "router/base/alloc.h"

#define TMPFS_BYTES_MIN 4096U /* the kernel's page: less is refused */
#define TMPFS_BYTES_MAX (1ULL << 50)

static struct container_settings *container_of_block(struct block *block)
{
    return block->owner[OWNER_container_settings];
}

/* --- volumes -------------------------------------------------------------- */

static bool options_fit(struct builder *builder, const struct conf_node *node,
                        const char *options)
{
    static const char known[] =
        "ro|rw|z|Z|U|exec|noexec|dev|nodev|suid|nosuid|bind|rbind|shared|"
        "rshared|slave|rslave|private|rprivate|copy|nocopy|O";
    struct strview rest = sv_of(options);
    struct strview option;
    unsigned index;

    while (sv_split(&rest, ',', &option)) {
        const char *word = arena_copy(builder->arena, option);

        if (!directive_word_index(known, word, &index)) {
            builder_error_word(builder, node, word, known);
            return false;
        }
    }
    return true;
}

static bool volume_fits(struct builder *builder, const struct conf_node *node,
                        const struct volume_setting *volume)
{
    const struct conf_arg *arg = &node->args[0];

    if (!scalar_is_path(volume->source) && !scalar_is_name(volume->source)) {
        builder_error(builder, arg->place,
                      "\"volume\" begins with an absolute path or the name of "
                      "a Podman volume, not \"%.80s\"",
                      volume->source);
        return false;
    }
    if (!volume->destination || !scalar_is_path(volume->destination) ||
        !volume->destination[1]) {
        builder_error(builder, arg->place,
                      "\"volume\" takes SRC:DST[:OPTIONS] with an absolute "
                      "DST below /, not \"%.80s\"",
                      arg->text);
        return false;
    }
    return !volume->options || options_fit(builder, node, volume->options);
}

void directive_set_volume(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    struct container_settings *container = container_of_block(block);
    char *rest = arena_copy(builder->arena, sv_of(node->args[0].text));
    struct volume_setting volume = {NULL, NULL, NULL};
    uint32_t index = container->volume_count;

    volume.source = strsep(&rest, ":");
    volume.destination = strsep(&rest, ":");
    volume.options = rest;
    if (!volume_fits(builder, node, &volume) ||
        !builder_once(builder, block, node, volume.destination))
        return;
    container->volumes =
        xrealloc(container->volumes, (index + 1) * sizeof *container->volumes);
    container->volumes[index] = (struct volume_setting){
        .source = xstrdup(volume.source),
        .destination = xstrdup(volume.destination),
        .options = xstrdup(volume.options ? volume.options : ""),
    };
    container->volume_count++;
}

/* --- tmpfs -----------------------------------------------------------------
 */

void directive_set_tmpfs(struct builder *builder, struct block *block,
                         const struct conf_node *node)
{
    struct container_settings *container = container_of_block(block);
    const struct conf_arg *arg = &node->args[0];
    char *size = arena_copy(builder->arena, sv_of(arg->text));
    char *destination = strsep(&size, ":");
    uint64_t bytes = 0;

    if (!scalar_is_path(destination) || !destination[1]) {
        builder_error(builder, arg->place,
                      "\"tmpfs\" takes DST[:SIZE] with an absolute DST below "
                      "/, not \"%.80s\"",
                      arg->text);
        return;
    }
    if (size && (units_parse_size(size, &bytes) != UNITS_OK ||
                 bytes < TMPFS_BYTES_MIN || bytes > TMPFS_BYTES_MAX)) {
        builder_error(builder, arg->place,
                      "the size of a tmpfs is 4k or more, such as 64m, not "
                      "\"%.80s\"",
                      size);
        return;
    }
    if (!builder_once(builder, block, node, destination))
        return;
    container->tmpfs = xrealloc(container->tmpfs, (container->tmpfs_count + 1) *
                                                      sizeof *container->tmpfs);
    container->tmpfs[container->tmpfs_count++] = (struct tmpfs_setting){
        .destination = xstrdup(destination), .size_bytes = bytes};
}

/* --- secrets ---------------------------------------------------------------
 */

/* Where it is put, of "env=VAR" or "target=PATH". */
static bool secret_target(struct builder *builder, const struct conf_node *node,
                          struct secret_setting *secret)
{
    const struct conf_arg *arg = &node->args[1];
    const char *value = strchr(arg->text, '=');
    const char *trouble;

    if (value && strncmp(arg->text, "env=", 4) == 0) {
        trouble = config_env_trouble(++value);
        secret->is_env = true;
        secret->target = arena_copy(builder->arena, sv_of(value));
        if (trouble)
            builder_error(builder, arg->place, "env \"%.80s\" %s", value,
                          trouble);
        return !trouble;
    }
    if (value && strncmp(arg->text, "target=", 7) == 0) {
        secret->target = arena_copy(builder->arena, sv_of(++value));
        if (scalar_is_path(value) ? value[1] != '\0' : scalar_is_name(value))
            return true;
        builder_error(builder, arg->place,
                      "target= takes an absolute path, or the name of a file "
                      "in /run/secrets, not \"%.80s\"",
                      value);
        return false;
    }
    builder_error(builder, arg->place,
                  "\"secret\" takes env=VAR or target=PATH here, not "
                  "\"%.80s\"",
                  arg->text);
    return false;
}

void directive_set_secret(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    struct container_settings *container = container_of_block(block);
    const char *name = node->args[0].text;
    struct secret_setting secret = {NULL, false, NULL};

    if (!scalar_is_name(name) || strlen(name) > 253) {
        builder_error(builder, node->args[0].place,
                      "\"secret\" begins with the name of a secret of "
                      "Podman's, not \"%.80s\"",
                      name);
        return;
    }
    if (node->arg_count == 2 && !secret_target(builder, node, &secret))
        return;
    /* One secret may be put in several places, but no two in one. */
    if (!builder_once(builder, block, node,
                      secret.target ? node->args[1].text : name))
        return;
    container->secrets =
        xrealloc(container->secrets,
                 (container->secret_count + 1) * sizeof *container->secrets);
    container->secrets[container->secret_count++] = (struct secret_setting){
        .name = xstrdup(name),
        .is_env = secret.is_env,
        .target = secret.target ? xstrdup(secret.target) : NULL,
    };
}

/* --- devices ---------------------------------------------------------------
 */

static bool are_permissions(const char *text)
{
    return *text && strspn(text, "rwm") == strlen(text);
}

void directive_set_device(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    const struct conf_arg *arg = &node->args[0];
    char *rest = arena_copy(builder->arena, sv_of(arg->text));
    const char *source = strsep(&rest, ":");
    const char *second = strsep(&rest, ":");
    bool is_good = scalar_is_path(source) && source[1] && !strchr(source, '=');

    if (is_good && second && rest)
        is_good = scalar_is_path(second) && are_permissions(rest);
    else if (is_good && second)
        is_good = scalar_is_path(second) || are_permissions(second);
    if (!is_good)
        builder_error(builder, arg->place,
                      "\"device\" takes PATH[:PATH[:rwm]], such as /dev/fuse, "
                      "not \"%.80s\"",
                      arg->text);
    else if (builder_once(builder, block, node, source))
        config_list_add(&container_of_block(block)->devices, arg->text);
}
