/* config.c - reads a configuration: files to tree, tree to settings. */
#include "conf/config.h"

#include <stdlib.h>

#include "conf/builder.h"
#include "conf/config_app.h"
#include "conf/config_reload.h"
#include "conf/config_text.h"
#include "conf/host_defaults.h"
#include "conf/scalar.h"
#include "router/base/alloc.h"

void config_free(struct config **config)
{
    struct config *c = *config;

    if (!c)
        return;
    lifecycle_settings_free(&c->lifecycle); /* borrows from proxy */
    proxy_settings_free(&c->proxy);
    free(c->token_file);
    free(c->read_token_file);
    free(c->file);
    config_places_done(c);
    free(c);
    *config = NULL;
}

void directive_set_worker_threads(struct builder *builder, struct block *block,
                                  const struct conf_node *node)
{
    static const uint64_t range[2] = {1, PROXY_WORKERS_MAX};
    struct proxy_settings *proxy = block->owner[OWNER_proxy_settings];
    const char *text = node->args[0].text;
    uint64_t count;

    builder->config->workers_are_auto = strcmp(text, "auto") == 0;
    if (builder->config->workers_are_auto)
        proxy->worker_count = host_default_workers();
    else if (scalar_count(builder, node, text, range, &count))
        proxy->worker_count = (uint32_t)count;
}

/* Only where the parser may not include. */
void directive_set_include(struct builder *builder, struct block *block,
                           const struct conf_node *node)
{
    (void)block;
    builder_error(builder, node->place, "\"include\" is not possible here");
}

/* Read the block, or, where it is not written, its defaults. */
static void apply_or_empty(struct builder *builder, struct block *top,
                           const struct conf_node *children,
                           enum directive_id id)
{
    struct conf_node empty = {
        .row = &directives[id],
        .name = directives[id].name,
        .place = {.file = builder->name},
        .has_block = true,
    };

    if (block_has(top, id))
        builder_apply_blocks(builder, top, children, id);
    else
        builder_apply_blocks(builder, top, &empty, id);
}

static void build(struct builder *builder, struct conf_node *children)
{
    struct config *config = builder->config;
    struct block top = {.where = IN_TOP};

    top.owner[OWNER_proxy_settings] = config->proxy;
    top.owner[OWNER_lifecycle_settings] = config->lifecycle;
    config->lifecycle->state_dir = host_default_state_dir();
    config->lifecycle->podman.max_parallel_starts = host_default_workers();
    config->proxy->max_connections = host_default_connections();
    builder_defaults(builder, &top, IN_TOP);
    builder_check(builder, &top, children);
    builder_apply_simple(builder, &top, children);
    config->lifecycle->drain_timeout_ms = config->proxy->drain_timeout_ms;
    config_apps_declare(builder, children);
    apply_or_empty(builder, &top, children, DIRECTIVE_podman);
    apply_or_empty(builder, &top, children, DIRECTIVE_admin);
    builder_apply_blocks(builder, &top, children, DIRECTIVE_resources);
    builder_apply_blocks(builder, &top, children, DIRECTIVE_app);
    apply_or_empty(builder, &top, children, DIRECTIVE_http);
    config_apps_finish(builder, children);
    name_map_done(&top.names);
}

/* Build from the tree, as far as there are no errors. */
static struct config *config_of(struct conf_node *children, const char *name,
                                enum builder_files files, struct report *report)
{
    struct config *config = xcalloc(1, sizeof *config);
    struct builder builder;

    config->proxy = xcalloc(1, sizeof *config->proxy);
    config->lifecycle = xcalloc(1, sizeof *config->lifecycle);
    builder_init(&builder, report, config);
    builder.name = name;
    config->file = xstrdup(name);
    builder.files = files;
    builder.is_partial = report->error_count > 0;
    build(&builder, children);
    builder_done(&builder);
    return config;
}

static struct config *load(const char *path, enum builder_files files,
                           struct strbuf *ret_errors)
{
    struct config *config;
    struct conf_node *children;
    struct report report;
    struct arena arena;

    arena_init(&arena);
    report_init(&report, &arena);
    children = parser_parse_file(path, &report);
    config = config_of(children, path, files, &report);
    if (report.error_count > 0 && (files != FILES_NEVER_READ || !children))
        config_free(&config);
    report_write(&report, ret_errors);
    arena_done(&arena);
    return config;
}

struct config *config_load(const char *path, struct strbuf *ret_errors)
{
    return load(path, FILES_REQUIRED, ret_errors);
}

struct config *config_check(const char *path, struct strbuf *ret_errors)
{
    return load(path, FILES_OPTIONAL, ret_errors);
}

struct config *config_read(const char *path, struct strbuf *ret_errors)
{
    return load(path, FILES_NEVER_READ, ret_errors);
}

struct config *config_parse_text(struct strview text, const char *name,
                                 struct strbuf *ret_errors)
{
    struct config *config;
    struct conf_node *children;
    struct report report;
    struct arena arena;

    arena_init(&arena);
    report_init(&report, &arena);
    children = parser_parse_text(text, name, &report);
    config = config_of(children, name, FILES_NEVER_READ, &report);
    if (report.error_count > 0)
        config_free(&config);
    report_write(&report, ret_errors);
    arena_done(&arena);
    return config;
}
