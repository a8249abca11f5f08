/* client_address.h - who a client is: who connected, or, where that is a
 * trusted proxy, whom it speaks for. Thread: any.
 */
#ifndef PROXY_CLIENT_ADDRESS_H
#define PROXY_CLIENT_ADDRESS_H

#include <stdbool.h>

#include "router/base/address.h"
#include "router/base/attr.h"

struct client_peer;
struct http_head;
struct server_settings;

/* Without its port, where that is of no use (a Unix peer has none). */
struct address client_address_of(const struct client_peer *peer);

bool client_address_is_trusted(const struct address *address,
                               const struct server_settings *server);

/* Replace *address by the client that the trusted proxies name: of
 * X-Forwarded-For, or where that is not there of Forwarded, from its end, the
 * first that is none of them. Where what follows cannot be read, the last that
 * could be. Returns whether it changed. */
MUST_USE bool client_address_resolve(struct address *address,
                                     const struct http_head *head,
                                     const struct server_settings *server);

/* Whether a trusted proxy says that the client came to it by https: in
 * X-Forwarded-Proto, or where that is not there in Forwarded. */
bool client_address_came_by_https(const struct address *peer,
                                  const struct http_head *head,
                                  const struct server_settings *server);

#endif
