/* settings.h - the front's configuration: listeners, servers, routes.
 *
 * conf fills it in the keeper, with all inheritance (http, server, route) and
 * all defaults resolved; the keeper sends it to the front in one message
 * (proxy_settings_encode()), so the front never opens a file by itself.
 * Never changed afterwards; the struct owns what it points to.
 */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/protection_settings.h"
#include "proxy/split_settings.h"
#include "router/base/address.h"
#include "router/base/attr.h"
#include "router/base/log.h"
#include "router/base/strbuf.h"
#include "router/settings.h"
#include "tls/settings.h"

/* The most that any value may be; conf refuses more, and so does the decoder.
 * A year, and an exbibyte: no sum of a few of them overflows. */
#define PROXY_TIME_MAX_MS (366ULL * 24 * 3600 * 1000)
#define PROXY_BYTES_MAX   (1ULL << 60)
#define PROXY_WORKERS_MAX 1024U
#define PROXY_RETRY_MAX   100U

struct field_setting { /* request_header, response_header */
    char *name;
    char *value; /* "" removes */
};

struct field_settings {
    uint32_t count;
    struct field_setting *fields;
};

/* What may stand in http, server and route: the inner one has won. */
struct route_settings {
    char *prefix; /* begins with '/', normalised */
    uint32_t app; /* index into apps; UINT32_MAX: split or return */
    struct split_settings split;
    uint32_t return_code; /* 0: none */
    char *return_text;    /* URL for 30x, text otherwise; NULL: none */
    bool strip_prefix;
    enum app_priority priority; /* in its app's queue */
    char *priority_field;       /* lower case; says it instead; NULL: none */
    uint32_t probe_path_count;  /* answered with the app's state */
    char **probe_paths;         /* normalised */
    bool server_timing;
    uint64_t client_body_timeout_ms;
    uint64_t client_min_rate;       /* bytes/s; 0: off */
    uint64_t client_max_body_bytes; /* 0: no limit */
    uint64_t request_buffer_bytes;
    uint64_t response_buffer_bytes;
    uint64_t request_timeout_ms; /* 0: none */
    uint64_t upstream_connect_timeout_ms;
    uint64_t upstream_read_timeout_ms;
    uint64_t tunnel_timeout_ms;
    uint64_t upstream_max_header_bytes;
    uint32_t retry;
    struct field_settings request_headers;
    struct field_settings response_headers;
    uint32_t access_log; /* number in shared.access_logs; 0: off */
    struct page_numbers error_pages;
    struct protection_settings protection;
};

/* What is decided before the route is known. */
struct server_settings {
    uint32_t name_count; /* 0: any */
    char **names;        /* lower case; "*.example.com" allowed */
    uint64_t client_header_timeout_ms;
    uint64_t handshake_timeout_ms; /* TLS handshake, PROXY header */
    uint64_t send_timeout_ms;
    uint64_t keepalive_timeout_ms;
    uint32_t keepalive_requests;
    uint64_t client_max_header_bytes;
    uint32_t client_max_headers;
    bool half_close_answers; /* client_half_close answer */
    struct tls_settings tls; /* no pair: none of its listeners has TLS */
    bool redirect_https;
    uint64_t hsts_ms; /* 0: off */
    uint32_t trusted_count;
    struct address_range *trusted;
    bool status_routes;  /* /-/healthz and /-/routes */
    uint32_t access_log; /* of requests that no route is found for */
    struct page_numbers error_pages; /* likewise */
    uint32_t route_count;
    struct route_settings *routes;
};

/* One address berth listens on; several servers may share it. */
struct listener_settings {
    struct address address;
    char *text; /* as written, for messages and labels */
    bool is_admin;
    bool is_tls;
    bool proxy_protocol; /* each connection begins with a PROXY header */
    uint32_t unix_mode;  /* of a Unix socket's file */
    uint32_t server_count;
    uint32_t *servers; /* indices; the first is the default */
};

struct admin_settings {
    bool metrics_open;
    char *token; /* contents of token_file; NULL: none. Never shown */
    char *read_token;
    uint32_t name_count; /* what Host may also say */
    char **names;
    struct tls_settings tls; /* of its listeners with TLS */
};

/* What session tickets are sealed with (tls_tickets.h); made by the keeper, so
 * that sessions outlive a front. rotation_ms 0: no tickets. */
struct ticket_seed {
    unsigned char secret[TLS_TICKET_SECRET_BYTES];
    uint64_t at_ms; /* CLOCK_MONOTONIC */
    uint64_t rotation_ms;
};

struct proxy_settings {
    uint32_t worker_count; /* resolved: at least 1 */
    enum log_level log_level;
    bool log_json;
    uint64_t drain_timeout_ms;
    uint64_t buffer_memory_bytes;
    uint32_t max_connections; /* resolved from RLIMIT_NOFILE when not set */
    struct admin_settings admin;
    struct ticket_seed tickets;
    uint32_t listener_count;
    struct listener_settings *listeners;
    uint32_t server_count;
    struct server_settings *servers;
    uint32_t app_count;
    struct app_settings *apps;
    struct shared_settings shared;
};

/* Free *settings and all it holds; NULL is skipped. */
void proxy_settings_free(struct proxy_settings **settings);

/* Into one message, and out of it: proxy_settings_decode() returns NULL when
 * the message is not whole or a value is out of its range. */
void proxy_settings_encode(const struct proxy_settings *settings,
                           struct strbuf *buf);
MUST_USE struct proxy_settings *proxy_settings_decode(struct strview payload);

#endif
