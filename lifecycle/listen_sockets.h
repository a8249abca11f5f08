/* listen_sockets.h - the listening sockets, which the keeper opens and keeps
 * for as long as it runs: a front that is started anew finds them open, with
 * the connections that came meanwhile waiting in the kernel.
 *
 * Opened in two steps: listen_sockets_open() claims the TCP addresses, and so
 * finds a port in use before anything was started; listen_sockets_listen()
 * begins to take connections, which wait in the kernel until there is a front.
 * Thread: keeper main.
 */
#ifndef LIFECYCLE_LISTEN_SOCKETS_H
#define LIFECYCLE_LISTEN_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "router/base/address.h"
#include "router/base/attr.h"
#include "router/base/strbuf.h"

/* One address to listen on. */
struct listen_request {
    struct address address;
    const char *text;      /* as the configuration has it, for messages */
    uint32_t socket_count; /* TCP: one each worker (SO_REUSEPORT); Unix: 1 */
    uint32_t unix_mode;    /* of a Unix socket's file */
    bool is_admin;         /* sockets never change between the two kinds */
};

struct listen_sockets; /* opaque; defined in listen_sockets.c */

/* Copies nothing: requests must live as long as the result. NULL when any
 * address cannot be had; all reasons stand in *ret_errors, a line each. An
 * address that is in use is tried for a second: the front of a berth that was
 * killed may be about to let go of it. Sockets that this process was started
 * with (inherited_sockets.h) are taken where they match. */
MUST_USE struct listen_sockets *
listen_sockets_open(const struct listen_request *requests, unsigned count,
                    struct strbuf *ret_errors);

/* Make the Unix sockets (a stale file, behind which nobody listens, is
 * replaced), and listen on all. false: reasons in *ret_errors. */
MUST_USE bool listen_sockets_listen(struct listen_sockets *sockets,
                                    struct strbuf *ret_errors);

/* At a reload: sockets for the new requests. Those that `running` has are kept,
 * not opened; nothing happens to `running` before listen_sockets_take_over(),
 * and freeing the result first undoes all. An address in use fails at once. To
 * be followed by listen_sockets_listen(), too. NULL as above. */
MUST_USE struct listen_sockets *
listen_sockets_reopen(const struct listen_sockets *running,
                      const struct listen_request *requests, unsigned count,
                      struct strbuf *ret_errors);
/* Whether request `index` is none of those that were kept. */
bool listen_sockets_is_new(const struct listen_sockets *sockets,
                           unsigned index);
/* next has what it kept from *running, whose rest is closed: *running is NULL
 * afterwards. The files of Unix sockets get the modes that are asked for. */
void listen_sockets_take_over(struct listen_sockets *next,
                              struct listen_sockets **running);

unsigned listen_sockets_count(const struct listen_sockets *sockets);
/* The descriptors of one request, borrowed; ret_count of them. */
const int *listen_sockets_fds(const struct listen_sockets *sockets,
                              unsigned index, unsigned *ret_count);

/* Close all, and remove the files of Unix sockets that were made here.
 * NULL is skipped. */
void listen_sockets_free(struct listen_sockets **sockets);

#endif
