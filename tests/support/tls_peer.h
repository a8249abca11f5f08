/* tls_peer.h - a client of TLS for tests: OpenSSL's, on a blocking socket with
 * a time-out. What goes wrong fails the test. */
#ifndef TESTS_SUPPORT_TLS_PEER_H
#define TESTS_SUPPORT_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssl_session_st;
struct test_cert;
struct tls_peer;

struct tls_peer_options {
    const char *name;               /* SNI; NULL: none */
    int version;                    /* 0: any; TLS1_2_VERSION … */
    const struct test_cert *cert;   /* of the client; NULL: none */
    struct ssl_session_st *session; /* to resume; NULL: none */
    const char *first;              /* sent before the handshake, plain */
};

/* Connect and shake hands. */
struct tls_peer *tls_peer_new(uint16_t port,
                              const struct tls_peer_options *options);
/* The same where it may fail: NULL then. */
struct tls_peer *tls_peer_try(uint16_t port,
                              const struct tls_peer_options *options);
/* close_notify, then close. */
void tls_peer_end(struct tls_peer **peer);

void tls_peer_send(struct tls_peer *peer, const char *text);
void tls_peer_send_bytes(struct tls_peer *peer, const void *data, size_t len);
/* Up to an empty line; the caller frees it. */
char *tls_peer_read_head(struct tls_peer *peer);
/* Exactly this comes next. */
void tls_peer_expect(struct tls_peer *peer, const char *text);
void tls_peer_expect_bytes(struct tls_peer *peer, const void *data, size_t len);
/* close_notify comes next: not a mere end of the connection. */
void tls_peer_expect_close_notify(struct tls_peer *peer);

bool tls_peer_was_resumed(const struct tls_peer *peer);
const char *tls_peer_version(const struct tls_peer *peer);
/* The common name of the server's certificate; the caller frees it. */
char *tls_peer_server(const struct tls_peer *peer);
/* After something was read (a ticket with it); the caller frees it. */
struct ssl_session_st *tls_peer_session(const struct tls_peer *peer);
/* Ask for new keys on both sides, with the next bytes (TLS 1.3). */
void tls_peer_update_keys(struct tls_peer *peer);
int tls_peer_fd(const struct tls_peer *peer);

#endif
