/* proxy_protocol.h - the header by which a proxy before berth says who the
 * client is (HAProxy's PROXY protocol, versions 1 and 2).
 *
 * Strict: a header that is not wholly as the specification has it is refused.
 * Pure. Thread: any.
 */
#ifndef PROXY_PROXY_PROTOCOL_H
#define PROXY_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/client_peer.h"
#include "router/base/strview.h"

/* A longer one is refused. */
#define PROXY_HEADER_MAX_BYTES 4096

struct proxy_header {
    size_t bytes;    /* that it takes of the data */
    bool has_client; /* else (LOCAL, UNKNOWN) the socket's own ends count */
    struct client_peer client;
    uint16_t local_port; /* that the client connected to; 0: Unix */
};

enum proxy_result {
    PROXY_MORE, /* all of the data belongs to the header, and more is to come */
    PROXY_DONE,
    PROXY_REFUSED,
};

/* The header at the beginning of data. *ret_header is set on PROXY_DONE. */
enum proxy_result proxy_protocol_parse(struct strview data,
                                       struct proxy_header *ret_header);

#endif
