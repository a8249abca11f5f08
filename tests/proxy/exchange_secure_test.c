/* What TLS means for a request: who may ask whom, and what app and client are
 * told; on the wire. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_certs.h"
#include "tests/support/tls_peer.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct fixture {
    struct front_harness *h;
    struct test_cert cert;
    struct test_cert ca;
    struct test_cert alice;
    int listen;
    uint16_t port;
};

static struct test_cert cert_of(const char *name,
                                const struct test_cert *issuer)
{
    return test_cert_make(
        &(struct test_cert_options){.name = name,
                                    .key = TEST_KEY_EC,
                                    .issuer = issuer,
                                    .valid_s = 40L * 24 * 3600});
}

static struct fixture begin(void)
{
    struct fixture f = {.h = harness_new(1, 1),
                        .cert = cert_of("one.test", NULL),
                        .ca = cert_of("ca.test", NULL)};

    f.alice = cert_of("alice", &f.ca);
    f.listen = raw_listen(&f.port);
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
    test_cert_done(&f->ca);
    test_cert_done(&f->alice);
}

static void ask_for_certs(struct fixture *f, unsigned server)
{
    struct tls_settings *tls = &harness_settings(f->h)->servers[server].tls;

    tls->verify = TLS_VERIFY_ON;
    tls->client_ca_pem = xstrdup(f->ca.certificate_pem);
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

static void expect_status(const char *head, const char *line)
{
    cr_assert(strncmp(head, line, strlen(line)) == 0,
              "expected \"%s\", got \"%s\"", line, head);
}

Test(exchange_secure, a_host_of_other_client_certificates_is_misdirected)
{
    struct fixture f = begin();
    AUTO(auto_free) char *refused = NULL;
    struct tls_peer *client;

    harness_use_cert(f.h, 0, &f.cert);
    harness_add_server(f.h, "two.test");
    harness_use_cert(f.h, 1, &f.cert);
    ask_for_certs(&f, 1);
    start(&f);
    client = tls_peer_new(harness_port(f.h),
                          &(struct tls_peer_options){.name = "one.test"});
    tls_peer_send(client, "GET / HTTP/1.1\r\nHost: two.test\r\n\r\n");
    refused = tls_peer_read_head(client);
    expect_status(refused, "HTTP/1.1 421 ");
    expect_field(refused, "X-Berth-Error", "misdirected");
    tls_peer_end(&client);
    end(&f);
}

Test(exchange_secure, a_host_of_the_same_client_certificates_is_served)
{
    struct fixture f = begin();
    AUTO(auto_free) char *head = NULL;
    AUTO(auto_free) char *answer = NULL;
    struct tls_peer *client;
    int app;

    harness_use_cert(f.h, 0, &f.cert);
    harness_add_server(f.h, "two.test");
    harness_use_cert(f.h, 1, &f.cert);
    start(&f);
    client = tls_peer_new(harness_port(f.h),
                          &(struct tls_peer_options){.name = "one.test"});
    tls_peer_send(client, "GET / HTTP/1.1\r\nHost: two.test\r\n\r\n");
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    raw_send(app, OK);
    answer = tls_peer_read_head(client);
    expect_status(answer, "HTTP/1.1 200 ");
    tls_peer_end(&client);
    close(app);
    end(&f);
}

Test(exchange_secure, the_app_is_told_of_a_verified_certificate_only_by_berth)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: one.test\r\n"
        "X-Client-Cert-Subject: CN=forged\r\nX-Client-Cert-Serial: 1\r\n\r\n";
    struct fixture f = begin();

    harness_use_cert(f.h, 0, &f.cert);
    ask_for_certs(&f, 0);
    harness_server(f.h)->tls.verify = TLS_VERIFY_OPTIONAL;
    start(&f);
    for (int with = 0; with < 2; with++) {
        struct tls_peer *client = tls_peer_new(
            harness_port(f.h),
            &(struct tls_peer_options){.name = "one.test",
                                       .cert = with ? &f.alice : NULL});
        AUTO(auto_free) char *head = NULL;
        int app;

        tls_peer_send(client, request);
        app = raw_accept(f.listen);
        head = raw_read_head(app);
        expect_field(head, "X-Client-Cert-Subject", with ? "CN=alice" : NULL);
        expect_field(head, "X-Client-Cert-Serial", NULL);
        tls_peer_end(&client);
        close(app);
    }
    end(&f);
}

Test(exchange_secure, hsts_stands_once_on_every_answer_over_tls)
{
    struct fixture f = begin();
    struct tls_peer *client;
    AUTO(auto_free) char *apps = NULL;
    AUTO(auto_free) char *own = NULL;
    char *again;
    int app;

    harness_use_cert(f.h, 0, &f.cert);
    harness_server(f.h)->hsts_ms = 86400000;
    start(&f);
    client = tls_peer_new(harness_port(f.h),
                          &(struct tls_peer_options){.name = "one.test"});
    tls_peer_send(client, "GET / HTTP/1.1\r\nHost: one.test\r\n\r\n");
    app = raw_accept(f.listen);
    free(raw_read_head(app));
    raw_send(app, "HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\n"
                  "Content-Length: 2\r\n\r\nok");
    apps = tls_peer_read_head(client);
    expect_field(apps, "Strict-Transport-Security", "max-age=86400");
    again = strcasestr(apps, "strict-transport-security");
    cr_expect_null(strcasestr(again + 1, "strict-transport-security"));
    tls_peer_expect(client, "ok");
    tls_peer_send(client, "GET /%zz HTTP/1.1\r\nHost: one.test\r\n\r\n");
    own = tls_peer_read_head(client);
    expect_status(own, "HTTP/1.1 400 ");
    expect_field(own, "Strict-Transport-Security", "max-age=86400");
    tls_peer_end(&client);
    close(app);
    end(&f);
}

/* --- redirect_https, on a plain listener -----------------------------------
 */

static char *ask_plain(struct fixture *f, const char *request)
{
    int client = harness_connect(f->h);
    char *head;

    raw_send(client, request);
    head = raw_read_head(client);
    close(client);
    return head;
}

Test(exchange_secure, a_plain_request_is_sent_to_https)
{
    static const struct {
        const char *label;
        const char *request;
        const char *status;
        const char *location;
    } cases[] = {
        {"GET", "GET /a%2fb/../c?d=e HTTP/1.1\r\nHost: one.test:81\r\n\r\n",
         "HTTP/1.1 301 ", "https://one.test/a%2fb/../c?d=e"},
        {"POST",
         "POST /x HTTP/1.1\r\nHost: one.test\r\nContent-Length: 1\r\n"
         "\r\na",
         "HTTP/1.1 308 ", "https://one.test/x"},
        {"absolute form",
         "GET http://two.test/x HTTP/1.1\r\nHost: one.test\r\n"
         "\r\n",
         "HTTP/1.1 301 ", "https://two.test/x"},
        {"IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "HTTP/1.1 301 ",
         "https://[::1]/"},
        {"no host", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 400 ", NULL},
        {"nobody is trusted",
         "GET / HTTP/1.1\r\nHost: one.test\r\nX-Forwarded-Proto: https\r\n\r\n",
         "HTTP/1.1 301 ", "https://one.test/"},
    };
    struct fixture f = begin();

    harness_server(f.h)->redirect_https = true;
    harness_server(f.h)->hsts_ms = 1000;
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(auto_free) char *head = ask_plain(&f, cases[i].request);

        expect_status(head, cases[i].status);
        expect_field(head, "Location", cases[i].location);
        expect_field(head, "Strict-Transport-Security", NULL);
    }
    end(&f);
}

Test(exchange_secure, what_a_trusted_proxy_got_by_https_is_served)
{
    struct fixture f = begin();
    struct server_settings *server = harness_server(f.h);
    AUTO(auto_free) char *head = NULL;
    int client;
    int app;

    server->redirect_https = true;
    server->trusted_count = 1;
    server->trusted = xcalloc(1, sizeof *server->trusted);
    cr_assert(address_range_parse(SV("127.0.0.1"), server->trusted, NULL));
    start(&f);
    client = harness_connect(f.h);
    raw_send(client, "GET / HTTP/1.1\r\nHost: one.test\r\n"
                     "X-Forwarded-Proto: https\r\n\r\n");
    app = raw_accept(f.listen);
    head = raw_read_head(app);
    expect_field(head, "X-Forwarded-Proto", "https");
    close(client);
    close(app);
    end(&f);
}
