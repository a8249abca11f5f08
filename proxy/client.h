/* client.h - a connection that requests come on.
 *
 * It lives through many exchanges, one at a time, and holds a buffer only
 * while there are bytes in it. Thread: owner loop.
 */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/client_peer.h"
#include "proxy/stream.h"
#include "router/base/list.h"
#include "router/base/loop.h"
#include "router/base/strview.h"
#include "router/base/timers.h"

struct exchange;
struct io_buffer;
struct listener;
struct server_settings;
struct worker;
struct worker_generation;

/* What wakes a client up. */
enum client_watch {
    CLIENT_WATCH_NOTHING,
    CLIENT_WATCH_READ,  /* bytes, or its end */
    CLIENT_WATCH_CLOSE, /* its end or a reset: no bytes are taken now */
};

/* How far a connection is. */
enum client_phase {
    CLIENT_PROXY_HEADER, /* awaits it */
    CLIENT_HANDSHAKE,    /* TLS */
    CLIENT_OPEN,         /* for requests */
};

struct client {
    struct list node; /* worker's idle or busy list */
    struct worker *worker;
    struct listener *listener;
    struct exchange *exchange; /* NULL: idle */
    struct io_buffer *in;      /* what was read and belongs to no one yet */
    struct event event;
    struct timer timer; /* keep-alive, linger */
    struct loop_task next_task;
    struct stream stream;
    struct worker_generation *setup; /* held in CLIENT_HANDSHAKE */
    uint32_t request_count;
    uint32_t keepalive_ms; /* of the server that it was last served by */
    uint32_t number;       /* of the worker's connections */
    uint16_t local_port;   /* that it connected to; 0: Unix */
    uint8_t phase;         /* enum client_phase */
    uint8_t watch;         /* enum client_watch */
    uint8_t counted_as;    /* enum listener_clients */
    bool is_writing;       /* waits until it takes bytes again */
    bool read_wants_write; /* TLS must write before it can read on */
    bool saw_end;          /* it half-closed (or more) */
    bool is_closed;
    bool is_lingering;
    struct client_peer peer;
    char host[INET6_ADDRSTRLEN]; /* of the peer; "unix:" */
};

/* Takes fd: non-blocking, TCP_NODELAY set. */
void client_new(struct listener *listener, int fd,
                const struct client_peer *peer);
/* Requests may come now. */
void client_open(struct client *client);
/* By the name that the TLS handshake asked for, else the listener's; of the
 * configuration that the listener has now. */
const struct server_settings *client_server(const struct client *client);
/* It may be asked for no more than it is at: its listener is gone, or its
 * server wants other certificates of clients than when it connected. */
bool client_is_stale(const struct client *client);
/* It is kept for another request, as far as the worker is concerned. */
bool client_may_stay(const struct client *client);
/* After peer was set: the text of it. */
void client_format_host(struct client *client);
/* Close it now; no exchange may be under way. */
void client_close(struct client *client);
/* Close it now, whatever goes on. */
void client_abort(struct client *client);

enum client_end {
    CLIENT_KEEP,   /* wait for the next request, or go on with the one that
                      was read already */
    CLIENT_LINGER, /* the peer may still be sending: read it off for a while,
                      so that a reset does not take the answer away */
    CLIENT_CLOSE,
    CLIENT_RESET, /* so that the peer sees that it is not whole */
};
/* The exchange is over, and no longer the client's. */
void client_end_exchange(struct client *client, enum client_end end);

void client_set_watch(struct client *client, enum client_watch watch);
/* Have exchange_on_client_writable() called when it takes bytes again. */
void client_await_write(struct client *client, bool wanted);
/* Bytes for a later request, kept in client->in, which is NULL. Copies. */
void client_keep_bytes(struct client *client, struct strview bytes);

#endif
