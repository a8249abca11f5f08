/* client_setup.h - what comes before a connection's first request: the PROXY
 * header, the TLS handshake. Both within `handshake_timeout`.
 * Thread: owner loop.
 */
#ifndef PROXY_CLIENT_SETUP_H
#define PROXY_CLIENT_SETUP_H

struct client;

/* For a new connection of a listener that has either. */
void client_setup_begin(struct client *client);
/* Its socket is ready; it may be closed afterwards. */
void client_setup_run(struct client *client);
/* It took too long: count and log that; the caller closes it. */
void client_setup_timed_out(struct client *client);

#endif
