/* listener.h - a listening socket of one worker. Thread: owner loop. */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http_parser.h"
#include "router/base/list.h"

struct event;
struct listener_settings;
struct metrics_cell;
struct route_table;
struct server_settings;
struct tls_sni;
struct worker;

struct listener {
    struct worker *worker;
    struct list node; /* worker's */
    int fd;
    uint16_t port;       /* 0: Unix */
    bool has_setup;      /* a PROXY header or TLS comes before the requests */
    struct tls_sni *sni; /* NULL: no TLS; borrowed from the worker */
    struct event *event;
    const struct listener_settings *settings;
    const struct server_settings *server; /* the default one */
    const struct route_table *routes;
    struct http_limits limits; /* of request heads */
    struct metrics_cell *cell;
};

/* Takes fd; added to the worker's list, not yet accepting.
 * Thread: main, before the worker runs. */
void listener_add(struct worker *worker, uint32_t index, int fd);
/* Begin, or begin again, to accept. */
void listener_resume(struct listener *listener);
void listener_pause(struct listener *listener);
/* Clients keep a pointer to it: the socket is closed, the struct stays until
 * listener_free(). */
void listener_close(struct listener *listener);
/* No client may be left. */
void listener_free(struct listener *listener);

#endif
