/* config_resources.c - the block resources, and what of it an app reserves. */
#include "conf/config_resources.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf/scalar.h"
#include "conf/units.h"
#include "router/base/alloc.h"
#include "router/placement.h"

#define CPU_MILLIS_MAX   (UINT64_C(8192) * 1000)
#define MEMORY_MIN_BYTES (UINT64_C(1) << 20)
#define MEMORY_MAX_BYTES (UINT64_C(1) << 60)
#define IMPORTANCE_MAX   1000000

static struct resource_settings *resources_of(struct block *block)
{
    return block->owner[OWNER_resource_settings];
}

static struct container_settings *container_of_block(const struct block *block)
{
    return block->owner[OWNER_container_settings];
}

/* --- resources --- */

void directive_set_resources(struct builder *builder, struct block *top,
                             const struct conf_node *node)
{
    struct lifecycle_settings *lifecycle = top->owner[OWNER_lifecycle_settings];
    struct block block = {.where = IN_RESOURCES, .node = node};

    block.owner[OWNER_resource_settings] = &lifecycle->resources;
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    name_map_done(&block.names);
}

void directive_set_resources_cpus(struct builder *builder, struct block *block,
                                  const struct conf_node *node)
{
    const char *text = node->args[0].text;
    uint64_t millis = 0;

    if (units_parse_millis(text, &millis) != UNITS_OK || millis < 10 ||
        millis > CPU_MILLIS_MAX)
        builder_error(builder, node->args[0].place,
                      "\"cpus\" takes a number of 0.01 to 8192, such as 6 or "
                      "7.5, not \"%.80s\"",
                      text);
    else
        resources_of(block)->cpu_millis = millis;
}

static bool parse_memory(struct builder *builder, const struct conf_arg *arg,
                         const char *text, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;

    if (units_parse_size(text, &bytes) != UNITS_OK ||
        bytes < MEMORY_MIN_BYTES || bytes > MEMORY_MAX_BYTES) {
        builder_error(builder, arg->place,
                      "\"memory\" takes a size of 1m or more, such as 80g, "
                      "not \"%.80s\"",
                      text);
        return false;
    }
    *ret_bytes = bytes;
    return true;
}

void directive_set_resources_memory(struct builder *builder,
                                    struct block *block,
                                    const struct conf_node *node)
{
    (void)!parse_memory(builder, &node->args[0], node->args[0].text,
                        &resources_of(block)->memory_bytes);
}

static size_t span(const char *text, const char *also)
{
    size_t len = 0;

    while (isalnum((unsigned char)text[len]) ||
           (text[len] && strchr(also, text[len])))
        len++;
    return len;
}

/* VENDOR/CLASS=DEVICE, as the CDI specification has it. */
static bool is_device(const char *text)
{
    size_t vendor = span(text, "-_.");
    const char *class = text + vendor + 1;
    size_t class_len;

    if (vendor == 0 || text[vendor] != '/')
        return false;
    class_len = span(class, "-_.");
    if (class_len == 0 || class[class_len] != '=')
        return false;
    class += class_len + 1;
    return *class && !class[span(class, "-_.:")] && strlen(text) <= 128;
}

void directive_set_gpu(struct builder *builder, struct block *block,
                       const struct conf_node *node)
{
    static const char memory[] = "memory=";
    struct resource_settings *resources = resources_of(block);
    const char *name = node->args[0].text;
    uint64_t memory_bytes = 0;
    uint32_t index = resources->gpu_count;

    if (!is_device(name)) {
        builder_error(builder, node->args[0].place,
                      "\"gpu\" takes the CDI name of a device, such as "
                      "nvidia.com/gpu=0, not \"%.80s\"",
                      name);
        return;
    }
    if (node->arg_count == 2 &&
        strncmp(node->args[1].text, memory, strlen(memory)) != 0) {
        builder_error(builder, node->args[1].place,
                      "\"gpu\" takes memory=SIZE here, not \"%.80s\"",
                      node->args[1].text);
        return;
    }
    if (node->arg_count == 2 &&
        !parse_memory(builder, &node->args[1],
                      node->args[1].text + strlen(memory), &memory_bytes))
        return;
    if (!builder_once(builder, block, node, name))
        return;
    if (index == PLACEMENT_DEVICES) {
        builder_error(builder, node->place, "there may be %d devices at most",
                      PLACEMENT_DEVICES);
        return;
    }
    resources->gpus =
        xrealloc(resources->gpus, (index + 1) * sizeof *resources->gpus);
    resources->gpus[index] = (struct gpu_setting){xstrdup(name), memory_bytes};
    resources->gpu_count++;
}

/* --- app --- */

void directive_set_gpus(struct builder *builder, struct block *block,
                        const struct conf_node *node)
{
    const char *text = node->args[0].text;
    uint64_t millis = 0;

    if (units_parse_millis(text, &millis) != UNITS_OK ||
        (millis > PLACEMENT_WHOLE && millis % PLACEMENT_WHOLE != 0) ||
        millis > (uint64_t)PLACEMENT_DEVICES * PLACEMENT_WHOLE)
        builder_error(builder, node->args[0].place,
                      "\"gpus\" takes a whole number up to %d, or a fraction "
                      "below 1 such as 0.5, not \"%.80s\"",
                      PLACEMENT_DEVICES, text);
    else
        container_of_block(block)->gpu_millis = (uint32_t)millis;
}

void directive_set_importance(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    struct keeper_app *app = block->owner[OWNER_keeper_app];
    const char *text = node->args[0].text;
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || isspace((unsigned char)*text) ||
        value < -IMPORTANCE_MAX || value > IMPORTANCE_MAX)
        builder_error(builder, node->args[0].place,
                      "\"importance\" takes a whole number of -%d to %d, not "
                      "\"%.80s\"",
                      IMPORTANCE_MAX, IMPORTANCE_MAX, text);
    else
        app->importance = (int32_t)value;
}

void config_resources_finish(struct builder *builder, const struct block *block)
{
    struct container_settings *container = container_of_block(block);
    struct app_settings *app = block->owner[OWNER_app_settings];

    /* What fills a device has no room for a second request. */
    if (container->gpu_millis > 0 && !block_has(block, DIRECTIVE_concurrency))
        app->concurrency = 1;
    if (container->gpu_memory_bytes > 0 && container->gpu_millis == 0)
        builder_error(builder, block->seen[DIRECTIVE_gpu_memory]->place,
                      "\"gpu_memory\" has no meaning without \"gpus\"; write "
                      "gpus 1, or a fraction such as 0.5");
}
