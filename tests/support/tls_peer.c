/* tls_peer.c - a client of TLS for tests. */
#include "tests/support/tls_peer.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "router/base/alloc.h"
#include "router/base/strbuf.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_certs.h"

struct tls_peer {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static void use_cert(SSL_CTX *ctx, const struct test_cert *cert)
{
    BIO *bio = BIO_new_mem_buf(cert->certificate_pem, -1);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key;

    BIO_free(bio);
    bio = BIO_new_mem_buf(cert->key_pem, -1);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    cr_assert_eq(SSL_CTX_use_certificate(ctx, x509), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static void peer_free(struct tls_peer **peer)
{
    SSL_free((*peer)->ssl);
    SSL_CTX_free((*peer)->ctx);
    close((*peer)->fd);
    free(*peer);
    *peer = NULL;
    ERR_clear_error();
}

struct tls_peer *tls_peer_try(uint16_t port,
                              const struct tls_peer_options *options)
{
    static const struct timeval patience = {RAW_TIMEOUT_MS / 1000, 0};
    struct tls_peer *peer = xcalloc(1, sizeof *peer);

    signal(SIGPIPE, SIG_IGN);
    peer->fd = raw_connect(port);
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (options->first)
        raw_send(peer->fd, options->first);
    peer->ctx = SSL_CTX_new(TLS_client_method());
    if (options->version) {
        SSL_CTX_set_min_proto_version(peer->ctx, options->version);
        SSL_CTX_set_max_proto_version(peer->ctx, options->version);
        /* Else OpenSSL would not even offer what is older than 1.2. */
        SSL_CTX_set_security_level(peer->ctx, 0);
    }
    if (options->cert)
        use_cert(peer->ctx, options->cert);
    peer->ssl = SSL_new(peer->ctx);
    SSL_set_fd(peer->ssl, peer->fd);
    if (options->name)
        SSL_set_tlsext_host_name(peer->ssl, options->name);
    if (options->session)
        SSL_set_session(peer->ssl, options->session);
    if (SSL_connect(peer->ssl) != 1)
        peer_free(&peer);
    return peer;
}

struct tls_peer *tls_peer_new(uint16_t port,
                              const struct tls_peer_options *options)
{
    struct tls_peer *peer = tls_peer_try(port, options);

    cr_assert_not_null(peer, "no TLS connection");
    return peer;
}

void tls_peer_end(struct tls_peer **peer)
{
    SSL_shutdown((*peer)->ssl);
    peer_free(peer);
}

void tls_peer_send_bytes(struct tls_peer *peer, const void *data, size_t len)
{
    size_t sent;

    cr_assert_eq(SSL_write_ex(peer->ssl, data, len, &sent), 1);
    cr_assert_eq(sent, len);
}

void tls_peer_send(struct tls_peer *peer, const char *text)
{
    tls_peer_send_bytes(peer, text, strlen(text));
}

char *tls_peer_read_head(struct tls_peer *peer)
{
    struct strbuf head = STRBUF_INIT;

    while (head.len < 4 || memcmp(head.data + head.len - 4, "\r\n\r\n", 4)) {
        char c;

        cr_assert_eq(SSL_read(peer->ssl, &c, 1), 1, "no whole head: \"%s\"",
                     head.data ? head.data : "");
        strbuf_add_char(&head, c);
    }
    return head.data;
}

void tls_peer_expect_bytes(struct tls_peer *peer, const void *data, size_t len)
{
    AUTO(auto_free) char *got = xcalloc(1, len + 1);
    size_t count = 0;

    while (count < len) {
        size_t n;

        cr_assert_eq(SSL_read_ex(peer->ssl, got + count, len - count, &n), 1,
                     "ended after %zu of %zu bytes", count, len);
        count += n;
    }
    cr_assert(memcmp(got, data, len) == 0, "other bytes than expected");
}

void tls_peer_expect(struct tls_peer *peer, const char *text)
{
    tls_peer_expect_bytes(peer, text, strlen(text));
}

void tls_peer_expect_close_notify(struct tls_peer *peer)
{
    char c;
    int n = SSL_read(peer->ssl, &c, 1);

    cr_assert_leq(n, 0, "another byte came");
    cr_assert_eq(SSL_get_error(peer->ssl, n), SSL_ERROR_ZERO_RETURN,
                 "it ended without close_notify");
}

bool tls_peer_was_resumed(const struct tls_peer *peer)
{
    return SSL_session_reused(peer->ssl) == 1;
}

const char *tls_peer_version(const struct tls_peer *peer)
{
    return SSL_get_version(peer->ssl);
}

char *tls_peer_server(const struct tls_peer *peer)
{
    X509 *cert = SSL_get0_peer_certificate(peer->ssl);
    char *name = xcalloc(1, 256);

    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                              256);
    return name;
}

struct ssl_session_st *tls_peer_session(const struct tls_peer *peer)
{
    return SSL_get1_session(peer->ssl);
}

void tls_peer_update_keys(struct tls_peer *peer)
{
    cr_assert_eq(SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
}

int tls_peer_fd(const struct tls_peer *peer)
{
    return peer->fd;
}
