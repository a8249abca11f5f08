/* tls_context.c - what one server's TLS connections need. */
#include "tls/tls_context.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "router/base/alloc.h"
#include "router/base/clock.h"
#include "router/base/digest.h"
#include "tls/tls_stream_hello.h"
#include "tls/tls_tickets.h"

/* Mozilla's "intermediate" (version 5.7), in its order, which counts: AES-128
 * is as far out of reach as AES-256 and costs less, SHA-256 less than SHA-384.
 * A client that would rather have ChaCha20 gets it (set_policy()). */
#define TLS13_SUITES                                                           \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                           \
    "TLS_CHACHA20_POLY1305_SHA256"
#define INTERMEDIATE_CIPHERS                                                   \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"               \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"               \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"               \
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"                     \
    "DHE-RSA-CHACHA20-POLY1305"
#define GROUPS        "X25519:P-256:P-384"
#define EXPIRY_WARN_S (14L * 24 * 3600)

struct tls_context {
    SSL_CTX *ssl;
    struct tls_tickets *tickets; /* NULL: no resumption */
    uint32_t server;
    unsigned char client_policy[DIGEST_BYTES];
    unsigned references;
};

static void free_x509(X509 **x)
{
    X509_free(*x);
}

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

/* OpenSSL's reason for the last failure; the queue is empty afterwards. */
static const char *ssl_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return text ? text : "unknown reason";
}

static uint64_t monotonic_ms(void)
{
    return clock_now_us() / 1000;
}

static EVP_CIPHER *fetched_ticket_cipher;

static void fetch_ticket_cipher(void)
{
    fetched_ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!fetched_ticket_cipher)
        abort();
}

/* Fetched once: EVP_aes_256_cbc() would be looked up for each ticket. Lives as
 * long as the process. */
static const EVP_CIPHER *ticket_cipher(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fetch_ticket_cipher);
    return fetched_ticket_cipher;
}

static int use_ticket_key(const struct tls_ticket_key *key,
                          const unsigned char *iv, EVP_CIPHER_CTX *cipher,
                          EVP_MAC_CTX *mac, int encrypt)
{
    /* The two parameters are read, never written. */
    OSSL_PARAM params[3];

    params[0] = OSSL_PARAM_construct_octet_string(
        OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->hmac, sizeof key->hmac);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char[]){"sha256"}, 0);
    params[2] = OSSL_PARAM_construct_end();
    if (EVP_MAC_CTX_set_params(mac, params) != 1)
        return -1;
    if (EVP_CipherInit_ex2(cipher, ticket_cipher(), key->aes, iv, encrypt,
                           NULL) != 1)
        return -1;
    return 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb: 1 go on, 0 a full handshake, 2 go on
 * and give a new ticket, -1 broken. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_ticket_key *key;
    bool renew = false;
    int ok;

    if (encrypt) {
        key = tls_tickets_current(context->tickets, monotonic_ms());
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) != 1)
            return -1;
        memcpy(name, key->name, sizeof key->name);
        return use_ticket_key(key, iv, cipher, mac, 1);
    }
    key = tls_tickets_find(context->tickets, name, monotonic_ms(), &renew);
    if (!key)
        return 0;
    ok = use_ticket_key(key, iv, cipher, mac, 0);
    /* Clients use a ticket of TLS 1.3 once (RFC 8446, C.4): each resumption
     * must bring the next one. */
    renew = renew || SSL_version(ssl) == TLS1_3_VERSION;
    return ok == 1 && renew ? 2 : ok;
}

/* A client that offers protocols, none of which is ours, must not guess
 * (RFC 7301, 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *selected;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&selected, out_len, ours, sizeof ours - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

/* No prompt: a key with a pass phrase is an error, not a hang. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static bool add_chain(SSL_CTX *ssl, BIO *bio, const char *path, struct err *err)
{
    for (;;) {
        AUTO(free_x509) X509 *issuer =
            PEM_read_bio_X509(bio, NULL, no_password, NULL);

        if (!issuer)
            break;
        if (SSL_CTX_add1_chain_cert(ssl, issuer) != 1)
            return err_set(err, ERR_INVALID, "%s: chain: %s", path,
                           ssl_reason());
    }
    /* The end of the file is the expected reason to stop. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return err_set(err, ERR_INVALID, "%s: chain: %s", path, ssl_reason());
    ERR_clear_error();
    return true;
}

static bool use_pair(SSL_CTX *ssl, const struct tls_pair *pair, struct err *err)
{
    AUTO(free_bio) BIO *cert_bio = BIO_new_mem_buf(pair->certificate_pem, -1);
    AUTO(free_bio) BIO *key_bio = BIO_new_mem_buf(pair->key_pem, -1);
    AUTO(free_x509) X509 *leaf = NULL;
    AUTO(free_pkey) EVP_PKEY *key = NULL;

    if (!cert_bio || !key_bio)
        abort();
    leaf = PEM_read_bio_X509(cert_bio, NULL, no_password, NULL);
    if (!leaf)
        return err_set(err, ERR_INVALID,
                       "%s: no certificate in PEM form is in it: %s",
                       pair->certificate_path, ssl_reason());
    key = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);
    if (!key)
        return err_set(err, ERR_INVALID,
                       "%s: no private key in PEM form without a pass phrase "
                       "is in it: %s",
                       pair->key_path, ssl_reason());
    if (X509_check_private_key(leaf, key) != 1) {
        ERR_clear_error();
        return err_set(err, ERR_INVALID, "%s is not the key of %s",
                       pair->key_path, pair->certificate_path);
    }
    if (SSL_CTX_use_certificate(ssl, leaf) != 1 ||
        SSL_CTX_use_PrivateKey(ssl, key) != 1)
        return err_set(err, ERR_INVALID, "%s: %s", pair->certificate_path,
                       ssl_reason());
    return add_chain(ssl, cert_bio, pair->certificate_path, err);
}

static bool use_client_ca(SSL_CTX *ssl, const struct tls_settings *settings,
                          struct err *err)
{
    AUTO(free_bio) BIO *bio = BIO_new_mem_buf(settings->client_ca_pem, -1);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    unsigned count = 0;

    if (!bio)
        abort();
    for (;; count++) {
        AUTO(free_x509) X509 *ca =
            PEM_read_bio_X509(bio, NULL, no_password, NULL);

        if (!ca)
            break;
        if (X509_STORE_add_cert(store, ca) != 1 ||
            SSL_CTX_add_client_CA(ssl, ca) != 1)
            return err_set(err, ERR_INVALID, "%s: %s", settings->client_ca_path,
                           ssl_reason());
    }
    ERR_clear_error();
    if (count == 0)
        return err_set(err, ERR_INVALID, "%s: no certificate is in it",
                       settings->client_ca_path);
    return true;
}

static bool set_policy(SSL_CTX *ssl, const struct tls_settings *settings,
                       struct err *err)
{
    int min = settings->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION
                                                       : TLS1_2_VERSION;
    int max = settings->max_version == TLS_VERSION_1_2 ? TLS1_2_VERSION
                                                       : TLS1_3_VERSION;
    const char *ciphers =
        settings->ciphers ? settings->ciphers : INTERMEDIATE_CIPHERS;

    /* Level 2: 112 bits, RSA keys of 2048 bits and more. */
    SSL_CTX_set_security_level(ssl, 2);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Our order, but ChaCha20 first where the client has it first: it has no
     * instructions for AES. */
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    /* read_ahead: a record's header and body by one read, not two. */
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_dh_auto(ssl, 1);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(ssl, min) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, max) != 1 ||
        SSL_CTX_set1_groups_list(ssl, GROUPS) != 1 ||
        SSL_CTX_set_ciphersuites(ssl, TLS13_SUITES) != 1)
        return err_set(err, ERR_INVALID, "tls_protocols: %s", ssl_reason());
    if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
        return err_set(err, ERR_INVALID,
                       "tls_ciphers: OpenSSL knows no cipher in \"%s\"",
                       ciphers);
    return true;
}

static void set_sessions(struct tls_context *context,
                         const struct tls_settings *settings,
                         struct strview bind)
{
    struct digest *digest = digest_new();
    unsigned char id[DIGEST_BYTES];
    uint64_t timeout_s = settings->session_timeout_ms / 1000;

    digest_add(digest, context->client_policy, DIGEST_BYTES);
    digest_add(digest, bind.ptr, bind.len);
    digest_finish(digest, id);
    digest_free(&digest);
    SSL_CTX_set_session_id_context(context->ssl, id, sizeof id);
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context->ssl, (long)timeout_s);
    if (!context->tickets || timeout_s == 0) {
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context->ssl, 0);
        return;
    }
    SSL_CTX_set_num_tickets(context->ssl, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, on_ticket);
}

static void set_client_policy(struct tls_context *context,
                              const struct tls_settings *settings)
{
    struct digest *digest = digest_new();
    const char *ca = settings->client_ca_pem ? settings->client_ca_pem : "";

    digest_add(digest, &settings->verify, sizeof settings->verify);
    if (settings->verify != TLS_VERIFY_OFF)
        digest_add(digest, ca, strlen(ca));
    digest_finish(digest, context->client_policy);
    digest_free(&digest);
    if (settings->verify == TLS_VERIFY_OPTIONAL)
        SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
    else if (settings->verify == TLS_VERIFY_ON)
        SSL_CTX_set_verify(context->ssl,
                           SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           NULL);
}

static bool set_up(struct tls_context *context,
                   const struct tls_settings *settings, struct strview bind,
                   struct err *err)
{
    SSL_CTX *ssl = context->ssl;

    SSL_CTX_set_app_data(ssl, context);
    tls_stream_hello_install(ssl);
    if (!set_policy(ssl, settings, err))
        return false;
    for (uint32_t i = 0; i < settings->pair_count; i++) {
        if (!use_pair(ssl, &settings->pairs[i], err))
            return false;
    }
    if (settings->verify != TLS_VERIFY_OFF) {
        if (!settings->client_ca_pem)
            return err_set(err, ERR_INVALID,
                           "tls_verify_client needs tls_client_ca");
        if (!use_client_ca(ssl, settings, err))
            return false;
    }
    set_client_policy(context, settings);
    set_sessions(context, settings, bind);
    return true;
}

struct tls_context *tls_context_new(const struct tls_settings *settings,
                                    struct tls_tickets *tickets,
                                    struct strview bind, struct err *err)
{
    struct tls_context *context = xcalloc(1, sizeof *context);

    assert(settings->pair_count > 0);
    context->references = 1;
    context->tickets = tickets;
    context->ssl = SSL_CTX_new(TLS_server_method());
    if (!context->ssl)
        abort();
    if (!set_up(context, settings, bind, err))
        tls_context_unref(&context);
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->references++;
    return context;
}

void tls_context_unref(struct tls_context **context_ptr)
{
    struct tls_context *context = *context_ptr;

    *context_ptr = NULL;
    if (!context || --context->references > 0)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

static bool warn_of_expiry(const struct tls_pair *pair, struct err *warning)
{
    AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pair->certificate_pem, -1);
    AUTO(free_x509) X509 *leaf =
        bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    time_t soon = time(NULL) + EXPIRY_WARN_S;

    if (!leaf)
        return false;
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return err_set(warning, ERR_INVALID, "%s has expired",
                       pair->certificate_path);
    if (X509_cmp_time(X509_get0_notAfter(leaf), &soon) < 0)
        return err_set(warning, ERR_INVALID, "%s expires within two weeks",
                       pair->certificate_path);
    return true;
}

bool tls_settings_check(const struct tls_settings *settings,
                        struct err *ret_warning, struct err *err)
{
    struct tls_context *context =
        tls_context_new(settings, NULL, SV("check"), err);

    *ret_warning = (struct err){0};
    if (!context)
        return false;
    tls_context_unref(&context);
    for (uint32_t i = 0; i < settings->pair_count; i++) {
        if (!warn_of_expiry(&settings->pairs[i], ret_warning))
            break;
    }
    return true;
}

void tls_context_set_server(struct tls_context *context, uint32_t server)
{
    context->server = server;
}

uint32_t tls_context_server(const struct tls_context *context)
{
    return context->server;
}

bool tls_context_same_clients(const struct tls_context *a,
                              const struct tls_context *b)
{
    return a == b || memcmp(a->client_policy, b->client_policy,
                            sizeof a->client_policy) == 0;
}

struct ssl_st *tls_context_accept(const struct tls_context *context)
{
    SSL *ssl = SSL_new(context->ssl);

    assert(!context->tickets);
    if (!ssl)
        abort();
    /* Who drives it asks SSL_pending(), which does not know of bytes that were
     * read ahead. */
    SSL_set_read_ahead(ssl, 0);
    SSL_set_accept_state(ssl);
    return ssl;
}

struct ssl_ctx_st *tls_context_ssl(const struct tls_context *context)
{
    return context->ssl;
}
