/* worker_tls.h - one worker's certificates, keys and session tickets.
 *
 * Each worker has contexts of its own, so that a handshake touches nobody
 * else's cache lines. Thread: owner loop, but for worker_tls_new().
 */
#ifndef PROXY_WORKER_TLS_H
#define PROXY_WORKER_TLS_H

#include <stdint.h>

#include "router/base/attr.h"
#include "router/base/err.h"

struct proxy_settings;
struct tls_context;
struct tls_settings;
struct tls_sni;
struct worker_tls; /* opaque; defined in worker_tls.c */

/* Borrows settings, whose certificates were checked (tls_settings_check()).
 * Thread: main, before the worker runs. */
MUST_USE struct worker_tls *
worker_tls_new(const struct proxy_settings *settings);
void worker_tls_free(struct worker_tls **tls); /* NULL is skipped */

/* Of settings->listeners[listener], which has TLS. Borrowed; it lives as long
 * as the worker. */
struct tls_sni *worker_tls_sni(const struct worker_tls *tls, uint32_t listener);
/* Of settings->servers[server]; NULL: it has no TLS. Borrowed until the next
 * update of that server. */
const struct tls_context *worker_tls_context(const struct worker_tls *tls,
                                             uint32_t server);

/* New certificates for handshakes from now on. On failure (ERR_INVALID) the
 * old ones stay. settings: borrowed for the call. */
MUST_USE bool worker_tls_update(struct worker_tls *tls, uint32_t server,
                                const struct tls_settings *settings,
                                struct err *err);

#endif
