/* config_print.c - the effective configuration as a file, from the same table
 * that reads it.
 *
 * A value that all servers and routes have is printed once, in http; others
 * where they hold. What cannot be said by a directive (a default that is the
 * image's) is told in a comment.
 */
#include "conf/config_print.h"

#include <inttypes.h>

#include "conf/directives.h"
#include "conf/scalar.h"

typedef void (*print_fn)(struct printer *p, const struct directive *row);

static const print_fn printers[DIRECTIVE_COUNT] = {
#define SCALAR(id, ...)  NULL,
#define SPECIAL(id, ...) directive_print_##id,
#define BLOCK(id, ...)   NULL,
#include "conf/directives.def"
#undef SCALAR
#undef SPECIAL
#undef BLOCK
};

void printer_begin(struct printer *p, const char *name)
{
    for (unsigned i = 0; i < p->depth; i++)
        strbuf_add_str(p->out, "    ");
    strbuf_add_str(p->out, name);
}

void printer_word(struct printer *p, const char *word)
{
    strbuf_add_char(p->out, ' ');
    scalar_add_word(p->out, word);
}

void printer_end(struct printer *p)
{
    strbuf_add_str(p->out, ";\n");
}

void printer_default(struct printer *p, const struct directive *row)
{
    printer_begin(p, "# ");
    strbuf_printf(p->out, "%s: %s\n", row->name, row->default_text);
}

static void open_block(struct printer *p, const char *name, const char *title)
{
    printer_begin(p, name);
    if (title)
        printer_word(p, title);
    strbuf_add_str(p->out, " {\n");
    p->depth++;
}

static void close_block(struct printer *p)
{
    p->depth--;
    printer_begin(p, "}\n");
}

static void print_scalar(struct printer *p, const struct directive *row,
                         const void *owner)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    if (!scalar_format(row, owner, &text)) {
        printer_default(p, row);
        return;
    }
    printer_begin(p, row->name);
    strbuf_printf(p->out, " %s", text.data);
    printer_end(p);
}

/* All rows of `where` whose struct is there and which `skips` does not know. */
static void print_rows(struct printer *p, unsigned where,
                       bool (*skips)(const struct printer *p,
                                     const struct directive *row))
{
    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];

        if (!(row->where & where) || row->type == TYPE_BLOCK ||
            (skips && skips(p, row)))
            continue;
        if (printers[i])
            printers[i](p, row);
        else if (p->owner[row->owner])
            print_scalar(p, row, p->owner[row->owner]);
    }
}

/* --- http ----------------------------------------------------------------- */

/* The first route of all, or NULL. */
static const struct route_settings *first_route(const struct proxy_settings *s)
{
    for (uint32_t i = 0; i < s->server_count; i++)
        if (s->servers[i].route_count > 0)
            return &s->servers[i].routes[0];
    return NULL;
}

static bool routes_agree(const struct proxy_settings *s,
                         const struct directive *row)
{
    const struct route_settings *first = first_route(s);

    for (uint32_t i = 0; i < s->server_count; i++)
        for (uint32_t j = 0; j < s->servers[i].route_count; j++)
            if (!scalar_equal(row, first, &s->servers[i].routes[j]))
                return false;
    return first != NULL;
}

static bool servers_agree(const struct proxy_settings *s,
                          const struct directive *row)
{
    for (uint32_t i = 1; i < s->server_count; i++)
        if (!scalar_equal(row, &s->servers[0], &s->servers[i]))
            return false;
    return s->server_count > 0;
}

/* Whether the row is printed once, in http. */
static bool stands_in_http(const struct printer *p, const struct directive *row)
{
    if (!(row->where & IN_HTTP) || row->type == TYPE_SPECIAL)
        return false;
    if (row->owner == OWNER_proxy_settings)
        return true;
    return p->in_http[row - directives];
}

static bool not_in_http(const struct printer *p, const struct directive *row)
{
    return !stands_in_http(p, row);
}

/* A server's own directives, not those of its routes. */
static bool not_in_server(const struct printer *p, const struct directive *row)
{
    /* What also holds for requests that no route is found for. */
    if (row == &directives[DIRECTIVE_access_log] ||
        row == &directives[DIRECTIVE_error_page])
        return false;
    if (row->type == TYPE_SPECIAL)
        return (row->where & IN_ROUTE) != 0;
    return row->owner != OWNER_server_settings || stands_in_http(p, row);
}

static bool not_in_route(const struct printer *p, const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    if (row == &directives[DIRECTIVE_strip_prefix] ||
        row == &directives[DIRECTIVE_priority])
        return route->return_code != 0;
    return stands_in_http(p, row);
}

static void print_server(struct printer *p,
                         const struct server_settings *server)
{
    open_block(p, "server", NULL);
    p->owner[OWNER_server_settings] = server;
    p->owner[OWNER_route_settings] = NULL;
    print_rows(p, IN_SERVER, not_in_server);
    for (uint32_t i = 0; i < server->route_count; i++) {
        open_block(p, "route", server->routes[i].prefix);
        p->owner[OWNER_route_settings] = &server->routes[i];
        print_rows(p, IN_ROUTE, not_in_route);
        close_block(p);
    }
    close_block(p);
}

static void print_http(struct printer *p)
{
    const struct proxy_settings *s = p->config->proxy;

    for (unsigned i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];

        p->in_http[i] =
            row->owner == OWNER_route_settings
                ? routes_agree(s, row)
                : row->owner == OWNER_server_settings && servers_agree(s, row);
    }
    p->owner[OWNER_server_settings] = s->server_count ? &s->servers[0] : NULL;
    p->owner[OWNER_route_settings] = first_route(s);
    open_block(p, "http", NULL);
    print_rows(p, IN_HTTP, not_in_http);
    for (uint32_t i = 0; i < s->server_count; i++)
        print_server(p, &s->servers[i]);
    close_block(p);
}

/* --- apps ----------------------------------------------------------------- */

static bool not_in_app(const struct printer *p, const struct directive *row)
{
    const struct app_settings *app = p->owner[OWNER_app_settings];

    return app->upstream_count > 0 && (row->flags & CONTAINER);
}

/* Its lines in the order in which they are carried out. */
static void print_setup(struct printer *p,
                        const struct container_settings *container)
{
    if (container->setup_count == 0)
        return;
    open_block(p, "setup", NULL);
    for (uint32_t i = 0; i < container->setup_count; i++) {
        p->setup_step = &container->setup[i];
        print_rows(p, IN_SETUP, NULL);
    }
    p->setup_step = NULL;
    close_block(p);
}

static void print_sidecars(struct printer *p,
                           const struct container_settings *container)
{
    for (uint32_t i = 0; i < container->sidecar_count; i++) {
        const struct sidecar_settings *sidecar = &container->sidecars[i];

        p->owner[OWNER_container_settings] = &sidecar->container;
        p->owner[OWNER_sidecar_settings] = sidecar;
        open_block(p, "sidecar", sidecar->name);
        print_rows(p, IN_SIDECAR, NULL);
        print_setup(p, &sidecar->container);
        close_block(p);
    }
    p->owner[OWNER_sidecar_settings] = NULL;
}

static void print_app(struct printer *p, const struct keeper_app *app)
{
    p->owner[OWNER_app_settings] = app->app;
    p->owner[OWNER_container_settings] = &app->container;
    p->owner[OWNER_keeper_app] = app;
    open_block(p, "app", app->app->name);
    print_rows(p, IN_APP, not_in_app);
    print_setup(p, &app->container);
    print_sidecars(p, &app->container);
    close_block(p);
}

void config_print(const struct config *config, struct strbuf *ret_text)
{
    const struct lifecycle_settings *lifecycle = config->lifecycle;
    struct printer p = {.config = config, .out = ret_text};

    p.owner[OWNER_proxy_settings] = config->proxy;
    p.owner[OWNER_lifecycle_settings] = lifecycle;
    p.owner[OWNER_podman_settings] = &lifecycle->podman;
    p.owner[OWNER_resource_settings] = &lifecycle->resources;
    p.owner[OWNER_admin_settings] = &config->proxy->admin;
    print_rows(&p, IN_TOP, NULL);
    open_block(&p, "podman", NULL);
    print_rows(&p, IN_PODMAN, NULL);
    close_block(&p);
    open_block(&p, "resources", NULL);
    print_rows(&p, IN_RESOURCES, NULL);
    close_block(&p);
    open_block(&p, "admin", NULL);
    print_rows(&p, IN_ADMIN, NULL);
    close_block(&p);
    print_http(&p);
    for (uint32_t i = 0; i < lifecycle->app_count; i++)
        print_app(&p, &lifecycle->apps[i]);
}
