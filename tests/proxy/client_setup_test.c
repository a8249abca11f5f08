/* What comes before the first request: TLS handshakes and PROXY headers, on
 * the wire. */
#include "proxy/client_setup.h"

#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/metrics.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_certs.h"
#include "tests/support/tls_peer.h"

#define GET "GET / HTTP/1.1\r\nHost: one.test\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct fixture {
    struct front_harness *h;
    struct test_cert cert;
    int listen;
    uint16_t port;
};

static struct test_cert cert_of(const char *name)
{
    return test_cert_make(&(struct test_cert_options){
        .name = name, .key = TEST_KEY_EC, .valid_s = 40L * 24 * 3600});
}

static struct fixture begin(unsigned workers)
{
    struct fixture f = {.h = harness_new(workers, 1),
                        .cert = cert_of("one.test")};

    f.listen = raw_listen(&f.port);
    return f;
}

static struct fixture begin_tls(unsigned workers)
{
    struct fixture f = begin(workers);

    harness_use_cert(f.h, 0, &f.cert);
    return f;
}

static void start(struct fixture *f)
{
    harness_start(f->h);
    harness_add_replica(f->h, 0, 1, f->port);
}

static void end(struct fixture *f)
{
    harness_end(f->h);
    close(f->listen);
    test_cert_done(&f->cert);
}

static struct tls_peer *connect_to(struct fixture *f, const char *name)
{
    return tls_peer_new(harness_port(f->h),
                        &(struct tls_peer_options){.name = name});
}

static void expect_field(const char *head, const char *name, const char *want)
{
    AUTO(auto_free) char *value = raw_field(head, name);

    if (!want)
        cr_assert(!value, "unexpected %s in \"%s\"", name, head);
    else
        cr_assert(value && strcmp(value, want) == 0, "no \"%s: %s\" in \"%s\"",
                  name, want, head);
}

/* One request and its answer; returns the head that the app saw. */
static char *exchange(struct fixture *f, struct tls_peer *client, int *app)
{
    AUTO(auto_free) char *answer = NULL;
    char *head;

    tls_peer_send(client, GET);
    if (*app < 0)
        *app = raw_accept(f->listen);
    head = raw_read_head(*app);
    raw_send(*app, OK);
    answer = tls_peer_read_head(client);
    cr_assert(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", answer);
    tls_peer_expect(client, "ok");
    return head;
}

Test(client_setup, a_request_over_tls_reaches_the_app_as_https)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct fixture f = begin_tls(1);
    int app = -1;

    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_peer *client = tls_peer_new(
            harness_port(f.h), &(struct tls_peer_options){
                                   .name = "one.test", .version = versions[i]});

        for (int n = 0; n < 2; n++) {
            AUTO(auto_free) char *head = exchange(&f, client, &app);

            expect_field(head, "X-Forwarded-Proto", "https");
            expect_field(head, "X-Client-Cert-Subject", NULL);
        }
        tls_peer_end(&client);
    }
    close(app);
    end(&f);
}

Test(client_setup, new_keys_may_be_asked_for_at_any_time)
{
    struct fixture f = begin_tls(1);
    struct tls_peer *client;
    int app = -1;

    start(&f);
    client = connect_to(&f, "one.test");
    for (int i = 0; i < 3; i++) {
        tls_peer_update_keys(client);
        free(exchange(&f, client, &app));
    }
    tls_peer_end(&client);
    close(app);
    end(&f);
}

Test(client_setup, requests_in_one_record_are_all_answered)
{
    struct fixture f = begin_tls(1);
    struct tls_peer *client;
    int app;

    start(&f);
    client = connect_to(&f, "one.test");
    tls_peer_send(client, GET GET GET);
    app = raw_accept(f.listen);
    for (int i = 0; i < 3; i++) {
        free(raw_read_head(app));
        raw_send(app, OK);
        free(tls_peer_read_head(client));
        tls_peer_expect(client, "ok");
    }
    tls_peer_end(&client);
    close(app);
    end(&f);
}

/* More than the sockets hold, in both directions, in records of 16 KB that
 * never fit berth's buffers. */
Test(client_setup, large_bodies_go_both_ways_to_the_byte)
{
    enum { SIZE = 3 << 20 };
    struct fixture f = begin_tls(1);
    AUTO(auto_free) char *body = xcalloc(1, SIZE);
    struct tls_peer *client;
    char head[128];
    int app;

    raw_fill_pattern(body, 0, SIZE);
    start(&f);
    client = connect_to(&f, "one.test");
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", SIZE);
    tls_peer_send(client, head);
    /* The app reads when all that berth and the sockets take is sent. */
    for (size_t at = 0; at < 65536; at += 9999)
        tls_peer_send_bytes(client, body + at,
                            at + 9999 > 65536 ? 65536 - at : 9999);
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    for (size_t at = 65536; at < SIZE; at += 65536) {
        raw_expect_pattern(app, at - 65536, 65536);
        tls_peer_send_bytes(client, body + at, 65536);
    }
    raw_expect_pattern(app, SIZE - 65536, 65536);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
             SIZE);
    raw_send(app, head);
    for (size_t at = 0; at < SIZE; at += 65536)
        cr_assert(raw_send_pattern(app, at, 65536));
    free(tls_peer_read_head(client));
    tls_peer_expect_bytes(client, body, SIZE);
    tls_peer_end(&client);
    close(app);
    end(&f);
}

Test(client_setup, tls_1_1_is_refused)
{
    struct fixture f = begin_tls(1);

    start(&f);
    cr_expect_null(
        tls_peer_try(harness_port(f.h),
                     &(struct tls_peer_options){.version = TLS1_1_VERSION}));
    end(&f);
}

Test(client_setup, what_is_no_handshake_is_closed)
{
    struct fixture f = begin_tls(1);
    int client;

    start(&f);
    client = harness_connect(f.h);
    raw_send(client, GET);
    raw_read_off(client); /* an alert, then the end */
    close(client);
    end(&f);
}

Test(client_setup, a_slow_handshake_times_out)
{
    static const char *const said[] = {"", "\x16\x03\x01\x02"};
    struct fixture f = begin_tls(1);

    harness_server(f.h)->handshake_timeout_ms = 100;
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        uint64_t began = raw_now_ms();
        int client = harness_connect(f.h);

        raw_send(client, said[i]);
        raw_expect_end(client);
        cr_expect_leq(raw_now_ms() - began, 2000);
        close(client);
    }
    end(&f);
}

Test(client_setup, sessions_are_resumed_on_every_worker)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct fixture f = begin_tls(4);

    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct tls_peer_options options = {.name = "one.test",
                                           .version = versions[i]};
        struct tls_peer *client = tls_peer_new(harness_port(f.h), &options);
        int app = -1;

        free(exchange(&f, client, &app));
        cr_expect_not(tls_peer_was_resumed(client));
        options.session = tls_peer_session(client);
        tls_peer_end(&client);
        close(app);
        /* Enough that the kernel gave them to all workers. */
        for (int n = 0; n < 24; n++) {
            client = tls_peer_new(harness_port(f.h), &options);
            cr_expect(tls_peer_was_resumed(client), "%s, connection %d",
                      tls_peer_version(client), n);
            tls_peer_end(&client);
        }
        SSL_SESSION_free(options.session);
    }
    end(&f);
}

Test(client_setup, the_name_asked_for_picks_the_certificate)
{
    static const struct {
        const char *name;
        const char *server;
    } cases[] = {
        {"one.test", "one.test"},     {"two.test", "two.test"},
        {"a.two.test", "*.two.test"}, {"A.Two.Test", "*.two.test"},
        {"other.test", "one.test"},   {NULL, "one.test"},
    };
    struct fixture f = begin_tls(1);
    struct test_cert exact = cert_of("two.test");
    struct test_cert wildcard = cert_of("*.two.test");

    harness_add_server(f.h, "two.test");
    harness_use_cert(f.h, 1, &exact);
    harness_add_server(f.h, "*.two.test");
    harness_use_cert(f.h, 2, &wildcard);
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_peer *client = connect_to(&f, cases[i].name);
        AUTO(auto_free) char *server = tls_peer_server(client);

        cr_expect_str_eq(server, cases[i].server, "%s", cases[i].name);
        tls_peer_end(&client);
    }
    test_cert_done(&exact);
    test_cert_done(&wildcard);
    end(&f);
}

Test(client_setup, new_certificates_are_for_new_connections)
{
    struct fixture f = begin_tls(2);
    struct test_cert fresh = cert_of("new.test");
    struct tls_peer *old;
    int app = -1;

    start(&f);
    old = connect_to(&f, "one.test");
    free(exchange(&f, old, &app));
    harness_use_cert(f.h, 0, &fresh);
    harness_update_tls(f.h, 0);
    for (int i = 0;; i++) {
        struct tls_peer *client = connect_to(&f, "one.test");
        AUTO(auto_free) char *server = tls_peer_server(client);

        tls_peer_end(&client);
        if (strcmp(server, "new.test") == 0)
            break;
        cr_assert_lt(i, 1000, "still the old certificate");
        usleep(2000);
    }
    free(exchange(&f, old, &app));
    tls_peer_end(&old);
    close(app);
    test_cert_done(&fresh);
    end(&f);
}

Test(client_setup, certificates_that_cannot_be_used_leave_the_old_ones)
{
    struct fixture f = begin_tls(1);
    struct test_cert other = cert_of("other.test");
    struct test_cert mixed = {f.cert.certificate_pem, other.key_pem};

    start(&f);
    harness_use_cert(f.h, 0, &mixed);
    harness_update_tls(f.h, 0);
    for (int i = 0; i < 50; i++) {
        struct tls_peer *client = connect_to(&f, "one.test");

        tls_peer_end(&client);
    }
    test_cert_done(&other);
    end(&f);
}

/* --- PROXY headers --- */

static char *request_behind(struct fixture *f, const char *header)
{
    int client = harness_connect(f->h);
    int app;
    char *head;

    raw_send(client, header);
    raw_send(client, GET);
    app = raw_accept(f->listen);
    head = raw_read_head(app);
    raw_send(app, OK);
    free(raw_read_head(client));
    raw_expect(client, "ok");
    close(client);
    close(app);
    return head;
}

Test(client_setup, a_proxy_header_says_who_the_client_is)
{
    static const struct {
        const char *header;
        const char *client;
        const char *port;
    } cases[] = {
        {"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", "192.0.2.7", "443"},
        {"PROXY TCP6 2001:db8::7 2001:db8::1 4711 8443\r\n", "2001:db8::7",
         "8443"},
        {"PROXY UNKNOWN\r\n", "127.0.0.1", NULL},
    };
    struct fixture f = begin(1);

    harness_settings(f.h)->listeners->proxy_protocol = true;
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(auto_free) char *head = request_behind(&f, cases[i].header);

        expect_field(head, "X-Forwarded-For", cases[i].client);
        if (cases[i].port)
            expect_field(head, "X-Forwarded-Port", cases[i].port);
    }
    end(&f);
}

Test(client_setup, the_proxy_headers_client_is_whom_trust_is_about)
{
    static const char forwarded[] =
        "GET / HTTP/1.1\r\nHost: one.test\r\nX-Forwarded-For: 203.0.113.1\r\n"
        "\r\n";
    struct fixture f = begin(1);
    struct server_settings *server = harness_server(f.h);

    harness_settings(f.h)->listeners->proxy_protocol = true;
    server->trusted_count = 1;
    server->trusted = xcalloc(1, sizeof *server->trusted);
    cr_assert(address_range_parse(SV("192.0.2.0/24"), server->trusted, NULL));
    start(&f);
    for (int i = 0; i < 2; i++) {
        int client = harness_connect(f.h);
        AUTO(auto_free) char *head = NULL;
        int app;

        raw_send(client, i == 0 ? "PROXY TCP4 192.0.2.7 192.0.2.8 1 80\r\n"
                                : "PROXY TCP4 192.0.3.7 192.0.2.8 1 80\r\n");
        raw_send(client, forwarded);
        app = raw_accept(f.listen);
        head = raw_read_head(app);
        expect_field(head, "X-Forwarded-For",
                     i == 0 ? "203.0.113.1, 192.0.2.7" : "192.0.3.7");
        close(client);
        close(app);
    }
    end(&f);
}

Test(client_setup, a_proxy_header_may_come_byte_by_byte)
{
    static const char header[] = "PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n";
    struct fixture f = begin(1);
    AUTO(auto_free) char *head = NULL;
    int client;
    int app;

    harness_settings(f.h)->listeners->proxy_protocol = true;
    start(&f);
    client = harness_connect(f.h);
    for (size_t i = 0; i < sizeof header - 1; i++) {
        raw_send_bytes(client, header + i, 1);
        usleep(500);
    }
    raw_send(client, GET);
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    expect_field(head, "X-Forwarded-For", "192.0.2.7");
    close(client);
    close(app);
    end(&f);
}

Test(client_setup, a_wrong_missing_or_late_proxy_header_closes)
{
    static const char *const said[] = {GET, "PROXY TCP4 1.2.3.4\r\n", "PROX",
                                       ""};
    struct fixture f = begin(1);

    harness_settings(f.h)->listeners->proxy_protocol = true;
    harness_server(f.h)->handshake_timeout_ms = 100;
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        int client = harness_connect(f.h);

        raw_send(client, said[i]);
        cr_expect_eq(raw_read_off(client), 0, "%s", said[i]);
        close(client);
    }
    end(&f);
}

Test(client_setup, tls_follows_a_proxy_header)
{
    struct fixture f = begin_tls(1);
    AUTO(auto_free) char *head = NULL;
    struct tls_peer *client;
    int app = -1;

    harness_settings(f.h)->listeners->proxy_protocol = true;
    start(&f);
    client = tls_peer_new(
        harness_port(f.h),
        &(struct tls_peer_options){
            .name = "one.test",
            .first = "PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n"});
    head = exchange(&f, client, &app);
    expect_field(head, "X-Forwarded-For", "192.0.2.7");
    expect_field(head, "X-Forwarded-Proto", "https");
    tls_peer_end(&client);
    close(app);
    end(&f);
}
