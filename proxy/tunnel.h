/* tunnel.h - an upgraded connection: bytes, both ways, until both sides are
 * done.
 *
 * It holds no slot, but keeps its replica. Each direction has a bounded
 * buffer, and a side that half-closes is half-closed on the other side once
 * what it sent is through. Thread: owner loop.
 */
#ifndef PROXY_TUNNEL_H
#define PROXY_TUNNEL_H

#include <stdbool.h>

#include "router/base/attr.h"

struct exchange;

/* The app said 101, and its head is written for the client; early bytes of
 * both sides are in x->client->in and x->answer_in. false: there are too many
 * already, and nothing changed. */
MUST_USE bool tunnel_begin(struct exchange *x);
/* Leave the replica; before the exchange ends. */
void tunnel_end(struct exchange *x);

/* As if the client had said that nothing more comes: what it sent is passed
 * on, then the app is told; the app's bytes still come through. */
void tunnel_tell_end(struct exchange *x);

/* Move what can be moved. The exchange may be over afterwards. */
void tunnel_run(struct exchange *x);
void tunnel_on_client_readable(struct exchange *x);
void tunnel_on_upstream_readable(struct exchange *x);
/* Returns whether that ended the exchange. */
bool tunnel_on_client_end(struct exchange *x);
void tunnel_update_watch(struct exchange *x);

#endif
