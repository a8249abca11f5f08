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
struct worker_generation;
struct worker_switch;

/* What a client's connection is at: label "state" of berth_connections. */
enum listener_clients {
    LISTENER_NONE, /* not counted */
    LISTENER_SETUP,
    LISTENER_IDLE,
    LISTENER_ACTIVE,
    LISTENER_CLIENTS_COUNT
};

struct listener {
    struct worker *worker;
    struct list node;      /* worker's */
    int fd;                /* -1: closed */
    unsigned client_count; /* that came by it, and are there */
    uint16_t port;         /* 0: Unix */
    bool has_setup;        /* a PROXY header or TLS comes before the requests */
    bool is_gone;          /* the configuration has it no more */
    struct event *event;
    struct metrics_cell *cell;
    unsigned clients[LISTENER_CLIENTS_COUNT];
    /* What it serves by: what the worker has; is_gone: what it had then,
     * held. The rest is borrowed from it. */
    struct worker_generation *generation;
    uint32_t index;
    const struct listener_settings *settings;
    const struct server_settings *server; /* the default one */
    const struct route_table *routes;
    struct tls_sni *sni; /* NULL: no TLS */
    /* Of request heads: the largest of its servers'. Which of them it is for
     * is known when the head is read; its own limits are looked at then. */
    struct http_limits limits;
};

/* Takes fd; added to the worker's list, not yet accepting. index: of the
 * worker's generation. */
void listener_add(struct worker *worker, uint32_t index, int fd);
/* The worker has another generation. Where the listener is still in it, it
 * goes on by it, with its socket and clients. One that is gone takes what
 * already waits to be accepted, and serves each of its clients as before, until
 * the answer to the request that it is at. */
void listener_switch(struct listener *listener,
                     const struct worker_switch *order);
/* One of its clients is at something else now. Cost: two counters of this
 * thread's. */
void listener_move_client(struct listener *listener, enum listener_clients from,
                          enum listener_clients to);
/* A client of it ended. One that is gone goes with its last. */
void listener_client_ended(struct listener *listener);

/* Begin, or begin again, to accept. */
void listener_resume(struct listener *listener);
void listener_pause(struct listener *listener);
/* Clients keep a pointer to it: the socket is closed, the struct stays until
 * listener_free(). */
void listener_close(struct listener *listener);
/* No client may be left. */
void listener_free(struct listener *listener);

/* What a server's directives allow a request's head to be. */
struct http_limits listener_server_limits(const struct server_settings *server);

#endif
