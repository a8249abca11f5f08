/* tls_stream.h - one TLS connection of a client, on a non-blocking socket.
 *
 * The caller owns the socket and its events. After IO_AGAIN
 * tls_stream_wants_write() says which readiness to wait for: a read may want
 * to write and the other way round (post-handshake messages).
 * Thread: owner loop.
 */
#ifndef TLS_TLS_STREAM_H
#define TLS_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "router/base/attr.h"
#include "router/base/io.h"

struct tls_context;
struct tls_sni;
struct tls_stream; /* opaque; defined in tls_stream.c */

/* Serve on fd (borrowed, connected). Borrows sni, which must outlive it. */
MUST_USE struct tls_stream *tls_stream_new(const struct tls_sni *sni, int fd);
/* Sends no close_notify (tls_stream_shutdown() does). NULL is skipped. */
void tls_stream_free(struct tls_stream **stream);

/* Go on with the handshake: IO_DONE when it is complete; IO_EOF: the client
 * left without a word; IO_FAILED: tls_stream_failure() says why. At most one
 * handshake step's work. */
enum io_result tls_stream_handshake(struct tls_stream *stream);

/* Plain text into the parts, in order, as much as is there; *ret_count is set
 * on IO_DONE. IO_EOF: the client said close_notify; an end without it is
 * IO_FAILED (truncation). */
enum io_result tls_stream_readv(struct tls_stream *stream,
                                const struct iovec *parts, int count,
                                size_t *ret_count);
/* A read would give something, though no readiness will tell of it. */
bool tls_stream_has_pending(const struct tls_stream *stream);
/* The last read gave IO_AGAIN because it must write first. */
bool tls_stream_read_wants_write(const struct tls_stream *stream);

/* What fits into one send() at most per call: about 64 KB, in records of up to
 * 16 KB; parts are gathered so that a small head and body leave in one record.
 * Bytes that were offered and not counted are encrypted, perhaps: they must be
 * offered again first (they may have moved, and more may follow), and go out
 * whatever is offered. Never all are counted before all are on their way. */
enum io_result tls_stream_writev(struct tls_stream *stream,
                                 const struct iovec *parts, int count,
                                 size_t *ret_count);

/* close_notify out; IO_DONE when it is written. Nothing happens before the
 * handshake is complete and after a failure. */
enum io_result tls_stream_shutdown(struct tls_stream *stream);

/* After IO_AGAIN of any of them. */
bool tls_stream_wants_write(const struct tls_stream *stream);

/* Facts, after the handshake. */
struct tls_context *tls_stream_context(const struct tls_stream *stream);
bool tls_stream_is_tls13(const struct tls_stream *stream);
const char *tls_stream_version(const struct tls_stream *stream); /* TLSv1.3 */
const char *tls_stream_cipher(const struct tls_stream *stream);
bool tls_stream_is_resumed(const struct tls_stream *stream);
/* The server name the client asked for, "" for none. */
const char *tls_stream_server_name(const struct tls_stream *stream);
/* Subject (RFC 2253, visible ASCII) of a verified client certificate; NULL:
 * none. Borrowed. Cost: of the first call, a formatting. */
const char *tls_stream_client_subject(struct tls_stream *stream);
/* Why it failed, for the log; never NULL. */
const char *tls_stream_failure(const struct tls_stream *stream);

#endif
