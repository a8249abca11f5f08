/* settings.c - free the front's configuration, and carry it over the channel.
 *
 * The two halves of each struct stand side by side (put_x, get_x), so that a
 * field added to one and not to the other is seen at a glance.
 */
#include "proxy/settings.h"

#include <stdlib.h>
#include <string.h>

#include "router/base/alloc.h"
#include "router/base/wire.h"

static void field_settings_done(struct field_settings *settings)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        free(settings->fields[i].name);
        free(settings->fields[i].value);
    }
    free(settings->fields);
}

static void route_settings_done(struct route_settings *route)
{
    free(route->prefix);
    free(route->return_text);
    split_settings_done(&route->split);
    free(route->priority_field);
    for (uint32_t i = 0; i < route->probe_path_count; i++)
        free(route->probe_paths[i]);
    free(route->probe_paths);
    field_settings_done(&route->request_headers);
    field_settings_done(&route->response_headers);
    free(route->error_pages.numbers);
    protection_settings_done(&route->protection);
}

static void server_settings_done(struct server_settings *server)
{
    for (uint32_t i = 0; i < server->name_count; i++)
        free(server->names[i]);
    free(server->names);
    free(server->trusted);
    tls_settings_done(&server->tls);
    free(server->error_pages.numbers);
    for (uint32_t i = 0; i < server->route_count; i++)
        route_settings_done(&server->routes[i]);
    free(server->routes);
}

static void admin_settings_done(struct admin_settings *admin)
{
    free(admin->token);
    free(admin->read_token);
    for (uint32_t i = 0; i < admin->name_count; i++)
        free(admin->names[i]);
    free(admin->names);
    tls_settings_done(&admin->tls);
}

void proxy_settings_free(struct proxy_settings **settings)
{
    struct proxy_settings *s = *settings;

    if (!s)
        return;
    admin_settings_done(&s->admin);
    explicit_bzero(&s->tickets, sizeof s->tickets);
    for (uint32_t i = 0; i < s->listener_count; i++) {
        free(s->listeners[i].text);
        free(s->listeners[i].servers);
    }
    free(s->listeners);
    for (uint32_t i = 0; i < s->server_count; i++)
        server_settings_done(&s->servers[i]);
    free(s->servers);
    for (uint32_t i = 0; i < s->app_count; i++)
        app_settings_done(&s->apps[i]);
    free(s->apps);
    shared_settings_done(&s->shared);
    free(s);
    *settings = NULL;
}

/* --- checked readers --------------------------------------------------- */

static uint32_t get_u32_in(struct wire_reader *r, uint32_t min, uint32_t max)
{
    uint32_t value = wire_get_u32(r);

    if (value < min || value > max)
        r->failed = true;
    return value;
}

static uint64_t get_u64_in(struct wire_reader *r, uint64_t min, uint64_t max)
{
    uint64_t value = wire_get_u64(r);

    if (value < min || value > max)
        r->failed = true;
    return value;
}

static uint64_t get_time_ms(struct wire_reader *r)
{
    return get_u64_in(r, 0, PROXY_TIME_MAX_MS);
}

static uint64_t get_bytes(struct wire_reader *r)
{
    return get_u64_in(r, 0, PROXY_BYTES_MAX);
}

static bool get_bool(struct wire_reader *r)
{
    return get_u32_in(r, 0, 1) == 1;
}

static char *get_required_str(struct wire_reader *r)
{
    char *text = wire_get_str(r);

    if (!text)
        r->failed = true;
    return text;
}

/* Zeroed room for the elements that follow; NULL for none. min_size: what one
 * takes in the message at least. */
static void *get_array(struct wire_reader *r, size_t min_size, size_t size,
                       uint32_t *ret_count)
{
    uint32_t count = wire_get_count(r, min_size);

    *ret_count = count;
    return count ? xcalloc(count, size) : NULL;
}

/* --- fields, routes ----------------------------------------------------- */

static void put_fields(struct strbuf *buf, const struct field_settings *fields)
{
    wire_put_u32(buf, fields->count);
    for (uint32_t i = 0; i < fields->count; i++) {
        wire_put_str(buf, fields->fields[i].name);
        wire_put_str(buf, fields->fields[i].value);
    }
}

static void get_fields(struct wire_reader *r, struct field_settings *ret)
{
    ret->fields = get_array(r, 8, sizeof *ret->fields, &ret->count);
    for (uint32_t i = 0; i < ret->count && !r->failed; i++) {
        ret->fields[i].name = get_required_str(r);
        ret->fields[i].value = get_required_str(r);
    }
}

static void put_route(struct strbuf *buf, const struct route_settings *route)
{
    wire_put_str(buf, route->prefix);
    wire_put_u32(buf, route->app);
    split_settings_encode(&route->split, buf);
    wire_put_u32(buf, route->return_code);
    wire_put_str(buf, route->return_text);
    wire_put_u32(buf, route->strip_prefix);
    wire_put_u32(buf, route->priority);
    wire_put_str(buf, route->priority_field);
    wire_put_u32(buf, route->probe_path_count);
    for (uint32_t i = 0; i < route->probe_path_count; i++)
        wire_put_str(buf, route->probe_paths[i]);
    wire_put_u32(buf, route->server_timing);
    wire_put_u64(buf, route->client_body_timeout_ms);
    wire_put_u64(buf, route->client_min_rate);
    wire_put_u64(buf, route->client_max_body_bytes);
    wire_put_u64(buf, route->request_buffer_bytes);
    wire_put_u64(buf, route->response_buffer_bytes);
    wire_put_u64(buf, route->request_timeout_ms);
    wire_put_u64(buf, route->upstream_connect_timeout_ms);
    wire_put_u64(buf, route->upstream_read_timeout_ms);
    wire_put_u64(buf, route->tunnel_timeout_ms);
    wire_put_u64(buf, route->upstream_max_header_bytes);
    wire_put_u32(buf, route->retry);
    put_fields(buf, &route->request_headers);
    put_fields(buf, &route->response_headers);
    wire_put_u32(buf, route->access_log);
    page_numbers_encode(&route->error_pages, buf);
    protection_settings_encode(&route->protection, buf);
}

static void get_route_target(struct wire_reader *r, struct route_settings *ret)
{
    ret->prefix = get_required_str(r);
    if (ret->prefix && ret->prefix[0] != '/')
        r->failed = true;
    ret->app = wire_get_u32(r);
    split_settings_decode(r, &ret->split);
    ret->return_code = get_u32_in(r, 0, 599);
    /* One of the three: the front has no fourth way to answer. */
    if ((ret->app != UINT32_MAX) + (ret->split.count > 0) +
            (ret->return_code >= 200) !=
        1)
        r->failed = true;
    ret->return_text = wire_get_str(r);
}

static void get_route(struct wire_reader *r, struct route_settings *ret)
{
    get_route_target(r, ret);
    ret->strip_prefix = get_bool(r);
    ret->priority = (enum app_priority)get_u32_in(r, 0, PRIORITY_LOW);
    ret->priority_field = wire_get_str(r);
    ret->probe_paths =
        get_array(r, 4, sizeof *ret->probe_paths, &ret->probe_path_count);
    for (uint32_t i = 0; i < ret->probe_path_count && !r->failed; i++)
        ret->probe_paths[i] = get_required_str(r);
    ret->server_timing = get_bool(r);
    ret->client_body_timeout_ms = get_time_ms(r);
    ret->client_min_rate = get_bytes(r);
    ret->client_max_body_bytes = get_bytes(r);
    ret->request_buffer_bytes = get_bytes(r);
    ret->response_buffer_bytes = get_bytes(r);
    ret->request_timeout_ms = get_time_ms(r);
    ret->upstream_connect_timeout_ms = get_time_ms(r);
    ret->upstream_read_timeout_ms = get_time_ms(r);
    ret->tunnel_timeout_ms = get_time_ms(r);
    ret->upstream_max_header_bytes = get_bytes(r);
    ret->retry = get_u32_in(r, 0, PROXY_RETRY_MAX);
    get_fields(r, &ret->request_headers);
    get_fields(r, &ret->response_headers);
    ret->access_log = wire_get_u32(r);
    page_numbers_decode(r, &ret->error_pages);
    protection_settings_decode(r, &ret->protection);
}

/* --- servers ------------------------------------------------------------- */

static void put_range(struct strbuf *buf, const struct address_range *range)
{
    wire_put_u32(buf, (uint32_t)range->family);
    wire_put_sv(buf, sv_make((const char *)range->bits, sizeof range->bits));
    wire_put_u32(buf, range->prefix_len);
}

static void get_range(struct wire_reader *r, struct address_range *ret)
{
    uint32_t family = wire_get_u32(r);
    struct strview bits = wire_get_sv(r);
    unsigned most = family == AF_INET ? 32 : family == AF_INET6 ? 128 : 0;

    ret->prefix_len = get_u32_in(r, 0, most);
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        r->failed = true;
    if (bits.len != sizeof ret->bits)
        r->failed = true;
    if (r->failed)
        return;
    ret->family = (int)family;
    memcpy(ret->bits, bits.ptr, sizeof ret->bits);
}

static void put_names(struct strbuf *buf, char *const *names, uint32_t count)
{
    wire_put_u32(buf, count);
    for (uint32_t i = 0; i < count; i++)
        wire_put_str(buf, names[i]);
}

static char **get_names(struct wire_reader *r, uint32_t *ret_count)
{
    char **names = get_array(r, 4, sizeof *names, ret_count);

    for (uint32_t i = 0; i < *ret_count && !r->failed; i++)
        names[i] = get_required_str(r);
    return names;
}

static void put_server(struct strbuf *buf, const struct server_settings *server)
{
    put_names(buf, server->names, server->name_count);
    wire_put_u64(buf, server->client_header_timeout_ms);
    wire_put_u64(buf, server->handshake_timeout_ms);
    wire_put_u64(buf, server->send_timeout_ms);
    wire_put_u64(buf, server->keepalive_timeout_ms);
    wire_put_u32(buf, server->keepalive_requests);
    wire_put_u64(buf, server->client_max_header_bytes);
    wire_put_u32(buf, server->client_max_headers);
    wire_put_u32(buf, server->half_close_answers);
    tls_settings_encode(&server->tls, buf);
    wire_put_u32(buf, server->redirect_https);
    wire_put_u64(buf, server->hsts_ms);
    wire_put_u32(buf, server->trusted_count);
    for (uint32_t i = 0; i < server->trusted_count; i++)
        put_range(buf, &server->trusted[i]);
    wire_put_u32(buf, server->status_routes);
    wire_put_u32(buf, server->access_log);
    page_numbers_encode(&server->error_pages, buf);
    wire_put_u32(buf, server->route_count);
    for (uint32_t i = 0; i < server->route_count; i++)
        put_route(buf, &server->routes[i]);
}

static void get_tls(struct wire_reader *r, struct tls_settings *ret)
{
    if (!tls_settings_decode(r, ret))
        r->failed = true;
}

static void get_server(struct wire_reader *r, struct server_settings *ret)
{
    ret->names = get_names(r, &ret->name_count);
    ret->client_header_timeout_ms = get_time_ms(r);
    ret->handshake_timeout_ms = get_time_ms(r);
    ret->send_timeout_ms = get_time_ms(r);
    ret->keepalive_timeout_ms = get_time_ms(r);
    ret->keepalive_requests = wire_get_u32(r);
    ret->client_max_header_bytes = get_bytes(r);
    ret->client_max_headers = wire_get_u32(r);
    ret->half_close_answers = get_bool(r);
    get_tls(r, &ret->tls);
    ret->redirect_https = get_bool(r);
    ret->hsts_ms = get_time_ms(r);
    ret->trusted = get_array(r, 12, sizeof *ret->trusted, &ret->trusted_count);
    for (uint32_t i = 0; i < ret->trusted_count && !r->failed; i++)
        get_range(r, &ret->trusted[i]);
    ret->status_routes = get_bool(r);
    ret->access_log = wire_get_u32(r);
    page_numbers_decode(r, &ret->error_pages);
    ret->routes = get_array(r, 64, sizeof *ret->routes, &ret->route_count);
    for (uint32_t i = 0; i < ret->route_count && !r->failed; i++)
        get_route(r, &ret->routes[i]);
}

/* --- listeners, admin ------------------------------------------------------
 */

static void put_listener(struct strbuf *buf,
                         const struct listener_settings *listener)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(&listener->address, text);
    wire_put_str(buf, text);
    wire_put_str(buf, listener->text);
    wire_put_u32(buf, listener->is_admin);
    wire_put_u32(buf, listener->is_tls);
    wire_put_u32(buf, listener->proxy_protocol);
    wire_put_u32(buf, listener->unix_mode);
    wire_put_u32(buf, listener->server_count);
    for (uint32_t i = 0; i < listener->server_count; i++)
        wire_put_u32(buf, listener->servers[i]);
}

static void get_listener(struct wire_reader *r, struct listener_settings *ret)
{
    struct strview address = wire_get_sv(r);

    if (!r->failed && !address_parse(address, &ret->address, NULL))
        r->failed = true;
    ret->text = get_required_str(r);
    ret->is_admin = get_bool(r);
    ret->is_tls = get_bool(r);
    ret->proxy_protocol = get_bool(r);
    ret->unix_mode = get_u32_in(r, 0, 0777);
    ret->servers = get_array(r, 4, sizeof *ret->servers, &ret->server_count);
    for (uint32_t i = 0; i < ret->server_count; i++)
        ret->servers[i] = wire_get_u32(r);
    /* The default server is servers[0], so there must be one. */
    if (ret->is_admin != (ret->server_count == 0))
        r->failed = true;
}

static void put_admin(struct strbuf *buf, const struct admin_settings *admin)
{
    wire_put_u32(buf, admin->metrics_open);
    wire_put_str(buf, admin->token);
    wire_put_str(buf, admin->read_token);
    put_names(buf, admin->names, admin->name_count);
    tls_settings_encode(&admin->tls, buf);
}

static void get_admin(struct wire_reader *r, struct admin_settings *ret)
{
    ret->metrics_open = get_bool(r);
    ret->token = wire_get_str(r);
    ret->read_token = wire_get_str(r);
    ret->names = get_names(r, &ret->name_count);
    get_tls(r, &ret->tls);
}

static void put_tickets(struct strbuf *buf, const struct ticket_seed *seed)
{
    wire_put_sv(buf, sv_make((const char *)seed->secret, sizeof seed->secret));
    wire_put_u64(buf, seed->at_ms);
    wire_put_u64(buf, seed->rotation_ms);
}

static void get_tickets(struct wire_reader *r, struct ticket_seed *ret)
{
    struct strview secret = wire_get_sv(r);

    if (secret.len != sizeof ret->secret)
        r->failed = true;
    else
        memcpy(ret->secret, secret.ptr, sizeof ret->secret);
    ret->at_ms = wire_get_u64(r);
    ret->rotation_ms = get_time_ms(r);
}

/* --- all of it -------------------------------------------------------------
 */

static bool pages_fit(const struct proxy_settings *s,
                      const struct page_numbers *pages)
{
    for (uint32_t i = 0; i < pages->count; i++)
        if (pages->numbers[i] == 0 ||
            pages->numbers[i] > s->shared.error_page_count)
            return false;
    return true;
}

static bool split_fits(const struct proxy_settings *s,
                       const struct split_settings *split)
{
    for (uint32_t i = 0; i < split->count; i++)
        if (split->targets[i].app >= s->app_count)
            return false;
    return true;
}

static bool route_fits(const struct proxy_settings *s,
                       const struct route_settings *route)
{
    return (route->app == UINT32_MAX || route->app < s->app_count) &&
           split_fits(s, &route->split) &&
           route->access_log <= s->shared.access_log_count &&
           route->protection.basic_auth <= s->shared.basic_file_count &&
           route->protection.api_keys <= s->shared.key_file_count &&
           pages_fit(s, &route->error_pages);
}

/* Every index leads to something that is there, and so does every listener
 * with TLS to certificates. */
static bool indices_fit(const struct proxy_settings *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++) {
        const struct listener_settings *listener = &s->listeners[i];

        if (listener->is_tls && listener->is_admin &&
            s->admin.tls.pair_count == 0)
            return false;
        for (uint32_t j = 0; j < listener->server_count; j++) {
            uint32_t server = listener->servers[j];

            if (server >= s->server_count ||
                (listener->is_tls && s->servers[server].tls.pair_count == 0))
                return false;
        }
    }
    for (uint32_t i = 0; i < s->server_count; i++) {
        const struct server_settings *server = &s->servers[i];

        if (server->access_log > s->shared.access_log_count ||
            !pages_fit(s, &server->error_pages))
            return false;
        for (uint32_t j = 0; j < server->route_count; j++)
            if (!route_fits(s, &server->routes[j]))
                return false;
    }
    return true;
}

void proxy_settings_encode(const struct proxy_settings *settings,
                           struct strbuf *buf)
{
    const struct proxy_settings *s = settings;

    wire_put_u32(buf, s->worker_count);
    wire_put_u32(buf, s->log_level);
    wire_put_u32(buf, s->log_json);
    wire_put_u64(buf, s->drain_timeout_ms);
    wire_put_u64(buf, s->buffer_memory_bytes);
    wire_put_u32(buf, s->max_connections);
    put_admin(buf, &s->admin);
    put_tickets(buf, &s->tickets);
    wire_put_u32(buf, s->listener_count);
    for (uint32_t i = 0; i < s->listener_count; i++)
        put_listener(buf, &s->listeners[i]);
    wire_put_u32(buf, s->server_count);
    for (uint32_t i = 0; i < s->server_count; i++)
        put_server(buf, &s->servers[i]);
    wire_put_u32(buf, s->app_count);
    for (uint32_t i = 0; i < s->app_count; i++)
        app_settings_encode(&s->apps[i], buf);
    shared_settings_encode(&s->shared, buf);
}

static void get_apps(struct wire_reader *r, struct proxy_settings *ret)
{
    ret->apps = get_array(r, 16, sizeof *ret->apps, &ret->app_count);
    for (uint32_t i = 0; i < ret->app_count && !r->failed; i++)
        if (!app_settings_decode(r, &ret->apps[i]))
            r->failed = true;
}

struct proxy_settings *proxy_settings_decode(struct strview payload)
{
    AUTO(proxy_settings_free)
    struct proxy_settings *s = xcalloc(1, sizeof *s);
    struct wire_reader r = wire_reader_of(payload);

    s->worker_count = get_u32_in(&r, 1, PROXY_WORKERS_MAX);
    s->log_level = (enum log_level)get_u32_in(&r, LOG_DEBUG, LOG_ERROR);
    s->log_json = get_bool(&r);
    s->drain_timeout_ms = get_time_ms(&r);
    s->buffer_memory_bytes = get_bytes(&r);
    s->max_connections = get_u32_in(&r, 1, UINT32_MAX);
    get_admin(&r, &s->admin);
    get_tickets(&r, &s->tickets);
    s->listeners = get_array(&r, 24, sizeof *s->listeners, &s->listener_count);
    for (uint32_t i = 0; i < s->listener_count && !r.failed; i++)
        get_listener(&r, &s->listeners[i]);
    s->servers = get_array(&r, 52, sizeof *s->servers, &s->server_count);
    for (uint32_t i = 0; i < s->server_count && !r.failed; i++)
        get_server(&r, &s->servers[i]);
    get_apps(&r, s);
    shared_settings_decode(&r, &s->shared);
    if (!wire_reader_is_done(&r) || !indices_fit(s))
        return NULL;
    return TAKE(s);
}
