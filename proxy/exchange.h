/* exchange.h - one request and its answer, from its first byte on.
 *
 * What its client, its upstream connection and its worker tell it. After any
 * of these calls the exchange may be over. Thread: owner loop.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>

struct client;
struct exchange;
struct replica_ref;
struct upstream;
struct worker;

/* client->in holds the first bytes of a request. Sets client->exchange. */
void exchange_start(struct client *client);
/* End it now, and its client: somebody else wants it to. */
void exchange_abort(struct exchange *exchange);
/* Where it is a tunnel to the replica (NULL: to any): tell the app that
 * nothing more comes, so that it says its last and ends it. */
void exchange_end_tunnel(struct exchange *exchange,
                         const struct replica_ref *replica);

void exchange_on_client_readable(struct exchange *exchange);
void exchange_on_client_writable(struct exchange *exchange);
/* It closed or half-closed, while no bytes were taken from it. Returns
 * whether that ended the exchange. */
bool exchange_on_client_end(struct exchange *exchange);

void exchange_on_upstream_readable(struct exchange *exchange);
void exchange_on_upstream_writable(struct exchange *exchange);
/* upstream: handed over by another worker; NULL: it was closed meanwhile. */
void exchange_on_handover(struct exchange *exchange, struct upstream *upstream);

/* Free the objects that are kept for reuse. */
void exchange_free_unused(struct worker *worker);

#endif
