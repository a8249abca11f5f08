/* What lives longer than a configuration: tunnels, and TLS sessions. */
#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/attr.h"
#include "tests/support/front_fixture.h"
#include "tests/support/front_harness.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_certs.h"
#include "tests/support/tls_peer.h"
#include "tests/support/wire_script.h"

static int begin_tunnel(struct front_fixture *f, int client, const char *path)
{
    int app;

    raw_send(client, "GET ");
    raw_send(client, path);
    raw_send(client, " HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                     "Upgrade: websocket\r\n\r\n");
    app = raw_accept(f->listen);
    free(raw_read_head(app));
    raw_send(app, "HTTP/1.1 101 S\r\nConnection: upgrade\r\n"
                  "Upgrade: websocket\r\n\r\n");
    free(raw_read_head(client));
    return app;
}

static void expect_alive(int client, int app)
{
    raw_send(client, "to the app");
    raw_expect(app, "to the app");
    raw_send(app, "to the client");
    raw_expect(client, "to the client");
}

/* WebSockets: a reload is nothing to them, until their app goes. */
Test(http_wire_reload, a_tunnel_goes_on_until_its_app_is_gone, .timeout = 30)
{
    struct front_fixture f = {.h = harness_new(2, 2)};
    int client;
    int app;

    f.listen = raw_listen(&f.port);
    harness_start(f.h);
    harness_add_replica(f.h, 1, 2, f.port);
    client = harness_connect(f.h);
    app = begin_tunnel(&f, client, "/app1");
    for (unsigned i = 0; i < 3; i++) {
        harness_route(f.h, 1)->retry = i;
        harness_reload(f.h);
        expect_alive(client, app);
    }
    harness_drain_replica(f.h, 2); /* as the keeper does, before the reload */
    wire_expect_end(app, WIRE_CLOSED, "is told to end");
    raw_send(app, "bye");
    raw_expect(client, "bye");
    harness_take_app(f.h);
    harness_reload(f.h);
    raw_send(app, "!");
    raw_expect(client, "!");
    close(app);
    wire_expect_end(client, WIRE_CLOSED, "the app's end");
    close(client);
    fixture_end(&f);
}

/* Its time-out is that of the configuration that it began with. */
Test(http_wire_reload, a_tunnel_keeps_the_time_out_it_began_with)
{
    struct front_fixture f = fixture_begin(1);
    int client;
    int app;

    fixture_start(&f);
    client = harness_connect(f.h);
    app = begin_tunnel(&f, client, "/");
    harness_route(f.h, 0)->tunnel_timeout_ms = 100;
    harness_reload(f.h);
    expect_alive(client, app);
    usleep(300000);
    expect_alive(client, app);
    close(client);
    close(app);
    fixture_end(&f);
}

/* Connect with that session; whether it was resumed. Without one, what comes
 * with the next answer is kept in *session. */
static bool ask(struct front_fixture *f, struct ssl_session_st **session)
{
    struct tls_peer *peer = tls_peer_new(
        harness_port(f->h), &(struct tls_peer_options){.session = *session});
    bool resumed = tls_peer_was_resumed(peer);
    int app;

    tls_peer_send(peer, GET);
    app = raw_accept(f->listen);
    free(raw_read_head(app));
    raw_send(app, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                  "Connection: close\r\n\r\nok");
    free(tls_peer_read_head(peer));
    tls_peer_expect(peer, "ok");
    if (!*session)
        *session = tls_peer_session(peer);
    tls_peer_end(&peer);
    close(app);
    return resumed;
}

/* "Tickets are bound to the server and its CA": one of a configuration before
 * is good while both are what they were. */
Test(http_wire_reload, sessions_are_resumed_only_while_what_they_stand_for_is,
     .timeout = 30)
{
    struct front_fixture f = fixture_begin(2);
    struct test_cert cert = test_cert_make(&(struct test_cert_options){
        .name = "one.test", .key = TEST_KEY_EC, .valid_s = 40L * 24 * 3600});
    struct test_cert other = test_cert_make(&(struct test_cert_options){
        .name = "ca.test", .key = TEST_KEY_EC, .valid_s = 40L * 24 * 3600});
    struct ssl_session_st *of_off = NULL;
    struct ssl_session_st *of_ca = NULL;
    struct tls_settings *tls;

    harness_use_cert(f.h, 0, &cert);
    fixture_start(&f);
    tls = &harness_settings(f.h)->servers[0].tls;
    cr_expect_not(ask(&f, &of_off));
    cr_expect(ask(&f, &of_off), "nothing has changed");
    harness_route(f.h, 0)->retry = 1;
    harness_reload(f.h);
    cr_expect(ask(&f, &of_off), "nothing that it stands for has changed");

    tls->verify = TLS_VERIFY_OPTIONAL;
    tls->client_ca_pem = xstrdup(cert.certificate_pem);
    harness_reload(f.h);
    cr_expect_not(ask(&f, &of_off), "it was made where nobody was asked");
    cr_expect_not(ask(&f, &of_ca));
    cr_expect(ask(&f, &of_ca));

    free(tls->client_ca_pem);
    tls->client_ca_pem = xstrdup(other.certificate_pem);
    harness_reload(f.h);
    cr_expect_not(ask(&f, &of_ca), "another authority vouches now");
    SSL_SESSION_free(of_off);
    SSL_SESSION_free(of_ca);
    test_cert_done(&cert);
    test_cert_done(&other);
    fixture_end(&f);
}
