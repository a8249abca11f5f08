/* config.md's directives of a server, where several servers share a listener:
 * what is known when the head is read is the Host's server's. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/attr.h"
#include "router/base/strview.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/wire_script.h"

/* Of about so many bytes; its request line, too, where that is asked for. */
static void send_head(int client, const char *host, unsigned bytes,
                      bool in_line)
{
    char *text = malloc(bytes + 200);
    char *pad = malloc(bytes + 1);

    memset(pad, 'a', bytes);
    pad[bytes] = '\0';
    if (in_line)
        sprintf(text, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", pad, host);
    else
        sprintf(text, "GET / HTTP/1.1\r\nHost: %s\r\nX: %s\r\n\r\n", host, pad);
    raw_send(client, text);
    free(text);
    free(pad);
}

static void send_fields(int client, const char *host, unsigned count)
{
    char text[8192];
    size_t len = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: %s\r\n", host);

    for (unsigned i = 1; i < count; i++)
        len += (size_t)sprintf(text + len, "X: %u\r\n", i);
    strcpy(text + len, "\r\n");
    raw_send(client, text);
}

static void expect_served(struct front_fixture *f, int client,
                          const char *label)
{
    int app;

    cr_assert(raw_has_connection(f->listen, 2000), "%s", label);
    app = raw_accept(f->listen);
    free(raw_read_head(app));
    fixture_answer_ok(app, client);
    raw_reset(app);
    usleep(2000);
}

/* client_max_header_size, client_max_headers: 431, 414. */
Test(http_wire_servers, the_head_may_be_what_the_hosts_server_allows,
     .timeout = 30)
{
    static const struct {
        const char *label;
        const char *host;
        unsigned bytes;
        unsigned fields; /* instead */
        bool in_line;
        unsigned status; /* 0: served */
    } rows[] = {
        {"the default's, small", "x", 1500, 0, false, 0},
        {"the default's, too large", "x", 2100, 0, false, 431},
        {"the default's line, too large", "x", 2100, 0, true, 414},
        {"a larger one's, small", "large", 1500, 0, false, 0},
        {"a larger one's, large", "large", 30000, 0, false, 0},
        {"a larger one's line", "large", 30000, 0, true, 0},
        {"a larger one's, too large", "large", 33000, 0, false, 431},
        {"a larger one's line, too large", "large", 33000, 0, true, 414},
        {"a smaller one's, small", "small", 900, 0, false, 0},
        {"a smaller one's, too large", "small", 1500, 0, false, 431},
        {"the default's fields", "x", 0, 10, false, 0},
        {"the default's fields, too many", "x", 0, 11, false, 431},
        {"a larger one's fields", "large", 0, 300, false, 0},
        {"a larger one's fields, too many", "large", 0, 301, false, 431},
        {"a smaller one's fields", "small", 0, 5, false, 0},
        {"a smaller one's fields, too many", "small", 0, 6, false, 431},
        {"nobody's: the default's", "other", 2100, 0, false, 431},
    };
    struct front_fixture f = fixture_begin(1);
    struct server_settings *server = harness_server(f.h);

    server->client_max_header_bytes = 2048;
    server->client_max_headers = 10;
    server = harness_add_server(f.h, "large");
    server->client_max_header_bytes = 32768;
    server->client_max_headers = 300;
    server = harness_add_server(f.h, "small");
    server->client_max_header_bytes = 1024;
    server->client_max_headers = 5;
    fixture_start(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int client = harness_connect(f.h);

        if (rows[i].fields)
            send_fields(client, rows[i].host, rows[i].fields);
        else
            send_head(client, rows[i].host, rows[i].bytes, rows[i].in_line);
        if (rows[i].status == 0) {
            expect_served(&f, client, rows[i].label);
        } else {
            wire_expect_refusal(client, rows[i].status,
                                rows[i].status == 414 ? "uri_too_long"
                                                      : "headers_too_large",
                                rows[i].label);
            cr_assert(!raw_has_connection(f.listen, 0), "%s", rows[i].label);
        }
        close(client);
    }
    fixture_end(&f);
}

Test(http_wire_servers, idle_connections_wait_as_the_last_hosts_server_says)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    int client;

    harness_server(f.h)->keepalive_timeout_ms = 60000;
    harness_add_server(f.h, "brief")->keepalive_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.1\r\nHost: brief\r\n\r\n");
    expect_served(&f, client, "brief");
    began = raw_now_ms();
    wire_expect_end(client, WIRE_CLOSED, "keepalive_timeout of the server");
    cr_assert(raw_now_ms() - began >= 150);
    close(client);
    fixture_end(&f);
}

/* keepalive_timeout 0, as nginx reads it: no connection is kept. */
Test(http_wire_servers, no_connection_is_kept_for_0_s)
{
    struct front_fixture f = fixture_begin(1);
    uint64_t began;
    char *head;
    int client;
    int app;

    harness_server(f.h)->keepalive_timeout_ms = 0;
    harness_server(f.h)->client_header_timeout_ms = 200;
    fixture_start(&f);
    client = harness_connect(f.h);
    app = fixture_send_get(&f, client);
    raw_send(app, OK);
    head = raw_read_head(client);
    fixture_expect_field(head, "Connection", "close");
    free(head);
    raw_expect(client, "ok");
    wire_expect_end(client, WIRE_CLOSED, "no second request");
    close(client);
    client = harness_connect(f.h); /* that says nothing */
    began = raw_now_ms();
    wire_expect_end(client, WIRE_CLOSED, "no first request");
    cr_assert(raw_now_ms() - began >= 150);
    close(client);
    close(app);
    fixture_end(&f);
}

Test(http_wire_servers, requests_of_a_connection_are_as_many_as_each_allows)
{
    struct front_fixture f = fixture_begin(1);
    char *head;
    int client;

    harness_server(f.h)->keepalive_requests = 1;
    harness_add_server(f.h, "two")->keepalive_requests = 2;
    fixture_start(&f);
    client = harness_connect(f.h);
    for (unsigned i = 0; i < 2; i++) {
        int app;

        raw_send(client, "GET / HTTP/1.1\r\nHost: two\r\n\r\n");
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        raw_send(app, OK);
        head = raw_read_head(client);
        fixture_expect_field(head, "Connection", i == 0 ? NULL : "close");
        free(head);
        raw_expect(client, "ok");
        raw_reset(app);
        usleep(2000);
    }
    wire_expect_end(client, WIRE_CLOSED, "keepalive_requests");
    close(client);
    fixture_end(&f);
}

/* trusted_proxies of a server: its X-Request-Id, too. */
Test(http_wire_servers, whom_a_server_trusts_is_not_whom_another_trusts)
{
#define THEIRS "X-Forwarded-For: 192.0.2.1\r\nX-Request-Id: theirs-1\r\n\r\n"
    static const struct wire_script rows[] = {
        {"the default trusts nobody", "GET / HTTP/1.1\r\nHost: x\r\n" THEIRS,
         "GET / HTTP/1.1\r\nHost: x\r\n" ADDED, OK,
         "HTTP/1.1 200 OK\r\nX-Request-Id: 0$I\r\nContent-Length: 2\r\n\r\nok",
         WIRE_KEPT, WIRE_KEPT, false},
        {"another trusts the peer", "GET / HTTP/1.1\r\nHost: y\r\n" THEIRS,
         "GET / HTTP/1.1\r\nHost: y\r\nVia: 1.1 berth\r\n"
         "X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n"
         "X-Forwarded-Proto: http\r\nX-Forwarded-Host: y\r\n"
         "X-Forwarded-Port: $P\r\nForwarded: for=127.0.0.1;host=y;proto=http"
         "\r\nX-Request-Id: theirs-1\r\n\r\n",
         OK,
         "HTTP/1.1 200 OK\r\nX-Request-Id: theirs-1\r\nContent-Length: 2\r\n"
         "\r\nok",
         WIRE_KEPT, WIRE_KEPT, false},
    };
    struct front_fixture f = fixture_begin(1);
    struct server_settings *server = harness_add_server(f.h, "y");
    struct err err;

    server->trusted_count = 1;
    server->trusted = calloc(1, sizeof *server->trusted);
    cr_assert(address_range_parse(sv_of("127.0.0.0/8"), server->trusted, &err));
    fixture_start(&f);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

/* tunnel_timeout of a route. */
Test(http_wire_servers, an_idle_tunnel_ends_when_its_route_says)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    harness_add_server(f.h, "y")->routes[0].tunnel_timeout_ms = 200;
    fixture_start(&f);
    for (int i = 0; i < 2; i++) {
        client = harness_connect(f.h);
        raw_send(client, i == 0 ? "GET / HTTP/1.1\r\nHost: x\r\n"
                                : "GET / HTTP/1.1\r\nHost: y\r\n");
        raw_send(client, "Connection: upgrade\r\nUpgrade: a\r\n\r\n");
        app = raw_accept(f.listen);
        free(raw_read_head(app));
        raw_send(app, "HTTP/1.1 101 S\r\nConnection: upgrade\r\n"
                      "Upgrade: a\r\n\r\n");
        free(raw_read_head(client));
        if (i == 0) {
            raw_expect_silence(client, 400);
        } else {
            wire_expect_end(client, WIRE_CLOSED, "tunnel_timeout");
            wire_expect_end(app, WIRE_CLOSED, "tunnel_timeout");
        }
        close(client);
        close(app);
    }
    fixture_end(&f);
}

/* One that is refused before it has a route is counted for none: not for the
 * route that the exchange's object had last, in a larger configuration. */
Test(http_wire_servers, a_refused_path_is_no_request_of_an_earlier_route)
{
    struct front_fixture f = {.h = harness_new(1, 6)};
    int client;
    int app;

    f.listen = raw_listen(&f.port);
    harness_start(f.h);
    harness_add_replica(f.h, 5, 6, f.port);
    client = harness_connect(f.h);
    raw_send(client, "GET /app5 HTTP/1.1\r\nHost: x\r\n\r\n");
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    fixture_answer_ok(app, client);
    harness_remove_replica(f.h, 6);
    raw_expect_end(app);
    for (int i = 0; i < 4; i++)
        harness_take_app(f.h);
    harness_reload(f.h);
    raw_send(client, "GET //app1 HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_expect_error(client, 400, "bad_request");
    free(raw_read_until(client, "}}\n"));
    raw_send(client, "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_expect_error(client, 400, "bad_request");
    close(client);
    close(app);
    fixture_end(&f);
}

/* route "/app1/", with a slash at its end, and strip_prefix. */
Test(http_wire_servers, below_a_prefix_with_a_slash_paths_begin_with_one)
{
#define STRIPPED                                                               \
    "Via: 1.1 berth\r\nX-Forwarded-For: 127.0.0.1\r\n"                         \
    "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\n"                       \
    "X-Forwarded-Port: $P\r\nX-Forwarded-Prefix: /app1\r\n"                    \
    "Forwarded: for=127.0.0.1;host=x;proto=http\r\nX-Request-Id: $I\r\n\r\n"
#define OK_COMES                                                               \
    OK, "HTTP/1.1 200 OK\r\nX-Request-Id: $I\r\nContent-Length: 2\r\n\r\nok",  \
        WIRE_KEPT, WIRE_KEPT, false
    static const struct wire_script rows[] = {
        {"a path below", "GET /app1/b?c HTTP/1.1\r\nHost: x\r\n\r\n",
         "GET /b?c HTTP/1.1\r\nHost: x\r\n" STRIPPED, OK_COMES},
        {"the prefix itself", "GET /app1/ HTTP/1.1\r\nHost: x\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: x\r\n" STRIPPED, OK_COMES},
        {"an empty segment below", "GET /app1//b HTTP/1.1\r\nHost: x\r\n\r\n",
         "GET //b HTTP/1.1\r\nHost: x\r\n" STRIPPED, OK_COMES},
    };
    struct front_fixture f = {.h = harness_new(1, 2)};

    f.listen = raw_listen(&f.port);
    free(harness_route(f.h, 1)->prefix);
    harness_route(f.h, 1)->prefix = strdup("/app1/");
    harness_route(f.h, 1)->strip_prefix = true;
    harness_start(f.h);
    harness_add_replica(f.h, 1, 1, f.port);
    wire_play(&f, rows, ARRAY_LEN(rows));
    fixture_end(&f);
}

static void add_field(struct route_settings *route, const char *name,
                      const char *value)
{
    struct field_settings *set = &route->response_headers;

    set->fields = realloc(set->fields, (set->count + 1) * sizeof *set->fields);
    set->fields[set->count++] =
        (struct field_setting){strdup(name), strdup(value)};
}

/* response_header is for what `return` says, too, as nginx's add_header is. */
Test(http_wire_servers, what_return_says_has_the_fields_that_are_set)
{
    static const struct wire_script rows[] = {
        {"a text with a type", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", NULL, NULL,
         "HTTP/1.1 200 OK\r\nDate: $D\r\nX-Request-Id: $I\r\nX-A: b\r\n"
         "Content-Type: text/html\r\nContent-Length: 5\r\n\r\n<br/>",
         WIRE_KEPT, WIRE_KEPT, false},
        {"a redirection", "GET / HTTP/1.1\r\nHost: y\r\n\r\n", NULL, NULL,
         "HTTP/1.1 302 Found\r\nDate: $D\r\nX-Request-Id: $I\r\nX-A: b\r\n"
         "Location: /z\r\nContent-Length: 0\r\n\r\n",
         WIRE_KEPT, WIRE_KEPT, false},
        {"no error",
         "GET /%zz HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n", NULL,
         NULL,
         "HTTP/1.1 400 Bad Request\r\nDate: $D\r\nX-Request-Id: $I\r\n"
         "X-Berth-Error: bad_request\r\n",
         WIRE_KEPT, WIRE_KEPT, false},
    };
    struct front_fixture f = fixture_begin(1);
    struct route_settings *routes[2];
    int client;

    harness_add_server(f.h, "y");
    routes[0] = harness_route(f.h, 0);
    routes[1] = harness_settings(f.h)->servers[1].routes;
    for (int i = 0; i < 2; i++) {
        routes[i]->app = UINT32_MAX;
        routes[i]->return_code = i == 0 ? 200 : 302;
        routes[i]->return_text = strdup(i == 0 ? "<br/>" : "/z");
        add_field(routes[i], "X-A", "b");
        add_field(routes[i], "Content-Type", "text/html");
        add_field(routes[i], "Date", "never");
        add_field(routes[i], "X-Gone", "");
    }
    fixture_start(&f);
    wire_play(&f, rows, 2);
    client = harness_connect(f.h);
    raw_send(client, rows[2].client_says);
    wire_expect(client, 0, rows[2].client_gets, rows[2].line);
    close(client);
    fixture_end(&f);
}

/* upstream_max_header_size of a route. */
Test(http_wire_servers, an_answers_head_may_be_what_its_route_allows)
{
    static char pad[3000];
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    memset(pad, 'a', sizeof pad - 1);
    harness_add_server(f.h, "y")->routes[0].upstream_max_header_bytes = 2048;
    fixture_start(&f);
    client = harness_connect(f.h);
    for (int i = 0; i < 2; i++) {
        raw_send(client, i == 0 ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                                : "GET / HTTP/1.1\r\nHost: y\r\n\r\n");
        app = i == 0 ? raw_accept(f.listen) : app;
        free(raw_read_head(app));
        raw_send(app, "HTTP/1.1 200 OK\r\nX: ");
        raw_send(app, pad);
        raw_send(app, "\r\nContent-Length: 2\r\n\r\nok");
        if (i == 0) {
            fixture_expect_head(client, "HTTP/1.1 200 OK\r\n");
            raw_expect(client, "ok");
        } else {
            fixture_expect_error(client, 502, "upstream_invalid");
        }
    }
    close(client);
    close(app);
    fixture_end(&f);
}
