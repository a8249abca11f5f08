#include "proxy/settings.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "conf/config_text.h"
#include "router/base/alloc.h"
#include "router/split.h"

static const char text[] =
    "error_log stderr warn json; worker_threads 2;"
    "admin { listen 127.0.0.1:9901; }"
    "http { trusted_proxies 10.0.0.0/8 unix: ::1;"
    " server { listen 80; listen [::1]:81 default; server_name a.b *.c;"
    "  client_half_close answer;"
    "  route /a { app x; request_header X-A b; response_header X-B ''; }"
    "  route /r { return 301 /a; } route /t { return 404; }"
    "  route /s { split x=95 y=5; split_key $cookie_u; } }"
    " server { listen unix:/s; listen 80 default; }"
    " server { listen 443 tls proxy_protocol; tls_certificate /c;"
    "  tls_certificate_key /k; hsts 1d; redirect_https on;"
    "  handshake_timeout 3s; tls_verify_client on; tls_client_ca /ca; } }"
    "app x { image localhost/x; ready_check http /h; }"
    "app y { upstream 127.0.0.1:1 unix:/u; }";

static struct proxy_settings *settings_new(void)
{
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    AUTO(config_free)
    struct config *config = config_parse_text(sv_of(text), "t", &errors);

    cr_assert_not_null(config, "%s", errors.data);
    config->proxy->admin.token = xstrdup("token");
    config->proxy->servers[2].tls.pairs[0].certificate_pem = xstrdup("pem");
    config->proxy->servers[2].tls.pairs[0].key_pem = xstrdup("key");
    config->proxy->tickets.rotation_ms = 5;
    memcpy(config->proxy->tickets.secret, "secret", 6);
    return TAKE(config->proxy);
}

static struct proxy_settings *decode(const struct proxy_settings *settings)
{
    AUTO(strbuf_done) struct strbuf wire = STRBUF_INIT;

    proxy_settings_encode(settings, &wire);
    return proxy_settings_decode(strbuf_view(&wire));
}

Test(settings, what_goes_over_the_channel_comes_out_the_same)
{
    AUTO(proxy_settings_free) struct proxy_settings *before = settings_new();
    AUTO(proxy_settings_free) struct proxy_settings *after = decode(before);
    const struct route_settings *route;

    cr_assert_not_null(after);
    cr_expect_eq(after->worker_count, 2);
    cr_expect_eq(after->log_level, LOG_WARN);
    cr_expect(after->log_json);
    cr_expect_eq(after->max_connections, before->max_connections);
    cr_expect_str_eq(after->admin.token, "token");
    cr_expect_null(after->admin.read_token);
    cr_assert_eq(after->listener_count, before->listener_count);
    for (uint32_t i = 0; i < after->listener_count; i++) {
        const struct listener_settings *a = &before->listeners[i];
        const struct listener_settings *b = &after->listeners[i];

        cr_expect(address_equal(&a->address, &b->address));
        cr_expect_str_eq(a->text, b->text);
        cr_expect_eq(a->is_admin, b->is_admin);
        cr_expect_eq(a->is_tls, b->is_tls);
        cr_expect_eq(a->proxy_protocol, b->proxy_protocol);
        cr_expect_eq(a->unix_mode, b->unix_mode);
        cr_assert_eq(a->server_count, b->server_count);
        for (uint32_t j = 0; j < a->server_count; j++)
            cr_expect_eq(a->servers[j], b->servers[j]);
    }
    cr_assert_eq(after->server_count, 3);
    cr_expect_eq(after->servers[2].tls.pair_count, 1);
    cr_expect_str_eq(after->servers[2].tls.pairs[0].key_pem, "key");
    cr_expect_eq(after->servers[2].tls.verify, TLS_VERIFY_ON);
    cr_expect_eq(after->servers[2].hsts_ms, 24 * 3600 * 1000);
    cr_expect_eq(after->servers[2].handshake_timeout_ms, 3000);
    cr_expect(after->servers[2].redirect_https);
    cr_expect_arr_eq(after->tickets.secret, before->tickets.secret,
                     sizeof before->tickets.secret);
    cr_expect_eq(after->tickets.rotation_ms, 5);
    cr_expect_eq(after->servers[0].name_count, 2);
    cr_expect_str_eq(after->servers[0].names[1], "*.c");
    cr_expect(after->servers[0].half_close_answers);
    cr_expect_eq(after->servers[0].trusted_count, 3);
    cr_expect_eq(after->servers[0].trusted[0].prefix_len, 8);
    cr_expect_eq(after->servers[0].trusted[1].family, AF_UNIX);
    cr_assert_eq(after->servers[0].route_count, 4);
    route = &after->servers[0].routes[0];
    cr_expect_str_eq(route->prefix, "/a");
    cr_expect_eq(route->app, 0);
    cr_expect_eq(route->client_body_timeout_ms, 60000);
    cr_expect_eq(route->upstream_max_header_bytes, 65536);
    cr_expect_eq(route->retry, 2);
    cr_expect_str_eq(route->request_headers.fields[0].value, "b");
    cr_expect_str_eq(route->response_headers.fields[0].value, "");
    cr_expect_eq(route[1].return_code, 301);
    cr_expect_str_eq(route[1].return_text, "/a");
    cr_expect_null(route[2].return_text);
    cr_assert_eq(route[3].split.count, 2);
    cr_expect_eq(route[3].app, UINT32_MAX);
    cr_expect_eq(route[3].split.targets[1].app, 1);
    cr_expect_eq(route[3].split.targets[1].weight, 5);
    cr_expect_eq(route[3].split.key, SPLIT_BY_COOKIE);
    cr_expect_str_eq(route[3].split.key_name, "u");
    cr_assert_eq(after->app_count, 2);
    cr_expect_str_eq(after->apps[0].ready_check.path, "/h");
    cr_expect_eq(after->apps[1].upstream_count, 2);
}

Test(settings, encoding_what_was_decoded_gives_the_same_bytes)
{
    AUTO(proxy_settings_free) struct proxy_settings *before = settings_new();
    AUTO(proxy_settings_free) struct proxy_settings *after = decode(before);
    AUTO(strbuf_done) struct strbuf first = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf second = STRBUF_INIT;

    cr_assert_not_null(after);
    proxy_settings_encode(before, &first);
    proxy_settings_encode(after, &second);
    cr_expect(sv_eq(strbuf_view(&first), strbuf_view(&second)));
}

Test(settings, a_message_cut_anywhere_is_refused)
{
    AUTO(proxy_settings_free) struct proxy_settings *settings = settings_new();
    AUTO(strbuf_done) struct strbuf wire = STRBUF_INIT;

    proxy_settings_encode(settings, &wire);
    for (size_t len = 0; len < wire.len; len++) {
        /* A copy of just that length, so that ASan sees a read past it. */
        AUTO(auto_free) char *cut = malloc(len + (len == 0));

        cr_assert_not_null(cut);
        memcpy(cut, wire.data, len);
        cr_assert_null(proxy_settings_decode(sv_make(cut, len)), "%zu of %zu",
                       len, wire.len);
    }
    strbuf_add_char(&wire, 'x');
    cr_expect_null(proxy_settings_decode(strbuf_view(&wire)), "one too long");
}

/* Whatever a byte becomes, the decoder neither crashes nor leaks, and what it
 * lets through can be encoded again. */
Test(settings, a_message_with_any_byte_changed_is_handled)
{
    AUTO(proxy_settings_free) struct proxy_settings *settings = settings_new();
    AUTO(strbuf_done) struct strbuf wire = STRBUF_INIT;
    unsigned refused = 0;

    proxy_settings_encode(settings, &wire);
    for (size_t i = 0; i < wire.len; i++) {
        static const char changes[] = {1, (char)0x80, (char)0xff};

        for (size_t j = 0; j < sizeof changes; j++) {
            AUTO(proxy_settings_free) struct proxy_settings *decoded = NULL;
            AUTO(strbuf_done) struct strbuf again = STRBUF_INIT;

            wire.data[i] = (char)(wire.data[i] ^ changes[j]);
            decoded = proxy_settings_decode(strbuf_view(&wire));
            if (decoded)
                proxy_settings_encode(decoded, &again);
            else
                refused++;
            wire.data[i] = (char)(wire.data[i] ^ changes[j]);
        }
    }
    cr_expect_gt(refused, wire.len / 2);
}

/* Changes one value of a whole configuration. */
#define CHANGE(name, statement)                                                \
    static void name(struct proxy_settings *s)                                 \
    {                                                                          \
        statement;                                                             \
    }
CHANGE(no_workers, s->worker_count = 0)
CHANGE(many_workers, s->worker_count = PROXY_WORKERS_MAX + 1)
CHANGE(log_level, s->log_level = (enum log_level)(LOG_ERROR + 1))
CHANGE(drain_timeout, s->drain_timeout_ms = PROXY_TIME_MAX_MS + 1)
CHANGE(buffer_memory, s->buffer_memory_bytes = PROXY_BYTES_MAX + 1)
CHANGE(no_connections, s->max_connections = 0)
CHANGE(unix_mode, s->listeners[0].unix_mode = 01000)
CHANGE(listener_server, s->listeners[2].servers[0] = 3)
CHANGE(tls_without_pair, s->listeners[2].is_tls = true)
CHANGE(key_not_loaded, free(TAKE(s->servers[2].tls.pairs[0].key_pem)))
CHANGE(admin_with_servers, s->listeners[2].is_admin = true)
CHANGE(listener_without, s->listeners[0].is_admin = false)
CHANGE(family, s->servers[0].trusted[0].family = AF_NETLINK)
CHANGE(prefix_len, s->servers[0].trusted[0].prefix_len = 33)
CHANGE(unix_prefix_len, s->servers[0].trusted[1].prefix_len = 1)
CHANGE(route_app, s->servers[0].routes[0].app = 2)
CHANGE(app_and_return, s->servers[0].routes[0].return_code = 200)
CHANGE(neither, s->servers[0].routes[0].app = UINT32_MAX)
CHANGE(split_and_app, s->servers[0].routes[3].app = 0)
CHANGE(split_app, s->servers[0].routes[3].split.targets[1].app = 2)
CHANGE(split_weight,
       s->servers[0].routes[3].split.targets[1].weight = SPLIT_WEIGHT_MAX + 1)
CHANGE(split_of_nothing, s->servers[0].routes[3].split.targets[0].weight = 0;
       s->servers[0].routes[3].split.targets[1].weight = 0)
CHANGE(split_key, s->servers[0].routes[3].split.key = (enum split_key)4)
CHANGE(split_key_name, free(TAKE(s->servers[0].routes[3].split.key_name)))
CHANGE(return_code, s->servers[0].routes[1].return_code = 600)
CHANGE(low_code, s->servers[0].routes[1].return_code = 199)
CHANGE(prefix, s->servers[0].routes[0].prefix[0] = 'a')
CHANGE(retry, s->servers[0].routes[0].retry = PROXY_RETRY_MAX + 1)
CHANGE(body_timeout,
       s->servers[0].routes[0].client_body_timeout_ms = 1ULL << 63)
CHANGE(body_size, s->servers[0].routes[0].client_max_body_bytes = 1ULL << 63)
CHANGE(no_name, free(TAKE(s->servers[0].names[0])))
CHANGE(no_prefix, free(TAKE(s->servers[0].routes[0].prefix)))
CHANGE(no_field_value,
       free(TAKE(s->servers[0].routes[0].request_headers.fields[0].value)))
CHANGE(no_app_name, free(TAKE(s->apps[0].name)))

Test(settings, values_out_of_range_are_refused)
{
    static const struct {
        const char *label;
        void (*change)(struct proxy_settings *settings);
    } cases[] = {
#define CASE(name) {#name, name}
        CASE(no_workers),
        CASE(many_workers),
        CASE(log_level),
        CASE(drain_timeout),
        CASE(buffer_memory),
        CASE(no_connections),
        CASE(unix_mode),
        CASE(listener_server),
        CASE(tls_without_pair),
        CASE(key_not_loaded),
        CASE(family),
        CASE(prefix_len),
        CASE(admin_with_servers),
        CASE(listener_without),
        CASE(route_app),
        CASE(unix_prefix_len),
        CASE(app_and_return),
        CASE(neither),
        CASE(split_and_app),
        CASE(split_app),
        CASE(split_weight),
        CASE(split_of_nothing),
        CASE(split_key),
        CASE(split_key_name),
        CASE(return_code),
        CASE(low_code),
        CASE(prefix),
        CASE(retry),
        CASE(body_timeout),
        CASE(body_size),
        CASE(no_name),
        CASE(no_prefix),
        CASE(no_field_value),
        CASE(no_app_name),
#undef CASE
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(proxy_settings_free) struct proxy_settings *s = settings_new();
        AUTO(proxy_settings_free) struct proxy_settings *decoded = NULL;

        decoded = decode(s);
        cr_assert_not_null(decoded, "%s: before the change", cases[i].label);
        proxy_settings_free(&decoded);
        cases[i].change(s);
        decoded = decode(s);
        cr_expect_null(decoded, "%s", cases[i].label);
    }
}

Test(settings, freeing_nothing_is_fine)
{
    struct proxy_settings *none = NULL;

    proxy_settings_free(&none);
    cr_expect_null(none);
}
