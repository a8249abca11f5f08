/* config_sidecar.c - the block sidecar: a container beside an app's own. */
#include <string.h>

#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "router/base/alloc.h"

#define NAME_MAX_BYTES 32

struct ready_check *config_ready_check_of(struct block *block)
{
    struct sidecar_settings *sidecar = block->owner[OWNER_sidecar_settings];
    struct app_settings *app = block->owner[OWNER_app_settings];

    if (!sidecar)
        return &app->ready_check;
    sidecar->has_check = true;
    return &sidecar->ready_check;
}

/* No dot: it stands between the parts of its container's name. */
static bool is_name(const char *text)
{
    return scalar_is_label(text) && strlen(text) <= NAME_MAX_BYTES &&
           !strchr(text, '.');
}

/* NULL after an error. */
static struct sidecar_settings *sidecar_add(struct builder *builder,
                                            struct block *app_block,
                                            const struct conf_node *node)
{
    struct container_settings *app = app_block->owner[OWNER_container_settings];
    const char *name = node->args[0].text;
    struct sidecar_settings *added;

    if (!is_name(name)) {
        builder_error(builder, node->args[0].place,
                      "a sidecar's name has small letters, digits, \"_\" and "
                      "\"-\", begins with a letter or digit and is at most %d "
                      "bytes long; \"%.80s\" is none",
                      NAME_MAX_BYTES, name);
        return NULL;
    }
    if (!builder_once(builder, app_block, node, name))
        return NULL;
    if (app->sidecar_count == CONTAINER_SIDECARS_MAX) {
        builder_error(builder, node->place, "an app has at most %d sidecars",
                      CONTAINER_SIDECARS_MAX);
        return NULL;
    }
    app->sidecars = xrealloc(app->sidecars,
                             (app->sidecar_count + 1) * sizeof *app->sidecars);
    added = &app->sidecars[app->sidecar_count++];
    memset(added, 0, sizeof *added);
    added->name = xstrdup(name);
    return added;
}

static void finish(struct builder *builder, const struct block *block,
                   const struct sidecar_settings *sidecar)
{
    bool needs_port =
        sidecar->has_check && sidecar->ready_check.kind != CHECK_LOG;

    if (!block_has(block, DIRECTIVE_image) && !builder->is_partial)
        builder_error(builder, block->node->place,
                      "sidecar \"%s\" has no \"image\"", sidecar->name);
    if (needs_port && sidecar->container.port == 0)
        builder_error(builder, block->seen[DIRECTIVE_ready_check]->place,
                      "the \"ready_check\" of a sidecar needs the port that it "
                      "listens on: port N;");
    if (sidecar->container.port != 0 && !needs_port)
        builder_error(builder, block->seen[DIRECTIVE_port]->place,
                      "the \"port\" of a sidecar is for its \"ready_check\", "
                      "and there is none: ready_check tcp;");
}

void directive_set_sidecar(struct builder *builder, struct block *app_block,
                           const struct conf_node *node)
{
    struct sidecar_settings *sidecar = sidecar_add(builder, app_block, node);
    struct block block = {.where = IN_SIDECAR, .node = node};

    if (!sidecar)
        return;
    block.owner[OWNER_container_settings] = &sidecar->container;
    block.owner[OWNER_sidecar_settings] = sidecar;
    builder_defaults(builder, &block, IN_SIDECAR);
    sidecar->has_check = false; /* unless it is written */
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    builder_apply_blocks(builder, &block, node->children, DIRECTIVE_setup);
    finish(builder, &block, sidecar);
    name_map_done(&block.names);
}
