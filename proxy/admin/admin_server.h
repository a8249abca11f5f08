/* admin_server.h - the admin API over HTTP: listening sockets, access,
 * bounds, and the calls under way.
 *
 * libevent's evhttp on main's loop. Heads are bounded by 16 KB, bodies by
 * 64 KB, silence by 10 s, and connections by ADMIN_CONNECTIONS_MAX over Unix
 * sockets, and as many over TCP: beyond it the oldest that asks for nothing is
 * closed. With TLS where the listener has it. Thread: main.
 *
 * All answers are JSON (but for the dashboard, metrics, logs and events), with
 * one exception, which libevent before 2.2 (evhttp_set_errorcb()) gives no way
 * to change: what evhttp refuses before it is a request (a head beyond 64 KB, a
 * body beyond 1 MB, what is no HTTP) has an HTML page of a few hundred bytes
 * with status 400 or 413, and the connection is closed.
 */
#ifndef PROXY_ADMIN_ADMIN_SERVER_H
#define PROXY_ADMIN_ADMIN_SERVER_H

#include <stdint.h>

#include "router/base/attr.h"

struct admin_host;
struct tls_settings;
struct admin_server; /* opaque */

#define ADMIN_CONNECTIONS_MAX 64

/* Copies *host; what it points to must outlive the server. */
MUST_USE struct admin_server *admin_server_new(const struct admin_host *host);
/* Calls under way end without an answer. NULL is skipped. */
void admin_server_free(struct admin_server **server);

/* Takes fd, a listening socket of settings->listeners[listener]. */
void admin_server_listen(struct admin_server *server, uint32_t listener,
                         int fd);

/* The front has other settings now. kept: where each of the listeners until now
 * stands in them; UINT32_MAX: it is gone: it is closed, and what it has
 * accepted ends with the next reload. */
void admin_server_reload(struct admin_server *server, const uint32_t *kept);

/* New certificates for connections from now on; those that cannot be used are
 * logged, and the old ones stay. Borrowed for the call. */
void admin_server_update_tls(struct admin_server *server,
                             const struct tls_settings *settings);

#endif
