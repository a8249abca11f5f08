/* tls_tickets.h - session ticket keys, the same on every worker without
 * sharing memory.
 *
 * All workers start from one random secret and ratchet it forward by the
 * clock: secret n+1 is a hash of secret n, which is then forgotten, so that
 * memory that leaks later opens no session older than two rotations. A ticket
 * is good under the current and the previous key (RFC 5077, 4; RFC 8446,
 * 4.6.1). Thread: the worker that owns it.
 */
#ifndef TLS_TLS_TICKETS_H
#define TLS_TLS_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/attr.h"
#include "tls/settings.h"

#define TLS_TICKET_NAME_BYTES 16

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME_BYTES];
    unsigned char aes[32];
    unsigned char hmac[32];
};

struct tls_tickets {
    unsigned char secret[TLS_TICKET_SECRET_BYTES];
    uint64_t epoch; /* of `current` */
    uint64_t rotation_ms;
    bool has_previous;
    struct tls_ticket_key current;
    struct tls_ticket_key previous;
};

/* What the workers start from: random bytes. Fails only when the system has
 * no randomness. */
MUST_USE bool tls_tickets_secret(unsigned char *ret_secret);

/* secret belongs to the rotation in which now_ms lies: all workers must be
 * given the same two. now_ms: any clock that they share. rotation_ms: > 0. */
void tls_tickets_init(struct tls_tickets *tickets, const unsigned char *secret,
                      uint64_t rotation_ms, uint64_t now_ms);
void tls_tickets_done(struct tls_tickets *tickets); /* cleanses */

/* The key for new tickets. Cost: O(rotations since the last call). */
const struct tls_ticket_key *tls_tickets_current(struct tls_tickets *tickets,
                                                 uint64_t now_ms);
/* The key of that name, or NULL; *ret_renew: a new ticket is due. */
const struct tls_ticket_key *tls_tickets_find(struct tls_tickets *tickets,
                                              const unsigned char *name,
                                              uint64_t now_ms, bool *ret_renew);

#endif
