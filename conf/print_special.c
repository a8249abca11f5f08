/* print_special.c - directives that are printed in a way of their own. */
#include <arpa/inet.h>
#include <inttypes.h>

#include "conf/config_print.h"
#include "conf/units.h"

#define MASK "***"

static void print_number(struct printer *p, uint64_t value)
{
    strbuf_printf(p->out, " %" PRIu64, value);
}

static void print_one(struct printer *p, const struct directive *row,
                      const char *word)
{
    printer_begin(p, row->name);
    printer_word(p, word);
    printer_end(p);
}

static void print_two(struct printer *p, const struct directive *row,
                      const char *first, const char *second)
{
    printer_begin(p, row->name);
    printer_word(p, first);
    printer_word(p, second);
    printer_end(p);
}

/* --- top level, podman, admin -----------------------------------------------
 */

void directive_print_worker_threads(struct printer *p,
                                    const struct directive *row)
{
    printer_begin(p, row->name);
    print_number(p, p->config->proxy->worker_count);
    printer_end(p);
}

/* What was included stands here itself. */
void directive_print_include(struct printer *p, const struct directive *row)
{
    (void)p;
    (void)row;
}

void directive_print_podman_socket(struct printer *p,
                                   const struct directive *row)
{
    const char *path = p->config->lifecycle->podman.socket;
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

    if (!path) {
        printer_default(p, row);
        return;
    }
    strbuf_printf(&text, "unix:%s", path);
    print_one(p, row, text.data);
}

void directive_print_admin_listen(struct printer *p,
                                  const struct directive *row)
{
    const struct proxy_settings *s = p->config->proxy;

    for (uint32_t i = 0; i < s->listener_count; i++) {
        const struct listener_settings *listener = &s->listeners[i];

        if (!listener->is_admin)
            continue;
        printer_begin(p, row->name);
        printer_word(p, listener->text);
        if (listener->address.any.sa_family == AF_UNIX)
            strbuf_printf(p->out, " mode=%04o", listener->unix_mode);
        if (listener->is_tls)
            printer_word(p, "tls");
        printer_end(p);
    }
}

/* The paths; what is in the files is never printed. */
void directive_print_token_file(struct printer *p, const struct directive *row)
{
    if (p->config->token_file)
        print_one(p, row, p->config->token_file);
    if (p->config->read_token_file)
        print_two(p, row, p->config->read_token_file, "read");
}

/* --- http
 * --------------------------------------------------------------------- */

void directive_print_listen(struct printer *p, const struct directive *row)
{
    const struct proxy_settings *s = p->config->proxy;
    const struct server_settings *server = p->owner[OWNER_server_settings];
    uint32_t index = (uint32_t)(server - s->servers);

    for (uint32_t i = 0; i < s->listener_count; i++) {
        const struct listener_settings *listener = &s->listeners[i];

        for (uint32_t j = 0; j < listener->server_count; j++) {
            if (listener->servers[j] != index)
                continue;
            printer_begin(p, row->name);
            printer_word(p, listener->text);
            if (listener->is_tls)
                printer_word(p, "tls");
            if (listener->proxy_protocol)
                printer_word(p, "proxy_protocol");
            if (j == 0 && listener->server_count > 1)
                printer_word(p, "default");
            printer_end(p);
        }
    }
}

void directive_print_server_name(struct printer *p, const struct directive *row)
{
    const struct server_settings *server = p->owner[OWNER_server_settings];
    const struct admin_settings *admin = p->owner[OWNER_admin_settings];
    uint32_t count = server ? server->name_count : admin->name_count;
    char *const *names = server ? server->names : admin->names;

    if (!server && count == 0)
        return;
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < count; i++)
        printer_word(p, names[i]);
    if (count == 0)
        printer_word(p, "_");
    printer_end(p);
}

static const struct tls_settings *tls_of(const struct printer *p)
{
    const struct server_settings *server = p->owner[OWNER_server_settings];
    const struct admin_settings *admin = p->owner[OWNER_admin_settings];

    return server ? &server->tls : &admin->tls;
}

/* The paths; what is in the files is never printed. */
void directive_print_tls_certificate(struct printer *p,
                                     const struct directive *row)
{
    const struct tls_settings *tls = tls_of(p);

    for (uint32_t i = 0; i < tls->pair_count; i++)
        print_one(p, row, tls->pairs[i].certificate_path);
}

void directive_print_tls_certificate_key(struct printer *p,
                                         const struct directive *row)
{
    const struct tls_settings *tls = tls_of(p);

    for (uint32_t i = 0; i < tls->pair_count; i++)
        print_one(p, row, tls->pairs[i].key_path);
}

void directive_print_tls_protocols(struct printer *p,
                                   const struct directive *row)
{
    const struct tls_settings *tls = tls_of(p);

    printer_begin(p, row->name);
    if (tls->min_version <= TLS_VERSION_1_2)
        printer_word(p, "TLSv1.2");
    if (tls->max_version >= TLS_VERSION_1_3)
        printer_word(p, "TLSv1.3");
    printer_end(p);
}

void directive_print_tls_ciphers(struct printer *p, const struct directive *row)
{
    if (tls_of(p)->ciphers)
        print_one(p, row, tls_of(p)->ciphers);
    else
        printer_default(p, row);
}

void directive_print_tls_client_ca(struct printer *p,
                                   const struct directive *row)
{
    if (tls_of(p)->client_ca_path)
        print_one(p, row, tls_of(p)->client_ca_path);
}

static void print_range(struct printer *p, const struct address_range *range)
{
    char text[INET6_ADDRSTRLEN];

    if (range->family == AF_UNIX) {
        printer_word(p, "unix:");
        return;
    }
    inet_ntop(range->family, range->bits, text, sizeof text);
    strbuf_printf(p->out, " %s/%u", text, range->prefix_len);
}

void directive_print_trusted_proxies(struct printer *p,
                                     const struct directive *row)
{
    const struct server_settings *server = p->owner[OWNER_server_settings];

    if (!server || server->trusted_count == 0)
        return;
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < server->trusted_count; i++)
        print_range(p, &server->trusted[i]);
    printer_end(p);
}

static void print_fields(struct printer *p, const struct directive *row,
                         const struct field_settings *fields)
{
    for (uint32_t i = 0; i < fields->count; i++)
        print_two(p, row, fields->fields[i].name, fields->fields[i].value);
}

void directive_print_request_header(struct printer *p,
                                    const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    print_fields(p, row, &route->request_headers);
}

void directive_print_response_header(struct printer *p,
                                     const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    print_fields(p, row, &route->response_headers);
}

void directive_print_route_app(struct printer *p, const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    if (route->app != UINT32_MAX)
        print_one(p, row, p->config->proxy->apps[route->app].name);
}

void directive_print_return(struct printer *p, const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    if (route->return_code == 0)
        return;
    printer_begin(p, row->name);
    print_number(p, route->return_code);
    if (route->return_text)
        printer_word(p, route->return_text);
    printer_end(p);
}

/* --- apps
 * ------------------------------------------------------------------------ */

static const struct app_settings *app_of(const struct printer *p)
{
    return p->owner[OWNER_app_settings];
}

static const struct container_settings *
container_of_printer(const struct printer *p)
{
    return p->owner[OWNER_container_settings];
}

void directive_print_image(struct printer *p, const struct directive *row)
{
    print_one(p, row, container_of_printer(p)->image);
}

void directive_print_upstream(struct printer *p, const struct directive *row)
{
    const struct app_settings *app = app_of(p);
    char text[ADDRESS_TEXT_SIZE];

    if (app->upstream_count == 0)
        return;
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < app->upstream_count; i++) {
        address_format(&app->upstreams[i], text);
        printer_word(p, text);
    }
    printer_end(p);
}

void directive_print_port(struct printer *p, const struct directive *row)
{
    static const char modes[] = "auto|inside|published";
    const struct container_settings *container = container_of_printer(p);

    if (container->socket || container->network == NETWORK_HOST)
        return;
    if (p->owner[OWNER_sidecar_settings]) {
        if (container->port == 0)
            return;
        printer_begin(p, row->name);
        print_number(p, container->port);
        printer_end(p);
        return;
    }
    if (container->port == 0) {
        printer_default(p, row);
        return;
    }
    printer_begin(p, row->name);
    strbuf_printf(p->out, " %u %.*s", container->port,
                  SV_ARG(directive_word(modes, container->port_mode)));
    printer_end(p);
}

void directive_print_app_socket(struct printer *p, const struct directive *row)
{
    if (container_of_printer(p)->socket)
        print_one(p, row, container_of_printer(p)->socket);
}

void directive_print_network(struct printer *p, const struct directive *row)
{
    static const char kinds[] = "private|none|host|bridge";
    const struct container_settings *container = container_of_printer(p);

    if (container->network == NETWORK_NAMED) {
        print_one(p, row, container->network_name);
        return;
    }
    printer_begin(p, row->name);
    strbuf_printf(p->out, " %.*s",
                  SV_ARG(directive_word(kinds, container->network)));
    printer_end(p);
}

static void print_list(struct printer *p, const struct directive *row,
                       bool is_set, const struct string_list *list)
{
    if (!is_set) {
        printer_default(p, row);
        return;
    }
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < list->count; i++)
        printer_word(p, list->items[i]);
    printer_end(p);
}

void directive_print_command(struct printer *p, const struct directive *row)
{
    const struct container_settings *container = container_of_printer(p);

    print_list(p, row, container->has_command, &container->command);
}

void directive_print_entrypoint(struct printer *p, const struct directive *row)
{
    const struct container_settings *container = container_of_printer(p);

    print_list(p, row, container->has_entrypoint, &container->entrypoint);
}

void directive_print_app_user(struct printer *p, const struct directive *row)
{
    if (container_of_printer(p)->user)
        print_one(p, row, container_of_printer(p)->user);
    else
        printer_default(p, row);
}

/* Names only: many of the values are secrets, and nobody can tell which. */
void directive_print_env(struct printer *p, const struct directive *row)
{
    const struct name_values *env = &container_of_printer(p)->env;

    for (uint32_t i = 0; i < env->count; i++)
        print_two(p, row, env->items[i].name, MASK);
}

/* Its variables stand among env's. */
void directive_print_env_file(struct printer *p, const struct directive *row)
{
    (void)p;
    (void)row;
}

void directive_print_volume(struct printer *p, const struct directive *row)
{
    const struct container_settings *container = container_of_printer(p);

    for (uint32_t i = 0; i < container->volume_count; i++) {
        const struct volume_setting *volume = &container->volumes[i];
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;

        strbuf_printf(&text, "%s:%s%s%s", volume->source, volume->destination,
                      *volume->options ? ":" : "", volume->options);
        print_one(p, row, text.data);
    }
}

void directive_print_label(struct printer *p, const struct directive *row)
{
    const struct name_values *labels = &container_of_printer(p)->labels;

    for (uint32_t i = 0; i < labels->count; i++)
        print_two(p, row, labels->items[i].name, labels->items[i].value);
}

static void print_limit(struct printer *p, char before, uint64_t value)
{
    strbuf_add_char(p->out, before);
    if (value == UINT64_MAX)
        strbuf_add_str(p->out, "unlimited");
    else
        strbuf_printf(p->out, "%" PRIu64, value);
}

void directive_print_ulimit(struct printer *p, const struct directive *row)
{
    const struct container_settings *container = container_of_printer(p);

    for (uint32_t i = 0; i < container->ulimit_count; i++) {
        const struct ulimit_setting *limit = &container->ulimits[i];

        printer_begin(p, row->name);
        printer_word(p, limit->name);
        print_limit(p, ' ', limit->soft);
        print_limit(p, ':', limit->hard);
        printer_end(p);
    }
}

void directive_print_cpus(struct printer *p, const struct directive *row)
{
    char text[UNITS_TEXT_SIZE];

    units_format_millis(container_of_printer(p)->cpu_millis, text);
    print_one(p, row, text);
}

void directive_print_priority(struct printer *p, const struct directive *row)
{
    static const char *const words[] = {"high", "normal", "low"};
    const struct route_settings *route = p->owner[OWNER_route_settings];
    AUTO(strbuf_done) struct strbuf field = STRBUF_INIT;

    if (!route->priority_field) {
        print_one(p, row, words[route->priority]);
        return;
    }
    strbuf_add_str(&field, "$http_");
    for (const char *c = route->priority_field; *c; c++)
        strbuf_add_char(&field, *c == '-' ? '_' : *c);
    print_one(p, row, field.data);
}

void directive_print_probe_paths(struct printer *p, const struct directive *row)
{
    const struct route_settings *route = p->owner[OWNER_route_settings];

    if (route->probe_path_count == 0)
        return;
    printer_begin(p, row->name);
    for (uint32_t i = 0; i < route->probe_path_count; i++)
        printer_word(p, route->probe_paths[i]);
    printer_end(p);
}

void directive_print_target_utilization(struct printer *p,
                                        const struct directive *row)
{
    printer_begin(p, row->name);
    if (app_of(p)->target_utilization_percent > 0)
        print_number(p, app_of(p)->target_utilization_percent);
    else
        printer_word(p, "auto");
    printer_end(p);
}

void directive_print_scale_down_delay(struct printer *p,
                                      const struct directive *row)
{
    char text[UNITS_TEXT_SIZE] = "auto";

    if (app_of(p)->has_scale_down_delay)
        units_format_time(app_of(p)->scale_down_delay_ms, text);
    print_one(p, row, text);
}

void directive_print_replicas(struct printer *p, const struct directive *row)
{
    printer_begin(p, row->name);
    print_number(p, app_of(p)->replicas_min);
    print_number(p, app_of(p)->replicas_max);
    printer_end(p);
}

void directive_print_ready_check(struct printer *p, const struct directive *row)
{
    const struct sidecar_settings *sidecar = p->owner[OWNER_sidecar_settings];
    const struct ready_check *check =
        sidecar ? &sidecar->ready_check : &app_of(p)->ready_check;

    if (sidecar && !sidecar->has_check)
        return;
    printer_begin(p, row->name);
    printer_word(p, check->kind == CHECK_HTTP  ? "http"
                    : check->kind == CHECK_LOG ? "log"
                                               : "tcp");
    if (check->kind == CHECK_LOG)
        printer_word(p, check->pattern);
    if (check->kind == CHECK_HTTP) {
        printer_word(p, check->path);
        strbuf_printf(p->out, " status=%u-%u", check->status_min,
                      check->status_max);
    }
    printer_end(p);
}

void directive_print_live_check(struct printer *p, const struct directive *row)
{
    const struct live_check *check = &app_of(p)->live_check;
    char interval[UNITS_TEXT_SIZE];
    char timeout[UNITS_TEXT_SIZE];

    if (check->kind == LIVE_OFF)
        return;
    printer_begin(p, row->name);
    printer_word(p, check->kind == LIVE_HTTP ? "http" : "tcp");
    if (check->kind == LIVE_HTTP)
        printer_word(p, check->path);
    units_format_time(check->interval_ms, interval);
    units_format_time(check->timeout_ms, timeout);
    strbuf_printf(p->out, " interval=%s timeout=%s failures=%u", interval,
                  timeout, check->failures);
    printer_end(p);
}

void directive_print_stop_signal(struct printer *p, const struct directive *row)
{
    if (container_of_printer(p)->stop_signal)
        print_one(p, row, container_of_printer(p)->stop_signal);
    else
        printer_default(p, row);
}
