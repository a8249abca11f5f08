/* tls_socket.h - the encrypted side of a TLS connection: what OpenSSL reads
 * from and writes to (a BIO), on a non-blocking socket.
 *
 * Records that are written together leave by one send(): each send() is a trip
 * through the network's stack and a wake-up of the peer, which cost more than
 * the copy here. What the socket does not take of them is kept. Thread: owner
 * loop.
 */
#ifndef TLS_TLS_SOCKET_H
#define TLS_TLS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/attr.h"
#include "router/base/io.h"

struct bio_st;
struct tls_rest;

struct tls_socket {
    int fd;                /* borrowed */
    struct tls_rest *rest; /* goes out before all else; NULL: none */
    bool takes_all;        /* between tls_socket_begin() and _end() */
    bool more_follows;     /* before that ends: gather */
    bool saw_end;          /* of what the peer sends */
};

void tls_socket_init(struct tls_socket *socket, int fd);
void tls_socket_done(struct tls_socket *socket);
/* Reads and writes the socket, which must outlive it. Never NULL. */
MUST_USE struct bio_st *tls_socket_bio(struct tls_socket *socket);

/* From here on the BIO takes all that is written, as long as the socket works;
 * there must be no rest. Only one socket of a thread at a time. */
void tls_socket_begin(struct tls_socket *socket);
/* Whether `bytes` more will leave together with what was gathered. */
bool tls_socket_has_room(const struct tls_socket *socket, size_t bytes);
/* Send what is gathered. A failure is seen by whoever writes next. */
void tls_socket_end(struct tls_socket *socket);

/* Send of the rest what goes. IO_DONE: there is none; IO_FAILED: see errno. */
enum io_result tls_socket_flush(struct tls_socket *socket);
/* How much of it there is, in bytes. */
size_t tls_socket_rest(const struct tls_socket *socket);

#endif
