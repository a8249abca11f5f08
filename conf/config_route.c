/* config_route.c - the block route, and what stands in http and server too. */
#include "conf/config_route.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/builder.h"
#include "conf/config_app.h"
#include "conf/scalar.h"
#include "router/base/alloc.h"
#include "router/request_path.h"

/* --- inheritance ---------------------------------------------------------- */

static struct field_settings fields_copy(const struct field_settings *from)
{
    struct field_settings to = {0, NULL};

    if (from->count == 0)
        return to;
    to.count = from->count;
    to.fields = xcalloc(from->count, sizeof *to.fields);
    for (uint32_t i = 0; i < from->count; i++) {
        to.fields[i].name = xstrdup(from->fields[i].name);
        to.fields[i].value = xstrdup(from->fields[i].value);
    }
    return to;
}

static void fields_done(struct field_settings *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        free(fields->fields[i].name);
        free(fields->fields[i].value);
    }
    free(fields->fields);
}

struct page_numbers config_pages_copy(const struct page_numbers *from)
{
    struct page_numbers to = {from->count, NULL};

    if (from->count == 0)
        return to;
    to.numbers = xcalloc(from->count, sizeof *to.numbers);
    memcpy(to.numbers, from->numbers, from->count * sizeof *to.numbers);
    return to;
}

/* What stands in routes only (protection) is not there yet. */
struct route_settings config_route_copy(const struct route_settings *from)
{
    struct route_settings to = *from;

    to.request_headers = fields_copy(&from->request_headers);
    to.response_headers = fields_copy(&from->response_headers);
    to.error_pages = config_pages_copy(&from->error_pages);
    return to;
}

void config_route_done(struct route_settings *route)
{
    fields_done(&route->request_headers);
    fields_done(&route->response_headers);
    free(route->error_pages.numbers);
}

/* --- request_header, response_header
 * ------------------------------------------ */

static bool is_token(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    return *name != '\0';
}

/* Fields that say where a message ends or whom it is for: berth writes them
 * from what it understood, or two readers could understand two things. */
static bool is_berths_own(const char *name)
{
    static const char *const names[] = {
        "connection", "content-length", "keep-alive",        "proxy-connection",
        "te",         "trailer",        "transfer-encoding", "upgrade",
    };

    if (strncasecmp(name, "x-berth-", 8) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool field_fits(struct builder *builder, const struct conf_node *node)
{
    const char *name = node->args[0].text;
    const char *value = node->args[1].text;

    if (!is_token(name)) {
        builder_error(builder, node->args[0].place,
                      "\"%.80s\" is no name of a header field", name);
        return false;
    }
    if (is_berths_own(name)) {
        builder_error(builder, node->args[0].place,
                      "\"%s\" cannot set \"%.80s\": berth writes it itself",
                      node->name, name);
        return false;
    }
    if (strcasecmp(name, "host") == 0 && !*value) {
        builder_error(builder, node->args[1].place,
                      "\"Host\" cannot be removed: HTTP/1.1 requires it");
        return false;
    }
    for (const char *c = value; *c; c++)
        if (iscntrl((unsigned char)*c) && *c != '\t') {
            builder_error(builder, node->args[1].place,
                          "a control character in the value of \"%.80s\"",
                          name);
            return false;
        }
    if (strlen(name) + strlen(value) > 8192) {
        builder_error(builder, node->args[1].place,
                      "\"%.80s\" with its value is longer than 8192 bytes",
                      name);
        return false;
    }
    return true;
}

/* The inner one wins, name by name. */
static void field_set(struct builder *builder, struct block *block,
                      const struct conf_node *node,
                      struct field_settings *fields)
{
    const char *name = node->args[0].text;
    char *lower = arena_copy(builder->arena, sv_of(name));

    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!field_fits(builder, node) ||
        !builder_once(builder, block, node, lower))
        return;
    for (uint32_t i = 0; i < fields->count; i++)
        if (strcasecmp(fields->fields[i].name, name) == 0) {
            builder_set_text(&fields->fields[i].name, name);
            builder_set_text(&fields->fields[i].value, node->args[1].text);
            return;
        }
    fields->fields =
        xrealloc(fields->fields, (fields->count + 1) * sizeof *fields->fields);
    fields->fields[fields->count++] = (struct field_setting){
        .name = xstrdup(name), .value = xstrdup(node->args[1].text)};
}

void directive_set_request_header(struct builder *builder, struct block *block,
                                  const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];

    field_set(builder, block, node, &route->request_headers);
}

void directive_set_response_header(struct builder *builder, struct block *block,
                                   const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];

    field_set(builder, block, node, &route->response_headers);
}

/* --- where it goes ----------------------------------------------------------
 */

bool config_route_find_app(struct builder *builder, const struct conf_arg *arg,
                           const char *name, uint32_t *ret_index)
{
    const struct proxy_settings *proxy = builder->config->proxy;
    const struct app_place *place = name_map_find(&builder->apps, name);
    struct suggestion suggestion = suggestion_of(name);

    if (place) {
        *ret_index = place->index;
        builder->app_is_routed[place->index] = true;
        return true;
    }
    if (builder->is_partial)
        return false;
    for (uint32_t i = 0; i < proxy->app_count; i++)
        if (proxy->apps[i].name && !report_is_full(builder->report))
            suggestion_offer(&suggestion, proxy->apps[i].name);
    builder_error(builder, arg->place, "there is no app \"%.80s\"%s", name,
                  builder_hint(builder, &suggestion));
    return false;
}

void directive_set_route_app(struct builder *builder, struct block *block,
                             const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];
    uint32_t index;

    if (config_route_find_app(builder, &node->args[0], node->args[0].text,
                              &index))
        route->app = index;
}

static bool is_redirect(uint64_t code)
{
    return code == 301 || code == 302 || code == 303 || code == 307 ||
           code == 308;
}

static bool is_url(const char *text)
{
    if (text[0] != '/' && strncmp(text, "http://", 7) != 0 &&
        strncmp(text, "https://", 8) != 0)
        return false;
    for (; *text; text++)
        if (!isgraph((unsigned char)*text))
            return false;
    return true;
}

/* The text of a `return`; false after an error. */
static bool return_text_fits(struct builder *builder,
                             const struct conf_node *node, uint64_t code)
{
    const char *text = node->arg_count == 2 ? node->args[1].text : NULL;

    if (is_redirect(code) && (!text || !is_url(text))) {
        builder_error(builder, node->place,
                      "\"return %u\" needs where to: a URL that begins with "
                      "http://, https:// or /",
                      (unsigned)code);
        return false;
    }
    if (text && (code == 204 || code == 205 || code == 304)) {
        builder_error(builder, node->args[1].place,
                      "an answer of %u has no body, so no text",
                      (unsigned)code);
        return false;
    }
    for (const char *c = text; c && *c; c++)
        if (iscntrl((unsigned char)*c) && !strchr("\n\r\t", *c)) {
            builder_error(builder, node->args[1].place,
                          "a control character in the text of \"return\"");
            return false;
        }
    return true;
}

void directive_set_return(struct builder *builder, struct block *block,
                          const struct conf_node *node)
{
    static const uint64_t range[2] = {200, 599};
    struct route_settings *route = block->owner[OWNER_route_settings];
    uint64_t code;

    if (!scalar_count(builder, node, node->args[0].text, range, &code) ||
        !return_text_fits(builder, node, code))
        return;
    route->return_code = (uint32_t)code;
    if (node->arg_count == 2)
        builder_set_text(&route->return_text, node->args[1].text);
}

/* --- the block
 * ------------------------------------------------------------------ */

/* The prefix in the form that paths are matched in; NULL after an error. */
static char *route_prefix(struct builder *builder, const struct conf_node *node)
{
    const struct conf_arg *arg = &node->args[0];
    struct strview raw = sv_of(arg->text);
    char *prefix = arena_alloc(builder->arena, raw.len + 1);
    char *lenient = arena_alloc(builder->arena, raw.len + 1);
    size_t len = 0;
    size_t lenient_len = 0;

    if (arg->text[0] != '/' || !request_path_normalise(raw, prefix, &len)) {
        builder_error(builder, arg->place,
                      "\"route\" takes a path that begins with / and has "
                      "nothing in it that a request's may not have, not "
                      "\"%.80s\"",
                      arg->text);
        return NULL;
    }
    prefix[len] = '\0';
    if (request_path_lenient(sv_make(prefix, len), lenient, &lenient_len)) {
        builder_error(builder, arg->place,
                      "no request can reach \"route %.80s\": many apps read "
                      "that path as \"%.*s\"",
                      arg->text, (int)(lenient_len < 80 ? lenient_len : 80),
                      lenient);
        return NULL;
    }
    return prefix;
}

char *config_route_variable(struct builder *builder,
                            const struct conf_node *node, const char *text)
{
    char *field = xstrdup(text + strlen("$http_"));

    for (char *c = field; *c; c++) {
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
        if (isalnum((unsigned char)*c) || *c == '-')
            continue;
        builder_error(builder, node->args[0].place,
                      "\"%.80s\" is no variable: letters, digits and _", text);
        free(field);
        return NULL;
    }
    return field;
}

static char *priority_field(struct builder *builder,
                            const struct conf_node *node, const char *text)
{
    if (strncmp(text, "$http_", 6) == 0 && text[6] && strlen(text) <= 200)
        return config_route_variable(builder, node, text);
    builder_error(builder, node->args[0].place,
                  "\"%s\" takes high, normal, low or a field such as "
                  "$http_x_priority, not \"%.80s\"",
                  node->name, text);
    return NULL;
}

void directive_set_priority(struct builder *builder, struct block *block,
                            const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];
    const char *text = node->args[0].text;
    unsigned index = PRIORITY_NORMAL;

    if (!directive_word_index("high|normal|low", text, &index))
        route->priority_field = priority_field(builder, node, text);
    route->priority = (enum app_priority)index;
}

static bool is_below(struct strview path, struct strview prefix)
{
    if (!sv_starts(path, prefix))
        return false;
    return path.len == prefix.len || prefix.len == 1 ||
           path.ptr[prefix.len] == '/';
}

/* As it is compared: normalised, and one that the route gets. */
void directive_set_probe_paths(struct builder *builder, struct block *block,
                               const struct conf_node *node)
{
    struct route_settings *route = block->owner[OWNER_route_settings];

    route->probe_paths = xcalloc(node->arg_count, sizeof *route->probe_paths);
    for (unsigned i = 0; i < node->arg_count; i++) {
        const struct conf_arg *arg = &node->args[i];
        char *normal = arena_alloc(builder->arena, strlen(arg->text) + 1);
        size_t len;

        if (arg->text[0] != '/' || strchr(arg->text, '?') ||
            !request_path_normalise(sv_of(arg->text), normal, &len))
            builder_error(builder, arg->place,
                          "\"%s\" takes paths that begin with /, such as "
                          "/shop/health, not \"%.80s\"",
                          node->name, arg->text);
        else if (route->prefix && /* else it was refused */
                 !is_below(sv_make(normal, len), sv_of(route->prefix)))
            builder_error(builder, arg->place,
                          "no request for \"%.80s\" comes to a route of "
                          "\"%.80s\"",
                          arg->text, route->prefix);
        else
            route->probe_paths[route->probe_path_count++] =
                xstrndup(normal, len);
    }
}

static void route_finish(struct builder *builder, const struct block *block)
{
    bool has_app = block_has(block, DIRECTIVE_route_app);
    bool has_return = block_has(block, DIRECTIVE_return);
    bool has_split = block_has(block, DIRECTIVE_split);

    if (has_app && has_return)
        builder_error(builder, block->seen[DIRECTIVE_return]->place,
                      "a route has \"app\" or \"return\", not both");
    if (has_split && (has_app || has_return))
        builder_error(builder, block->seen[DIRECTIVE_split]->place,
                      "a route has \"%s\" or \"split\", not both",
                      has_app ? "app" : "return");
    if (!has_split && block_has(block, DIRECTIVE_split_key))
        builder_error(builder, block->seen[DIRECTIVE_split_key]->place,
                      "\"split_key\" has no effect without \"split\"");
    if (has_return && block_has(block, DIRECTIVE_priority))
        builder_error(builder, block->seen[DIRECTIVE_priority]->place,
                      "\"priority\" has no effect beside \"return\"");
    if (has_return && block_has(block, DIRECTIVE_probe_paths))
        builder_error(builder, block->seen[DIRECTIVE_probe_paths]->place,
                      "\"probe_paths\" has no effect beside \"return\"");
    if (has_return && block_has(block, DIRECTIVE_strip_prefix))
        builder_error(builder, block->seen[DIRECTIVE_strip_prefix]->place,
                      "\"strip_prefix\" has no effect beside \"return\"");
    if (!has_app && !has_split && !has_return && !builder->is_partial)
        builder_error(builder, block->node->place,
                      "route \"%.80s\" has no \"app\", \"split\" or "
                      "\"return\"",
                      block->node->args[0].text);
}

void directive_set_route(struct builder *builder, struct block *server_block,
                         const struct conf_node *node)
{
    struct server_settings *server = server_block->owner[OWNER_server_settings];
    struct route_settings *route = &server->routes[server->route_count++];
    struct block block = {.where = IN_ROUTE, .node = node};
    const char *prefix = route_prefix(builder, node);

    *route = config_route_copy(server_block->owner[OWNER_route_settings]);
    if (prefix && builder_once(builder, server_block, node, prefix))
        route->prefix = xstrdup(prefix);
    block.owner[OWNER_route_settings] = route;
    builder_check(builder, &block, node->children);
    builder_apply_simple(builder, &block, node->children);
    route_finish(builder, &block);
    name_map_done(&block.names);
}
