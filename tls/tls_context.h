/* tls_context.h - what one server's TLS connections need: certificates, keys,
 * protocol and cipher policy, client CA, ticket keys.
 *
 * One per server and worker, so that a handshake touches no other thread's
 * cache lines. Counted: a connection keeps the context that it was made with,
 * also over a reload. Thread: the worker that owns it.
 */
#ifndef TLS_TLS_CONTEXT_H
#define TLS_TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"
#include "router/base/strview.h"
#include "tls/settings.h"

struct tls_context; /* opaque; defined in tls_context.c */
struct tls_tickets;
struct ssl_ctx_st;
struct ssl_st;

/* Build from settings, loaded (borrowed for the call). tickets: the worker's,
 * borrowed for the context's life; NULL: no resumption. bind: what a session
 * belongs to (the server's names): a ticket of another server, or of this one
 * with another client CA, is not resumed (RFC 8446, 4.6.1).
 * NULL with ERR_INVALID, naming the file: no certificate in it, a key that
 * does not match, a cipher list that OpenSSL does not know. */
MUST_USE struct tls_context *
tls_context_new(const struct tls_settings *settings,
                struct tls_tickets *tickets, struct strview bind,
                struct err *err);
MUST_USE struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context **context); /* NULL is skipped */

/* Whose it is: a number of the caller's; 0 before. */
void tls_context_set_server(struct tls_context *context, uint32_t server);
uint32_t tls_context_server(const struct tls_context *context);

/* Servers that ask the same of clients may be reached over one connection;
 * otherwise a Host that leads to the other one is 421 (http.md). */
bool tls_context_same_clients(const struct tls_context *a,
                              const struct tls_context *b);

/* A connection that awaits its handshake, for code that drives OpenSSL by
 * itself (libevent): the caller takes it. It needs the context no longer, whose
 * tickets are NULL. */
MUST_USE struct ssl_st *tls_context_accept(const struct tls_context *context);

/* For tls_sni and tls_stream only. */
struct ssl_ctx_st *tls_context_ssl(const struct tls_context *context);

#endif
