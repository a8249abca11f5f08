/* config_setup.c - the block setup: a layer on an app's image. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "router/base/alloc.h"

#define STEPS_MAX           64
#define CONTAINERFILE_CHARS "$\\\"'`*?[]{}<>"

static struct setup_step *step_add(struct builder *builder, struct block *block,
                                   const struct conf_node *node)
{
    struct container_settings *container =
        block->owner[OWNER_container_settings];

    if (container->setup_count == STEPS_MAX) {
        builder_error(builder, node->place, "\"setup\" has more than %d steps",
                      STEPS_MAX);
        return NULL;
    }
    container->setup = xrealloc(container->setup, (container->setup_count + 1) *
                                                      sizeof *container->setup);
    memset(&container->setup[container->setup_count], 0,
           sizeof *container->setup);
    return &container->setup[container->setup_count++];
}

static void check_source(struct builder *builder, const struct conf_node *node,
                         const char *path)
{
    struct stat st;
    struct err err;

    if (builder->files == FILES_NEVER_READ || stat(path, &st) == 0)
        return;
    err_set(&err, errno == EACCES ? ERR_DENIED : ERR_NOT_FOUND, "%s",
            strerror(errno));
    builder_file_error(builder, node, path, &err);
}

/* It goes into a line of a Containerfile, where some of these mean more. */
static bool is_destination(const char *text)
{
    return scalar_is_path(text) && !strpbrk(text, CONTAINERFILE_CHARS);
}

void directive_set_setup_copy(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    const char *path = builder_path(builder, node, node->args[0].text);
    const char *destination = node->args[1].text;
    const char *slash = strrchr(path, '/');
    struct setup_step *step;

    if (!*node->args[0].text || !is_destination(destination)) {
        builder_error(builder, node->args[1].place,
                      "\"copy\" takes a path here and an absolute path in the "
                      "image, of plain characters, not \"%.80s\" \"%.80s\"",
                      node->args[0].text, destination);
        return;
    }
    /* A file's name is a part of the destination then. */
    if (destination[strlen(destination) - 1] == '/' && slash && slash[1] &&
        strpbrk(slash + 1, CONTAINERFILE_CHARS)) {
        builder_error(builder, node->args[0].place,
                      "the name \"%.80s\" has characters that mean something "
                      "to a Containerfile; name the file in the image, too",
                      slash + 1);
        return;
    }
    check_source(builder, node, path);
    step = step_add(builder, block, node);
    if (!step)
        return;
    step->kind = SETUP_COPY;
    step->source = xstrdup(path);
    step->destination = xstrdup(destination);
}

/* A word that only a shell understands, among several. */
static bool is_for_a_shell(const char *word)
{
    static const char *const words[] = {"&&", "||", "|", ">",
                                        ">>", "<",  "&", "2>&1"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

void directive_set_setup_run(struct builder *builder, struct block *block,
                             const struct conf_node *node)
{
    struct setup_step *step;

    for (unsigned i = 0; i < node->arg_count; i++) {
        const char *word = node->args[i].text;

        if (node->arg_count > 1 && !node->args[i].is_quoted &&
            is_for_a_shell(word)) {
            builder_error(builder, node->args[i].place,
                          "\"%s\" means something to a shell only: quote the "
                          "whole command, and it is given to one",
                          word);
            return;
        }
    }
    if (!*node->args[0].text) {
        builder_error(builder, node->args[0].place, "\"run\" needs a command");
        return;
    }
    step = step_add(builder, block, node);
    if (!step)
        return;
    step->kind = SETUP_RUN;
    for (unsigned i = 0; i < node->arg_count; i++)
        config_list_add(&step->command, node->args[i].text);
}

void directive_set_setup(struct builder *builder, struct block *container_block,
                         const struct conf_node *node)
{
    struct container_settings *container =
        container_block->owner[OWNER_container_settings];
    struct block block = {.where = IN_SETUP, .node = node};

    block.owner[OWNER_container_settings] = container;
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    if (!node->children && !builder->is_partial)
        builder_error(builder, node->place,
                      "\"setup\" is empty: say what to copy or to run");
    name_map_done(&block.names);
}
