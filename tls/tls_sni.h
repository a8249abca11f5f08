/* tls_sni.h - which server a TLS connection is for, by the name it asks for
 * (RFC 6066, 3): exact, then the longest wildcard, then the listener's default.
 *
 * One per listener and worker.
 * Thread: the worker that owns it.
 */
#ifndef TLS_TLS_SNI_H
#define TLS_TLS_SNI_H

#include <stdbool.h>

#include "router/base/attr.h"
#include "router/base/strview.h"

struct tls_context;
struct tls_sni; /* opaque; defined in tls_sni.c */

/* Holds a reference to its contexts. standard: for clients that name no
 * server, or one that is not here. */
MUST_USE struct tls_sni *tls_sni_new(struct tls_context *standard);
void tls_sni_free(struct tls_sni **sni); /* NULL is skipped */

/* name: lower case, exact or "*.example.com". The first one for a name stays.
 */
void tls_sni_add(struct tls_sni *sni, struct strview name,
                 struct tls_context *context);

/* From now on `to` wherever `from` was; handshakes under way that have chosen
 * keep what they chose. */
void tls_sni_replace(struct tls_sni *sni, const struct tls_context *from,
                     struct tls_context *to);

/* name: any case; empty: the default. Borrowed. A trailing dot is ignored.
 * Cost: O(labels). */
struct tls_context *tls_sni_find(const struct tls_sni *sni,
                                 struct strview name);

#endif
