/* config.md, "http { }, server { }, route { }": where each directive stands,
 * its default, that the inner one wins, and that a wrong value is named. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "conf/config.h"
#include "conf/config_text.h"
#include "conf/directives.h"
#include "conf/name_map.h"
#include "router/base/alloc.h"

#define H  IN_HTTP
#define S  IN_SERVER
#define R  IN_ROUTE
#define HS (H | S)

/* As the design's tables say; NULL: told, or none. */
static const struct contract {
    const char *name;
    unsigned where;
    const char *default_text;
} contracts[] = {
    {"client_header_timeout", HS, "10s"},
    {"client_body_timeout", HS | R, "60s"},
    {"client_min_rate", HS | R, "500"},
    {"handshake_timeout", HS, "10s"},
    {"send_timeout", HS, "60s"},
    {"upstream_max_header_size", HS | R, "64k"},
    {"keepalive_timeout", HS, "75s"},
    {"keepalive_requests", HS, "10000"},
    {"client_max_header_size", HS, "16k"},
    {"client_max_headers", HS, "128"},
    {"client_max_body_size", HS | R, "0"},
    {"request_buffer", HS | R, "64k"},
    {"response_buffer", HS | R, "256k"},
    {"buffer_memory", H, "64m"},
    {"max_connections", H, "from RLIMIT_NOFILE"},
    {"client_half_close", HS, "abort"},
    {"tunnel_timeout", HS | R, "1h"},
    {"max_tunnels", IN_APP, "1000"},
    {"request_timeout", HS | R, "0"},
    {"upstream_connect_timeout", HS | R, "2s"},
    {"upstream_read_timeout", HS | R, "60s"},
    {"retry", HS | R, "2"},
    {"trusted_proxies", HS, NULL},
    {"access_log", HS | R, NULL},
    {"request_header", HS | R, NULL},
    {"response_header", HS | R, NULL},
    {"server_timing", HS | R, "off"},
    {"error_page", HS | R, NULL},
    {"server_name", S | IN_ADMIN, NULL},
    {"tls_certificate", S | IN_ADMIN, NULL},
    {"tls_certificate_key", S | IN_ADMIN, NULL},
    {"tls_protocols", S, "TLSv1.2 TLSv1.3"},
    {"tls_ciphers", S, "Mozilla intermediate"},
    {"tls_session_timeout", S, "1d"},
    {"tls_client_ca", S, NULL},
    {"tls_verify_client", S, "off"},
    {"redirect_https", S, "off"},
    {"hsts", S, "off"},
    {"status_routes", S, "off"},
    {"route", S, NULL},
    {"split", R, NULL},
    {"split_key", R, NULL},
    {"return", R, NULL},
    {"probe_paths", R, NULL},
    {"strip_prefix", R, "on"},
    {"allow", R, NULL},
    {"deny", R, NULL},
    {"basic_auth_file", R, NULL},
    {"api_keys_file", R, NULL},
    {"rate_limit", R, NULL},
    {"priority", R, "normal"},
};

static const struct directive *row_of(const char *name, unsigned where)
{
    for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
        if (strcmp(directives[i].name, name) == 0 &&
            directives[i].where & where)
            return &directives[i];
    return NULL;
}

Test(config_http, each_directive_stands_where_the_design_says)
{
    unsigned of_design = 0;
    unsigned here = 0;

    for (size_t i = 0; i < ARRAY_LEN(contracts); i++) {
        const struct contract *c = &contracts[i];
        const struct directive *row = row_of(c->name, c->where);

        cr_assert_not_null(row, "%s", c->name);
        cr_expect_eq(row->where, c->where, "%s stands in 0x%x", c->name,
                     row->where);
        cr_expect(c->default_text
                      ? row->default_text &&
                            strcmp(row->default_text, c->default_text) == 0
                      : row->default_text == NULL,
                  "%s is %s unless told", c->name, row->default_text);
        of_design += (c->where & (H | S | R)) != 0;
    }
    for (size_t i = 0; i < DIRECTIVE_COUNT; i++)
        here += (directives[i].where & (H | S | R)) != 0 &&
                directives[i].type != TYPE_BLOCK;
    /* Beside them: listen, include, app. And route is a block. */
    cr_expect_eq(here, of_design - 1 + 3);
}

/* Three values that are not the default, and not each other's. */
static const char *value_of(const struct directive *row, unsigned n)
{
    static const char *const times[] = {"11s", "12s", "13s"};
    static const char *const sizes[] = {"20k", "40k", "80k"};
    static const char *const counts[] = {"11", "12", "13"};

    switch (row->type) {
    case TYPE_TIME:
    case TYPE_TIME_OR_OFF:
        return times[n];
    case TYPE_SIZE:
        return sizes[n];
    case TYPE_COUNT:
        return counts[n];
    default:
        return NULL;
    }
}

static uint64_t stored(const struct config *config, const struct directive *row)
{
    const struct server_settings *server = &config->proxy->servers[0];
    const char *base = row->owner == OWNER_server_settings
                           ? (const char *)server
                           : (const char *)&server->routes[0];
    uint32_t narrow;
    uint64_t wide;

    if (row->size == sizeof narrow) {
        memcpy(&narrow, base + row->offset, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, base + row->offset, sizeof wide);
    return wide;
}

static struct config *parse_nested(const char *name, const char *const *values,
                                   unsigned where)
{
    AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
    AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
    struct config *config;

    /* The outer ones stand behind: order is of no meaning. */
    strbuf_add_str(&text, "http { server { listen 80; route / { return 200;");
    if (where & R)
        strbuf_printf(&text, " %s %s;", name, values[2]);
    strbuf_add_str(&text, " }");
    if (where & S)
        strbuf_printf(&text, " %s %s;", name, values[1]);
    strbuf_add_str(&text, " }");
    if (where & H)
        strbuf_printf(&text, " %s %s;", name, values[0]);
    strbuf_add_str(&text, " }");
    config = config_parse_text(strbuf_view(&text), "t", &errors);
    cr_assert_not_null(config, "%s\n%s", text.data, errors.data);
    return config;
}

Test(config_http, of_each_value_the_inner_one_wins)
{
    unsigned seen = 0;

    for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
        const struct directive *row = &directives[i];
        const char *values[3];

        if (!(row->where & H) || row->where == H || !value_of(row, 0))
            continue;
        for (unsigned n = 0; n < 3; n++)
            values[n] = value_of(row, n);
        seen++;
        for (unsigned where = H; where <= row->where;
             where = where << 1 | H) { /* H, H S, H S R */
            AUTO(config_free)
            struct config *outer =
                parse_nested(row->name, values, where & row->where);
            /* The one that should have won, alone. */
            unsigned inner = where & R ? R : where & S ? S : H;
            AUTO(config_free)
            struct config *alone = parse_nested(row->name, values, inner);
            AUTO(config_free)
            struct config *none = parse_nested(row->name, values, 0);

            cr_expect_eq(stored(outer, row), stored(alone, row),
                         "%s in 0x%x: the inner one", row->name, where);
            cr_expect_neq(stored(outer, row), stored(none, row),
                          "%s in 0x%x: not the default", row->name, where);
        }
    }
    cr_expect_eq(seen, 18);
}

Test(config_http, a_wrong_value_is_named_with_its_place)
{
    static const char *const special[] = {
        "trusted_proxies ?!;",
        "request_header ?!;",
        "response_header Connection x;",
        "error_page ?! /x;",
        "server_name ?!;",
        "tls_protocols ?!;",
        "split ?!;",
        "split_key ?!;",
        "return ?!;",
        "probe_paths ?!;",
        "allow ?!;",
        "deny ?!;",
        "rate_limit ?!;",
        "priority ?!;",
        "listen ?!;",
        "access_log ?! json;",
        "app ?!;",
    };
    unsigned seen = 0;

    for (size_t i = 0; i < DIRECTIVE_COUNT + ARRAY_LEN(special); i++) {
        AUTO(strbuf_done) struct strbuf errors = STRBUF_INIT;
        AUTO(strbuf_done) struct strbuf text = STRBUF_INIT;
        AUTO(strbuf_done) struct strbuf word = STRBUF_INIT;
        AUTO(config_free) struct config *config = NULL;
        const struct directive *row =
            i < DIRECTIVE_COUNT ? &directives[i] : NULL;
        unsigned where;

        if (row && (!(row->where & (H | S | R)) || row->type == TYPE_BLOCK ||
                    row->type == TYPE_SPECIAL))
            continue;
        if (row) {
            strbuf_printf(&word, "%s ?!;", row->name);
        } else {
            char name[32] = "";

            strbuf_add_str(&word, special[i - DIRECTIVE_COUNT]);
            sscanf(word.data, "%31s", name);
            row = row_of(name, H | S | R);
            cr_assert_not_null(row, "%s", name);
        }
        where = row->where & R ? R : row->where & S ? S : H;
        seen++;
        strbuf_printf(&text,
                      "http {\n%s\nserver { listen 80;\n%s\nroute / {\n%s\n"
                      "return 200; } } }",
                      where == H ? word.data : "", where == S ? word.data : "",
                      where == R ? word.data : "");
        config = config_parse_text(strbuf_view(&text), "t", &errors);
        cr_expect_null(config, "%s", text.data);
        cr_expect(errors.data && strncmp(errors.data,
                                         where == H   ? "t:2:"
                                         : where == S ? "t:4:"
                                                      : "t:6:",
                                         4) == 0,
                  "\"%s\": %s", word.data, errors.data);
        cr_expect(errors.data && strstr(errors.data, row->name), "\"%s\": %s",
                  word.data, errors.data);
    }
    cr_expect_eq(seen, 28 + ARRAY_LEN(special));
}
