/* tls_stream_hello.h - choosing the server of a ClientHello, before the
 * protocol version is: for tls_context.c, which installs it. */
#ifndef TLS_TLS_STREAM_HELLO_H
#define TLS_TLS_STREAM_HELLO_H

#include <stdbool.h>
#include <stddef.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct ssl_ctx_st;

/* Set the callbacks that pick the server's context of the stream's tls_sni. */
void tls_stream_hello_install(struct ssl_ctx_st *ssl);

/* The host name in a server_name extension (RFC 6066, 3): exactly one name of
 * type host_name, 1 to 255 bytes, nothing behind it. Borrowed from data.
 * Thread: any. */
MUST_USE bool tls_stream_hello_name(const unsigned char *data, size_t len,
                                    struct strview *ret_name);

#endif
