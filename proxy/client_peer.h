/* client_peer.h - who is at the other end of a client's connection. A value. */
#ifndef PROXY_CLIENT_PEER_H
#define PROXY_CLIENT_PEER_H

#include <netinet/in.h>
#include <sys/socket.h>

/* Of whom a socket speaks: smaller than struct address, whose Unix path is
 * of no use here. */
struct client_peer {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

#endif
