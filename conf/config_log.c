/* config_log.c - access_log, error_log, error_page: what is shown of requests,
 * and where.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_shared.h"
#include "conf/scalar.h"
#include "lifecycle/settings.h"
#include "router/base/alloc.h"
#include "router/log_format.h"

uint32_t config_log_file(struct builder *builder, const char *path)
{
    struct string_list *files = &builder->config->lifecycle->log_files;
    struct shared_settings *shared = &builder->config->proxy->shared;

    for (uint32_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i], path) == 0)
            return i;
    files->items =
        xrealloc(files->items, (files->count + 1) * sizeof *files->items);
    files->items[files->count++] = xstrdup(path);
    shared->log_files =
        xrealloc(shared->log_files, files->count * sizeof *shared->log_files);
    shared->log_files[files->count - 1] = xstrdup(path);
    shared->log_file_count = files->count;
    return files->count - 1;
}

bool config_read_file(struct builder *builder, const struct conf_node *node,
                      const char *path, const struct source_limits *limits,
                      struct strbuf *text)
{
    struct stat st;
    struct err err;

    if (builder->files == FILES_NEVER_READ)
        return false;
    if (!source_read(path, limits, text, &st, &err)) {
        builder_file_error(builder, node, path, &err);
        return false;
    }
    if (text->len > 0 && memchr(text->data, '\0', text->len)) {
        builder_error(builder, node->place, "%s \"%.200s\" is no text",
                      node->name, path);
        return false;
    }
    return true;
}

/* --- error_log ---------------------------------------------------------------
 */

void directive_set_error_log(struct builder *builder, struct block *block,
                             const struct conf_node *node)
{
    static const char levels[] = "debug|info|notice|warn|error";
    struct proxy_settings *proxy = block->owner[OWNER_proxy_settings];
    const char *path = node->args[0].text;
    enum log_level level;

    bool is_word =
        strcmp(path, "stderr") == 0 || strcmp(path, LOG_PATH_SYSLOG) == 0;

    if (!is_word && !strchr(path, '/')) {
        builder_error(builder, node->args[0].place,
                      "\"error_log\" takes stderr, syslog or a path with a / "
                      "in it, not \"%.80s\"",
                      path);
    } else if (!log_level_parse(node->args[1].text, &level)) {
        builder_error_word(builder, node, node->args[1].text, levels);
    } else if (node->arg_count == 3 &&
               strcmp(node->args[2].text, "json") != 0) {
        builder_error_word(builder, node, node->args[2].text, "json");
    } else {
        proxy->log_level = level;
        proxy->log_json = node->arg_count == 3;
        proxy->shared.error_log = 0;
        if (strcmp(path, LOG_PATH_SYSLOG) == 0)
            proxy->shared.error_log = config_log_file(builder, path) + 1;
        else if (!is_word)
            proxy->shared.error_log =
                config_log_file(builder, builder_path(builder, node, path)) + 1;
        builder->config->lifecycle->error_log = proxy->shared.error_log;
    }
}

/* --- access_log
 * ---------------------------------------------------------------
 */

/* The number of that log, added where it is new. */
static uint32_t access_log_number(struct proxy_settings *proxy, uint32_t file,
                                  const char *format)
{
    struct shared_settings *shared = &proxy->shared;
    struct access_log_settings *log;

    for (uint32_t i = 0; i < shared->access_log_count; i++) {
        log = &shared->access_logs[i];
        if (log->file == file && strcmp(log->format, format) == 0)
            return i + 1;
    }
    shared->access_logs =
        xrealloc(shared->access_logs,
                 (shared->access_log_count + 1) * sizeof *shared->access_logs);
    log = &shared->access_logs[shared->access_log_count++];
    *log = (struct access_log_settings){file, xstrdup(format)};
    return shared->access_log_count;
}

static void error_variable(struct builder *builder, const struct conf_arg *arg,
                           struct strview unknown)
{
    const char *word = arena_printf(builder->arena, "$%.*s", SV_ARG(unknown));
    struct suggestion suggestion = suggestion_of(word);

    for (int i = LOG_VARIABLE_TEXT + 1; i < LOG_VARIABLE_COUNT; i++)
        suggestion_offer(&suggestion,
                         arena_printf(builder->arena, "$%s",
                                      log_variable_name((enum log_variable)i)));
    builder_error(builder, arg->place, "there is no variable \"%.80s\"%s", word,
                  builder_hint(builder, &suggestion));
}

static bool format_fits(struct builder *builder, const struct conf_node *node)
{
    const struct conf_arg *arg = &node->args[1];
    struct log_format format;
    struct strview unknown = {NULL, 0};
    struct err err;

    for (const char *c = arg->text; *c; c++)
        if (iscntrl((unsigned char)*c) && *c != '\t') {
            builder_error(builder, arg->place,
                          "a control character in the format of \"%s\"",
                          node->name);
            return false;
        }
    if (!strchr(arg->text, '$') && strcmp(arg->text, "combined") != 0 &&
        strcmp(arg->text, "json") != 0) {
        builder_error_word(builder, node, arg->text,
                           "combined|json|a format with $variables");
        return false;
    }
    if (log_format_parse(sv_of(arg->text), &format, &unknown, &err)) {
        log_format_done(&format);
        return true;
    }
    if (unknown.ptr)
        error_variable(builder, arg, unknown);
    else
        builder_error(builder, arg->place, "the format of \"%s\": %.200s",
                      node->name, err.text);
    return false;
}

void directive_set_access_log(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];
    const char *path = node->args[0].text;

    if (strcmp(path, "off") == 0) {
        if (node->arg_count == 2)
            builder_error(builder, node->args[1].place,
                          "\"access_log off\" takes no format");
        route->access_log = 0;
        return;
    }
    if (!strchr(path, '/')) {
        builder_error(builder, node->args[0].place,
                      "\"access_log\" takes off or a path with a / in it, not "
                      "\"%.80s\"",
                      path);
        return;
    }
    if (node->arg_count == 2 && !format_fits(builder, node))
        return;
    route->access_log = access_log_number(
        builder->config->proxy,
        config_log_file(builder, builder_path(builder, node, path)),
        node->arg_count == 2 ? node->args[1].text : "combined");
}

/* --- error_page
 * ---------------------------------------------------------------
 */

/* The number of that page, read where it is new. */
static uint32_t error_page_number(struct builder *builder,
                                  const struct conf_node *node, uint32_t code)
{
    static const struct source_limits limits = {.size_max =
                                                    ERROR_PAGE_SIZE_MAX};
    struct shared_settings *shared = &builder->config->proxy->shared;
    const char *path = builder_path(builder, node, node->args[1].text);
    AUTO(strbuf_done) struct strbuf html = STRBUF_INIT;
    struct error_page *page;

    for (uint32_t i = 0; i < shared->error_page_count; i++) {
        page = &shared->error_pages[i];
        if (page->code == code && strcmp(page->path, path) == 0)
            return i + 1;
    }
    if (!config_read_file(builder, node, path, &limits, &html))
        strbuf_clear(&html);
    shared->error_pages =
        xrealloc(shared->error_pages,
                 (shared->error_page_count + 1) * sizeof *shared->error_pages);
    page = &shared->error_pages[shared->error_page_count++];
    *page = (struct error_page){
        .code = code,
        .path = xstrdup(path),
        .html = xstrndup(html.data ? html.data : "", html.len),
    };
    return shared->error_page_count;
}

void directive_set_error_page(struct builder *builder, struct block *block,
                              const struct conf_node *node)
{
    static const uint64_t range[2] = {400, 599};
    struct route_settings *route = block->owner[OWNER_route_settings];
    const struct shared_settings *shared = &builder->config->proxy->shared;
    struct page_numbers *pages = &route->error_pages;
    uint64_t code;
    uint32_t number;

    if (!scalar_count(builder, node, node->args[0].text, range, &code) ||
        !builder_once(builder, block, node, node->args[0].text))
        return;
    number = error_page_number(builder, node, (uint32_t)code);
    for (uint32_t i = 0; i < pages->count; i++)
        if (shared->error_pages[pages->numbers[i] - 1].code == code) {
            pages->numbers[i] = number; /* the inner one wins */
            return;
        }
    pages->numbers =
        xrealloc(pages->numbers, (pages->count + 1) * sizeof *pages->numbers);
    pages->numbers[pages->count++] = number;
}
