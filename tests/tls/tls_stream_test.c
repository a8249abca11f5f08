/* TLS connections over a socket pair, with OpenSSL's own client as the peer;
 * and what tls_context and tls_sni decide about them. */
#include "tls/tls_stream.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "tests/support/test_certs.h"
#include "tls/tls_context.h"
#include "tls/tls_sni.h"
#include "tls/tls_stream_hello.h"
#include "tls/tls_tickets.h"

static const unsigned char secret[TLS_TICKET_SECRET_BYTES] = "a secret";

struct pair {
    int fds[2]; /* client, server */
    SSL_CTX *client_ctx;
    SSL *client;
    struct tls_stream *server;
};

static struct test_cert ec_cert(const char *name)
{
    return test_cert_make(&(struct test_cert_options){
        .name = name, .key = TEST_KEY_EC, .valid_s = 40L * 24 * 3600});
}

static struct tls_settings settings_of(struct test_cert *certs, uint32_t count)
{
    struct tls_settings s = {.pair_count = count,
                             .min_version = TLS_VERSION_1_2,
                             .max_version = TLS_VERSION_1_3,
                             .session_timeout_ms = 3600000};

    s.pairs = xcalloc(count, sizeof *s.pairs);
    for (uint32_t i = 0; i < count; i++) {
        s.pairs[i].certificate_path = xstrdup("cert.pem");
        s.pairs[i].key_path = xstrdup("key.pem");
        s.pairs[i].certificate_pem = xstrdup(certs[i].certificate_pem);
        s.pairs[i].key_pem = xstrdup(certs[i].key_pem);
    }
    return s;
}

static struct tls_context *context_of(struct tls_settings *settings,
                                      struct tls_tickets *tickets,
                                      const char *bind)
{
    struct err err;
    struct tls_context *context =
        tls_context_new(settings, tickets, sv_of(bind), &err);

    cr_assert_not_null(context, "%s", err.text);
    return context;
}

static void pair_open(struct pair *pair, const struct tls_sni *sni,
                      const char *name, SSL_SESSION *session)
{
    signal(SIGPIPE, SIG_IGN); /* as berth does */
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair->fds), 0);
    fcntl(pair->fds[0], F_SETFL, O_NONBLOCK);
    fcntl(pair->fds[1], F_SETFL, O_NONBLOCK);
    if (!pair->client_ctx)
        pair->client_ctx = SSL_CTX_new(TLS_client_method());
    pair->client = SSL_new(pair->client_ctx);
    SSL_set_fd(pair->client, pair->fds[0]);
    if (name)
        SSL_set_tlsext_host_name(pair->client, name);
    if (session)
        SSL_set_session(pair->client, session);
    SSL_set_connect_state(pair->client);
    pair->server = tls_stream_new(sni, pair->fds[1]);
}

static void pair_close(struct pair *pair)
{
    tls_stream_free(&pair->server);
    /* Without it OpenSSL takes the session for broken. */
    SSL_shutdown(pair->client);
    SSL_free(pair->client);
    close(pair->fds[0]);
    close(pair->fds[1]);
    ERR_clear_error();
}

static enum io_result read_into(struct tls_stream *stream, char *data,
                                size_t size, size_t *ret_count)
{
    const struct iovec part = {data, size};

    return tls_stream_readv(stream, &part, 1, ret_count);
}

static enum io_result shake(struct pair *pair)
{
    enum io_result server = IO_AGAIN;
    bool client_is_done = false;

    for (int i = 0; i < 50; i++) {
        if (!client_is_done)
            client_is_done = SSL_do_handshake(pair->client) == 1;
        if (server == IO_AGAIN)
            server = tls_stream_handshake(pair->server);
        if (server == IO_FAILED || (client_is_done && server == IO_DONE))
            break;
    }
    return client_is_done || server == IO_FAILED ? server : IO_AGAIN;
}

/* The client reads what comes (a ticket with it) and keeps its session. */
static SSL_SESSION *session_of(struct pair *pair)
{
    char text[8];
    size_t n;
    struct iovec part = {"x", 1};

    cr_assert_eq(tls_stream_writev(pair->server, &part, 1, &n), IO_DONE);
    cr_assert_eq(SSL_read(pair->client, text, sizeof text), 1);
    return SSL_get1_session(pair->client);
}

Test(tls_stream, bytes_go_both_ways_and_close_notify_is_an_end)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);
    struct pair pair = {0};
    struct iovec parts[2] = {{"head ", 5}, {"body", 4}};
    char text[64];
    size_t n;

    pair_open(&pair, sni, "one.test", NULL);
    cr_assert_eq(shake(&pair), IO_DONE, "%s", tls_stream_failure(pair.server));
    cr_assert_str_eq(tls_stream_version(pair.server), "TLSv1.3");
    cr_assert_str_eq(tls_stream_server_name(pair.server), "one.test");
    cr_assert_eq(read_into(pair.server, text, sizeof text, &n), IO_AGAIN);
    cr_assert_not(tls_stream_wants_write(pair.server));
    cr_assert_eq(SSL_write(pair.client, "ping", 4), 4);
    cr_assert_eq(read_into(pair.server, text, 2, &n), IO_DONE);
    cr_assert_eq(n, 2);
    cr_assert(tls_stream_has_pending(pair.server));
    cr_assert_eq(read_into(pair.server, text, 64, &n), IO_DONE);
    cr_assert_not(tls_stream_has_pending(pair.server));
    cr_assert_eq(tls_stream_writev(pair.server, parts, 2, &n), IO_DONE);
    cr_assert_eq(n, 9);
    cr_assert_eq(SSL_read(pair.client, text, sizeof text), 9,
                 "head and body come in one record");
    SSL_shutdown(pair.client);
    cr_assert_eq(read_into(pair.server, text, 64, &n), IO_EOF);
    cr_assert_eq(tls_stream_shutdown(pair.server), IO_DONE);
    pair_close(&pair);
    SSL_CTX_free(pair.client_ctx);
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
}

Test(tls_stream, an_end_without_close_notify_is_a_failure)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);
    struct pair pair = {0};
    char text[8];
    size_t n;

    pair_open(&pair, sni, NULL, NULL);
    cr_assert_eq(shake(&pair), IO_DONE);
    shutdown(pair.fds[0], SHUT_WR);
    cr_assert_eq(read_into(pair.server, text, 8, &n), IO_FAILED);
    cr_assert_not_null(strstr(tls_stream_failure(pair.server), "closed"));
    pair_close(&pair);
    SSL_CTX_free(pair.client_ctx);
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
}

/* More bytes behind those that wait must not change how they are cut. */
Test(tls_stream, a_blocked_write_may_have_more_behind_it_when_tried_again)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);
    struct pair pair = {0};
    char head[300] = "head";
    char *body = xcalloc(1, 16384);
    char *seen = xcalloc(1, 65536);
    struct iovec parts[2] = {{head, sizeof head}, {body, 16000}};
    size_t n = 16300;
    size_t counted = 0;

    pair_open(&pair, sni, NULL, NULL);
    cr_assert_eq(shake(&pair), IO_DONE);
    while (n == 16300) {
        counted = 0;
        if (tls_stream_writev(pair.server, parts, 2, &n) != IO_DONE)
            break;
        counted = n;
    }
    parts[0].iov_base = body;
    parts[0].iov_len = 16384;
    parts[1].iov_len = 16384;
    while (counted < 16300) {
        enum io_result io = tls_stream_writev(pair.server, parts, 2, &n);

        cr_assert_neq(io, IO_FAILED, "%s", tls_stream_failure(pair.server));
        if (io == IO_DONE)
            counted += n;
        else
            cr_assert_gt(SSL_read(pair.client, seen, 65536), 0);
    }
    cr_assert_eq(counted, 16300);
    pair_close(&pair);
    SSL_CTX_free(pair.client_ctx);
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
    free(body);
    free(seen);
}

/* Many records by one call; what the socket took is counted, but never all
 * before all is out: the caller would not come again. */
Test(tls_stream, a_large_write_is_counted_as_it_goes_out)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);
    struct pair pair = {0};
    char *data = xcalloc(1, 60000);
    char *seen = xcalloc(1, 60000);
    struct iovec parts[4];
    size_t counted = 0;
    size_t got = 0;
    unsigned steps = 0;
    int small = 4096;

    for (size_t i = 0; i < 4; i++)
        parts[i] = (struct iovec){data + i * 15000, 15000};
    for (size_t i = 0; i < 60000; i++)
        data[i] = (char)(i * 7 + i / 251);
    pair_open(&pair, sni, NULL, NULL);
    cr_assert_eq(shake(&pair), IO_DONE);
    setsockopt(pair.fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    while (got < 60000) {
        struct iovec left = {data + counted, 60000 - counted};
        size_t n = 0;
        int r;

        if (counted < 60000 &&
            tls_stream_writev(pair.server, counted == 0 ? parts : &left,
                              counted == 0 ? 4 : 1, &n) == IO_DONE) {
            counted += n;
            steps++;
            continue;
        }
        r = SSL_read(pair.client, seen + got, (int)(60000 - got));
        cr_assert(r > 0 || counted < 60000, "all was counted, but is not out");
        got += r > 0 ? (size_t)r : 0;
    }
    cr_assert_eq(counted, 60000);
    cr_assert_gt(steps, 2);
    cr_assert_eq(memcmp(seen, data, 60000), 0);
    pair_close(&pair);
    SSL_CTX_free(pair.client_ctx);
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
    free(data);
    free(seen);
}

Test(tls_stream, a_blocked_write_goes_on_with_the_same_bytes_elsewhere)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);
    struct pair pair = {0};
    char *data = xcalloc(1, 1 << 20);
    char *copy = xcalloc(1, 1 << 20);
    char *seen = xcalloc(1, 1 << 20);
    size_t sent = 0;
    size_t got = 0;
    bool was_blocked = false;

    for (size_t i = 0; i < 1 << 20; i++)
        data[i] = (char)(i * 7 + i / 251);
    memcpy(copy, data, 1 << 20);
    pair_open(&pair, sni, NULL, NULL);
    cr_assert_eq(shake(&pair), IO_DONE);
    while (got < 1 << 20) {
        struct iovec part = {(was_blocked ? copy : data) + sent,
                             (1 << 20) - sent};
        size_t n = 0;
        int r;

        if (sent < 1 << 20) {
            enum io_result io = tls_stream_writev(pair.server, &part, 1, &n);

            cr_assert_neq(io, IO_FAILED, "%s", tls_stream_failure(pair.server));
            was_blocked = io == IO_AGAIN;
            if (was_blocked)
                cr_assert(tls_stream_wants_write(pair.server));
            sent += io == IO_DONE ? n : 0;
            if (io == IO_DONE)
                continue;
        }
        r = SSL_read(pair.client, seen + got, (int)((1 << 20) - got));
        cr_assert_gt(r, 0);
        got += (size_t)r;
    }
    cr_assert_eq(memcmp(seen, data, 1 << 20), 0);
    pair_close(&pair);
    SSL_CTX_free(pair.client_ctx);
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
    free(data);
    free(copy);
    free(seen);
}

Test(tls_stream, rsa_and_ecdsa_pairs_stand_side_by_side)
{
    struct test_cert certs[2] = {
        ec_cert("two.test"),
        test_cert_make(&(struct test_cert_options){
            .name = "two.test", .key = TEST_KEY_RSA, .valid_s = 999999})};
    struct tls_settings s = settings_of(certs, 2);
    struct tls_context *context = context_of(&s, NULL, "two");
    struct tls_sni *sni = tls_sni_new(context);
    const char *const algorithms[] = {"ECDSA+SHA256", "RSA-PSS+SHA256"};
    const int types[] = {EVP_PKEY_EC, EVP_PKEY_RSA};

    for (int i = 0; i < 2; i++) {
        struct pair pair = {.client_ctx = SSL_CTX_new(TLS_client_method())};

        SSL_CTX_set1_sigalgs_list(pair.client_ctx, algorithms[i]);
        pair_open(&pair, sni, NULL, NULL);
        cr_assert_eq(shake(&pair), IO_DONE, "%s", algorithms[i]);
        cr_assert_eq(EVP_PKEY_get_base_id(X509_get0_pubkey(
                         SSL_get0_peer_certificate(pair.client))),
                     types[i], "%s", algorithms[i]);
        pair_close(&pair);
        SSL_CTX_free(pair.client_ctx);
    }
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&certs[0]);
    test_cert_done(&certs[1]);
}

Test(tls_stream, sessions_resume_on_another_worker_but_not_at_another_server)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_tickets tickets[2];
    struct tls_context *first;
    struct tls_context *other_worker;
    struct tls_context *other_server;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    tls_tickets_init(&tickets[0], secret, 3600000, 0);
    tls_tickets_init(&tickets[1], secret, 3600000, 0);
    first = context_of(&s, &tickets[0], "one");
    other_worker = context_of(&s, &tickets[1], "one");
    other_server = context_of(&s, &tickets[1], "another");
    for (int i = 0; i < 2; i++) {
        struct tls_context *contexts[] = {first, other_worker, other_server};
        SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
        SSL_SESSION *session = NULL;

        SSL_CTX_set_max_proto_version(client_ctx, versions[i]);
        for (int c = 0; c < 3; c++) {
            struct tls_sni *sni = tls_sni_new(contexts[c]);
            struct pair pair = {.client_ctx = client_ctx};

            pair_open(&pair, sni, "one.test", session);
            cr_assert_eq(shake(&pair), IO_DONE);
            cr_assert_eq(tls_stream_is_resumed(pair.server), c == 1,
                         "version %x, context %d", (unsigned)versions[i], c);
            if (c == 0)
                session = session_of(&pair);
            pair_close(&pair);
            tls_sni_free(&sni);
        }
        SSL_SESSION_free(session);
        SSL_CTX_free(client_ctx);
    }
    tls_context_unref(&first);
    tls_context_unref(&other_worker);
    tls_context_unref(&other_server);
    tls_settings_done(&s);
    test_cert_done(&cert);
}

Test(tls_stream, old_protocols_and_other_applications_are_refused)
{
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);
    struct pair old = {.client_ctx = SSL_CTX_new(TLS_client_method())};
    struct pair h2 = {.client_ctx = SSL_CTX_new(TLS_client_method())};
    struct pair h1 = {.client_ctx = SSL_CTX_new(TLS_client_method())};

    SSL_CTX_set_security_level(old.client_ctx, 0);
    SSL_CTX_set_min_proto_version(old.client_ctx, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(old.client_ctx, TLS1_1_VERSION);
    pair_open(&old, sni, NULL, NULL);
    cr_assert_eq(shake(&old), IO_FAILED, "TLS 1.1");
    pair_close(&old);
    SSL_CTX_set_alpn_protos(h2.client_ctx, (const unsigned char *)"\x02h2", 3);
    pair_open(&h2, sni, NULL, NULL);
    cr_assert_eq(shake(&h2), IO_FAILED, "only h2 offered");
    pair_close(&h2);
    SSL_CTX_set_alpn_protos(h1.client_ctx,
                            (const unsigned char *)"\x02h2\x08http/1.1", 12);
    pair_open(&h1, sni, NULL, NULL);
    cr_assert_eq(shake(&h1), IO_DONE, "h2 and http/1.1 offered");
    pair_close(&h1);
    SSL_CTX_free(old.client_ctx);
    SSL_CTX_free(h2.client_ctx);
    SSL_CTX_free(h1.client_ctx);
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
}

Test(tls_stream, ciphers_are_ours_in_order_but_for_clients_without_aes)
{
    static const struct {
        const char *label;
        int version;
        const char *offered;
        const char *chosen;
    } cases[] = {
        {"1.3: the first of OpenSSL's list is AES-256", TLS1_3_VERSION,
         "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
         "TLS_AES_128_GCM_SHA256",
         "TLS_AES_128_GCM_SHA256"},
        {"1.3: ChaCha20 first", TLS1_3_VERSION,
         "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
         "TLS_CHACHA20_POLY1305_SHA256"},
        {"1.3: AES-256 only", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384",
         "TLS_AES_256_GCM_SHA384"},
        {"1.2: AES-256 first", TLS1_2_VERSION,
         "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"1.2: ChaCha20 first", TLS1_2_VERSION,
         "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-CHACHA20-POLY1305"},
    };
    struct test_cert cert = ec_cert("one.test");
    struct tls_settings s = settings_of(&cert, 1);
    struct tls_context *context = context_of(&s, NULL, "one");
    struct tls_sni *sni = tls_sni_new(context);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pair pair = {.client_ctx = SSL_CTX_new(TLS_client_method())};
        int is_known =
            cases[i].version == TLS1_3_VERSION
                ? SSL_CTX_set_ciphersuites(pair.client_ctx, cases[i].offered)
                : SSL_CTX_set_cipher_list(pair.client_ctx, cases[i].offered);

        cr_assert_eq(is_known, 1, "%s", cases[i].label);
        SSL_CTX_set_max_proto_version(pair.client_ctx, cases[i].version);
        pair_open(&pair, sni, NULL, NULL);
        cr_assert_eq(shake(&pair), IO_DONE, "%s", cases[i].label);
        cr_assert_str_eq(tls_stream_cipher(pair.server), cases[i].chosen, "%s",
                         cases[i].label);
        pair_close(&pair);
        SSL_CTX_free(pair.client_ctx);
    }
    tls_sni_free(&sni);
    tls_context_unref(&context);
    tls_settings_done(&s);
    test_cert_done(&cert);
}

static void use_client_cert(SSL_CTX *ctx, const struct test_cert *cert)
{
    BIO *cert_bio = BIO_new_mem_buf(cert->certificate_pem, -1);
    BIO *key_bio = BIO_new_mem_buf(cert->key_pem, -1);
    X509 *x = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

    cr_assert_eq(SSL_CTX_use_certificate(ctx, x), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
}

Test(tls_stream, client_certificates_are_verified_as_the_server_says)
{
    struct test_cert ca = ec_cert("ca.test");
    struct test_cert other_ca = ec_cert("other.test");
    struct test_cert good = test_cert_make(&(struct test_cert_options){
        .name = "alice", .key = TEST_KEY_EC, .issuer = &ca, .valid_s = 9999});
    struct test_cert bad =
        test_cert_make(&(struct test_cert_options){.name = "mallory",
                                                   .key = TEST_KEY_EC,
                                                   .issuer = &other_ca,
                                                   .valid_s = 9999});
    struct {
        const char *label;
        enum tls_verify verify;
        const struct test_cert *client;
        enum io_result expected;
        const char *subject;
    } cases[] = {
        {"on, none", TLS_VERIFY_ON, NULL, IO_FAILED, NULL},
        {"on, good", TLS_VERIFY_ON, &good, IO_DONE, "CN=alice"},
        {"on, of another CA", TLS_VERIFY_ON, &bad, IO_FAILED, NULL},
        {"optional, none", TLS_VERIFY_OPTIONAL, NULL, IO_DONE, NULL},
        {"optional, good", TLS_VERIFY_OPTIONAL, &good, IO_DONE, "CN=alice"},
        {"optional, of another CA", TLS_VERIFY_OPTIONAL, &bad, IO_FAILED, NULL},
        {"off, good", TLS_VERIFY_OFF, &good, IO_DONE, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_settings s = settings_of(&ca, 1);
        struct tls_context *context;
        struct tls_sni *sni;
        struct pair pair = {.client_ctx = SSL_CTX_new(TLS_client_method())};
        const char *subject;

        s.verify = cases[i].verify;
        s.client_ca_path = xstrdup("ca.pem");
        s.client_ca_pem = xstrdup(ca.certificate_pem);
        context = context_of(&s, NULL, "one");
        sni = tls_sni_new(context);
        if (cases[i].client)
            use_client_cert(pair.client_ctx, cases[i].client);
        pair_open(&pair, sni, NULL, NULL);
        cr_expect_eq(shake(&pair), cases[i].expected, "%s", cases[i].label);
        subject = tls_stream_client_subject(pair.server);
        if (cases[i].subject)
            cr_expect_str_eq(subject, cases[i].subject, "%s", cases[i].label);
        else
            cr_expect_null(subject, "%s", cases[i].label);
        pair_close(&pair);
        SSL_CTX_free(pair.client_ctx);
        tls_sni_free(&sni);
        tls_context_unref(&context);
        tls_settings_done(&s);
    }
    test_cert_done(&ca);
    test_cert_done(&other_ca);
    test_cert_done(&good);
    test_cert_done(&bad);
}

Test(tls_stream, the_name_asked_for_picks_the_server_with_its_own_protocols)
{
    struct test_cert certs[3] = {ec_cert("standard.test"),
                                 ec_cert("a.example.com"),
                                 ec_cert("x.wild.test")};
    struct tls_settings s[3];
    struct tls_context *contexts[3];
    struct tls_sni *sni;
    struct {
        const char *name;
        int expected;
    } cases[] = {{NULL, 0},
                 {"unknown.test", 0},
                 {"a.example.com", 1},
                 {"A.EXAMPLE.com", 1},
                 {"b.wild.test", 2},
                 {"deep.b.wild.test", 2},
                 {"wild.test", 0}};

    for (int i = 0; i < 3; i++) {
        s[i] = settings_of(&certs[i], 1);
        if (i == 1)
            s[i].max_version = TLS_VERSION_1_2;
        contexts[i] = context_of(&s[i], NULL, "x");
    }
    sni = tls_sni_new(contexts[0]);
    tls_sni_add(sni, SV("a.example.com"), contexts[1]);
    tls_sni_add(sni, SV("*.wild.test"), contexts[2]);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pair pair = {0};

        pair_open(&pair, sni, cases[i].name, NULL);
        cr_assert_eq(shake(&pair), IO_DONE, "%s", cases[i].name);
        cr_expect_eq(tls_stream_context(pair.server),
                     contexts[cases[i].expected], "%s", cases[i].name);
        cr_expect_str_eq(tls_stream_version(pair.server),
                         cases[i].expected == 1 ? "TLSv1.2" : "TLSv1.3");
        pair_close(&pair);
        SSL_CTX_free(pair.client_ctx);
    }
    tls_sni_free(&sni);
    for (int i = 0; i < 3; i++) {
        tls_context_unref(&contexts[i]);
        tls_settings_done(&s[i]);
        test_cert_done(&certs[i]);
    }
}

Test(tls_stream, a_broken_server_name_extension_is_no_name)
{
    struct {
        const char *label;
        const char *bytes;
        size_t len;
        bool ok;
    } cases[] = {
        {"one name",
         "\x00\x06\x00\x00\x03"
         "a.b",
         8, true},
        {"empty", "", 0, false},
        {"short", "\x00\x02\x00\x00", 4, false},
        {"no name in it", "\x00\x03\x00\x00\x00", 5, false},
        {"another type",
         "\x00\x06\x01\x00\x03"
         "a.b",
         8, false},
        {"NUL inside",
         "\x00\x06\x00\x00\x03"
         "a\x00"
         "b",
         8, false},
        {"list longer than the data",
         "\x00\x09\x00\x00\x03"
         "a.b",
         8, false},
        {"name longer than the list",
         "\x00\x06\x00\x00\x09"
         "a.b",
         8, false},
        {"something behind it",
         "\x00\x06\x00\x00\x02"
         "a.b",
         8, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strview name;

        cr_expect_eq(
            tls_stream_hello_name((const unsigned char *)cases[i].bytes,
                                  cases[i].len, &name),
            cases[i].ok, "%s", cases[i].label);
    }
}
